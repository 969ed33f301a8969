//! Payments as members see and order them.

use base_http::paging::{Page, Paged, bad, cut};
use base_http::{Call, Done, FieldError, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, Ids};
use pg::{Command, Scope, Tx};
use production_core::claim::Stage as ClaimStage;
use production_core::insurer::InsurerCode;
use production_core::number::{NumberError, NumberKind, PlatformNumber};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::order::{Direction, OrderId, OrderPurpose};
use super::payee::{BankAccount, BankAccountBody, SealedAccount};
use super::serve::{STUCK_AFTER, is_stuck};
use super::store::{Kept, Order};
use super::{Counterparty, OrderDraft, order, remittance, store};
use crate::error::{CLAIM_CANCELLED, CLAIM_OVERPAID, ClearingError};
use crate::recovery::Market;
use crate::{Clearing, HOUSE};

/// An order of a member.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PaymentOrderRequest)]
pub struct OrderBody {
    /// `claim_payment`: pay a payee of a claim out of own funds. `funding`: bring money or take it
    /// home.
    #[schema(example = "claim_payment")]
    pub purpose: String,
    /// `pay_out` (the default) or, for `funding`, `collect`.
    #[schema(example = "pay_out")]
    pub direction: Option<String>,
    /// The claim code, for `claim_payment`.
    pub claim_code: Option<String>,
    /// More than nothing.
    #[schema(example = "3460.00")]
    pub amount: String,
    /// What stands on the statement: 1 to 35 of the basic set of ISO 20022.
    #[schema(example = "CLAIM 2026-0017")]
    pub reference: String,
    /// The payee. For `funding` the registered account, which must be left out here.
    pub payee: Option<BankAccountBody>,
}

/// A share of an order's money.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShareView {
    /// `settlement`, `premium`, `tax`, `fund`, `commission` or `advance`.
    pub share_of: &'static str,
    /// The same in Chinese.
    pub share_name: &'static str,
    /// How much.
    pub amount: Fen,
}

/// A remittance that carried a share of an order's money, or took it back from the payee.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CarriedView {
    /// `tax`, `fund` or `commission`.
    pub share_of: &'static str,
    /// The remittance.
    #[schema(value_type = String, format = Uuid)]
    pub remittance_id: Uuid,
    /// How much; negative for what went back.
    pub amount: Fen,
}

/// A word of the bank.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportView {
    /// `answer`, `notice`, `statement` or `operator`.
    pub source: String,
    /// `accepted`, `settled`, `rejected` or `returned`.
    pub word: String,
    /// So much moved in all.
    pub settled: Fen,
    /// So much went back in all.
    pub returned: Fen,
    /// The bank's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was heard.
    #[schema(value_type = String, format = DateTime)]
    pub heard_at: Timestamp,
    /// Why it could not be true; then it moved nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contradicts: Option<String>,
}

/// A payment order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PaymentOrder)]
pub struct OrderView {
    /// Names it.
    #[schema(value_type = String, format = Uuid)]
    pub order_id: Uuid,
    /// `collect` (代收) or `pay_out` (代付).
    pub direction: &'static str,
    /// What for.
    pub purpose: String,
    /// The cycle, claim, quote, endorsement, order, advance or remittance.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The endorsement that gives the money of a refund back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amend_code: Option<String>,
    /// How much.
    pub amount: Fen,
    /// What stands on the statement.
    pub reference: String,
    /// The other side, masked.
    #[schema(example = "102301000028 ****1234")]
    pub payee: String,
    /// `ordered`, `sent`, `accepted`, `partly_settled`, `settled`, `rejected` or `returned`.
    pub stage: &'static str,
    /// What moved.
    pub settled: Fen,
    /// What went back of it.
    pub returned: Fen,
    /// The bank's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The bank's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bank_ref: Option<String>,
    /// It is under way and has not moved for half an hour (卡单).
    pub stuck: bool,
    /// When it was ordered.
    #[schema(value_type = String, format = DateTime)]
    pub ordered_at: Timestamp,
    /// When it last moved.
    #[schema(value_type = String, format = DateTime)]
    pub moved_at: Timestamp,
    /// Whose the money is, in the order in which it is served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<ShareView>,
    /// The remittances that hold shares of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remittances: Vec<CarriedView>,
    /// What the bank said, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<ReportView>,
}

