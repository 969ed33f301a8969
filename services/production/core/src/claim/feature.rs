//! What a fraud score looks at: a case by named figures, as known when a step of it was taken.
//!
//! The names are a published contract (`docs/guides/actuarial/fraud.md`): a tenant's training set has
//! these columns, and a model that asks for others does not score live claims. Names are added and
//! never given another meaning. Everything is computed from what is kept with the case, its steps and
//! the risk hints told with them, so the figures of any step can be computed again years later, and a
//! training set has exactly what a live score saw. No person, plate or number is among them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kernel::{Fen, time};
use serde::{Deserialize, Serialize};

use super::{AssessFacts, NotifyFacts, Step, StepFacts, SurveyFacts};
use crate::history::PolicyClass;

/// A word where nothing was told.
pub const UNTOLD: &str = "untold";

/// A figure of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Value {
    /// A count, an amount in fen, whole hours; yes is 1.
    Number(i64),
    /// A word of a list.
    Word(String),
}

/// Figures of a case by name.
pub type Features = BTreeMap<String, Value>;

/// A case as it was promised and reported, and its steps, first to last.
#[derive(Clone, Debug)]
pub struct History<'a> {
    /// Product line of its policy.
    pub class: PolicyClass,
    /// When cover began.
    pub cover_from: Timestamp,
    /// Endorsements of the policy by the accident.
    pub endorse_times: u32,
    /// Covers besides the compulsory one.
    pub covers: usize,
    /// What was told, up to the step that is looked at.
    pub steps: Vec<Told<'a>>,
}

/// A step, and the rules of the risk hints it was answered with.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// What it says.
    pub facts: &'a StepFacts,
    /// Such as `L52` or `H02`, one for each hint.
    pub rules: Vec<&'a str>,
}

/// A name of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The name.
    pub name: &'static str,
    /// Whether it is a number; a word otherwise.
    pub is_number: bool,
}

const fn number(name: &'static str) -> Definition {
    Definition { name, is_number: true }
}

const fn word(name: &'static str) -> Definition {
    Definition { name, is_number: false }
}

/// Every name.
pub const CONTRACT: [Definition; 36] = [
    word("step"),
    word("class"),
    word("province"),
    word("accidentWeekday"),
    number("accidentHour"),
    number("hoursSinceStart"),
    number("hoursToReport"),
    number("hoursToStep"),
    word("liability"),
    word("handledBy"),
    word("cause"),
    number("singleVehicle"),
    number("thirdVehicles"),
    number("persons"),
    number("injury"),
    number("stolen"),
    number("mutual"),
    number("subrogation"),
    number("policeTold"),
    number("surveys"),
    number("endorsements"),
    number("covers"),
    number("reopened"),
    number("estimateFen"),
    number("vehicleLossFen"),
    number("propertyLossFen"),
    number("personLossFen"),
    number("totalLoss"),
    number("vehicleHits"),
    number("plateHits"),
    number("phoneHits"),
    number("driverHits"),
    number("repairerHits"),
    number("injuredHits"),
    number("liabilityHits"),
    number("partHits"),
];

/// The rule whose hints each name counts.
const HITS: [(&str, &str); 8] = [
    ("vehicleHits", "L52"),
    ("plateHits", "H01"),
    ("phoneHits", "H02"),
    ("driverHits", "H03"),
    ("repairerHits", "H04"),
    ("injuredHits", "H05"),
    ("liabilityHits", "H07"),
    ("partHits", "L53"),
];

/// Whether a fraud score is taken at a step: when the loss is first put into the books, when it is
/// assessed, and when what is paid is decided. The report knows too little, the closing comes too late.
pub const fn is_scored(step: Step) -> bool {
    matches!(step, Step::Register | Step::Assess | Step::Adjust)
}

