//! The outside systems an underwriting call hangs on: traffic police, model library, tax authority.
//!
//! Called before any transaction, all three at once, within one budget; what they answer is kept as
//! dated snapshots by the caller, and a fresh snapshot saves the call. None of them can stop a
//! quote: what had to be assumed is a notice in the answer and is asked again before a
//! confirmation.
//!
//! | | fresh for | at a quote, no answer | before a confirmation, no answer |
//! | --- | --- | --- | --- |
//! | police | 24 hours | older snapshot, else as declared, insurable, no violations | snapshot of 7 days, check deferred; else refused, come again |
//! | models | 7 days | older snapshot, else as declared | check deferred |
//! | tax | 24 hours | older snapshot, else as stated: unpaid, nothing owed | check deferred |
//!
//! A quote grants 800 ms in all, a confirmation 2 s. The police alone can stop a confirmation: a
//! stolen or deregistered vehicle must not be insured (rule L24), whereas premium and tax can be
//! put right afterwards by endorsement and declaration. An unintelligible answer is no answer.
//!
//! Claims ask two of them for themselves: [`Outside::accident`] the police about an accident
//! (800 ms), [`Outside::part_prices`] the model library about parts (500 ms). Neither can stop a
//! claim, and nothing of the answers is kept here.

mod accident;
mod answer;
mod models;
mod parts;
mod police;
mod recheck;
mod tax;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use base_http::Notice;
use base_http::outbound::{self, BreakerState, Outbound, OutboundError, SetupError};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, Ids};
use production_core::frame::FrameNo;
use production_core::number::PlatformNumber;
use production_core::plate::Plate;
use serde::{Deserialize, Serialize};

pub use accident::{
    Accident, AccidentAnswer, AccidentKind, AccidentParty, AccidentQuestion, CoordinateSystem,
    LiabilityStatement, Position,
};
pub use answer::{Answer, Question, Snapshot, Source};
pub use models::{ModelQuestion, ModelSnapshot, VehicleModel};
pub use parts::{BrandClass, PartPrice, PartPrices};
pub use police::{PoliceQuestion, PoliceSnapshot, RegisteredVehicle, bars};
pub use recheck::{Rated, Rechecked, Verdict};
pub use tax::{OwedYear, TaxDeclaration, TaxEvidence, TaxQuestion, TaxSnapshot, Withholding};

use models::Models;
use police::Police;
use tax::Tax;

/// One outside system: how to reach it, and how long its word holds.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// Address, attempts, limits and breaker.
    pub outbound: outbound::Settings,
    /// A younger snapshot saves the call.
    pub fresh_for: SignedDuration,
}

/// All of them, and the patience of a call.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Traffic police.
    pub police: SourceSettings,
    /// Vehicle model library.
    pub models: SourceSettings,
    /// Tax authority.
    pub tax: SourceSettings,
    /// Who we are to the police.
    pub police_app_id: String,
    /// What a quote may spend on all three together.
    pub quote_budget: Duration,
    /// What a confirmation may spend on all three together, and on a declaration.
    pub confirm_budget: Duration,
    /// What a claim may spend on asking about its accident.
    pub accident_budget: Duration,
    /// What a claim may spend on asking about its parts.
    pub parts_budget: Duration,
    /// A police snapshot up to this age lets a confirmation through while the police are silent.
    pub police_tolerance: SignedDuration,
}

impl Settings {
    /// The defaults of the table above; base URLs are scheme, host and port.
    pub fn new(
        police: impl Into<String>,
        models: impl Into<String>,
        tax: impl Into<String>,
    ) -> Settings {
        let source = |name, url: String, hours| SourceSettings {
            outbound: outbound::Settings {
                attempt_timeout: Duration::from_millis(500),
                retries: 1,
                ..outbound::Settings::new(name, url)
            },
            fresh_for: SignedDuration::from_hours(hours),
        };
        Settings {
            police: source(Source::Police.name(), police.into(), 24),
            models: source(Source::Models.name(), models.into(), 7 * 24),
            tax: source(Source::Tax.name(), tax.into(), 24),
            police_app_id: "commonwheel".into(),
            quote_budget: Duration::from_millis(800),
            confirm_budget: Duration::from_secs(2),
            accident_budget: Duration::from_millis(800),
            parts_budget: Duration::from_millis(500),
            police_tolerance: SignedDuration::from_hours(7 * 24),
        }
    }
}