/// The registered account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountSetView {
    /// Masked.
    #[schema(example = "102301000028 ****1234")]
    pub account: String,
}

impl OrderView {
    pub(super) fn of(order: Order, now: Timestamp) -> OrderView {
        OrderView {
            order_id: order.id.0,
            direction: order.direction.code(),
            settled: order.stage.settled(order.amount),
            returned: order.stage.returned(),
            reason: order.stage.reason().map(str::to_owned),
            stage: order.stage.code(),
            stuck: is_stuck(&order, now),
            purpose: order.purpose,
            about: order.about,
            amend_code: order.amend_code,
            amount: order.amount,
            reference: order.reference,
            payee: order.payee_masked,
            bank_ref: order.bank_ref,
            ordered_at: order.ordered_at,
            moved_at: order.moved_at,
            shares: Vec::new(),
            remittances: Vec::new(),
            reports: Vec::new(),
        }
    }

    fn order(&self) -> OrderId {
        OrderId(self.order_id)
    }

    /// With its shares, where they went, and what the bank said.
    pub(super) async fn whole(
        tx: &mut Tx,
        order: Order,
        now: Timestamp,
    ) -> Result<OrderView, ClearingError> {
        let shares = store::shares(tx, order.id).await?;
        let reports = store::reports(tx, order.id).await?;
        let mut view = OrderView::of(order, now);
        view.shares = shares
            .into_iter()
            .map(|(share, _)| ShareView {
                share_of: share.of.code(),
                share_name: share.of.name_zh(),
                amount: share.amount,
            })
            .collect();
        let carried = remittance::of_order(tx, view.order()).await?.into_iter();
        view.remittances = carried
            .map(|(of, remittance_id, amount)| CarriedView {
                share_of: of.code(),
                remittance_id,
                amount,
            })
            .collect();
        view.reports = reports.into_iter().map(ReportView::from).collect();
        Ok(view)
    }
}

impl From<Kept> for ReportView {
    fn from(kept: Kept) -> ReportView {
        let Kept { source, word, settled, returned, reason, heard_at, contradicts } = kept;
        ReportView { source, word, settled, returned, reason, heard_at, contradicts }
    }
}

/// Reads an amount that is more than nothing.
pub(super) fn amount(text: &str, pointer: &str, found: &mut Vec<FieldError>) -> Fen {
    match text.parse::<Fen>() {
        Ok(amount) if amount > Fen::ZERO => amount,
        Ok(_) => {
            found.push(FieldError::at(pointer, "the amount is more than nothing"));
            Fen::ZERO
        }
        Err(error) => {
            found.push(FieldError::at(pointer, error.to_string()));
            Fen::ZERO
        }
    }
}

/// Reads an order's id.
pub(super) fn order_id(text: &str) -> Result<OrderId, Problem> {
    let id = text.parse::<Uuid>().ok().filter(|id| !id.is_nil() && !id.is_max());
    let unknown = || ClearingError::not_found("payment order", text);
    Ok(OrderId(id.ok_or_else(unknown)?))
}

impl Clearing {
    /// Registers the caller's own bank account.
    pub async fn set_payment_account(
        &self,
        call: Call,
        body: BankAccountBody,
    ) -> Result<Reply, Problem> {
        let account = BankAccount::read(&body, "").map_err(Problem::invalid)?;
        let account = account.seal(&self.keys, call.caller.tenant).await?;
        let view = AccountSetView { account: account.masked.clone() };
        let by = call.caller.client.clone();
        let command = SetAccount { account, tenant: call.caller.tenant, by, now: call.received_at };
        let subject = call.caller.tenant.to_string();
        let run = self
            .spine
            .run(call, &command, |()| Done::json(StatusCode::OK, &view, 0, subject.as_str()));
        run.await
    }

