//! 欺诈评分: a question for the actuarial cloud, asked while a step is taken, that never holds it up.
//!
//! A scorer computes on threads of its own and is waited for at most two milliseconds. One that is not
//! there, breaks, hangs or is asked for what it does not know costs the step nothing but its score:
//! the step goes by rules alone, says so in a notice, and is counted in `claim_score_degraded_total`.

pub mod read;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicIsize, AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base_http::Notice;
use kernel::TenantId;
use production_core::claim::Step;
use production_core::claim::feature::{self, Features};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::claim::answer::HintView;
use crate::claim::hint::BY_SCORE;

/// How long a score is waited for. Timers tick by the millisecond and are rounded up, so that this is
/// at most two.
pub const WAIT: Duration = Duration::from_millis(1);
/// Threads that score; a scorer that hangs on all of them is not asked any more until one returns.
const THREADS: usize = 2;
/// Questions that may wait for a thread: a set's ask together.
const QUEUE: usize = 128;

/// Who scores claims. Asked on a thread that may block, and given up when it takes too long.
pub trait ClaimScorer: Send + Sync + 'static {
    /// Whether there is anybody to ask; steps say nothing of scores otherwise.
    fn is_there(&self) -> bool {
        true
    }

    /// Whether a tenant's claims can be scored, as far as is known without asking: nothing is read,
    /// computed or kept for a score otherwise.
    fn has_model(&self, _tenant: TenantId) -> bool {
        true
    }

    /// How long a step waits for a score.
    fn patience(&self) -> Duration {
        WAIT
    }

    /// The score of a tenant's claim by its figures.
    fn score(&self, tenant: TenantId, features: &Features) -> Result<FraudScore, NotScored>;
}

/// A platform without an actuarial cloud: claims go by rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoScorer;

impl ClaimScorer for NoScorer {
    fn is_there(&self) -> bool {
        false
    }

    fn score(&self, _tenant: TenantId, _features: &Features) -> Result<FraudScore, NotScored> {
        Err(NotScored::NoModel)
    }
}

/// What a score calls for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Band {
    /// Nothing.
    Low,
    /// A look.
    Review,
    /// An investigation.
    High,
}

/// A fraud score of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FraudScore {
    /// The model that said it.
    #[schema(value_type = String, format = Uuid)]
    pub model_id: Uuid,
    /// Its version.
    pub model_version: i32,
    /// `tenant`, or `market` when the insurer has no model of its own.
    pub model_scope: String,
    /// Chance of fraud, in parts per million.
    pub chance_ppm: u32,
    /// What it calls for.
    pub band: Band,
    /// What speaks for and against fraud, the strongest first.
    pub reasons: Vec<ScoreReason>,
}

/// What speaks for or against fraud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScoreReason {
    /// A figure of the claim (docs/guides/actuarial/fraud.md).
    #[schema(example = "hoursSinceStart")]
    pub feature: String,
    /// What the claim has there.
    #[schema(example = "71")]
    pub value: String,
    /// What the odds are multiplied by, in percent.
    #[schema(example = 153)]
    pub odds_pct: i64,
}

/// Why a step goes by rules alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotScored {
    /// No model is in force.
    NoModel,
    /// The model in force cannot be read.
    Broken,
    /// The model asks for figures the claim has not.
    Missing,
    /// It took too long.
    Late,
    /// It broke while it computed.
    Failed,
    /// Those asked before have not been answered.
    Busy,
}

impl Band {
    /// The word used in messages and storage.
    pub const fn name(self) -> &'static str {
        match self {
            Band::Low => "low",
            Band::Review => "review",
            Band::High => "high",
        }
    }

    /// The band of that word.
    pub fn parse(name: &str) -> Option<Band> {
        [Band::Low, Band::Review, Band::High].into_iter().find(|band| band.name() == name)
    }
}

impl NotScored {
    /// Every reason.
    pub(crate) const ALL: [NotScored; 6] = [
        NotScored::NoModel,
        NotScored::Broken,
        NotScored::Missing,
        NotScored::Late,
        NotScored::Failed,
        NotScored::Busy,
    ];

    /// The word used in storage and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            NotScored::NoModel => "noModel",
            NotScored::Broken => "broken",
            NotScored::Missing => "missing",
            NotScored::Late => "late",
            NotScored::Failed => "failed",
            NotScored::Busy => "busy",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            NotScored::NoModel => "no fraud score is published",
            NotScored::Broken => "the published fraud score cannot be read",
            NotScored::Missing => "the published fraud score asks for figures the claim has not",
            NotScored::Late => "the fraud score did not come in time",
            NotScored::Failed => "the fraud score could not be computed",
            NotScored::Busy => "too many fraud scores are being computed",
        }
    }

    /// Counts a step that goes by rules alone.
    pub(crate) fn count(self) {
        metrics::counter!("claim_score_degraded_total", "why" => self.name()).increment(1);
    }

    /// What a person should see.
    pub(crate) fn notice(self) -> Notice {
        let detail = format!("未取得欺诈评分 {}; the claim goes by rules alone", self.text());
        Notice { code: "N2151".into(), rule: None, pointer: None, detail }
    }
}