/// What a call needs to know about a vehicle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The vehicle.
    pub frame: FrameNo,
    /// Its plate, when it has one.
    pub plate: Option<Plate>,
    /// Violations from that day on; `None` in regions without a police link (rule L14).
    pub violations_since: Option<Date>,
    /// Model code, when the insurer names one; else the library is asked by frame number.
    pub model_code: Option<String>,
    /// Calendar year of the vehicle tax; `None` when no compulsory cover is asked for.
    pub tax_year: Option<i16>,
}

/// What the store kept of a vehicle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshots {
    /// Of the police. Names the owner: sealed at rest.
    pub police: Option<PoliceSnapshot>,
    /// Of the model library.
    pub model: Option<ModelSnapshot>,
    /// Of the tax authority. Sealed at rest.
    pub tax: Option<TaxSnapshot>,
}

/// What the outside systems said, or what stands in for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consulted {
    /// Traffic police.
    pub police: Answer<PoliceSnapshot>,
    /// Model library.
    pub model: Answer<ModelSnapshot>,
    /// Tax authority.
    pub tax: Answer<TaxSnapshot>,
    /// What was assumed, for a person to read.
    pub notices: Vec<Notice>,
}

impl Consulted {
    /// The sources that have to be asked again before a confirmation.
    pub fn assumed(&self) -> Vec<Source> {
        let assumed = [
            (Source::Police, self.police.is_assumed()),
            (Source::Models, self.model.is_assumed()),
            (Source::Tax, self.tax.is_assumed()),
        ];
        assumed.into_iter().filter(|(_, assumed)| *assumed).map(|(source, _)| source).collect()
    }

    /// The vehicle as registered; `None` when the police do not know it or did not say.
    pub fn registered(&self) -> Option<&RegisteredVehicle> {
        self.police.known().and_then(|snapshot| snapshot.found.as_ref())
    }

    /// The likeliest model; `None` when the library does not know it or did not say.
    pub fn model(&self) -> Option<&VehicleModel> {
        self.model.known().and_then(|snapshot| snapshot.found.first())
    }

    /// What the tax authority knows; `None` when it was not asked or did not say.
    pub fn tax_evidence(&self) -> Option<&TaxEvidence> {
        self.tax.known().map(|snapshot| &snapshot.found)
    }

    /// What was answered just now, for the store to keep.
    pub fn to_keep(&self) -> Snapshots {
        Snapshots {
            police: self.police.to_keep().cloned(),
            model: self.model.to_keep().cloned(),
            tax: self.tax.to_keep().cloned(),
        }
    }
}

/// The connectors to all three. Cheap to clone.
#[derive(Clone)]
pub struct Outside {
    settings: Arc<Settings>,
    police: Police,
    models: Models,
    tax: Tax,
    links: [Outbound; 3],
    clock: Arc<dyn Clock>,
}

impl Outside {
    /// Sets up the connectors; connects when first asked.
    pub fn new(
        settings: Settings,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
    ) -> Result<Outside, SetupError> {
        let link = |source: &SourceSettings| {
            Outbound::new(source.outbound.clone(), Arc::clone(&clock), Arc::clone(&ids))
        };
        let links = [link(&settings.police)?, link(&settings.models)?, link(&settings.tax)?];
        let [police, models, tax] = links.clone();
        let app_id = settings.police_app_id.clone();
        Ok(Outside {
            police: Police::new(police, app_id, Arc::clone(&clock), ids),
            models: Models::new(models),
            tax: Tax::new(tax),
            settings: Arc::new(settings),
            links,
            clock,
        })
    }

    /// Asks all three at once what a quote needs, within [`Settings::quote_budget`]. Never fails.
    pub async fn consult(&self, ask: &Ask, kept: Snapshots) -> Consulted {
        self.consult_within(ask, kept, self.settings.quote_budget).await
    }

    /// Asks again before a confirmation, within [`Settings::confirm_budget`], and compares with
    /// what the quote was `rated` on. Snapshots that are still fresh save the call.
    pub async fn recheck(&self, ask: &Ask, rated: &Rated<'_>, kept: Snapshots) -> Rechecked {
        let consulted = self.consult_within(ask, kept, self.settings.confirm_budget).await;
        recheck::judge(consulted, ask, rated, self.settings.police_tolerance, self.clock.now())
    }

