//! CloudEvents 1.0 in JSON: how an event looks outside.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kernel::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Event;

/// An event in the JSON format of CloudEvents 1.0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CloudEvent {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique within `source`.
    pub id: String,
    /// URI reference of who tells it.
    pub source: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it was true, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Media type of `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// URI of the schema `data` follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataschema: Option<String>,
    /// The facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// The facts when they are bytes, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
    /// Extension attributes.
    #[serde(flatten)]
    pub extensions: BTreeMap<String, Value>,
}

/// Why something is no CloudEvent.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Not the JSON of one, or a required attribute is missing.
    #[error("this is not the JSON of a CloudEvent")]
    Malformed(#[from] serde_json::Error),
    /// Another version of the specification.
    #[error("specversion {0:?} is not 1.0")]
    Version(String),
    /// A required attribute is empty, or an optional one is there and empty.
    #[error("attribute {0} is empty")]
    Empty(&'static str),
    /// Extension names are 1 to 20 lower-case letters and digits.
    #[error("extension name {0:?} is not 1 to 20 lower-case letters and digits")]
    ExtensionName(String),
    /// Extension values are booleans, 32-bit integers or strings.
    #[error("extension {0:?} is no boolean, 32-bit integer or string")]
    ExtensionValue(String),
    /// Both `data` and `data_base64`.
    #[error("data and data_base64 exclude each other")]
    TwoBodies,
}

impl CloudEvent {
    /// The envelope of `event` of `tenant`. `origin` names the platform, for example
    /// `https://platform.example`; the cloud that told the event is appended.
    pub fn of(event: &Event, tenant: TenantId, origin: &str) -> CloudEvent {
        let cloud = event.kind.split('.').next().unwrap_or_default();
        let mut extensions = BTreeMap::from([
            ("tenantid".to_owned(), Value::from(tenant.to_string())),
            ("slot".to_owned(), Value::from(event.slot)),
        ]);
        if !event.trace_id.is_empty() {
            extensions.insert("traceid".to_owned(), Value::from(event.trace_id.clone()));
        }
        CloudEvent {
            specversion: "1.0".to_owned(),
            id: event.event_id.to_string(),
            source: format!("{}/{cloud}", origin.trim_end_matches('/')),
            kind: event.kind.clone(),
            subject: Some(event.subject.clone()).filter(|subject| !subject.is_empty()),
            time: Some(event.occurred_at),
            datacontenttype: Some("application/json".to_owned()),
            dataschema: None,
            data: Some(event.data.clone()),
            data_base64: None,
            extensions,
        }
    }

    /// Reads and validates one event.
    pub fn parse(json: &[u8]) -> Result<CloudEvent, EnvelopeError> {
        let event: CloudEvent = serde_json::from_slice(json)?;
        event.validate()?;
        Ok(event)
    }

    /// Whether it keeps to CloudEvents 1.0: sections 3.1 of the specification and 3 of its JSON
    /// format.
    pub fn validate(&self) -> Result<(), EnvelopeError> {
        if self.specversion != "1.0" {
            return Err(EnvelopeError::Version(self.specversion.clone()));
        }
        let texts = [
            ("id", Some(&self.id)),
            ("source", Some(&self.source)),
            ("type", Some(&self.kind)),
            ("subject", self.subject.as_ref()),
            ("datacontenttype", self.datacontenttype.as_ref()),
            ("dataschema", self.dataschema.as_ref()),
        ];
        if let Some((name, _)) = texts.iter().find(|(_, text)| text.is_some_and(String::is_empty)) {
            return Err(EnvelopeError::Empty(name));
        }
        if self.data.is_some() && self.data_base64.is_some() {
            return Err(EnvelopeError::TwoBodies);
        }
        for (name, value) in &self.extensions {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            if name.is_empty() || name.len() > 20 || !name.bytes().all(plain) {
                return Err(EnvelopeError::ExtensionName(name.chars().take(40).collect()));
            }
            let simple = match value {
                Value::Bool(_) | Value::String(_) => true,
                Value::Number(number) => {
                    number.as_i64().is_some_and(|whole| i32::try_from(whole).is_ok())
                }
                Value::Null | Value::Array(_) | Value::Object(_) => false,
            };
            if !simple {
                return Err(EnvelopeError::ExtensionValue(name.clone()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    /// The structured example of the CloudEvents conformance suite (http-protocol-binding).
    fn conformance() -> Value {
        json!({
            "specversion": "1.0",
            "type": "com.example.someevent",
            "time": "2018-04-05T03:56:24Z",
            "id": "1234-1234-1234",
            "source": "/mycontext/subcontext",
            "datacontenttype": "application/json",
            "comexampleextension1": "value",
            "data": { "message": "Hello World!" }
        })
    }

    #[test]
    fn the_conformance_example_reads_and_writes_back() {
        let event = CloudEvent::parse(conformance().to_string().as_bytes()).unwrap();
        assert_eq!(event.extensions["comexampleextension1"], "value");
        assert_eq!(serde_json::to_value(&event).unwrap(), conformance());
    }

    #[test]
    fn what_breaks_the_specification_is_refused() {
        let broken = [
            ("specversion", json!("0.3")),
            ("id", json!("")),
            ("source", json!("")),
            ("type", json!("")),
            ("subject", json!("")),
            ("id", Value::Null),
            ("time", json!("yesterday")),
            ("UpperCase", json!("x")),
            ("with_underscore", json!("x")),
            ("morethantwentyletterss", json!("x")),
            ("nested", json!({})),
            ("large", json!(3_000_000_000_u32)),
            ("fraction", json!(1.5)),
            ("data_base64", json!("AA==")),
        ];
        for (name, value) in broken {
            let mut event = conformance();
            event[name] = value;
            assert!(CloudEvent::parse(event.to_string().as_bytes()).is_err(), "{event}");
        }
        for name in ["specversion", "id", "source", "type"] {
            let mut event = conformance();
            event.as_object_mut().unwrap().remove(name);
            assert!(CloudEvent::parse(event.to_string().as_bytes()).is_err(), "{event}");
        }
    }

    #[test]
    fn our_events_are_valid_cloud_events() {
        let event = Event {
            slot: 65_535,
            event_id: Uuid::from_u128(1),
            kind: "production.policy.confirmed".to_owned(),
            subject: "02PICC1100250000100000000000017".to_owned(),
            occurred_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            data: json!({ "premium": "665.00" }),
        };
        let tenant = TenantId(Uuid::from_u128(2));
        let envelope = CloudEvent::of(&event, tenant, "https://platform.example/");
        envelope.validate().unwrap();
        assert_eq!(envelope.source, "https://platform.example/production");
        let json = serde_json::to_vec(&envelope).unwrap();
        assert_eq!(CloudEvent::parse(&json).unwrap(), envelope);
        let bare = Event { subject: String::new(), trace_id: String::new(), ..event };
        CloudEvent::of(&bare, tenant, "https://platform.example").validate().unwrap();
    }
}
