//! The clocks the law sets an insurer in a claim (L56).
//!
//! Pure: facts, an instant and day counts in, clocks out; nothing is stored and nothing rings.
//! A period of days ends as [`kernel::calendar`] has it: the day it starts from does not count, and
//! a last day that is a day of rest is followed to the next that is not (民法典 art. 201 and 203). A
//! clock that has not started is not listed.
//!
//! Source: 交强险条例 art. 28 and 29, 保险法 art. 23 to 25. The thirty days begin with the claim and
//! its documents (最高人民法院 保险法解释二 art. 15).

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::calendar;
use serde::{Deserialize, Serialize};

use crate::history::PolicyClass;

/// What happened in a claim, as far as the law's clocks depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// Product line of the policy claimed under.
    pub class: PolicyClass,
    /// The case is complex (情形复杂), or may be: commercial cover then has the longest time the law gives
    /// to decide. A case known to be plain is to be decided promptly (及时), for which the law counts no
    /// days, so it has no such clock.
    #[serde(default)]
    pub complex: bool,
    /// The accident was reported and the claim asked for (报案).
    #[serde(default)]
    pub reported_at: Option<Timestamp>,
    /// The claimant was told in writing which documents are needed.
    #[serde(default)]
    pub documents_answered_at: Option<Timestamp>,
    /// The last document came in (单证齐全).
    #[serde(default)]
    pub documents_complete_at: Option<Timestamp>,
    /// It was decided whether the loss is covered (核定).
    #[serde(default)]
    pub decided_at: Option<Timestamp>,
    /// The amount was agreed with the claimant.
    #[serde(default)]
    pub agreed_at: Option<Timestamp>,
    /// The decision was to refuse.
    #[serde(default)]
    pub refused: bool,
    /// What was agreed is no more than was paid before it was agreed.
    #[serde(default)]
    pub nothing_to_pay: bool,
    /// The refusal was sent with its reasons.
    #[serde(default)]
    pub refusal_sent_at: Option<Timestamp>,
    /// Money was first paid: an advance, or what was agreed.
    #[serde(default)]
    pub first_paid_at: Option<Timestamp>,
    /// What was agreed was paid.
    #[serde(default)]
    pub paid_at: Option<Timestamp>,
}

impl Facts {
    /// A claim under a policy of `class` of which nothing is known yet.
    pub fn new(class: PolicyClass) -> Facts {
        Facts {
            class,
            complex: false,
            reported_at: None,
            documents_answered_at: None,
            documents_complete_at: None,
            decided_at: None,
            agreed_at: None,
            refused: false,
            nothing_to_pay: false,
            refusal_sent_at: None,
            first_paid_at: None,
            paid_at: None,
        }
    }
}

/// Day counts; the law's by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Parameters {
    /// To name the documents needed, compulsory cover: 1.
    pub document_list_days: u16,
    /// To decide, compulsory cover: 5.
    pub decision_days: u16,
    /// To decide a complex case, commercial cover: 30.
    pub complex_decision_days: u16,
    /// To send a refusal: 3.
    pub refusal_days: u16,
    /// To pay what was agreed: 10.
    pub payment_days: u16,
    /// To pay in advance what is beyond dispute: 60.
    pub advance_days: u16,
    /// Public holidays, on which no period ends, as none does on a Saturday or a Sunday; none by
    /// default, which is never later than the law.
    pub rest_days: BTreeSet<Date>,
}

impl Default for Parameters {
    fn default() -> Parameters {
        Parameters {
            document_list_days: 1,
            decision_days: 5,
            complex_decision_days: 30,
            refusal_days: 3,
            payment_days: 10,
            advance_days: 60,
            rest_days: BTreeSet::new(),
        }
    }
}

/// Which duty a clock is set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Duty {
    /// Name the documents needed; also done when they are all there.
    DocumentList,
    /// Decide whether the loss is covered.
    Decision,
    /// Decide under commercial cover, in the days of a complex case.
    ComplexDecision,
    /// Send the refusal with its reasons.
    RefusalNotice,
    /// Pay what was agreed.
    Payment,
    /// Pay what is beyond dispute; also done by agreeing on everything, or by refusing.
    Advance,
}

