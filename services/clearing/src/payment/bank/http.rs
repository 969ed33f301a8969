//! A bank over HTTP. Contract: `openapi/sandbox-bank.json`.
//!
//! Budget: 4 s a call, at most two attempts of 2 s; nobody waits for it, the background sender
//! comes back. Degradation: the order stays where it is and is sent or asked for again, under the
//! same id.

use std::sync::Arc;
use std::time::Duration;

use base_http::outbound::{Outbound, OutboundError, Request, Settings, SetupError};
use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::{Clock, Fen, Ids};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Bank, BankError, Credentials, Instruction};
use crate::payment::order::{OrderId, Report, Word};

const BUDGET: Duration = Duration::from_secs(4);

/// Calls a bank.
#[derive(Clone)]
pub struct HttpBank {
    outbound: Outbound,
    credentials: Credentials,
    clock: Arc<dyn Clock>,
}

impl HttpBank {
    /// A bank at `base_url`: scheme, host and port.
    pub fn new(
        base_url: &str,
        credentials: Credentials,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
    ) -> Result<HttpBank, SetupError> {
        let settings = Settings {
            attempt_timeout: Duration::from_secs(2),
            retries: 1,
            max_answer_bytes: 8 * 1024 * 1024,
            ..Settings::new("bank", base_url)
        };
        let outbound = Outbound::new(settings, clock.clone(), ids)?;
        Ok(HttpBank { outbound, credentials, clock })
    }

    async fn call<Answer: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<Answer, OutboundError> {
        let request = self.credentials.sign(request, self.clock.now());
        self.outbound.call(&request, BUDGET).await
    }
}

impl Bank for HttpBank {
    fn send<'a>(
        &'a self,
        instruction: &'a Instruction,
    ) -> BoxFuture<'a, Result<Option<Report>, BankError>> {
        Box::pin(async move {
            let path = format!("/bank/orders/{}", instruction.order.end_to_end());
            let request = Request::put(path, &Told::from(instruction)).map_err(unreachable)?;
            match self.call::<Wire>(request).await {
                Ok(wire) => wire.report(instruction.order).map(Some),
                Err(OutboundError::Status { status, body, .. }) if status.as_u16() == 422 => {
                    let refusal = serde_json::from_slice::<Refusal>(&body);
                    let reason = refusal.map_or_else(|_| "422".to_owned(), |refusal| refusal.code);
                    let word = Word::Rejected { settled: Fen::ZERO, reason };
                    Ok(Some(Report { bank_ref: None, word, at: instruction.ordered_at }))
                }
                Err(OutboundError::Status { status, .. }) if status.as_u16() == 409 => {
                    Err(BankError::OtherContents)
                }
                Err(error) => Err(unreachable(error)),
            }
        })
    }

    fn ask(&self, order: OrderId) -> BoxFuture<'_, Result<Option<Report>, BankError>> {
        Box::pin(async move {
            let request = Request::get(format!("/bank/orders/{}", order.end_to_end()));
            match self.call::<Wire>(request).await {
                Ok(wire) => wire.report(order).map(Some),
                Err(OutboundError::Status { status, .. }) if status.as_u16() == 404 => Ok(None),
                Err(error) => Err(unreachable(error)),
            }
        })
    }

    fn statement(&self, day: Date) -> BoxFuture<'_, Result<Option<String>, BankError>> {
        Box::pin(async move {
            let request = Request::get(format!("/bank/statements/{day}"));
            match self.call::<StatementWire>(request).await {
                Ok(statement) => Ok(Some(statement.message)),
                Err(OutboundError::Status { status, .. }) if status.as_u16() == 404 => Ok(None),
                Err(error) => Err(unreachable(error)),
            }
        })
    }
}

fn unreachable(error: OutboundError) -> BankError {
    match error {
        OutboundError::Status { status, .. } if matches!(status.as_u16(), 401 | 403) => {
            BankError::NotAccepted
        }
        error => BankError::Unreachable(Box::new(error)),
    }
}

/// An order as the contract writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    direction: &'static str,
    amount: Fen,
    currency: &'static str,
    reference: &'a str,
    account: Party<'a>,
    requested_at: Timestamp,
}

#[derive(Serialize)]
struct Party<'a> {
    bank: &'a str,
    account: &'a str,
    name: &'a str,
}

impl<'a> From<&'a Instruction> for Told<'a> {
    fn from(instruction: &'a Instruction) -> Told<'a> {
        let account = &instruction.account;
        Told {
            direction: instruction.direction.code(),
            amount: instruction.amount,
            currency: "CNY",
            reference: &instruction.reference,
            account: Party {
                bank: account.bank(),
                account: account.account(),
                name: account.name(),
            },
            requested_at: instruction.ordered_at,
        }
    }
}

#[derive(Deserialize)]
struct StatementWire {
    message: String,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
}

/// What the bank says of an order, as the contract writes it: in answers and in notices.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wire {
    order_id: String,
    bank_ref: String,
    status: Status,
    settled: Fen,
    returned: Fen,
    #[serde(default)]
    reason: Option<String>,
    at: Timestamp,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Status {
    Accepted,
    PartlySettled,
    Settled,
    Rejected,
    Returned,
}

impl Wire {
    /// Which order it is about.
    pub fn order(&self) -> Result<OrderId, BankError> {
        OrderId::parse_end_to_end(&self.order_id)
            .ok_or_else(|| BankError::Unreadable("the order's id".to_owned()))
    }

    /// The word, which must be about `order`.
    pub fn report(self, order: OrderId) -> Result<Report, BankError> {
        if self.order()? != order {
            return Err(BankError::Unreadable("it is about another order".to_owned()));
        }
        let reason = self.reason.unwrap_or_else(|| "unstated".to_owned());
        let reason: String = reason.chars().take(140).collect();
        let word = match self.status {
            Status::Accepted => Word::Accepted,
            Status::PartlySettled | Status::Settled => Word::Settled { total: self.settled },
            Status::Rejected => Word::Rejected { settled: self.settled, reason },
            Status::Returned => {
                Word::Returned { settled: self.settled, returned: self.returned, reason }
            }
        };
        let bank_ref: String = self.bank_ref.chars().take(64).collect();
        Ok(Report { bank_ref: Some(bank_ref), word, at: self.at })
    }
}