/// The figures of a case at its last step; `None` of a case without a report or without a step.
pub fn features(history: &History<'_>) -> Option<Features> {
    let last = history.steps.last()?;
    let seen = Seen::of(&history.steps);
    let notify = seen.notify?;
    let survey = seen.survey;
    let hours = |from: Timestamp, to: Timestamp| to.duration_since(from).as_hours();
    let accident = time::wall_time(notify.accident_at);
    let province = notify.district.as_deref().and_then(|district| district.get(..2));
    let liability = survey.map(|survey| survey.liability).or(notify.liability);
    let handled_by = survey.and_then(|survey| survey.handled_by).or(notify.handled_by);
    let cause = survey.and_then(|survey| survey.cause).or(notify.cause);
    let third_plates = notify.third_plates.len();
    let third_vehicles =
        survey.map_or(third_plates, |survey| third_plates.max(survey.third_vehicles as usize));
    let harmed = seen.assess.map_or(0, |assess| assess.persons.len());
    let persons = survey.map_or(harmed, |survey| harmed.max(survey.persons as usize));
    let injury = notify.injury || persons > 0 || survey.is_some_and(|survey| survey.injury);
    let loss = Loss::of(seen.assess);

    let mut found = Features::new();
    let mut words = |name: &str, word: Option<&str>| {
        found.insert(name.to_owned(), Value::Word(word.unwrap_or(UNTOLD).to_owned()));
    };
    words("step", Some(last.facts.step().name_en()));
    words("class", Some(history.class.name()));
    words("province", province);
    words("accidentWeekday", Some(weekday(accident.date().weekday())));
    words("liability", liability.map(|liability| liability.name_en()));
    words("handledBy", handled_by.map(|handled| handled.name_en()));
    words("cause", cause.map(|cause| cause.name_en()));

    let mut numbers = |name: &str, number: i64| {
        found.insert(name.to_owned(), Value::Number(number));
    };
    numbers("accidentHour", i64::from(accident.hour()));
    numbers("hoursSinceStart", hours(history.cover_from, notify.accident_at));
    numbers("hoursToReport", hours(notify.accident_at, notify.reported_at));
    numbers("hoursToStep", hours(notify.reported_at, last.facts.at()));
    numbers("singleVehicle", survey.is_some_and(|survey| survey.single_vehicle).into());
    numbers("thirdVehicles", count(third_vehicles));
    numbers("persons", count(persons));
    numbers("injury", injury.into());
    numbers("stolen", notify.stolen.into());
    numbers("mutual", (notify.mutual || survey.is_some_and(|survey| survey.mutual)).into());
    numbers("subrogation", seen.subrogation.into());
    numbers("policeTold", seen.police.into());
    numbers("surveys", count(seen.surveys));
    numbers("endorsements", history.endorse_times.into());
    numbers("covers", count(history.covers));
    numbers("reopened", count(seen.reopened));
    numbers("estimateFen", seen.estimate.0);
    numbers("vehicleLossFen", loss.vehicles);
    numbers("propertyLossFen", loss.properties);
    numbers("personLossFen", loss.persons);
    numbers("totalLoss", loss.total.into());
    for (name, rule) in HITS {
        let hits = history.steps.iter().flat_map(|told| &told.rules).filter(|own| **own == rule);
        numbers(name, count(hits.count()));
    }
    Some(found)
}

/// What the steps told, the latest of each.
#[derive(Default)]
struct Seen<'a> {
    notify: Option<&'a NotifyFacts>,
    survey: Option<&'a SurveyFacts>,
    assess: Option<&'a AssessFacts>,
    surveys: usize,
    reopened: usize,
    subrogation: bool,
    police: bool,
    estimate: Fen,
}

