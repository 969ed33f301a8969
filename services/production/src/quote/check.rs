//! 投保查询校验: a person reads the image, and the quote is shown.

use base_http::{Call, Done, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::TenantId;
use pg::{Command, Scope, Tx};
use production_core::history::PolicyClass;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::rule::{Findings, RuleId};
use production_core::rules::message::{self, Challenge};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Production;
use crate::error::{self, ProductionError};
use crate::lookup::replay::Replayed;
use crate::lookup::shown_record;
use crate::pre_confirm::number;
use crate::quote::answer::{self, QuoteView};
use crate::quote::checks::{self, Duplicate};
use crate::quote::{Assumed, claims, read};
use crate::store::known::{Known, KnownPolicy};
use crate::store::lookup;
use crate::store::quote::{self as store, QuoteRecord};

/// Answers a person may try before the quote is dead.
const TRIES: i32 = 5;

/// 投保查询校验: the answer to the image.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QuoteCheckRequest)]
pub struct CheckBody {
    /// The digits of the image.
    #[schema(example = "40718")]
    pub answer: Option<String>,
}

impl Production {
    /// Judges the answer to a quote's image; right, it shows the quote (rule S08).
    pub async fn check_quote(
        &self,
        call: Call,
        query_code: &str,
        body: CheckBody,
    ) -> Result<Reply, Problem> {
        let query_no = number(self, &call, query_code, NumberKind::Query)?;
        let mut found = Findings::new();
        let given = read::text(&body.answer, "/answer", &mut found);
        let Some(given) = given.filter(|_| !found.rejects()) else {
            return Err(Problem::invalid(read::errors(found.split().0)));
        };
        let mut tx = self.begin(&call).await?;
        let record = store::find(&mut tx, &[query_no]).await?.pop();
        let answered = store::is_answered(&mut tx, query_no).await?;
        drop(tx);
        let record = record.ok_or_else(|| ProductionError::not_found("quote", query_no))?;
        if !answered {
            self.judge(&call, &record, given).await?;
        }
        let (mut view, rated_on) = self.whole(&record).await?;
        view.notices.extend(checks::unknown(&call.unknown));
        let command = Answered {
            query_no,
            tenant: record.tenant,
            client: call.caller.client.to_string(),
            now: call.received_at,
        };
        let slot = query_no.slot().0;
        let shown = rated_on.iter().map(|&number| shown_record(&record.frame, number));
        let done = Done::json(StatusCode::OK, &view, slot, query_no.to_string()).showing(shown);
        self.spine.run(call, &command, |()| done.clone()).await
    }

    /// Takes one try and judges the answer.
    async fn judge(&self, call: &Call, record: &QuoteRecord, given: &str) -> Result<(), Problem> {
        let (query_no, now) = (record.query_no, call.received_at);
        let open = record.challenge.as_ref().map(|_| Challenge {
            query_no,
            user: record.client.clone(),
            expected: self.challenges.digits(query_no),
            until: record.expires_at,
        });
        let judged = |answer: &str| {
            let mut found = Findings::new();
            let user = &call.caller.client;
            message::challenge_answer(
                open.as_ref(),
                query_no,
                user,
                answer,
                now,
                "/answer",
                &mut found,
            );
            found
        };
        // Whoever may not answer, or comes too late, uses up no try.
        let standing = judged(&self.challenges.digits(query_no));
        if standing.rejects() {
            return Err(Problem::invalid(read::errors(standing.split().0)));
        }
        // Counted and committed before it is judged: guesses that come at once count too.
        let take = TakeTry { query_no, tenant: record.tenant, now };
        let scope = Scope::of(record.tenant);
        let Some(tries) = self.spine.db().run(scope, &take).await? else {
            let detail = format!("{TRIES} answers were given; quote again");
            return Err(
                Problem::new(&error::CHALLENGE_EXHAUSTED, detail).breaking(RuleId::S08.code())
            );
        };
        if self.challenges.is_right(query_no, given) {
            return Ok(());
        }
        let left = TRIES - tries;
        let detail = format!("the answer does not match the image; {left} tries are left");
        Err(Problem {
            errors: read::errors(judged(given).split().0),
            ..Problem::new(&error::CHALLENGE_FAILED, detail).with("triesLeft", left)
        })
    }

    /// The quote as it would have been answered without a challenge: computed again from what it
    /// was rated on, so that what has happened since does not show. With the confirm codes of the
    /// policies it was rated on.
    async fn whole(
        &self,
        record: &QuoteRecord,
    ) -> Result<(QuoteView, Vec<PlatformNumber>), Problem> {
        let Replayed { input, rating, .. } = self.replay(record).await?;
        let now_known = self.history.of(&record.frame).await?;
        let snapshots = self.opened(&now_known.kept).await;
        let assumed: Assumed =
            serde_json::from_str(&record.outside).map_err(|_| ProductionError::Corrupt("quote"))?;
        let known = as_rated(&input.history.policies, now_known);
        let duplicates: Vec<Duplicate> = record
            .commercial
            .iter()
            .flat_map(|part| checks::overlapping(&known, PolicyClass::Commercial, part.period))
            .map(|policy| Duplicate::of(policy, &record.frame, record.insurer))
            .collect();
        let mut notices: Vec<_> = rating.iter().flat_map(answer::rating_notices).collect();
        let of_duplicates = duplicates.iter();
        notices.extend(of_duplicates.map(|one| answer::duplicate_notice(one, &record.frame)));
        let police = assumed.sources.contains(&crate::outside::Source::Police);
        let registered = snapshots.police.as_ref().filter(|_| !police);
        let rated_on = input.history.policies.iter().map(|policy| policy.confirm_no).collect();
        let view = QuoteView {
            query_code: record.query_no,
            quoted_at: record.quoted_at,
            expires_at: record.expires_at,
            payable: rating.as_ref().and_then(answer::payable),
            reinsure_flag: answer::reinsure_flag(&duplicates),
            duplicates,
            claims: rating.iter().flat_map(|rating| claims::judged(&input, rating)).collect(),
            previous_policies: answer::previous(&known),
            changes_insurer: answer::changes_insurer(&known, record.insurer),
            registered: registered
                .and_then(|snapshot| snapshot.found.as_ref())
                .map(answer::registered_view),
            assumed: assumed.sources.iter().map(|source| source.name()).collect(),
            notices,
            challenge: None,
            rating,
        };
        Ok((view, rated_on))
    }
}

/// The policies a quote was rated on, as they stood then, with what is known of their numbers.
fn as_rated(rated: &[production_core::history::PriorPolicy], known: Known) -> Known {
    let policies = known.policies.into_iter().filter_map(|policy| {
        let prior = rated.iter().find(|prior| prior.confirm_no == policy.prior.confirm_no)?;
        Some(KnownPolicy { prior: prior.clone(), revoked: false, ..policy })
    });
    Known { policies: policies.collect(), claims: known.claims, kept: known.kept }
}

struct TakeTry {
    query_no: PlatformNumber,
    tenant: TenantId,
    now: Timestamp,
}

impl Command for TakeTry {
    const NAME: &'static str = "quote.check_try";
    type Out = Option<i32>;
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<Option<i32>, ProductionError> {
        lookup::take_try(tx, self.query_no, self.tenant, TRIES, self.now).await
    }
}

/// Notes that the challenge was answered.
struct Answered {
    query_no: PlatformNumber,
    tenant: TenantId,
    client: String,
    now: Timestamp,
}

impl Command for Answered {
    const NAME: &'static str = "quote.check";
    type Out = ();
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), ProductionError> {
        store::mark_answered(tx, self.query_no, self.tenant, &self.client, self.now).await
    }
}
