//! What each side may do, as tables.

use super::*;

const SIDES: [&str; 2] = ["PICC", "PAIC"];

fn yuan(text: &str) -> Fen {
    text.parse().unwrap()
}

fn by(side: Side) -> By {
    let item_id = Uuid::from_u128(7);
    By { side, now: Timestamp::UNIX_EPOCH, overdue: false, item_id }
}

fn start(amount: &str) -> Act {
    Act::Start { amount: yuan(amount), computed: yuan("12600.00") }
}

/// Stands by `amount`; of the liable side with one reason for the rest of `asked`.
fn state(amount: &str, asked: &str) -> Act {
    let rest = Fen(yuan(asked).0 - yuan(amount).0);
    let cut = Cut { reason: CutReason::Loss, amount: rest, remark: None };
    let cuts = if Fen::ZERO < rest { vec![cut] } else { Vec::new() };
    Act::State { amount: yuan(amount), cuts, opinion: None }
}

fn cancel() -> Act {
    Act::Cancel { cause: "锁定有误".to_owned() }
}

fn withdraw() -> Act {
    Act::Withdraw { cause: "已自行和解".to_owned() }
}

fn ask() -> Act {
    Act::AskArbitration { grounds: "责任比例不一致".to_owned() }
}

fn supplement(amount: &str) -> Act {
    let cause = "补充定损".to_owned();
    Act::Supplement { amount: yuan(amount), computed: yuan("700.00"), cause }
}

fn appoint(members: &[(&str, &str)]) -> Act {
    let members = members.iter().map(|(insurer, register_no)| Arbitrator {
        insurer: (*insurer).to_owned(),
        register_no: (*register_no).to_owned(),
    });
    Act::Appoint { members: members.collect() }
}

fn three() -> Act {
    appoint(&[("CPIC", "A-1"), ("CPIC", "A-2"), ("GPIC", "A-3")])
}

fn awarded(amount: &str, by: &[&str]) -> Act {
    let by = by.iter().map(|no| (*no).to_owned()).collect();
    Act::Award { amount: yuan(amount), grounds: "定损过高".to_owned(), by }
}

fn walk(acts: &[(Side, Act)]) -> Result<Life, ReviewError> {
    let life = Life::locked(Timestamp::UNIX_EPOCH);
    acts.iter().try_fold(life, |life, (side, act)| life.accept(act, by(*side), SIDES))
}

use Side::{Liable, Operator, Recovering};

/// What is done, where it leads, and what is agreed then.
type Walk = (Vec<(Side, Act)>, &'static str, &'static str);

#[test]
fn a_recovery_walks_to_an_amount_both_stand_by() {
    let asked = "12600.00";
    let rows: Vec<Walk> = vec![
        (vec![], "1", "0.00"),
        (vec![(Recovering, cancel())], "9", "0.00"),
        (vec![(Recovering, start(asked))], "2", "0.00"),
        // Accepted at once: both stand by the same amount.
        (vec![(Recovering, start(asked)), (Liable, state(asked, asked))], "4", asked),
        (vec![(Recovering, start(asked)), (Liable, state("9000.00", asked))], "3", "0.00"),
        // Offer, counter-offer, and the recovering side comes down to the offer.
        (
            vec![
                (Recovering, start(asked)),
                (Liable, state("9000.00", asked)),
                (Recovering, state("11000.00", "11000.00")),
                (Liable, state("10000.00", "11000.00")),
                (Recovering, state("10000.00", "10000.00")),
            ],
            "4",
            "10000.00",
        ),
        // Nothing is owed, and the other side sees it.
        (
            vec![
                (Recovering, start(asked)),
                (Liable, state("0.00", asked)),
                (Recovering, state("0.00", "0.00")),
            ],
            "6",
            "0.00",
        ),
        (vec![(Recovering, start(asked)), (Recovering, withdraw())], "9", "0.00"),
    ];
    for (at, (acts, status, agreed)) in rows.into_iter().enumerate() {
        let life = walk(&acts).unwrap();
        assert_eq!(life.status().code(), status, "row {at}");
        assert_eq!(life.agreed(), yuan(agreed), "row {at}");
        let posted = life.outcomes.iter().filter(|outcome| outcome.item_id.is_some()).count();
        assert_eq!(posted, usize::from(agreed != "0.00"), "row {at}");
    }
}