    /// Orders a payment under an id of the caller's.
    pub async fn order_payment(
        &self,
        call: Call,
        order_id_text: &str,
        body: OrderBody,
    ) -> Result<Reply, Problem> {
        let id = order_id(order_id_text)?;
        let mut found = Vec::new();
        let sum = amount(&body.amount, "/amount", &mut found);
        let direction = match body.direction.as_deref() {
            None => Direction::PayOut,
            Some(code) => Direction::parse(code).unwrap_or_else(|error| {
                found.push(FieldError::at("/direction", error.to_string()));
                Direction::PayOut
            }),
        };
        let purpose = match (body.purpose.as_str(), body.claim_code) {
            ("claim_payment", Some(claim_code)) => match own_claim(&call, &claim_code) {
                Ok(claim_no) => Some(OrderPurpose::ClaimPayment { claim_no }),
                Err(wrong) => {
                    found.push(FieldError {
                        rule: Some("F07".into()),
                        ..FieldError::at("/claimCode", wrong.to_string())
                    });
                    None
                }
            },
            ("claim_payment", None) => {
                found.push(FieldError::at("/claimCode", "a claim payment names its claim"));
                Some(OrderPurpose::Funding)
            }
            ("funding", None) => Some(OrderPurpose::Funding),
            ("funding", Some(_)) => {
                found.push(FieldError::at("/claimCode", "funding is for no claim"));
                Some(OrderPurpose::Funding)
            }
            _ => {
                found.push(FieldError::at("/purpose", "one of claim_payment and funding"));
                Some(OrderPurpose::Funding)
            }
        };
        let account = match (&purpose, &body.payee) {
            (Some(OrderPurpose::Funding), None) => None,
            (Some(OrderPurpose::Funding), Some(_)) => {
                found.push(FieldError::at(
                    "/payee",
                    "funding goes to and from the registered account",
                ));
                None
            }
            (_, None) => {
                found.push(FieldError::at("/payee", "a payee is needed"));
                None
            }
            (_, Some(payee)) => match BankAccount::read(payee, "/payee") {
                Ok(account) => Some(account),
                Err(findings) => {
                    found.extend(findings);
                    None
                }
            },
        };
        let Some(purpose) = purpose.filter(|_| found.is_empty()) else {
            return Err(Problem::invalid(found));
        };
        let participant = call.caller.tenant;
        let counterparty = match account {
            Some(account) => Counterparty::Given(account.seal(&self.keys, participant).await?),
            None => Counterparty::Registered,
        };
        let draft = OrderDraft {
            order_id: id,
            direction,
            purpose,
            participant,
            counterparty,
            amount: sum,
            reference: body.reference,
        };
        self.place(call, draft).await
    }

    /// Commits a draft for a call and shows the order.
    pub(super) async fn place(&self, call: Call, draft: OrderDraft) -> Result<Reply, Problem> {
        let subject = draft.order_id.to_string();
        let (market, now, ids) = (&*self.market, call.received_at, self.spine.ids());
        let command = Place { draft, market, now, ids };
        let run = self.spine.run(call, &command, |view| {
            Done::json(StatusCode::ACCEPTED, &view, 0, subject.as_str())
        });
        run.await
    }

    /// One of the caller's orders.
    pub async fn read_payment(&self, call: Call, order: &str) -> Result<Reply, Problem> {
        let id = order_id(order)?;
        let mut tx = self.open(&call).await?;
        let found = store::find(&mut tx, id).await?;
        let found = found.filter(|found| found.participant == call.caller.tenant);
        let found = found.ok_or_else(|| ClearingError::not_found("payment order", order))?;
        let view = OrderView::whole(&mut tx, found, call.received_at).await?;
        drop(tx);
        self.answer(call, &view, order).await
    }

    /// The caller's orders, oldest first.
    pub async fn list_payments(&self, call: Call, page: Page) -> Result<Reply, Problem> {
        let limit = page.limit()?;
        let after = page.after.as_deref().map(cursor).transpose()?;
        let mut tx = self.open(&call).await?;
        let mut orders = store::list(&mut tx, call.caller.tenant, after, limit + 1).await?;
        drop(tx);
        let next = cut(&mut orders, limit, |last| format!("{}_{}", last.ordered_at, last.id));
        let now = call.received_at;
        let items = orders.into_iter().map(|order| OrderView::of(order, now)).collect();
        let view = Paged { items, next };
        self.answer(call, &view, "payments").await
    }