impl<'a> Seen<'a> {
    fn of(steps: &[Told<'a>]) -> Seen<'a> {
        let mut seen = Seen::default();
        for told in steps {
            match told.facts {
                StepFacts::Notify(facts) => {
                    seen.subrogation |= facts.subrogation;
                    seen.police |= facts.police_accident_no.is_some();
                    seen.notify = Some(facts);
                }
                StepFacts::Survey(facts) => {
                    seen.surveys += 1;
                    seen.police |= facts.police_accident_no.is_some();
                    seen.estimate =
                        if facts.estimate.0 > 0 { facts.estimate } else { seen.estimate };
                    seen.survey = Some(facts);
                }
                StepFacts::Register(facts) => {
                    seen.subrogation |= facts.subrogation;
                    seen.estimate = facts.estimate;
                }
                StepFacts::Assess(facts) => seen.assess = Some(facts),
                StepFacts::Estimate(facts) => seen.estimate = facts.outstanding,
                StepFacts::Reopen(_) => seen.reopened += 1,
                StepFacts::Documents(_)
                | StepFacts::Adjust(_)
                | StepFacts::Close(_)
                | StepFacts::Pay(_)
                | StepFacts::Cancel(_)
                | StepFacts::Recovery(_)
                | StepFacts::Correct(_) => {}
            }
        }
        seen
    }
}

/// An assessed loss in fen, zero where nothing was assessed.
#[derive(Default)]
struct Loss {
    vehicles: i64,
    properties: i64,
    persons: i64,
    total: bool,
}

impl Loss {
    fn of(assess: Option<&AssessFacts>) -> Loss {
        let Some(assess) = assess else { return Loss::default() };
        let sum = |amounts: &mut dyn Iterator<Item = Fen>| {
            amounts.fold(0i64, |sum, amount| sum.saturating_add(amount.0))
        };
        Loss {
            vehicles: sum(&mut assess.vehicles.iter().flat_map(|own| [own.loss, own.salvage])),
            properties: sum(&mut assess.properties.iter().map(|own| own.loss)),
            persons: sum(&mut assess
                .persons
                .iter()
                .flat_map(|own| [own.death_disability, own.medical])),
            total: assess.vehicles.iter().any(|own| own.total_loss),
        }
    }
}

fn count(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

const fn weekday(day: jiff::civil::Weekday) -> &'static str {
    use jiff::civil::Weekday;
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::claim::{Liability, LossPerson, LossVehicle, PersonHarm, RegisterFacts};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn notify() -> StepFacts {
        StepFacts::Notify(NotifyFacts {
            accident_at: at("2026-03-07T23:30:00+08:00"),
            reported_at: at("2026-03-09T09:00:00+08:00"),
            district: Some("320106".to_owned()),
            liability: Some(Liability::Full),
            handled_by: None,
            cause: None,
            subrogation: false,
            mutual: false,
            injury: false,
            third_plates: vec![],
            stolen: false,
            police_accident_no: Some("320106202603070001".to_owned()),
        })
    }

    fn assess() -> StepFacts {
        let vehicle = |item, loss, salvage| LossVehicle {
            item,
            own: item == 1,
            loss: Fen(loss),
            salvage: Fen(salvage),
            total_loss: item == 1,
            residual: Fen(0),
            no_third_party: false,
            marks: vec![],
        };
        let person = LossPerson {
            item: 3,
            own: true,
            harm: PersonHarm::ALL[0],
            death_disability: Fen(5_000),
            medical: Fen(2_500),
        };
        StepFacts::Assess(AssessFacts {
            at: at("2026-03-12T10:00:00+08:00"),
            vehicles: vec![vehicle(1, 800_000, 30_000), vehicle(2, 100_000, 0)],
            properties: vec![],
            persons: vec![person],
        })
    }

    fn figures<'a>(steps: Vec<Told<'a>>) -> Option<Features> {
        features(&History {
            class: PolicyClass::Commercial,
            cover_from: at("2026-03-05T00:00:00+08:00"),
            endorse_times: 1,
            covers: 2,
            steps,
        })
    }

    #[test]
    fn a_case_is_what_was_told_of_it_by_the_step_and_no_more() {
        let (notify, assess) = (notify(), assess());
        let register = StepFacts::Register(RegisterFacts {
            at: at("2026-03-10T09:30:00+08:00"),
            registration_no: "LA1".to_owned(),
            estimate: Fen(1_000_000),
            kind: None,
            subrogation: true,
        });
        let first = Told { facts: &notify, rules: vec!["H02", "H02", "H06", "L52"] };
        let taken_on = Told { facts: &register, rules: vec![] };
        let found = figures(vec![first.clone(), taken_on.clone()]).unwrap();
        let number = |name: &str| match &found[name] {
            Value::Number(number) => *number,
            Value::Word(word) => panic!("{name} is {word}"),
        };
        // Cover began on Thursday at 0:00, the accident was on Saturday at 23:30.
        assert_eq!((number("hoursSinceStart"), number("hoursToReport")), (71, 33));
        assert_eq!((number("hoursToStep"), number("accidentHour")), (24, 23));
        assert_eq!((number("phoneHits"), number("vehicleHits"), number("plateHits")), (2, 1, 0));
        assert_eq!((number("estimateFen"), number("vehicleLossFen")), (1_000_000, 0));
        assert_eq!((number("subrogation"), number("policeTold"), number("injury")), (1, 1, 0));
        let word = |name: &str| found[name].clone();
        assert_eq!(word("accidentWeekday"), Value::Word("Saturday".to_owned()));
        assert_eq!(word("province"), Value::Word("32".to_owned()));
        assert_eq!(word("liability"), Value::Word("full".to_owned()));
        assert_eq!(word("cause"), Value::Word(UNTOLD.to_owned()));
        assert_eq!(word("step"), Value::Word("register".to_owned()));

        let assessed = Told { facts: &assess, rules: vec!["L53"] };
        let later = figures(vec![first, taken_on, assessed]).unwrap();
        assert_eq!(later["vehicleLossFen"], Value::Number(930_000));
        assert_eq!(later["personLossFen"], Value::Number(7_500));
        assert_eq!((&later["totalLoss"], &later["injury"]), (&Value::Number(1), &Value::Number(1)));
        assert_eq!(figures(vec![]), None);
    }

    #[test]
    fn every_case_has_the_names_of_the_contract_and_of_their_kind() {
        let notify = notify();
        let found = figures(vec![Told { facts: &notify, rules: vec![] }]).unwrap();
        let names: BTreeSet<&str> = CONTRACT.iter().map(|own| own.name).collect();
        assert_eq!(names.len(), CONTRACT.len());
        assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
        for own in CONTRACT {
            assert_eq!(matches!(found[own.name], Value::Number(_)), own.is_number, "{}", own.name);
        }
    }
}