#[test]
fn arbitrators_decide_between_what_the_sides_stand_by() {
    let asked = "12600.00";
    let before =
        vec![(Recovering, start(asked)), (Liable, state("9000.00", asked)), (Recovering, ask())];
    let then = |more: &[(Side, Act)]| walk(&[before.clone(), more.to_vec()].concat());
    assert_eq!(then(&[]).unwrap().status().code(), "3");
    let ended = then(&[(Operator, three()), (Operator, awarded("11000.00", &["A-1", "A-3"]))]);
    let ended = ended.unwrap();
    assert_eq!((ended.status().code(), ended.agreed()), ("4", yuan("11000.00")));
    assert!(ended.outcomes[0].awarded);
    // They may still agree by themselves.
    let agreed = then(&[(Operator, three()), (Liable, state(asked, asked))]).unwrap();
    assert_eq!((agreed.agreed(), agreed.outcomes[0].awarded), (yuan(asked), false));
    let panels: [&[(&str, &str)]; 4] = [
        &[],
        &[("CPIC", "A-1"), ("CPIC", "A-2")],
        &[("PICC", "A-1")],
        &[("CPIC", "A-1"), ("CPIC", "A-1"), ("GPIC", "A-3")],
    ];
    for members in panels {
        let refused = then(&[(Operator, appoint(members))]);
        assert!(matches!(refused, Err(ReviewError::Panel(_))), "{members:?}");
    }
    let awards = [
        ("8999.99", vec!["A-1", "A-2"]),
        ("12600.01", vec!["A-1", "A-2"]),
        ("10000.00", vec!["A-1"]),
        ("10000.00", vec!["A-1", "A-2", "A-9"]),
    ];
    for (amount, by) in awards {
        let refused = then(&[(Operator, three()), (Operator, awarded(amount, &by))]);
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, ReviewError::Panel(_) | ReviewError::Amount(_)),
            "{amount} {by:?}"
        );
    }
}

#[test]
fn arbitrators_are_asked_once_both_were_heard_or_one_is_late() {
    let life = walk(&[(Recovering, start("12600.00"))]).unwrap();
    assert_eq!(life.accept(&ask(), by(Recovering), SIDES), Err(ReviewError::TooEarly));
    let late = By { overdue: true, ..by(Recovering) };
    assert!(life.accept(&ask(), late, SIDES).is_ok());
}

#[test]
fn a_supplement_is_a_round_on_top_of_what_stands() {
    let asked = "12600.00";
    let agreed = [(Recovering, start(asked)), (Liable, state(asked, asked))];
    let then = |more: &[(Side, Act)]| walk(&[agreed.to_vec(), more.to_vec()].concat()).unwrap();
    let open = then(&[(Recovering, supplement("700.00"))]);
    assert_eq!((open.round(), open.status().code(), open.agreed()), (2, "3", yuan(asked)));
    let ended = then(&[(Recovering, supplement("700.00")), (Liable, state("700.00", "700.00"))]);
    assert_eq!((ended.round(), ended.agreed()), (2, yuan("13300.00")));
    let given_up = then(&[(Recovering, supplement("700.00")), (Recovering, withdraw())]);
    assert_eq!((given_up.status().code(), given_up.agreed()), ("4", yuan(asked)));
}

