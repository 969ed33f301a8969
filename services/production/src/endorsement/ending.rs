//! 退保 and 撤单: ending a policy before its time. Ask for the refund, then ask again with the
//! refund echoed to carry it out.

use base_http::{Call, Done, Notice, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::Fen;
use production_core::endorsement::{Difference, Kind};
use production_core::number::NumberKind;
use production_core::policy::SurrenderReason;
use production_core::rule::{Findings, RuleId};
use production_core::rules::format::{self, Edge};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Production;
use crate::endorsement::confirm::ending_event;
use crate::endorsement::plan::{Priced, Standing, price};
use crate::endorsement::query::QueryEndorsement;
use crate::endorsement::read::{self as message, Asked};
use crate::endorsement::view::EndorsementView;
use crate::endorsement::{Formula, refused};
use crate::pre_confirm::number;
use crate::quote::{checks, read};

/// 退保: why, from when, and whether to carry it out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SurrenderRequest)]
pub struct SurrenderBody {
    /// 退保原因: `01` deregistered, `02` off the road, `03` lost, `04` duplicate cover, `05`
    /// non-disclosure; `99`, the policyholder's wish, ends commercial cover alone.
    #[schema(example = "01")]
    pub surrender_reason: Option<String>,
    /// Why, in words.
    #[schema(example = "车辆报废注销")]
    pub reason: Option<String>,
    /// First instant without cover: `yyyyMMddHH` in China, or RFC 3339; now when absent.
    pub effective_at: Option<String>,
    /// The number of this endorsement: the policy's last one plus one.
    pub endorse_times: Option<u32>,
    /// Carry it out; without, the refund is answered and nothing happens.
    pub confirm: Option<bool>,
    /// The premium refund as answered, to confirm.
    #[schema(example = "620.75")]
    pub premium_refund: Option<String>,
    /// The tax refund as answered, to confirm; zero when absent.
    #[schema(example = "0.00")]
    pub tax_refund: Option<String>,
}

/// 撤单: why, and whether to carry it out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RevokeRequest)]
pub struct RevokeBody {
    /// Why, in words.
    #[schema(example = "投保人撤销投保")]
    pub reason: Option<String>,
    /// The number of this endorsement: the policy's last one plus one.
    pub endorse_times: Option<u32>,
    /// Carry it out; without, the refund is answered and nothing happens.
    pub confirm: Option<bool>,
    /// The premium refund as answered, to confirm.
    pub premium_refund: Option<String>,
    /// The tax refund as answered, to confirm; zero when absent.
    pub tax_refund: Option<String>,
}

/// What ending a policy would return. Nothing has happened yet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RefundQuote)]
pub struct RefundView {
    /// The policy.
    pub confirm_code: String,
    /// `quoted`.
    pub stage: &'static str,
    /// `09` surrender, `10` revocation.
    pub kind: &'static str,
    /// The number it would have.
    pub endorse_times: u32,
    /// First instant without cover.
    #[schema(value_type = String, format = DateTime)]
    pub effective_at: Timestamp,
    /// Premium that goes back: echo it to confirm.
    pub premium_refund: Fen,
    /// Vehicle tax that goes back: echo it to confirm.
    pub tax_refund: Fen,
    /// Both.
    pub refund: Fen,
    /// How they were computed.
    pub formula: Formula,
    /// What a person should see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
}

/// Whether to carry an ending out, and the refund the caller expects.
struct Wish {
    confirm: bool,
    premium: Option<Fen>,
    tax: Fen,
}

impl Production {
    /// Answers the refund of a surrender, or carries it out.
    pub async fn surrender(
        &self,
        call: Call,
        confirm_code: &str,
        body: SurrenderBody,
    ) -> Result<Reply, Problem> {
        let confirm_no = number(self, &call, confirm_code, NumberKind::Confirm)?;
        let mut found = Findings::new();
        let why = read::text(&body.surrender_reason, "/surrenderReason", &mut found);
        let ending: Option<SurrenderReason> =
            why.and_then(|code| read::word(code, RuleId::L33, "/surrenderReason", &mut found));
        let reason = match &body.reason {
            None => ending.map(|ending| ending.name_zh().to_owned()),
            sent => message::reason(sent, &mut found),
        };
        let effective = match body.effective_at.as_deref() {
            Some(raw) => format::instant(raw, Edge::Start, "/effectiveAt", &mut found),
            None => Some(call.received_at),
        };
        let wish = wish(body.confirm, &body.premium_refund, &body.tax_refund, &mut found);
        let (Some(ending), Some(reason), Some(effective), false) =
            (ending, reason, effective, found.rejects())
        else {
            return Err(Problem::invalid(read::errors(found.split().0)));
        };
        let standing = self.standing(&call, confirm_no).await?;
        let mut asked = Asked::nothing(Kind::Surrender, effective, reason, &standing);
        asked.ending = Some(ending);
        asked.endorse_times = body.endorse_times;
        self.end(call, standing, asked, wish).await
    }

    /// Answers the refund of a revocation, or carries it out.
    pub async fn revoke(
        &self,
        call: Call,
        confirm_code: &str,
        body: RevokeBody,
    ) -> Result<Reply, Problem> {
        let confirm_no = number(self, &call, confirm_code, NumberKind::Confirm)?;
        let mut found = Findings::new();
        let reason = message::reason(&body.reason, &mut found);
        let wish = wish(body.confirm, &body.premium_refund, &body.tax_refund, &mut found);
        let (Some(reason), false) = (reason, found.rejects()) else {
            return Err(Problem::invalid(read::errors(found.split().0)));
        };
        let standing = self.standing(&call, confirm_no).await?;
        let mut asked = Asked::nothing(Kind::Revoke, call.received_at, reason, &standing);
        asked.endorse_times = body.endorse_times;
        self.end(call, standing, asked, wish).await
    }

    async fn end(
        &self,
        call: Call,
        standing: Standing,
        asked: Asked,
        wish: Wish,
    ) -> Result<Reply, Problem> {
        let now = call.received_at;
        let tariff = self.book.of_version(&standing.version.tariff_version).await?;
        let priced = price(&standing, &asked, &tariff, now)?;
        let slot = standing.policy.confirm_no.slot().0;
        let notices: Vec<Notice> = checks::unknown(&call.unknown).collect();
        if !wish.confirm {
            let view = RefundView { notices, ..refund_view(&standing, &priced) };
            let subject = view.confirm_code.clone();
            let done = Done::json(StatusCode::OK, &view, slot, subject);
            return self.spine.answer(call, done).await;
        }
        let echo =
            Difference { premium: Fen(-wish.premium.unwrap_or_default().0), tax: Fen(-wish.tax.0) };
        if echo != priced.terms.difference {
            let due = refund_view(&standing, &priced);
            let problem =
                Problem::from(refused(production_core::endorsement::EndorsementError::Echo));
            return Err(problem
                .with("premiumRefund", due.premium_refund)
                .with("taxRefund", due.tax_refund));
        }
        let record = self.record(&standing, &asked, &priced, &tariff, now).await?;
        let no = self.amend_number(&standing, NumberKind::AmendConfirm, now).await?;
        let command = QueryEndorsement { record, at_once: Some(no), now };
        self.spine
            .run(call, &command, |(record, policy)| {
                let mut view = EndorsementView::of(&record, &record.stage, now).with(&policy, now);
                view.notices = notices.clone();
                view.done(StatusCode::CREATED, slot, ending_event(&policy))
            })
            .await
    }
}

fn wish(
    confirm: Option<bool>,
    premium: &Option<String>,
    tax: &Option<String>,
    found: &mut Findings,
) -> Wish {
    let confirm = confirm.unwrap_or(false);
    if confirm && premium.is_none() {
        read::missing::<Fen>("/premiumRefund", found);
    }
    Wish {
        confirm,
        premium: read::amount(premium, "/premiumRefund", found),
        tax: read::amount(tax, "/taxRefund", found).unwrap_or_default(),
    }
}

fn refund_view(standing: &Standing, priced: &Priced) -> RefundView {
    let Difference { premium, tax } = priced.terms.difference;
    RefundView {
        confirm_code: standing.policy.confirm_no.to_string(),
        stage: "quoted",
        kind: priced.terms.kind.code(),
        endorse_times: priced.terms.endorse_times,
        effective_at: priced.terms.effective,
        premium_refund: Fen(-premium.0),
        tax_refund: Fen(-tax.0),
        refund: Fen(-priced.terms.difference.total().unwrap_or_default().0),
        formula: priced.formula.clone(),
        notices: Vec::new(),
    }
}