    /// Orders of everybody that do not move, longest first; at most 500.
    pub async fn list_stuck_payments(&self, call: Call) -> Result<Reply, Problem> {
        let now = call.received_at;
        let before = now.checked_sub(STUCK_AFTER).unwrap_or(Timestamp::MIN);
        let db = self.spine.db();
        let mut tx = db.begin(Scope::of(HOUSE)).await.map_err(ClearingError::from)?;
        let orders = store::stuck(&mut tx, before, 500).await?;
        drop(tx);
        let items = orders.into_iter().map(|order| OrderView::of(order, now)).collect();
        let view: Paged<OrderView> = Paged { items, next: None };
        self.answer(call, &view, "payments").await
    }
}

fn cursor(text: &str) -> Result<(Timestamp, OrderId), Problem> {
    let read = || {
        let (at, id) = text.split_once('_')?;
        Some((at.parse().ok()?, OrderId(id.parse().ok()?)))
    };
    read().ok_or_else(|| bad("after", "not a place in this list"))
}

struct SetAccount {
    account: SealedAccount,
    tenant: kernel::TenantId,
    by: std::sync::Arc<str>,
    now: Timestamp,
}

impl Command for SetAccount {
    const NAME: &'static str = "payment.set_account";
    type Out = ();
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), ClearingError> {
        store::insert_registered_account(tx, self.tenant, &self.account, &self.by, self.now).await
    }
}

struct Place<'a> {
    draft: OrderDraft,
    market: &'a dyn Market,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Place<'_> {
    const NAME: &'static str = "payment.order";
    type Out = OrderView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<OrderView, ClearingError> {
        if let OrderPurpose::ClaimPayment { claim_no } = self.draft.purpose
            && store::find(tx, self.draft.order_id).await?.is_none()
        {
            self.check_claim(tx, claim_no).await?;
        }
        let id = order(tx, &self.draft, self.now, self.ids).await?;
        let placed = store::find(tx, id).await?;
        let placed = placed.ok_or(ClearingError::Corrupt("payment order"))?;
        OrderView::whole(tx, placed, self.now).await
    }
}

impl Place<'_> {
    /// Money is paid for a claim the insurer filed, which is held: meanwhile it is neither cancelled nor
    /// adjusted anew, and nothing else is ordered for it.
    async fn check_claim(
        &self,
        tx: &mut Tx,
        claim_no: PlatformNumber,
    ) -> Result<(), ClearingError> {
        let claim = self.market.hold_claim(tx, claim_no).await?;
        if claim.tenant != self.draft.participant {
            return Err(ClearingError::not_found("claim", claim_no));
        }
        if claim.case.stage == ClaimStage::Cancelled {
            let detail = format!("claim {claim_no} was cancelled: order no payment for it");
            return Err(ClearingError::refused(&CLAIM_CANCELLED, detail));
        }
        let Some(payable) = claim.case.payable() else { return Ok(()) };
        let ordered = store::paid_for(tx, claim_no, self.draft.order_id).await?;
        if ordered.plus(self.draft.amount).is_none_or(|all| payable < all) {
            let detail = format!(
                "claim {claim_no} was adjusted to {payable}; {ordered} of it is ordered or paid already"
            );
            return Err(ClearingError::refused(&CLAIM_OVERPAID, detail));
        }
        Ok(())
    }
}

/// A claim code, of the caller's insurer where it is one.
fn own_claim(call: &Call, code: &str) -> Result<PlatformNumber, NumberError> {
    let number = PlatformNumber::parse(code)?.of_kind(NumberKind::Claim)?;
    let insurer = call.caller.insurer.as_deref().and_then(|code| InsurerCode::parse(code).ok());
    insurer.map_or(Ok(number), |insurer| number.of_insurer(insurer))
}