impl FraudScore {
    /// What a claims handler should look at; nothing when the score calls for nothing.
    pub(crate) fn hint(&self) -> Option<HintView> {
        let reasons = self.reasons.iter().filter(|reason| reason.odds_pct > 100).map(|reason| {
            format!(
                "{} is {}: odds × {}.{:02}",
                reason.feature,
                reason.value,
                reason.odds_pct / 100,
                reason.odds_pct % 100
            )
        });
        let reasons: Vec<String> = reasons.collect();
        let colon = if reasons.is_empty() { "" } else { ": " };
        (self.band != Band::Low).then(|| HintView {
            rule: BY_SCORE.to_owned(),
            kind: "score".to_owned(),
            text: format!(
                "the fraud score is {} ({}.{:02} %) by model {} of the {}{colon}{}",
                self.band.name(),
                self.chance_ppm / 10_000,
                self.chance_ppm % 10_000 / 100,
                self.model_version,
                self.model_scope,
                reasons.join("; ")
            ),
            claim_code: None,
            insurer: None,
            accident_on: None,
            pointer: None,
        })
    }
}

/// Whether a step is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scoring {
    /// No: it is of no kind that is, or there is nobody to ask.
    None,
    /// It would be, were there a model.
    NoModel,
    /// Yes.
    Asked,
}

/// Where scores are asked for.
pub(crate) struct ScoreDesk {
    scorer: Arc<dyn ClaimScorer>,
    questions: SyncSender<Question>,
    /// Questions given up that a thread still works on.
    hanging: Arc<AtomicIsize>,
}

struct Question {
    tenant: TenantId,
    features: Features,
    state: Arc<AtomicU8>,
    answer: oneshot::Sender<Result<FraudScore, NotScored>>,
}

const WAITING: u8 = 0;
const COMPUTING: u8 = 1;
const ANSWERED: u8 = 2;
const GIVEN_UP: u8 = 3;

impl ScoreDesk {
    /// A desk over `scorer`, with threads that end with the desk.
    pub(crate) fn open(scorer: Arc<dyn ClaimScorer>) -> ScoreDesk {
        let (questions, taken) = sync_channel(QUEUE);
        let (taken, hanging) = (Arc::new(Mutex::new(taken)), Arc::new(AtomicIsize::new(0)));
        if scorer.is_there() {
            for number in 0..THREADS {
                let (scorer, taken, hanging) = (scorer.clone(), taken.clone(), hanging.clone());
                let thread = std::thread::Builder::new().name(format!("fraud-score-{number}"));
                if let Err(error) = thread.spawn(move || answer(&*scorer, &taken, &hanging)) {
                    tracing::error!(%error, "no thread for fraud scores; claims go by rules");
                }
            }
        }
        ScoreDesk { scorer, questions, hanging }
    }

    /// Whether steps are scored at all.
    pub(crate) fn is_open(&self) -> bool {
        self.scorer.is_there()
    }

    /// Whether a tenant's step is scored.
    pub(crate) fn scoring(&self, tenant: TenantId, step: Step) -> Scoring {
        match () {
            () if !self.is_open() || !feature::is_scored(step) => Scoring::None,
            () if self.scorer.has_model(tenant) => Scoring::Asked,
            () => Scoring::NoModel,
        }
    }

    /// The score of a claim, or why there is none; at most two milliseconds later.
    pub(crate) async fn score(
        &self,
        tenant: TenantId,
        features: Features,
    ) -> Result<FraudScore, NotScored> {
        let scored = self.ask(tenant, features).await;
        if let Err(why) = &scored {
            why.count();
        }
        scored
    }

    async fn ask(&self, tenant: TenantId, features: Features) -> Result<FraudScore, NotScored> {
        if self.hanging.load(Ordering::Acquire) >= THREADS as isize {
            return Err(NotScored::Busy);
        }
        let state = Arc::new(AtomicU8::new(WAITING));
        let (answer, answered) = oneshot::channel();
        let question = Question { tenant, features, state: state.clone(), answer };
        self.questions.try_send(question).map_err(|_| NotScored::Busy)?;
        match tokio::time::timeout(self.scorer.patience(), answered).await {
            Ok(answer) => answer.unwrap_or(Err(NotScored::Failed)),
            Err(_) => {
                if state.swap(GIVEN_UP, Ordering::AcqRel) == COMPUTING {
                    self.hanging.fetch_add(1, Ordering::AcqRel);
                }
                Err(NotScored::Late)
            }
        }
    }
}