    /// Asks the police about an accident, within [`Settings::accident_budget`]. Never fails.
    pub async fn accident(&self, question: &AccidentQuestion) -> AccidentAnswer {
        match accident::ask(&self.police, question, self.settings.accident_budget).await {
            Ok(accidents) if accidents.is_empty() => AccidentAnswer::Unknown,
            Ok(accidents) => AccidentAnswer::Found(accidents),
            Err(error) => {
                went_without(Source::Police, &error, "assumed", "a claim");
                AccidentAnswer::Unavailable { why: error.kind() }
            }
        }
    }

    /// Asks the model library what parts cost by rights, within [`Settings::parts_budget`]. Codes
    /// are those of the vehicle's maker (原厂编码), compared as written; a part that does not fit the
    /// model is unknown. Never fails.
    pub async fn part_prices(&self, model_code: Option<&str>, codes: &[String]) -> PartPrices {
        let [_, library, _] = &self.links;
        let asked = parts::ask(library, model_code, codes, self.settings.parts_budget).await;
        if let Some(error) = &asked.failure {
            went_without(Source::Models, error, "assumed", "a claim");
        }
        let unanswered = asked.failure.as_ref().map(OutboundError::kind);
        PartPrices { known: asked.known, unanswered }
    }

    /// Declares withheld tax under `number`: the confirm code, or the amend confirm code. Safe to
    /// repeat; a deferred one is to be repeated until it is taken or refused.
    pub async fn declare_tax(
        &self,
        number: &PlatformNumber,
        declaration: &TaxDeclaration,
    ) -> Withholding {
        let withholding = self.tax.declare(number, declaration, self.settings.confirm_budget).await;
        match &withholding {
            Withholding::Registered { .. } => {}
            Withholding::Deferred { why } => {
                tracing::warn!(declaration.number = %number, outside.failure = why,
                    "deferred tax declaration {number}");
            }
            Withholding::Refused { code } => {
                tracing::error!(declaration.number = %number, outside.refusal = code,
                    "tax authority refused declaration {number}: {code}");
            }
        }
        withholding
    }

    /// Takes a declaration back. Safe to repeat; a failure is worth repeating.
    pub async fn take_back_tax(&self, number: &PlatformNumber) -> Result<(), OutboundError> {
        self.tax.take_back(number, self.settings.confirm_budget).await
    }

    /// Where each breaker stands, for readiness and the doctor.
    pub fn breakers(&self) -> [(Source, BreakerState); 3] {
        let [police, models, tax] = &self.links;
        [
            (Source::Police, police.breaker()),
            (Source::Models, models.breaker()),
            (Source::Tax, tax.breaker()),
        ]
    }

    async fn consult_within(&self, ask: &Ask, kept: Snapshots, budget: Duration) -> Consulted {
        let now = self.clock.now();
        let Ask { frame, plate, violations_since, model_code, tax_year } = ask.clone();
        let police = PoliceQuestion { frame: frame.clone(), plate, violations_since };
        let model = match model_code {
            Some(code) => ModelQuestion::Code(code),
            None => ModelQuestion::Frame(frame.clone()),
        };
        let tax = tax_year.map(|year| TaxQuestion { frame, year });
        let settings = &self.settings;
        let (police, model, tax) = tokio::join!(
            Reading { source: Source::Police, fresh_for: settings.police.fresh_for, now }.read(
                Some(police),
                kept.police,
                async |question| self.police.ask(question, budget).await,
            ),
            Reading { source: Source::Models, fresh_for: settings.models.fresh_for, now }.read(
                Some(model),
                kept.model,
                async |question| self.models.ask(question, budget).await,
            ),
            Reading { source: Source::Tax, fresh_for: settings.tax.fresh_for, now }.read(
                tax,
                kept.tax,
                async |question| self.tax.ask(question, budget).await,
            ),
        );
        let mut consulted = Consulted { police, model, tax, notices: Vec::new() };
        consulted.notices = notices(&consulted, ask);
        consulted
    }
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").field("breakers", &self.breakers()).finish_non_exhaustive()
    }
}