#[test]
fn amounts_move_towards_each_other_and_every_cut_has_a_reason() {
    let asked = "12600.00";
    let open = vec![(Recovering, start(asked)), (Liable, state("9000.00", asked))];
    let unreasoned = Act::State { amount: yuan("10000.00"), cuts: vec![], opinion: None };
    let rows = [
        (Recovering, state(asked, asked)),
        (Recovering, state("12600.01", "12600.01")),
        (Recovering, state("8999.99", "8999.99")),
        (Liable, state("9000.00", asked)),
        (Liable, state("8000.00", asked)),
        (Liable, state("12600.01", "12600.01")),
        (Liable, unreasoned),
    ];
    for (at, row) in rows.into_iter().enumerate() {
        let refused = walk(&[open.clone(), vec![row]].concat());
        let rule = refused.as_ref().err().and_then(ReviewError::rule);
        assert_eq!(rule, Some(RuleId::L61), "row {at}: {refused:?}");
    }
    let over = walk(&[(Recovering, start("12600.01"))]).unwrap_err();
    assert_eq!(over.rule(), Some(RuleId::L60));
    let nothing = walk(&[(Recovering, start("0.00"))]);
    assert!(matches!(nothing, Err(ReviewError::Amount(_))));
}

#[test]
fn every_act_has_its_side_and_its_stages() {
    let asked = "12600.00";
    let stages = [
        vec![],
        vec![(Recovering, start(asked))],
        vec![(Recovering, start(asked)), (Liable, state("9000.00", asked)), (Liable, ask())],
        vec![(Recovering, start(asked)), (Liable, state(asked, asked))],
        vec![(Recovering, cancel())],
    ];
    // Locked, open, before arbitrators, ended, void.
    let rows: [(Side, Act, [bool; 5]); 8] = [
        (Recovering, cancel(), [true, false, false, false, false]),
        (Recovering, start(asked), [true, false, false, false, false]),
        (Liable, state(asked, asked), [false, true, true, false, false]),
        (Recovering, withdraw(), [false, true, false, false, false]),
        (Recovering, ask(), [false, false, false, false, false]),
        (Operator, three(), [false, false, true, false, false]),
        (Operator, awarded("9500.00", &["A-1", "A-2"]), [false; 5]),
        (Recovering, supplement("700.00"), [false, false, false, true, false]),
    ];
    for (side, act, allowed) in rows {
        for (at, stage) in stages.iter().enumerate() {
            let life = walk(stage).unwrap();
            let taken = life.accept(&act, by(side), SIDES);
            assert_eq!(taken.is_ok(), allowed[at], "{} in stage {at}: {taken:?}", act.name());
        }
        let others = [Recovering, Liable, Operator].into_iter().filter(|one| *one != side);
        for other in others.filter(|other| !act.is_for(*other)) {
            let refused = walk(&[]).unwrap().accept(&act, by(other), SIDES);
            assert!(matches!(refused, Err(ReviewError::NotYours { .. })), "{}", act.name());
        }
    }
}

#[test]
fn stages_are_stored_under_the_words_they_are_listed_by() {
    let asked = "12600.00";
    let open = (Recovering, start(asked));
    let lives = [
        vec![],
        vec![open.clone()],
        vec![open.clone(), (Liable, state("9000.00", asked)), (Liable, ask())],
        vec![open, (Liable, state(asked, asked))],
        vec![(Recovering, cancel())],
    ];
    let stored = lives.map(|acts| serde_json::to_value(walk(&acts).unwrap()).unwrap());
    let words = stored.each_ref().map(|life| life["stage"]["stage"].as_str().unwrap());
    assert_eq!(words, Stage::NAMES);
}

#[test]
fn a_flat_amount_settles_what_the_formulas_allow_and_is_the_recovering_sides_to_start() {
    let flat = Flat {
        region: "320000".to_owned(),
        version: 1,
        computed: yuan("2000.00"),
        ceiling: yuan("5000.00"),
        module: yuan("2400.00"),
    };
    let act = Act::SettleFlat { flat };
    let locked = Life::locked(Timestamp::UNIX_EPOCH);
    let refused = locked.accept(&act, by(Side::Liable), SIDES);
    assert!(matches!(refused, Err(ReviewError::NotYours { .. })));
    let settled = locked.accept(&act, by(Side::Recovering), SIDES).unwrap();
    assert_eq!((settled.agreed(), settled.settled()), (yuan("2400.00"), yuan("2000.00")));
    assert_eq!(settled.status(), RecoveryStatus::WaitingForSettlement);
    assert_eq!(settled.outcomes[0].item_id, Some(Uuid::from_u128(7)));
    assert!(settled.accept(&act, by(Side::Recovering), SIDES).is_err());
}