/// Answers questions until the desk is gone.
fn answer(scorer: &dyn ClaimScorer, taken: &Mutex<Receiver<Question>>, hanging: &AtomicIsize) {
    loop {
        let next = taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
        let Ok(Question { tenant, features, state, answer }) = next else { return };
        let begun = state.compare_exchange(WAITING, COMPUTING, Ordering::AcqRel, Ordering::Acquire);
        if begun.is_err() {
            continue;
        }
        let scored = catch_unwind(AssertUnwindSafe(|| scorer.score(tenant, &features)));
        let _ = answer.send(scored.unwrap_or(Err(NotScored::Failed)));
        if state.swap(ANSWERED, Ordering::AcqRel) == GIVEN_UP {
            hanging.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Condvar;
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// A scorer that does as it is told, and is waited for as long as a busy machine needs unless it
    /// hangs.
    #[derive(Default)]
    struct Odd {
        hangs: AtomicBool,
        panics: AtomicBool,
        gate: Mutex<bool>,
        opened: Condvar,
    }

    impl ClaimScorer for Odd {
        fn patience(&self) -> Duration {
            if self.hangs.load(Ordering::Acquire) { WAIT } else { Duration::from_secs(60) }
        }

        fn score(&self, _: TenantId, _: &Features) -> Result<FraudScore, NotScored> {
            assert!(!self.panics.load(Ordering::Acquire), "told to");
            if self.hangs.load(Ordering::Acquire) {
                let gate = self.gate.lock().unwrap();
                drop(self.opened.wait_while(gate, |open| !*open).unwrap());
            }
            Ok(fair())
        }
    }

    fn fair() -> FraudScore {
        FraudScore {
            model_id: Uuid::nil(),
            model_version: 3,
            model_scope: "tenant".to_owned(),
            chance_ppm: 312_345,
            band: Band::High,
            reasons: vec![
                ScoreReason { feature: "hoursSinceStart".into(), value: "5".into(), odds_pct: 205 },
                ScoreReason { feature: "class".into(), value: "commercial".into(), odds_pct: 87 },
            ],
        }
    }

    async fn asked(desk: &ScoreDesk) -> Result<FraudScore, NotScored> {
        desk.score(TenantId(Uuid::nil()), Features::new()).await
    }

    #[tokio::test]
    async fn a_scorer_that_hangs_is_not_waited_for_and_not_asked_until_it_returns() {
        let odd = Arc::new(Odd::default());
        let desk = ScoreDesk::open(odd.clone());
        assert_eq!(asked(&desk).await, Ok(fair()));
        odd.hangs.store(true, Ordering::Release);
        // Once all threads hang nobody waits any more.
        let mut late = 0;
        loop {
            match asked(&desk).await {
                Err(NotScored::Late) => late += 1,
                busy => break assert_eq!(busy, Err(NotScored::Busy)),
            }
        }
        assert!(late >= THREADS, "{late}");
        odd.hangs.store(false, Ordering::Release);
        *odd.gate.lock().unwrap() = true;
        odd.opened.notify_all();
        while desk.hanging.load(Ordering::Acquire) > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(asked(&desk).await, Ok(fair()));
    }

    #[tokio::test]
    async fn a_scorer_that_panics_costs_one_score_and_none_after_it() {
        let odd = Arc::new(Odd::default());
        let desk = ScoreDesk::open(odd.clone());
        odd.panics.store(true, Ordering::Release);
        for _ in 0..3 * THREADS {
            assert_eq!(asked(&desk).await, Err(NotScored::Failed));
        }
        odd.panics.store(false, Ordering::Release);
        assert_eq!(asked(&desk).await, Ok(fair()));
    }

    #[test]
    fn a_handler_reads_the_band_the_model_and_what_speaks_for_fraud() {
        let hint = fair().hint().unwrap();
        assert_eq!((hint.rule.as_str(), hint.kind.as_str()), ("H08", "score"));
        assert_eq!(
            hint.text,
            "the fraud score is high (31.23 %) by model 3 of the tenant: hoursSinceStart is 5: \
             odds × 2.05"
        );
        let bare = FraudScore { reasons: vec![], ..fair() }.hint().unwrap();
        assert_eq!(bare.text, "the fraud score is high (31.23 %) by model 3 of the tenant");
        assert!(FraudScore { band: Band::Low, ..fair() }.hint().is_none());
        assert!(!ScoreDesk::open(Arc::new(NoScorer)).is_open());
    }
}
