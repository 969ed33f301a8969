//! Settlement as it is shown to members and to the operator; what a flat rate would have meant, below.

pub mod cap;
pub mod flat_rule;
pub mod simulation;

use base_http::paging::Paged;
use jiff::Timestamp;
use kernel::Fen;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::cycle::Cycle;
use super::funds::FundsOrder;
use super::item::{Item, Origin};
use super::netting::Position;
use super::scheme::Scheme;
use super::standing::ItemStanding;
use super::statement::{Confirmation, Standing, Statement};
use crate::error::ClearingError;

/// How a region, or the nation, settles.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SettlementScheme)]
pub struct SchemeView {
    /// `000000` for the nation.
    pub region: String,
    /// Holds for cycles that open from then on.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// `overall` or `by_cover`.
    pub division: &'static str,
    /// `day`, `week`, `month` or `by_hand`.
    pub period: &'static str,
    /// Calendar days to confirm; the last is a working day.
    pub confirm_days: i32,
    /// Calendar days to pay; the last is a working day.
    pub funds_days: i32,
    /// `deem` or `hold`.
    pub on_silence: &'static str,
    /// `collateral` or `unwind`.
    pub on_failure: &'static str,
    /// Confirmed by no rule of the market: a proposal of this platform.
    pub proposed: bool,
    /// Who set it.
    pub set_by: String,
}

/// A settlement cycle.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SettlementCycle)]
pub struct CycleView {
    /// Names it.
    #[schema(value_type = String, format = Uuid)]
    pub cycle_id: Uuid,
    /// `000000` for the nation.
    pub region: String,
    /// The cover it is for; empty for all.
    pub cover: String,
    /// Counted from 1 within region and cover.
    pub number: i32,
    /// `open`, `closed`, `stated`, `funds_ordered`, `settled` or `reconciled`.
    pub stage: &'static str,
    /// The same in Chinese.
    pub stage_name: &'static str,
    /// When it opened.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When it is to be closed; absent when that is done by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due_at: Option<Timestamp>,
    /// When it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
    /// When its statements were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub stated_at: Option<Timestamp>,
    /// When money was first ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub funds_ordered_at: Option<Timestamp>,
    /// When every position was zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub settled_at: Option<Timestamp>,
    /// When every order of money had ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub reconciled_at: Option<Timestamp>,
    /// The rules it is settled by, as they were when it opened.
    pub scheme: SchemeView,
}

/// One cover against a counterparty.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SettlementLine)]
pub struct LineView {
    /// Coverage code.
    pub cover: &'static str,
    /// The same in Chinese.
    pub cover_name: &'static str,
    /// What is owed to the counterparty.
    pub owes: Fen,
    /// In how many items.
    pub owes_items: i64,
    /// What the counterparty owes.
    pub due: Fen,
    /// In how many items.
    pub due_items: i64,
    /// `due` less `owes`.
    pub net: Fen,
}

/// The bilateral position against one counterparty (双边头寸).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BilateralPosition)]
pub struct CounterpartyView {
    /// Its four-letter code; `?counterparty=` of the list of items takes it.
    pub insurer: String,
    /// What is due less what is owed.
    pub net: Fen,
    /// What that is made of.
    pub covers: Vec<LineView>,
}

/// How far the latest statement of a participant has come.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StatementStanding)]
pub struct StatementStandingView {
    /// Counted from 1.
    pub revision: i32,
    /// When it was sent.
    #[schema(value_type = String, format = DateTime)]
    pub sent_at: Timestamp,
    /// End of the time to confirm or dispute it.
    #[schema(value_type = String, format = DateTime)]
    pub confirm_by: Timestamp,
    /// `confirmed`, `deemed` or `unwound`; absent when it is not agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed: Option<String>,
}

/// An order of money for a cycle.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FundsView {
    /// Names it.
    #[schema(value_type = String, format = Uuid)]
    pub order_id: Uuid,
    /// From or to whom.
    pub insurer: String,
    /// `collect` (收款) or `pay_out` (付款).
    pub direction: &'static str,
    /// How much.
    pub amount: Fen,
    /// How much of it moved.
    pub arrived: Fen,
    /// When it was ordered.
    #[schema(value_type = String, format = DateTime)]
    pub ordered_at: Timestamp,
    /// When it must have moved.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// `done`, `withdrawn` or `collateral`; absent while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    /// The case that is open because what was booked by hand cannot be true beside what the bank
    /// said: nothing moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub case_id: Option<Uuid>,
}

