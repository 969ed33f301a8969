//! Challenges: where the market demands it, a person reads an image before a quote is shown.
//!
//! A quote carries other insurers' data, so robots are kept from harvesting it. The digits are a
//! keyed function of the query code: nothing secret is stored, and a restart forgets nothing.

use std::sync::Arc;

use base_http::{Call, Problem};
use captcha::Captcha;
use captcha::filters::{Noise, Wave};
use crypto::IndexKey;
use jiff::Timestamp;
use production_core::number::PlatformNumber;
use production_core::region::Region;
use serde_json::{Value, json};
use tenancy::Parameters;

/// Parameter that turns challenges on: `image` for a region or a tenant.
pub const PARAMETER: &str = "production.quote_challenge";

/// Digits a person reads.
const DIGITS: usize = 5;

/// An open challenge: what is kept with the quote and what is shown.
pub struct Challenge {
    /// Kept with the quote.
    pub stored: Value,
    /// Shown to the user.
    pub shown: Value,
}

/// Opens and judges challenges.
pub struct Challenges {
    parameters: Arc<Parameters>,
    key: IndexKey,
}

impl Challenges {
    /// Challenges where `parameters` demand them, keyed by `key`.
    pub fn new(parameters: Arc<Parameters>, key: IndexKey) -> Challenges {
        Challenges { parameters, key }
    }

    /// The parameters that say where what is demanded.
    pub(crate) fn parameters(&self) -> &Arc<Parameters> {
        &self.parameters
    }

    /// The challenge of a quote, where the region or the tenant demands one.
    pub fn open_for(
        &self,
        call: &Call,
        region: Region,
        query_no: PlatformNumber,
        now: Timestamp,
    ) -> Result<Option<Challenge>, Problem> {
        let demanded = self.parameters.text(PARAMETER, call.caller.tenant, region.code(), now);
        if demanded.as_deref() != Some("image") {
            return Ok(None);
        }
        let digits = self.digits(query_no);
        let image = picture(&digits).ok_or_else(|| {
            Problem::new(&base_http::problem::INTERNAL, "the image could not be drawn")
        })?;
        Ok(Some(Challenge {
            stored: json!({ "kind": "image", "client": &*call.caller.client }),
            shown: json!({
                "kind": "image",
                "code": "C3001",
                "image": image,
                "answerAt": format!("/v1/quotes/{query_no}/check"),
                "text": "read the digits and send them as answer",
                "textZh": "请输入图中数字",
            }),
        }))
    }

    /// Whether `answer` is what the image of this quote shows.
    pub fn is_right(&self, query_no: PlatformNumber, answer: &str) -> bool {
        crypto::same(self.digits(query_no).as_bytes(), answer.trim().as_bytes())
    }

    /// The digits of a quote's image.
    pub fn digits(&self, query_no: PlatformNumber) -> String {
        let digest = self.key.index("production.challenge", query_no.to_string().as_bytes());
        digest.0.iter().take(DIGITS).map(|byte| char::from(b'0' + byte % 10)).collect()
    }
}

/// The digits as a distorted PNG in a data URI.
fn picture(digits: &str) -> Option<String> {
    let mut image = Captcha::new();
    for digit in digits.chars() {
        image.set_chars(&[digit]).add_char();
    }
    image.apply_filter(Noise::new(0.2)).apply_filter(Wave::new(2.0, 10.0)).view(200, 80);
    Some(format!("data:image/png;base64,{}", image.as_base64()?))
}
