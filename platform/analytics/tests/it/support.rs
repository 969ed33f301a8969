//! A market's record to ask about.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use analytics::engine::{Engine, Limits};
use analytics::lake::{Lake, Owner, Version};
use analytics::market::{self, ClaimRow, Dimensions, ExposureRow, PaymentRow, PremiumRow, Rows};
use analytics::question::OwnQuestion;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use kernel::{Ids, TenantId};
use tokio_util::sync::CancellationToken;

pub(crate) fn ids() -> Arc<Ids> {
    static SEED: AtomicU64 = AtomicU64::new(1_000);
    Arc::new(Ids::seeded(SEED.fetch_add(1, Ordering::Relaxed)))
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// After the first quarter of 2025.
pub(crate) fn now() -> Timestamp {
    at("2025-05-01T02:00:00Z")
}

pub(crate) fn never() -> CancellationToken {
    CancellationToken::new()
}

pub(crate) fn tenant(number: u128) -> TenantId {
    TenantId(uuid::Uuid::from_u128(number))
}

pub(crate) fn engine(lake: &Lake) -> Engine {
    Engine::start(lake.clone(), Limits::default()).unwrap()
}

/// Whose and of what cell a row is: `region/class/usage/fuel/category`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of<'a> {
    pub(crate) tenant: u128,
    pub(crate) cell: &'a str,
    pub(crate) policy: u64,
}

impl Of<'_> {
    fn part(&self, at: usize) -> String {
        self.cell.split('/').nth(at).unwrap().to_owned()
    }

    fn dimensions(&self) -> Dimensions {
        Dimensions {
            tenant_id: tenant(self.tenant).to_string(),
            insurer: format!("I{:03}", self.tenant),
            region: self.part(0),
            class: self.part(1),
            usage: self.part(2),
            fuel: self.part(3),
            category: self.part(4),
        }
    }

    fn confirm_no(&self) -> String {
        format!("02{:012}{:012}", self.tenant, self.policy)
    }
}

const RECORDED: &str = "2025-02-10T02:00:00Z";

pub(crate) fn month() -> Date {
    date(2025, 2, 1)
}

/// A policy insured for so many seconds in February 2025.
pub(crate) fn exposure(of: Of<'_>, insured_s: i64, earned_fen: i64) -> ExposureRow {
    ExposureRow {
        of: of.dimensions(),
        confirm_no: of.confirm_no(),
        sequence: 0,
        month: month(),
        insured_s,
        earned_fen,
        recorded_at: at(RECORDED),
        channel: None,
    }
}

pub(crate) fn premium(of: Of<'_>, written_fen: i64) -> PremiumRow {
    PremiumRow {
        of: of.dimensions(),
        confirm_no: of.confirm_no(),
        sequence: 0,
        effective_at: at(RECORDED),
        recorded_at: at(RECORDED),
        written_fen,
        tax_fen: 0,
        channel: None,
    }
}

pub(crate) fn claim(of: Of<'_>) -> ClaimRow {
    ClaimRow {
        of: of.dimensions(),
        claim_no: format!("05{:012}{:012}", of.tenant, of.policy),
        sequence: 1,
        confirm_no: of.confirm_no(),
        step: "50".to_owned(),
        standing: "current".to_owned(),
        accident_at: at(RECORDED),
        reported_at: at(RECORDED),
        occurred_at: at(RECORDED),
        recorded_at: at(RECORDED),
        stage: "NOTIFIED".to_owned(),
        round: 0,
        liability: "1".to_owned(),
        closed_at: None,
        total_fen: None,
        paid_fen: 0,
        recovered_fen: 0,
        outstanding_fen: 0,
        counted: 1,
        channel: None,
    }
}

pub(crate) fn payment(of: Of<'_>, paid_fen: i64) -> PaymentRow {
    let of_claim = claim(of);
    PaymentRow {
        of: of.dimensions(),
        claim_no: of_claim.claim_no,
        sequence: 2,
        confirm_no: of.confirm_no(),
        accident_at: at(RECORDED),
        paid_at: at(RECORDED),
        recorded_at: at(RECORDED),
        paid_fen,
        recovered_fen: 0,
        channel: None,
    }
}

/// Adds rows to the market's record.
pub(crate) async fn record(lake: &Lake, rows: &Rows) -> Version {
    let market = lake.dataset(Owner::Operator, market::dataset_name().unwrap());
    let mut draft = market.draft().await.unwrap();
    rows.write(&mut draft).await.unwrap();
    draft.commit(now()).await.unwrap()
}

/// A question of a tenant in SQL, about the latest versions.
pub(crate) fn asked(by: u128, sql: &str) -> OwnQuestion {
    OwnQuestion {
        tenant: tenant(by),
        sql: sql.to_owned(),
        version: None,
        known_at: None,
        tables: Vec::new(),
        rows: None,
    }
}