/// Why a position is what it is: from the net figure to counterparties and covers; the list of
/// items goes on from there.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SettlementPosition)]
pub struct PositionView {
    /// In which cycle.
    pub cycle: CycleView,
    /// Whose.
    pub insurer: String,
    /// All that is owed.
    pub owes: Fen,
    /// All that is due.
    pub due: Fen,
    /// `due` less `owes`: negative for who has to pay (多边净额).
    pub net: Fen,
    /// The account in the ledger that says the same; its statement lists each item and how it was
    /// settled.
    #[schema(value_type = String, format = Uuid)]
    pub account_id: Uuid,
    /// Where that account stands now: `net` until money moves, zero after settlement.
    pub open: Fen,
    /// Against whom.
    pub counterparties: Vec<CounterpartyView>,
    /// The latest statement; absent before it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementStandingView>,
    /// Money ordered from or to this participant.
    pub funds: Vec<FundsView>,
}

/// What an insurer owes another.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SettlementItem)]
pub struct ItemView {
    /// Names it; the transfer in the ledger has the same id.
    #[schema(value_type = String, format = Uuid)]
    pub item_id: Uuid,
    /// The cycle that was open when it was committed.
    #[schema(value_type = String, format = Uuid)]
    pub cycle_id: Uuid,
    /// `recovery`, `arbitration`, `advance`, `flat_rate` or `reversal`.
    pub kind: &'static str,
    /// The same in Chinese.
    pub kind_name: &'static str,
    /// 结算码.
    pub reference: String,
    /// Who owes.
    pub payer: String,
    /// Who is owed.
    pub payee: String,
    /// Coverage code.
    pub cover: &'static str,
    /// Where it happened.
    pub region: String,
    /// How much.
    pub amount: Fen,
    /// The claims behind it: `/v1/claims/{claimCode}` shows each to its insurer, and the item's `origin`
    /// what was filed of all of them.
    pub claim_codes: Vec<String>,
    /// The item it takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub reverses: Option<Uuid>,
    /// The item it puts in again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub again: Option<Uuid>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub posted_at: Timestamp,
    /// How far it has come.
    pub stage: &'static str,
    /// The same in Chinese.
    pub stage_name: &'static str,
    /// The item that was last put in again for this one, when it left its cycle: `stage` is that
    /// one's.
    #[schema(value_type = String, format = Uuid)]
    pub current: Uuid,
    /// How much of it later items took back.
    pub reversed: Fen,
}

/// A signed statement (对账单).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SettlementStatement)]
pub struct StatementView {
    /// Counted from 1.
    pub revision: i32,
    /// JSON as text: to the byte what is signed.
    pub body: String,
    /// SHA-256 of the body, in hexadecimal digits. Confirming names it.
    pub digest: String,
    /// Ed25519 over the body, in base64.
    pub signature: String,
    /// The platform's public key, in base64; `/v1/settlement/keys` lists it.
    pub public_key: String,
    /// What is due less what is owed.
    pub net: Fen,
    /// When it was sent.
    #[schema(value_type = String, format = DateTime)]
    pub sent_at: Timestamp,
    /// How it was agreed to: `confirmed`, `deemed` or `unwound`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub agreed_at: Option<Timestamp>,
}

/// One participant in the operator's view of a cycle.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantView {
    /// Whose.
    pub insurer: String,
    /// All that is owed.
    pub owes: Fen,
    /// All that is due.
    pub due: Fen,
    /// `due` less `owes`.
    pub net: Fen,
    /// The latest statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementStandingView>,
}

/// A cycle as the operator sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CycleDetailView {
    /// The cycle.
    pub cycle: CycleView,
    /// Everybody in it; `net` adds up to zero.
    pub participants: Vec<ParticipantView>,
    /// Money ordered.
    pub funds: Vec<FundsView>,
}

/// A statement nobody agreed to in time.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverdueStatementView {
    /// In which cycle.
    #[schema(value_type = String, format = Uuid)]
    pub cycle_id: Uuid,
    /// Whose.
    pub insurer: String,
    /// Which.
    pub statement: StatementStandingView,
}

/// Money that did not move in time.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverdueFundsView {
    /// For which cycle.
    #[schema(value_type = String, format = Uuid)]
    pub cycle_id: Uuid,
    /// What was ordered.
    pub order: FundsView,
}

/// What is past its deadline.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverdueView {
    /// Statements that were not agreed to.
    pub statements: Vec<OverdueStatementView>,
    /// Money that did not move.
    pub funds: Vec<OverdueFundsView>,
}

/// What closing did.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClosedView {
    /// No item comes in any more.
    pub closed: CycleView,
    /// Open from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<CycleView>,
}

/// Keys statements are signed with.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeysView {
    /// Signs from now on: Ed25519 public key in base64.
    pub current: String,
    /// Every key a statement was signed with.
    pub keys: Vec<String>,
}

/// Every scheme there is or was.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemesView {
    /// By region, the latest first.
    pub schemes: Vec<SchemeView>,
}

/// What was done about a participant that did not pay.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureView {
    /// `collateral` or `unwound`.
    pub remedy: &'static str,
    /// The same in Chinese.
    pub remedy_name: &'static str,
}

/// What stands on a collateral account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollateralView {
    /// Whose.
    pub insurer: String,
    /// How much.
    pub balance: Fen,
}

