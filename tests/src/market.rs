//! Cars, quote messages, and the walk from quote to confirm.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::{Answer, Api};

/// A private car in Jiangsu. Cars with different numbers have nothing in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Car {
    /// 17 characters with a true check digit.
    pub vin: String,
    /// A plate of Nanjing.
    pub plate: String,
    /// Engine number.
    pub engine: String,
}

impl Car {
    /// The car of this number, below 99,999.
    pub fn number(number: u32) -> Car {
        assert!(number < 99_999, "plates have five digits");
        Car {
            vin: with_check_digit(&format!("LSVAM4180C2{number:06}")),
            // Plate 00000 stands for none.
            plate: format!("苏A{:05}", number + 1),
            engine: format!("EA211{number:06}"),
        }
    }

    /// A quote message: compulsory cover with tax, and third-party cover of a million, both for a
    /// year from the day after `now`.
    pub fn message(&self, now: Timestamp) -> Value {
        let mut message = self.compulsory(now);
        message["commercial"] = json!({
            "start": message["compulsory"]["start"],
            "autonomousCoefficient": "1.00",
            "covers": [{ "coverageCode": "M02", "limitAmount": "1000000.00" }],
        });
        message
    }

    /// The same with compulsory cover and tax alone.
    pub fn compulsory(&self, now: Timestamp) -> Value {
        let tomorrow = kernel::time::day_of(now).tomorrow().unwrap();
        let party = json!({ "name": "李芳", "certificateKind": "01",
            "certificateNo": "11010519491231002X", "mobile": "13800001234" });
        json!({
            "vehicle": {
                "frameNo": self.vin, "engineNo": self.engine, "plate": self.plate,
                "plateKind": "02", "category": "11", "usage": "210", "fuel": "A", "seats": 5,
                "curbWeightKg": "1280", "displacementCc": 1598, "powerKw": "81",
                "madeOn": "2019-12-01", "firstRegisteredOn": "2020-01-15",
                "modelCode": "BDZ1600FV7160",
            },
            "owner": party, "applicant": party, "insured": party,
            "compulsory": { "start": tomorrow.strftime("%Y%m%d00").to_string() },
        })
    }
}

/// ISO 3779's check digit at position 9.
fn with_check_digit(vin: &str) -> String {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    const LETTERS: &str = "ABCDEFGH.JKLMN.P.R.STUVWXYZ";
    let value = |character: char| match character.to_digit(10) {
        Some(digit) => digit,
        // A to I are 1 to 9, J to R 1 to 9, S to Z 2 to 9; the dots keep the places of I, O and Q.
        None => u32::try_from(LETTERS.find(character).unwrap() % 9).unwrap() + 1,
    };
    let sum: u32 =
        vin.chars().zip(WEIGHTS).map(|(character, weight)| value(character) * weight).sum();
    let check = char::from_digit(sum % 11, 10).unwrap_or('X');
    format!("{}{check}{}", &vin[..8], &vin[9..])
}

/// The present instant of the machine.
pub fn now() -> Timestamp {
    use kernel::Clock;
    kernel::SystemClock.now()
}

/// A quote whose money is registered: ready to be confirmed.
#[derive(Clone, Debug)]
pub struct Paid {
    /// The query code.
    pub query: String,
    /// The body of the confirmation.
    pub echo: Value,
}

/// Path of a step of a quote.
pub fn step(query: &str, step: &str) -> String {
    format!("/v1/quotes/{query}/{step}")
}

/// The body of a payment of `amount`.
pub fn payment(reference: &str, amount: &str) -> Value {
    json!({ "reference": reference, "amount": amount, "method": "pos", "payerName": "李芳" })
}

/// A confirmation that echoes a pre-confirmation, with policy numbers after the query code.
pub fn echo(query: &str, frozen: &Value) -> Value {
    let amounts = &frozen["amounts"];
    let mut body = json!({ "tax": amounts["tax"], "fee": amounts["fee"] });
    for class in ["compulsory", "commercial"] {
        if !amounts[class].is_null() {
            body[class] =
                json!({ "policyNo": format!("{class}-{query}"), "premium": amounts[class] });
        }
    }
    body
}

impl Api {
    /// 投保查询 without a key.
    pub async fn quote(&self, message: &Value) -> Answer {
        self.post("/v1/quotes", None, message).await
    }

    /// Quote, pre-confirmation (directly sold) and payment. Keys of the steps begin with the query code.
    pub async fn paid(&self, message: &Value) -> Paid {
        self.paid_through(message, &json!({})).await
    }

    /// The same with a pre-confirmation of the caller's own.
    pub async fn paid_through(&self, message: &Value, terms: &Value) -> Paid {
        let quoted = self.quote(message).await.ok(201);
        let query = quoted["queryCode"].as_str().unwrap().to_owned();
        let key = |name: &str| format!("{query}-{name}");
        let path = step(&query, "pre-confirm");
        let frozen = self.post(&path, Some(&key("pre-confirm")), terms).await.ok(200);
        let amount = frozen["payable"].as_str().unwrap();
        let body = payment(&format!("POS-{query}"), amount);
        self.post(&step(&query, "payment"), Some(&key("payment")), &body).await.ok(200);
        Paid { echo: echo(&query, &frozen), query }
    }

    /// 投保确认.
    pub async fn confirm(&self, paid: &Paid, key: &str) -> Answer {
        self.post(&step(&paid.query, "confirm"), Some(key), &paid.echo).await
    }

    /// The whole sale; answers the confirm codes.
    pub async fn insure(&self, message: &Value) -> Vec<String> {
        self.insure_through(message, &json!({})).await
    }

    /// The same with a pre-confirmation of the caller's own.
    pub async fn insure_through(&self, message: &Value, terms: &Value) -> Vec<String> {
        let paid = self.paid_through(message, terms).await;
        let confirmed = self.confirm(&paid, &format!("{}-confirm", paid.query)).await.ok(201);
        confirm_codes(&confirmed)
    }
}

/// The confirm codes of a confirmation.
pub fn confirm_codes(confirmed: &Value) -> Vec<String> {
    let policies = confirmed["policies"].as_array().unwrap();
    policies.iter().map(|policy| policy["confirmCode"].as_str().unwrap().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_those_of_known_frames() {
        assert_eq!(with_check_digit("LSVAM4180C2184847"), "LSVAM4187C2184847");
        assert_eq!(with_check_digit("1M8GDM9A0KP042788"), "1M8GDM9AXKP042788");
    }
}
