//! Checks of identity a region demands before a policy is sold (rule L31): real name, SMS code,
//! payment authentication. They are made where they are made; here it is demanded that they were
//! passed, and the number they are known by is kept.

use base_http::Call;
use jiff::Timestamp;
use production_core::region::Region;
use production_core::rule::{Findings, RuleId};
use production_core::rules::message::{self, IdentityChecks};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Production;
use crate::quote::read;
use crate::store::identity::PassedCheck;

/// Parameter naming the checks demanded: a comma list of `realName`, `smsCode`, `payment`.
pub const PARAMETER: &str = "production.identity_checks";

/// Longest reference number taken.
const LONGEST_REFERENCE: usize = 64;

/// Checks of identity that were made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Identity)]
pub struct IdentityBody {
    /// 实名查验.
    pub real_name: Option<CheckedBody>,
    /// 短信验证码.
    pub sms_code: Option<CheckedBody>,
    /// 缴费实名认证.
    pub payment: Option<CheckedBody>,
}

/// One check of identity.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IdentityCheck)]
pub struct CheckedBody {
    /// Whether it was passed.
    pub passed: Option<bool>,
    /// Number it is known by where it was made; mandatory when it was passed.
    #[schema(example = "RN-2026-000017")]
    pub reference: Option<String>,
}

/// Reads the checks passed; one without its number does not count.
fn passed(body: &IdentityBody, found: &mut Findings) -> Vec<PassedCheck> {
    let checks =
        [("realName", &body.real_name), ("smsCode", &body.sms_code), ("payment", &body.payment)];
    let given = checks.into_iter().filter_map(|(kind, check)| Some((kind, check.as_ref()?)));
    given
        .filter(|(_, check)| check.passed == Some(true))
        .filter_map(|(kind, check)| {
            let at = format!("/identity/{kind}/reference");
            let reference = read::text(&check.reference, &at, found)?;
            if reference.chars().count() > LONGEST_REFERENCE {
                let text = format!("a reference has at most {LONGEST_REFERENCE} characters");
                found.add(RuleId::S02, at, text);
            }
            Some(PassedCheck { kind: kind.to_owned(), reference: reference.to_owned() })
        })
        .collect()
}

/// A comma list of checks; what is not known in it is left out, with a warning in the log.
fn demanded(list: &str) -> IdentityChecks {
    let mut checks = IdentityChecks::default();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match name {
            "realName" => checks.real_name = true,
            "smsCode" => checks.sms_code = true,
            "payment" => checks.payment = true,
            other => tracing::warn!(
                parameter.name = PARAMETER,
                parameter.value = other,
                "{PARAMETER} names {other}, which is no check"
            ),
        }
    }
    checks
}

impl Production {
    /// Holds the checks passed to those `region` demands; answers them for keeping.
    pub(crate) fn identity_checks(
        &self,
        call: &Call,
        region: Region,
        body: Option<&IdentityBody>,
        now: Timestamp,
        found: &mut Findings,
    ) -> Vec<PassedCheck> {
        let passed = body.map_or_else(Vec::new, |body| passed(body, found));
        let has = |kind: &str| passed.iter().any(|check| check.kind == kind);
        let parameters = self.challenges.parameters();
        let list = parameters.text(PARAMETER, call.caller.tenant, region.code(), now);
        message::identity(
            list.as_deref().map(demanded).unwrap_or_default(),
            IdentityChecks {
                real_name: has("realName"),
                sms_code: has("smsCode"),
                payment: has("payment"),
            },
            "/identity",
            found,
        );
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_demands_what_its_list_names() {
        let both = IdentityChecks { real_name: true, payment: true, ..IdentityChecks::default() };
        assert_eq!(demanded("realName, payment"), both);
        assert_eq!(demanded(" , fingerprint"), IdentityChecks::default());
    }

    #[test]
    fn a_check_counts_when_it_was_passed_and_has_its_number() {
        let check = |passed, reference: Option<&str>| {
            let check = CheckedBody { passed, reference: reference.map(str::to_owned) };
            let body = IdentityBody { real_name: Some(check), ..IdentityBody::default() };
            let mut found = Findings::new();
            (super::passed(&body, &mut found).len(), found.rejects())
        };
        assert_eq!(check(Some(true), Some("RN-1")), (1, false));
        assert_eq!(check(Some(true), None), (0, true));
        assert_eq!(check(Some(false), Some("RN-1")), (0, false));
        assert_eq!(check(None, None), (0, false));
    }
}