/// Which items of a cycle.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ItemQuery {
    /// Only those with this insurer on the other side.
    pub counterparty: Option<String>,
    /// Only those under this cover.
    pub cover: Option<String>,
    /// Rows wanted, 1 to 500; 50 when absent.
    pub limit: Option<u16>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// A page of items.
pub type ItemPage = Paged<ItemView>;

impl From<&Scheme> for SchemeView {
    fn from(scheme: &Scheme) -> SchemeView {
        SchemeView {
            region: scheme.region.clone(),
            since: scheme.since,
            division: scheme.division.code(),
            period: scheme.period.code(),
            confirm_days: scheme.confirm_days,
            funds_days: scheme.funds_days,
            on_silence: scheme.on_silence.code(),
            on_failure: scheme.on_failure.code(),
            proposed: scheme.proposed,
            set_by: scheme.set_by.clone(),
        }
    }
}

impl From<&Cycle> for CycleView {
    fn from(cycle: &Cycle) -> CycleView {
        let stage = cycle.stage();
        CycleView {
            cycle_id: cycle.id.0,
            region: cycle.region.clone(),
            cover: cycle.cover.clone(),
            number: cycle.number,
            stage: stage.code(),
            stage_name: stage.name_zh(),
            opened_at: cycle.opened_at,
            due_at: cycle.due_at,
            closed_at: cycle.closed_at,
            stated_at: cycle.stated_at,
            funds_ordered_at: cycle.funds_ordered_at,
            settled_at: cycle.settled_at,
            reconciled_at: cycle.reconciled_at,
            scheme: (&cycle.scheme).into(),
        }
    }
}

impl FundsView {
    /// An order, with the code of whose it is.
    pub(super) fn of(order: &FundsOrder, insurer: &str) -> FundsView {
        FundsView {
            order_id: order.order_id,
            insurer: insurer.to_owned(),
            direction: order.direction.code(),
            amount: order.amount,
            arrived: order.arrived,
            ordered_at: order.ordered_at,
            due_at: order.due_at,
            outcome: order.outcome.map(|outcome| outcome.code()),
            case_id: None,
        }
    }
}

impl StatementStandingView {
    /// How far a statement of this cycle has come.
    pub(super) fn of(cycle: &Cycle, told: &Standing) -> StatementStandingView {
        StatementStandingView {
            revision: told.revision,
            sent_at: told.sent_at,
            confirm_by: cycle.confirm_by(told.sent_at),
            agreed: told.manner.clone(),
        }
    }
}

impl StatementView {
    /// A statement and how it was agreed to.
    pub(super) fn of(statement: &Statement, agreed: Option<&Confirmation>) -> StatementView {
        StatementView {
            revision: statement.revision,
            body: statement.body.clone(),
            digest: statement.digest_hex(),
            signature: statement.signature_base64(),
            public_key: statement.public_key_base64(),
            net: statement.net,
            sent_at: statement.sent_at,
            agreed: agreed.map(|agreed| agreed.manner.clone()),
            agreed_at: agreed.map(|agreed| agreed.confirmed_at),
        }
    }
}

impl ItemView {
    /// An item and where it stands.
    pub(super) fn of(item: &Item, standing: &ItemStanding) -> ItemView {
        let draft = &item.draft;
        let (reverses, again) = match item.origin {
            Origin::New => (None, None),
            Origin::Reverses(other) => (Some(other), None),
            Origin::Again(other) => (None, Some(other)),
        };
        ItemView {
            item_id: draft.item_id,
            cycle_id: item.cycle.0,
            kind: draft.kind.code(),
            kind_name: draft.kind.name_zh(),
            reference: draft.reference.clone(),
            payer: draft.payer_insurer.clone(),
            payee: draft.payee_insurer.clone(),
            cover: draft.cover.code(),
            region: draft.region.clone(),
            amount: draft.amount,
            claim_codes: draft.claim_codes.clone(),
            reverses,
            again,
            posted_at: item.posted_at,
            stage: standing.stage.code(),
            stage_name: standing.stage.name_zh(),
            current: standing.current,
            reversed: standing.reversed,
        }
    }
}

/// A position by counterparty and cover.
pub(super) fn counterparties(position: &Position) -> Result<Vec<CounterpartyView>, ClearingError> {
    let mut views = Vec::new();
    for (counterparty, insurer, net) in position.bilateral()? {
        let lines = position.lines.iter().filter(|line| line.counterparty == counterparty);
        let covers = lines.map(|line| {
            Ok(LineView {
                cover: line.cover.code(),
                cover_name: line.cover.name_zh(),
                owes: line.owes,
                owes_items: line.owes_items,
                due: line.due,
                due_items: line.due_items,
                net: line.net().ok_or(ClearingError::Corrupt("sum of a cycle"))?,
            })
        });
        let covers = covers.collect::<Result<_, ClearingError>>()?;
        views.push(CounterpartyView { insurer: insurer.to_owned(), net, covers });
    }
    Ok(views)
}