impl Duty {
    /// Every duty, in the order they arise.
    pub const ALL: [Duty; 6] = [
        Duty::DocumentList,
        Duty::Decision,
        Duty::ComplexDecision,
        Duty::RefusalNotice,
        Duty::Payment,
        Duty::Advance,
    ];

    /// The article that sets it for a policy of `class`.
    pub const fn article(self, class: PolicyClass) -> &'static str {
        match (self, class) {
            (Duty::DocumentList, _) => "交强险条例 art. 28",
            (Duty::Decision, _) => "交强险条例 art. 29",
            (Duty::Payment, PolicyClass::Compulsory) => "交强险条例 art. 29",
            (Duty::ComplexDecision, _) => "保险法 art. 23",
            (Duty::Payment, PolicyClass::Commercial) => "保险法 art. 23",
            (Duty::RefusalNotice, _) => "保险法 art. 24",
            (Duty::Advance, _) => "保险法 art. 25",
        }
    }
}

/// Where a clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum ClockState {
    /// Not done, and there is time.
    Running,
    /// Done in time.
    Met,
    /// Done, but too late.
    Late,
    /// Not done, and time is over.
    Overdue,
}

/// One clock that has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The duty.
    pub duty: Duty,
    /// The article that sets it.
    pub article: &'static str,
    /// When it started; that day in China does not count.
    pub from: Timestamp,
    /// First instant that is too late: the end of the last day in China.
    pub due_at: Timestamp,
    /// When the duty was done.
    pub done_at: Option<Timestamp>,
    /// Where it stands.
    pub state: ClockState,
}

/// Every clock that has started by `now`, in the order of [`Duty::ALL`].
///
/// What happened after `now` has not happened yet, so the same facts answer how it stood at any
/// earlier instant.
pub fn clocks(facts: &Facts, now: Timestamp, parameters: &Parameters) -> Vec<Clock> {
    let clock = |duty: Duty| {
        let (from, days, done_at) = set(duty, facts, parameters)?;
        let from = from.filter(|&from| from <= now)?;
        let due_at = calendar::end_of_days(from, days, &parameters.rest_days);
        let done_at = done_at.filter(|&done| done <= now);
        let state = match done_at {
            Some(done) if done < due_at => ClockState::Met,
            Some(_) => ClockState::Late,
            None if now < due_at => ClockState::Running,
            None => ClockState::Overdue,
        };
        let article = duty.article(facts.class);
        Some(Clock { duty, article, from, due_at, done_at, state })
    };
    Duty::ALL.into_iter().filter_map(clock).collect()
}

/// From when, for how many days, and when done; `None` where the law sets no such clock.
fn set(
    duty: Duty,
    facts: &Facts,
    parameters: &Parameters,
) -> Option<(Option<Timestamp>, u16, Option<Timestamp>)> {
    let compulsory = facts.class == PolicyClass::Compulsory;
    let complete = facts.documents_complete_at;
    let refused_at = facts.decided_at.filter(|_| facts.refused);
    match duty {
        Duty::DocumentList if compulsory => {
            let done = first([facts.documents_answered_at, complete]);
            Some((facts.reported_at, parameters.document_list_days, done))
        }
        Duty::Decision if compulsory => {
            Some((complete, parameters.decision_days, facts.decided_at))
        }
        Duty::ComplexDecision if !compulsory && facts.complex => {
            Some((complete, parameters.complex_decision_days, facts.decided_at))
        }
        Duty::RefusalNotice => Some((refused_at, parameters.refusal_days, facts.refusal_sent_at)),
        Duty::Payment if !facts.refused && !facts.nothing_to_pay => {
            Some((facts.agreed_at, parameters.payment_days, facts.paid_at))
        }
        Duty::Advance => {
            let done = [facts.first_paid_at, facts.paid_at, facts.agreed_at, refused_at];
            Some((complete, parameters.advance_days, first(done)))
        }
        Duty::DocumentList | Duty::Decision | Duty::ComplexDecision | Duty::Payment => None,
    }
}