/// How one source is read at one instant.
struct Reading {
    source: Source,
    fresh_for: SignedDuration,
    now: Timestamp,
}

impl Reading {
    async fn read<Asked: Question, Found>(
        self,
        question: Option<Asked>,
        kept: Option<Snapshot<Asked, Found>>,
        ask: impl AsyncFnOnce(&Asked) -> Result<Found, OutboundError>,
    ) -> Answer<Snapshot<Asked, Found>> {
        let Some(question) = question else { return Answer::NotAsked };
        let kept = kept.filter(|snapshot| snapshot.asked.answers(&question));
        let kept = match kept {
            Some(fresh) if fresh.is_within(self.fresh_for, self.now) => return Answer::Kept(fresh),
            older => older,
        };
        // Boxed: most answers are at hand, and asking takes kilobytes that every future around it would
        // have to hold.
        let error = match Box::pin(ask(&question)).await {
            Ok(found) => return Answer::Asked(Snapshot { at: self.now, asked: question, found }),
            Err(error) => error,
        };
        let degraded = if kept.is_some() { "stale" } else { "assumed" };
        went_without(self.source, &error, degraded, "quoting");
        let why = error.kind();
        match kept {
            Some(snapshot) => Answer::Stale { snapshot, why },
            None => Answer::Unavailable { why },
        }
    }
}

/// Takes note that `what` goes on without the word of a source. The error names nobody.
fn went_without(source: Source, error: &OutboundError, how: &'static str, what: &str) {
    let source = source.name();
    tracing::warn!(
        outside.source = source,
        outside.failure = error.kind(),
        error = error as &dyn std::error::Error,
        "{what} goes on without the {source} side: {error}"
    );
    metrics::counter!("outside_degraded_total", "source" => source, "how" => how).increment(1);
}

fn notices(consulted: &Consulted, ask: &Ask) -> Vec<Notice> {
    let said = [
        assumed(
            &consulted.police,
            ["N2101", "N2102"],
            "交管未应答 the traffic police did not answer",
            "the vehicle is taken as declared, insurable and without violations",
        ),
        assumed(
            &consulted.model,
            ["N2111", "N2112"],
            "车型库未应答 the model library did not answer",
            "model, price and weights are taken as declared",
        ),
        assumed(
            &consulted.tax,
            ["N2121", "N2122"],
            "税务未应答 the tax authority did not answer",
            "the tax year is taken as stated, otherwise as unpaid and nothing as owed",
        ),
    ];
    let unknown_plate = matches!(consulted.police.known(), Some(known) if known.found.is_none())
        && ask.plate.is_some();
    let unknown_model = matches!(consulted.model.known(), Some(known) if known.found.is_empty())
        && ask.model_code.is_some();
    let unknown = [
        unknown_plate.then(|| notice("N2103", "交管无此车辆 the traffic police do not know this vehicle".into())),
        unknown_model.then(|| notice("N2113", "车型库无此车型 the model library does not know this model code; the declared figures are used".into())),
    ];
    said.into_iter().chain(unknown).flatten().collect()
}

/// What is told of one source: the first code when an older answer stands in, the second when
/// there is none.
fn assumed<Asked, Found>(
    answer: &Answer<Snapshot<Asked, Found>>,
    [stale, unavailable]: [&'static str; 2],
    who: &str,
    otherwise: &str,
) -> Option<Notice> {
    let (code, instead) = match answer {
        Answer::Stale { snapshot, .. } => {
            let at = kernel::time::wall_time(snapshot.at).strftime("%Y-%m-%d %H:%M");
            (stale, format!("its answer of {at} is used"))
        }
        Answer::Unavailable { .. } => (unavailable, otherwise.to_owned()),
        Answer::NotAsked | Answer::Asked(_) | Answer::Kept(_) => return None,
    };
    Some(notice(code, format!("{who}; {instead} and checked again before confirmation")))
}

fn notice(code: &'static str, detail: String) -> Notice {
    Notice { code: code.into(), rule: None, pointer: None, detail }
}

/// A 2xx answer whose words we do not know.
fn departs(outbound: &Outbound, reason: &str) -> OutboundError {
    OutboundError::Malformed { counterparty: outbound.counterparty(), reason: reason.into() }
}
