//! Referrals read back: the queue, and one with everything it rests on.

use base_http::paging::{Page, Paged, bad, cut};
use base_http::{Call, Done, Notice, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::Fen;
use production_core::claim::referral::{Conclusion, Finding, ReferralStage, Scheme};
use production_core::number::NumberKind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Production;
use crate::claim::score::Band;
use crate::claim::score::read::ScoreLine;
use crate::error::ProductionError;
use crate::lookup::{Shown, ask};
use crate::pre_confirm::number;
use crate::store::claim_score;
use crate::store::referral::{self as store, EvidenceRow, ReferralFilter, ReferralRow};

/// What a list may be narrowed to.
const STATES: [&str; 3] = ["open", "assigned", "concluded"];

/// Which referrals to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReferralListQuery {
    /// `open`, `assigned` or `concluded`; all when absent.
    pub state: Option<String>,
    /// Of this band or a higher one: `low`, `review`, `high`.
    pub band: Option<String>,
    /// Resting on this rule, for example `H05`.
    pub rule: Option<String>,
    /// With this investigator.
    pub assignee: Option<String>,
    /// Rows wanted, 1 to 500; 50 when absent.
    pub limit: Option<u16>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// A referral.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReferralLine {
    /// 理赔编号.
    pub claim_code: String,
    /// `open`, `assigned` or `concluded`.
    pub state: &'static str,
    /// How often it was opened.
    pub round: i32,
    /// What opened this round: `score`, `rule` or `person`.
    pub origin: &'static str,
    /// The highest band of its scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<Band>,
    /// The highest chance of fraud, in parts per million.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance_ppm: Option<u32>,
    /// Rules it rests on.
    pub rules: Vec<String>,
    /// When this round was opened.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When it last became another.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
    /// Who looks into it, or did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// What was found in this round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<ConclusionView>,
    /// What a person should see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
}

/// What was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReferralConclusionView)]
pub struct ConclusionView {
    /// What it is.
    pub finding: Finding,
    /// What the insurer need not pay, or got back.
    pub saved: Fen,
    /// How it was done.
    pub schemes: Vec<Scheme>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who concluded.
    pub concluded_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub concluded_at: Timestamp,
}

/// A referral with everything it rests on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReferralView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub line: ReferralLine,
    /// What was told, first to last.
    pub evidence: Vec<EvidenceView>,
    /// Every score of the claim, with its reasons.
    pub scores: Vec<ScoreLine>,
    /// What was concluded in each round.
    pub conclusions: Vec<RoundView>,
}

/// Something a referral rests on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReferralEvidence)]
pub struct EvidenceView {
    /// In which round it was found.
    pub round: i32,
    /// The step of the claim it was found at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i32>,
    /// The rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// In words.
    pub text: String,
    /// The other case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_claim_code: Option<String>,
    /// Who told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told_by: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub told_at: Timestamp,
}

/// What was concluded in a round.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReferralRound)]
pub struct RoundView {
    /// Which.
    pub round: i32,
    /// What was found.
    #[serde(flatten)]
    pub conclusion: ConclusionView,
}

impl ConclusionView {
    fn of(found: &Conclusion) -> ConclusionView {
        ConclusionView {
            finding: found.finding,
            saved: found.saved,
            schemes: found.schemes.clone(),
            note: found.note.clone(),
            concluded_by: found.by.clone(),
            concluded_at: found.at,
        }
    }
}

impl ReferralLine {
    pub(crate) fn of(row: &ReferralRow) -> ReferralLine {
        let conclusion = match &row.stage {
            ReferralStage::Concluded(found) => Some(ConclusionView::of(found)),
            ReferralStage::Open | ReferralStage::Assigned { .. } => None,
        };
        ReferralLine {
            claim_code: row.claim_no.to_string(),
            state: row.stage.name(),
            round: row.round,
            origin: row.origin.name(),
            band: row.band,
            chance_ppm: row.chance_ppm,
            rules: row.rules.clone(),
            opened_at: row.opened_at,
            changed_at: row.changed_at,
            assignee: row.assignee.as_ref().map(|(assignee, _)| assignee.clone()),
            conclusion,
            notices: Vec::new(),
        }
    }
}

impl EvidenceView {
    fn of(row: EvidenceRow) -> EvidenceView {
        EvidenceView {
            round: row.round,
            sequence: row.sequence,
            rule: row.rule,
            text: row.text,
            other_claim_code: row.other_claim_no,
            told_by: row.told_by,
            told_at: row.told_at,
        }
    }
}

impl Production {
    /// The referral of an own claim.
    pub async fn read_referral(&self, call: Call, claim_code: &str) -> Result<Reply, Problem> {
        let claim_no = number(self, &call, claim_code, NumberKind::Claim)?;
        let mut tx = self.begin(&call).await?;
        let row = store::find(&mut tx, claim_no).await?;
        let row = row.ok_or_else(|| ProductionError::not_found("referral of", claim_no))?;
        let evidence = store::evidence(&mut tx, claim_no).await?;
        let scores = claim_score::of_claim(&mut tx, claim_no).await?;
        let conclusions = store::conclusions(&mut tx, claim_no).await?;
        drop(tx);
        let view = ReferralView {
            line: ReferralLine::of(&row),
            evidence: evidence.into_iter().map(EvidenceView::of).collect(),
            scores: scores.into_iter().map(ScoreLine::of).collect(),
            conclusions: conclusions
                .iter()
                .map(|(round, found)| RoundView {
                    round: *round,
                    conclusion: ConclusionView::of(found),
                })
                .collect(),
        };
        let done = Done::json(StatusCode::OK, &view, claim_no.slot().0, claim_no.to_string());
        self.answer(call, Shown::Masked, done).await
    }

    /// Own referrals, the latest changed first.
    pub async fn list_referrals(
        &self,
        call: Call,
        asked: ReferralListQuery,
    ) -> Result<Reply, Problem> {
        let page = Page { limit: asked.limit, after: asked.after };
        let limit = page.limit()?;
        if asked.state.as_deref().is_some_and(|state| !STATES.contains(&state)) {
            return Err(bad("state", format!("send one of {}", STATES.join(", "))));
        }
        let band = asked.band.as_deref().map(|band| {
            Band::parse(band).ok_or_else(|| bad("band", "send one of low, review, high"))
        });
        let filter = ReferralFilter {
            state: asked.state,
            band: band.transpose()?,
            rule: asked.rule,
            assignee: asked.assignee,
            after: ask::cursor(page.after.as_deref())?,
        };
        let mut tx = self.begin(&call).await?;
        let mut rows = store::list(&mut tx, call.caller.tenant, &filter, limit + 1).await?;
        drop(tx);
        let page = Paged {
            next: cut(&mut rows, limit, |last| ask::behind(last.changed_at, last.claim_no)),
            items: rows.iter().map(ReferralLine::of).collect(),
        };
        self.answer(call, Shown::Masked, Done::json(StatusCode::OK, &page, 0, "referrals")).await
    }
}