fn first<const N: usize>(instants: [Option<Timestamp>; N]) -> Option<Timestamp> {
    instants.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use jiff::civil::date;
    use kernel::time;

    use super::*;

    /// Wall-clock time in China: day of March 2025, hour, minute.
    fn at(day: i64, hour: i8, minute: i8) -> Timestamp {
        let day = date(2025, 2, 28).saturating_add(day.days());
        time::instant_of(day.at(hour, minute, 0, 0)).unwrap()
    }

    /// Midnight at the end of a day counted from March 2025.
    fn end(day: i64) -> Timestamp {
        at(day + 1, 0, 0)
    }

    fn state(facts: &Facts, duty: Duty, now: Timestamp) -> Option<ClockState> {
        let clocks = clocks(facts, now, &Parameters::default());
        clocks.into_iter().find(|clock| clock.duty == duty).map(|clock| clock.state)
    }

    /// Reported on the 3rd at 23:50, complete on the 5th at 09:00.
    fn compulsory() -> Facts {
        let mut facts = Facts::new(PolicyClass::Compulsory);
        facts.reported_at = Some(at(3, 23, 50));
        facts.documents_complete_at = Some(at(5, 9, 0));
        facts
    }

    fn commercial() -> Facts {
        Facts { class: PolicyClass::Commercial, ..compulsory() }
    }

    // The sixtieth day after the 5th is Sunday 4 May, the 65th from the begin of March.
    #[test]
    fn each_duty_has_its_article_start_and_last_day() {
        let mut facts = compulsory();
        facts.decided_at = Some(at(8, 12, 0));
        facts.agreed_at = Some(at(9, 12, 0));
        let found = |facts: &Facts| -> Vec<(Duty, &'static str, Timestamp, Timestamp)> {
            let clocks = clocks(facts, at(20, 0, 0), &Parameters::default());
            clocks.iter().map(|one| (one.duty, one.article, one.from, one.due_at)).collect()
        };
        let expected = [
            (Duty::DocumentList, "交强险条例 art. 28", at(3, 23, 50), end(4)),
            (Duty::Decision, "交强险条例 art. 29", at(5, 9, 0), end(10)),
            (Duty::Payment, "交强险条例 art. 29", at(9, 12, 0), end(19)),
            (Duty::Advance, "保险法 art. 25", at(5, 9, 0), end(66)),
        ];
        assert_eq!(found(&facts), expected);
        let mut facts = Facts { complex: true, ..commercial() };
        facts.decided_at = Some(at(8, 12, 0));
        facts.agreed_at = Some(at(9, 12, 0));
        let expected = [
            (Duty::ComplexDecision, "保险法 art. 23", at(5, 9, 0), end(35)),
            (Duty::Payment, "保险法 art. 23", at(9, 12, 0), end(19)),
            (Duty::Advance, "保险法 art. 25", at(5, 9, 0), end(66)),
        ];
        assert_eq!(found(&facts), expected);
        let mut facts = commercial();
        (facts.decided_at, facts.refused) = (Some(at(8, 12, 0)), true);
        let expected = [
            (Duty::RefusalNotice, "保险法 art. 24", at(8, 12, 0), end(11)),
            (Duty::Advance, "保险法 art. 25", at(5, 9, 0), end(66)),
        ];
        assert_eq!(found(&facts), expected);
    }

    #[test]
    fn a_day_ends_at_midnight_in_china() {
        use ClockState::{Late, Met, Overdue, Running};
        // Reported on the 3rd: the 4th is the one day. Nothing complete yet.
        let reported = |answered| Facts {
            documents_answered_at: answered,
            documents_complete_at: None,
            ..compulsory()
        };
        let cases = [
            (None, at(3, 23, 49), None),
            (None, at(3, 23, 50), Some(Running)),
            (None, at(4, 23, 59), Some(Running)),
            (None, at(5, 0, 0), Some(Overdue)),
            (Some(at(4, 23, 59)), at(9, 0, 0), Some(Met)),
            (Some(at(5, 0, 0)), at(9, 0, 0), Some(Late)),
            // As it stood before it was answered.
            (Some(at(4, 12, 0)), at(4, 11, 0), Some(Running)),
            (Some(at(6, 12, 0)), at(5, 11, 0), Some(Overdue)),
        ];
        for (row, (answered, now, expected)) in cases.into_iter().enumerate() {
            assert_eq!(state(&reported(answered), Duty::DocumentList, now), expected, "row {row}");
        }
    }

    #[test]
    fn clocks_start_run_out_and_are_met() {
        use ClockState::{Late, Met, Overdue, Running};
        type Change = fn(&mut Facts);
        let complex = || Facts { complex: true, ..commercial() };
        let cases: [(Facts, Change, Duty, Timestamp, Option<ClockState>); 20] = [
            (compulsory(), |_| {}, Duty::Decision, at(10, 23, 59), Some(Running)),
            (compulsory(), |_| {}, Duty::Decision, at(11, 0, 0), Some(Overdue)),
            (
                compulsory(),
                |it| it.decided_at = Some(at(11, 0, 0)),
                Duty::Decision,
                at(40, 0, 0),
                Some(Late),
            ),
            (
                compulsory(),
                |it| it.decided_at = Some(at(10, 8, 0)),
                Duty::Decision,
                at(40, 0, 0),
                Some(Met),
            ),
            // Complete documents leave nothing to ask for.
            (
                compulsory(),
                |it| it.documents_complete_at = Some(at(4, 9, 0)),
                Duty::DocumentList,
                at(9, 0, 0),
                Some(Met),
            ),
            // A plain commercial case has no fixed days to decide; compulsory cover has no longer ones.
            (commercial(), |_| {}, Duty::ComplexDecision, at(90, 0, 0), None),
            (commercial(), |_| {}, Duty::Decision, at(90, 0, 0), None),
            (compulsory(), |it| it.complex = true, Duty::ComplexDecision, at(90, 0, 0), None),
            (complex(), |_| {}, Duty::ComplexDecision, at(36, 0, 0), Some(Overdue)),
            (
                complex(),
                |it| it.decided_at = Some(at(35, 23, 59)),
                Duty::ComplexDecision,
                at(36, 0, 0),
                Some(Met),
            ),
            // Ten days from the agreement; an advance does not pay what was agreed.
            (
                commercial(),
                |it| it.agreed_at = Some(at(9, 0, 0)),
                Duty::Payment,
                at(20, 0, 0),
                Some(Overdue),
            ),
            (
                commercial(),
                |it| (it.agreed_at, it.first_paid_at) = (Some(at(9, 0, 0)), Some(at(10, 0, 0))),
                Duty::Payment,
                at(20, 0, 0),
                Some(Overdue),
            ),
            (
                commercial(),
                |it| (it.agreed_at, it.paid_at) = (Some(at(9, 0, 0)), Some(at(19, 23, 0))),
                Duty::Payment,
                at(20, 0, 0),
                Some(Met),
            ),
            // Refused: three days to say so, and nothing to pay.
            (
                compulsory(),
                |it| (it.decided_at, it.refused) = (Some(at(8, 0, 0)), true),
                Duty::RefusalNotice,
                at(12, 0, 0),
                Some(Overdue),
            ),
            (
                compulsory(),
                |it| {
                    (it.decided_at, it.refused) = (Some(at(8, 0, 0)), true);
                    it.refusal_sent_at = Some(at(11, 23, 0));
                },
                Duty::RefusalNotice,
                at(12, 0, 0),
                Some(Met),
            ),
            (
                compulsory(),
                |it| it.decided_at = Some(at(8, 0, 0)),
                Duty::RefusalNotice,
                at(12, 0, 0),
                None,
            ),
            // Sixty days for what is beyond dispute.
            (commercial(), |_| {}, Duty::Advance, at(66, 23, 59), Some(Running)),
            (commercial(), |_| {}, Duty::Advance, at(67, 0, 0), Some(Overdue)),
            (
                commercial(),
                |it| it.first_paid_at = Some(at(65, 12, 0)),
                Duty::Advance,
                at(66, 0, 0),
                Some(Met),
            ),
            (
                commercial(),
                |it| (it.decided_at, it.refused) = (Some(at(8, 0, 0)), true),
                Duty::Advance,
                at(66, 0, 0),
                Some(Met),
            ),
        ];
        for (row, (mut facts, change, duty, now, expected)) in cases.into_iter().enumerate() {
            change(&mut facts);
            assert_eq!(state(&facts, duty, now), expected, "row {row}: {facts:?}");
        }
    }

    #[test]
    fn a_period_does_not_end_on_a_day_of_rest() {
        // Five days from the 5th end on Monday 10th; 10th and 11th are listed as days of rest.
        let rest_days = [date(2025, 3, 10), date(2025, 3, 11)].into();
        let parameters = Parameters { rest_days, ..Parameters::default() };
        let due = |parameters: &Parameters| {
            let clocks = clocks(&compulsory(), at(6, 0, 0), parameters);
            clocks.iter().find(|clock| clock.duty == Duty::Decision).unwrap().due_at
        };
        assert_eq!((due(&Parameters::default()), due(&parameters)), (end(10), end(12)));
        // Three end on Saturday 8th, after which no day is worked before the 12th.
        let shorter = Parameters { decision_days: 3, ..Parameters::default() };
        assert_eq!(due(&shorter), end(10));
        let shorter = Parameters { decision_days: 3, ..parameters };
        assert_eq!(due(&shorter), end(12));
    }

    #[test]
    fn no_duty_falls_due_on_the_holidays_of_national_day() {
        // 2026: Thursday 1 to Thursday 8 October. Reported with all documents on Friday 25 September,
        // agreed on the day after; sixty days after the 25th is Tuesday 24 November.
        let instant =
            |month, day, hour| time::instant_of(date(2026, month, day).at(hour, 0, 0, 0)).unwrap();
        let friday = Some(instant(9, 25, 10));
        let facts = Facts {
            reported_at: friday,
            documents_complete_at: friday,
            agreed_at: Some(instant(9, 26, 10)),
            ..Facts::new(PolicyClass::Compulsory)
        };
        let rest_days: BTreeSet<Date> = (1..=8).map(|day| date(2026, 10, day)).collect();
        let due = |rest_days| {
            let parameters = Parameters { rest_days, ..Parameters::default() };
            let clocks = clocks(&facts, instant(9, 27, 0), &parameters);
            clocks.iter().map(|clock| (clock.duty, clock.due_at)).collect::<Vec<_>>()
        };
        let expected = |payment_day| {
            [
                // One day: Saturday 26th.
                (Duty::DocumentList, instant(9, 29, 0)),
                (Duty::Decision, instant(10, 1, 0)),
                // Ten days from the 26th: Tuesday 6 October.
                (Duty::Payment, instant(10, payment_day, 0)),
                (Duty::Advance, instant(11, 25, 0)),
            ]
        };
        assert_eq!(due(BTreeSet::new()), expected(7));
        assert_eq!(due(rest_days), expected(10));
    }

    #[test]
    fn the_law_counts_by_default() {
        let text = r#"{"decisionDays":4}"#;
        let read: Parameters = serde_json::from_str(text).unwrap();
        assert_eq!(read, Parameters { decision_days: 4, ..Parameters::default() });
        let days = Parameters::default();
        let counts = [
            days.document_list_days,
            days.decision_days,
            days.payment_days,
            days.complex_decision_days,
            days.refusal_days,
            days.advance_days,
        ];
        assert_eq!(counts, [1, 5, 10, 30, 3, 60]);
    }
}
