//! Fits to rows in parts against fits to all rows, and against statsmodels.

use std::sync::LazyLock;

use actuarial_models::Stop;
use actuarial_models::glm::{
    Aliased, Batch, Elsewhere, Family, Fit, GlmError, Link, Model, Observations, Penalty,
    SpreadError, Tally, TallyError, Term, Texts, type_three, type_three_elsewhere,
};
use proptest::prelude::*;

use super::glm::{French, Within, coefficients, terms_of};
use super::parted::{Parted, Portfolio, ROWS};
use super::sampled::Sampled;
use super::{near, number, oracle};

/// The error of a fit that has one for rows at hand too.
fn refused(parted: &mut Parted<'_>, model: &Model) -> GlmError {
    match model.fit_elsewhere(parted, Stop::NEVER) {
        Err(SpreadError::Glm(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// Fails unless all figures agree, and as many passes were taken.
#[track_caller]
pub(crate) fn same(what: &str, spread: &Fit, fit: &Fit) {
    assert!(spread.passes.abs_diff(fit.passes) <= 1, "{what}: {}", spread.passes);
    same_figures(what, spread, fit, 1e-10);
}

/// Standard errors are those before the last step, so other steps to the same place give others in their
/// last digits.
pub(crate) const OTHER_STEPS: f64 = 1e-8;

#[track_caller]
pub(crate) fn same_figures(what: &str, spread: &Fit, fit: &Fit, digits: f64) {
    assert_eq!(spread.means, None);
    assert_eq!(spread.dropped, fit.dropped, "{what}");
    assert_eq!((spread.rows, spread.degrees), (fit.rows, fit.degrees), "{what}");
    for (spread, fit) in spread.coefficients.iter().zip(&fit.coefficients) {
        assert_eq!(spread.name, fit.name);
        let what = format!("{what} {}", fit.name);
        // An estimate near zero has no digits beyond those of its error.
        near(&what, spread.estimate, fit.estimate, digits, fit.error.unwrap_or(1e-3));
        assert_eq!(spread.error.is_some(), fit.error.is_some(), "{what}");
        near(&what, spread.error.unwrap_or(0.0), fit.error.unwrap_or(0.0), digits, 0.0);
    }
    assert_eq!(spread.coefficients.len(), fit.coefficients.len());
    near(what, spread.dispersion, fit.dispersion, digits, 0.0);
    near(what, spread.deviance, fit.deviance, digits, 0.0);
    near(what, spread.null_deviance, fit.null_deviance, digits, 0.0);
    near(what, spread.pearson, fit.pearson, digits, 0.0);
    assert_eq!(spread.log_likelihood.is_some(), fit.log_likelihood.is_some());
    let likelihood = |fit: &Fit| fit.log_likelihood.unwrap_or(0.0);
    near(what, likelihood(spread), likelihood(fit), digits, 0.0);
    if fit.model.penalty.is_none() {
        for (spread, fit) in spread.wald().unwrap().iter().zip(&fit.wald().unwrap()) {
            assert_eq!((&spread.name, spread.degrees), (&fit.name, fit.degrees));
            near(&fit.name, spread.statistic, fit.statistic, 10.0 * digits, 0.0);
        }
    }
}

pub(crate) fn area() -> Term {
    Term::factor("area", "hill")
}

pub(crate) fn spline() -> Term {
    Term::spline("age", &[20.0, 30.0, 45.0, 60.0, 75.0])
}

#[test]
fn a_fit_to_parts_is_the_fit_to_all_rows() {
    let portfolio = Portfolio::new();
    let fuel = || Term::factor("fuel", "gas");
    let (counts, amounts) = (portfolio.counts(), portfolio.amounts());
    // Rows without weight have no say, whatever their response.
    let some: Vec<f64> =
        portfolio.exposure.iter().map(|part| if *part < 0.3 { 0.0 } else { *part }).collect();
    let pure: Vec<f64> = portfolio
        .amounts
        .iter()
        .zip(&portfolio.happened)
        .map(|(amount, happened)| amount * happened)
        .collect();
    let happened = Observations { response: &portfolio.happened, offset: None, ..counts };
    let poisson = |terms: Vec<Term>| Model::log(Family::Poisson, terms);
    let powers = ["age", "age^2", "age^3", "age^4"].map(Term::numeric).to_vec();
    let cases = [
        ("intercept", poisson(vec![]), counts),
        ("factors", poisson(vec![area(), fuel(), Term::numeric("power")]), counts),
        ("splines", poisson(vec![spline(), area().times(Term::numeric("power"))]), counts),
        ("levels", poisson(vec![area(), fuel(), area().times(fuel())]), counts),
        ("levels on a line", poisson(vec![area(), area().times(spline())]), counts),
        ("numbers", poisson(vec![Term::numeric("age").times(Term::numeric("power"))]), counts),
        ("powers", poisson(powers), counts),
        ("far", poisson(vec![Term::numeric("far"), area()]), counts),
        (
            "Gamma",
            Model::log(Family::Gamma, vec![area(), spline()]),
            Observations { weight: Some(&some), ..amounts },
        ),
        (
            "Gamma, inverse",
            Model {
                link: Link::Power(-1.0),
                ..Model::log(Family::Gamma, vec![area(), Term::numeric("power")])
            },
            amounts,
        ),
        (
            "Gamma, offset",
            Model::log(Family::Gamma, vec![area()]),
            Observations { offset: Some(&portfolio.log_exposure), ..amounts },
        ),
        (
            "Tweedie",
            Model::log(Family::Tweedie { power: 1.6 }, vec![area(), Term::numeric("age")]),
            Observations { response: &pure, ..amounts },
        ),
        ("binomial", Model::logistic(vec![area(), spline(), fuel()]), happened),
        (
            "negative binomial",
            Model::log(Family::NegativeBinomial { alpha: 0.7 }, vec![area(), spline()]),
            counts,
        ),
        (
            "Gaussian",
            Model {
                link: Link::Power(1.0),
                ..Model::log(Family::Gaussian, vec![fuel(), Term::numeric("age")])
            },
            amounts,
        ),
        (
            "ridge",
            Model {
                penalty: Penalty { l1: 0.0, l2: 20.0 },
                ..poisson(vec![area(), spline(), fuel().times(Term::numeric("power"))])
            },
            counts,
        ),
        (
            "ridge of levels",
            Model { penalty: Penalty { l1: 0.0, l2: 5.0 }, ..poisson(vec![area()]) },
            counts,
        ),
        (
            "lasso",
            Model {
                penalty: Penalty { l1: 15.0, l2: 1.0 },
                ..poisson(vec![area(), Term::numeric("age")])
            },
            counts,
        ),
        (
            "aliased",
            Model {
                aliased: Aliased::Drop,
                ..poisson(vec![area(), Term::factor("same", "lake"), Term::numeric("age")])
            },
            counts,
        ),
    ];
    for (what, model, data) in cases {
        let fit = model.fit(&data).unwrap_or_else(|error| panic!("{what}: {error}"));
        let mut parted = Parted::of(data);
        let spread = model.fit_elsewhere(&mut parted, Stop::NEVER);
        let spread = spread.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        same(what, &spread, &fit);
        if what == "factors" {
            // Levels, products, passes and closing; the first pass tells of the intercept alone.
            assert_eq!(parted.questions, spread.passes + 3);
        }
    }
}

#[test]
fn a_model_of_the_french_portfolio_in_seven_parts_is_that_of_statsmodels() {
    let (Some(oracle), Some(french)) = (oracle("fremtpl2_poisson_glm"), French::read("L")) else {
        return;
    };
    let offset = french.log_exposure();
    let (frame, response) = (&french.frame, french.claims.as_slice());
    let data = Observations { frame, response, weight: None, offset: Some(&offset) };
    let (name, case) = oracle["models"].as_object().unwrap().iter().next().unwrap();
    let model = Model::log(Family::Poisson, terms_of(frame, case));
    let mut parted = Parted { data, volume: None, parts: 7, batch: 1_000, questions: 0 };
    let fit = model.fit_elsewhere(&mut parted, Stop::NEVER).unwrap();
    coefficients(&fit, case, &Within { estimate: 1e-8, error: 1e-6 });
    near(name, fit.deviance, number(&case["deviance_learn"]), 1e-10, 0.0);
    near(name, fit.log_likelihood.unwrap(), number(&case["log_likelihood"]), 1e-10, 0.0);
    near(name, fit.aic().unwrap(), number(&case["aic"]), 1e-10, 0.0);
    let null = fit.null_deviance / 6102.12;
    near(name, null, number(&oracle["null"]["in_sample"]), 1e-10, 0.0);
    assert_eq!(fit.rows, 610_212);
    let here = model.fit(&data).unwrap();
    same(name, &fit, &here);
    // One row in ten says nearly where all of them lead.
    let rows: Vec<usize> = (0..fit.rows).step_by(10).collect();
    let of = |values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<f64>>();
    let (response, offset) = (of(response), of(&offset));
    let frame = frame.pick(&rows).unwrap();
    let some =
        Observations { frame: &frame, response: &response, weight: None, offset: Some(&offset) };
    let some = Parted { data: some, volume: None, parts: 1, batch: 1_000, questions: 0 };
    let mut sampled = Sampled { all: Parted { questions: 0, ..parted }, some };
    let spared = model.fit_elsewhere(&mut sampled, Stop::NEVER).unwrap();
    same_figures(name, &spared, &here, OTHER_STEPS);
    assert!(spared.passes < fit.passes, "{} and {}", spared.passes, fit.passes);
    assert_eq!(sampled.all.questions, spared.passes + 3);
}

#[test]
fn numbers_that_nearly_determine_each_other_are_looked_at_again() {
    let portfolio = Portfolio::new();
    let data = portfolio.counts();
    let model = Model::log(Family::Poisson, vec![Term::numeric("age"), Term::numeric("nearly")]);
    let fit = model.fit(&data).unwrap();
    let mut parted = Parted::of(data);
    let spread = model.fit_elsewhere(&mut parted, Stop::NEVER).unwrap();
    assert_eq!(parted.questions, spread.passes + 4);
    near("deviance", spread.deviance, fit.deviance, 1e-12, 0.0);
    for (spread, fit) in spread.coefficients.iter().zip(&fit.coefficients) {
        // All but some seven digits of the second number are those of the first.
        near(&fit.name, spread.estimate, fit.estimate, 1e-6, fit.error.unwrap());
        near(&fit.name, spread.error.unwrap(), fit.error.unwrap(), 1e-6, 0.0);
    }
}

#[test]
fn alpha_and_tests_of_terms_are_those_of_all_rows() {
    let portfolio = Portfolio::new();
    // Most of the claims on a third of the policies: they vary more than Poisson's.
    let some = portfolio.counts.iter().zip(&portfolio.happened);
    let uneven: Vec<f64> = some.map(|(count, happened)| count * (1.0 + 4.0 * happened)).collect();
    let data = Observations { response: &uneven, ..portfolio.counts() };
    let model = Model::log(Family::Poisson, vec![area(), Term::numeric("power")]);
    let want = model.fit_negative_binomial(&data).unwrap();
    let mut parted = Parted::of(data);
    let found = model.fit_negative_binomial_elsewhere(&mut parted, Stop::NEVER).unwrap();
    assert!(parted.questions < 150, "{}", parted.questions);
    near("alpha", found.alpha, want.alpha, 1e-10, 0.0);
    same("negative binomial", &found.fit, &want.fit);
    assert_eq!(want.fit.means.unwrap().len(), ROWS);

    let fit = model.fit(&data).unwrap();
    let tests = type_three(&fit, &data).unwrap();
    let spread = type_three_elsewhere(&fit, &mut parted, Stop::NEVER).unwrap();
    for (spread, test) in spread.iter().zip(&tests) {
        assert_eq!((&spread.name, spread.degrees), (&test.name, test.degrees));
        near(&test.name, spread.statistic, test.statistic, 1e-9, 1.0);
    }
    assert_eq!((spread.len(), tests.len()), (2, 2));
    // Counts that vary less than Poisson's have no α.
    let even = vec![1.0; ROWS];
    let mut parted = Parted::of(Observations { response: &even, offset: None, ..data });
    let none = model.fit_negative_binomial_elsewhere(&mut parted, Stop::NEVER);
    assert!(matches!(none, Err(SpreadError::Glm(GlmError::NoInformation))), "{none:?}");
}

#[test]
fn what_cannot_be_fitted_has_the_same_name_as_for_rows_at_hand() {
    let portfolio = Portfolio::new();
    let data = portfolio.counts();
    let poisson = |terms: &[Term]| Model::log(Family::Poisson, terms.to_vec());
    let (age, months) = (Term::numeric("age"), Term::numeric("months"));
    let zeros = vec![0.0; ROWS];
    // Nobody on the coast has a claim; only the old have one.
    let (levels, codes) = portfolio.frame.factor("area").unwrap();
    let calm: Vec<f64> = portfolio
        .counts
        .iter()
        .zip(codes)
        .map(|(count, code)| if levels[*code as usize] == "coast" { 0.0 } else { *count })
        .collect();
    let ages = portfolio.frame.numbers("age").unwrap();
    let old: Vec<f64> = ages.iter().map(|age| f64::from(u8::from(*age > 50.0))).collect();
    let inland: Vec<f64> =
        codes.iter().map(|code| if levels[*code as usize] == "lake" { 0.0 } else { 1.0 }).collect();
    let cases = [
        (poisson(&[area(), Term::numeric("zero")]), data),
        (poisson(&[area().times(Term::numeric("zero"))]), data),
        (poisson(&[Term::numeric("constant")]), data),
        (poisson(&[age.clone(), months.clone()]), data),
        (poisson(&[months, Term::numeric("power"), age.clone()]), data),
        (poisson(&[age.clone(), age.clone(), Term::numeric("zero")]), data),
        (poisson(&[age.clone(), Term::numeric("all but"), area()]), data),
        (poisson(&[area(), Term::factor("same", "hill")]), data),
        (poisson(&[area()]), Observations { weight: Some(&inland), ..data }),
        (poisson(&[area()]), Observations { response: &calm, ..data }),
        (Model::logistic(vec![age]), Observations { response: &old, offset: None, ..data }),
        (poisson(&[area()]), Observations { response: &zeros, ..data }),
        (poisson(&[area()]), Observations { weight: Some(&zeros), ..data }),
        (poisson(&[Term::factor("area", "moon")]), data),
        (poisson(&[Term::spline("age", &[1.0, 2.0])]), data),
        (poisson(&[area().times(area())]), data),
        (Model::log(Family::Tweedie { power: 0.5 }, vec![]), data),
    ];
    for (model, data) in cases {
        let want = model.fit(&data).unwrap_err();
        assert_eq!(refused(&mut Parted::of(data), &model), want);
    }
    let both = [Term::factor("age", "18"), Term::numeric("age")];
    assert_eq!(refused(&mut Parted::of(data), &poisson(&both)), GlmError::Twice("age".into()));
}

#[test]
fn values_that_are_none_are_named_by_column_however_rows_are_parted() {
    let portfolio = Portfolio::new();
    let with = |values: &[f64], bad: &[(usize, f64)]| {
        let mut values = values.to_vec();
        bad.iter().for_each(|&(row, value)| values[row] = value);
        values
    };
    let data = portfolio.amounts();
    let gamma = Model::log(Family::Gamma, vec![area()]);
    let none = with(data.response, &[(2_000, f64::NAN), (5, -3.0)]);
    let negative = with(data.response, &[(2_000, -1.0), (5, -3.0), (1_000, 0.0)]);
    let infinite = with(data.response, &[(9, f64::INFINITY)]);
    let offset = with(&portfolio.log_exposure, &[(1_500, f64::NEG_INFINITY)]);
    let owed = with(&portfolio.exposure, &[(2_500, -0.5)]);
    let unweighed = with(&portfolio.exposure, &[(2_500, -0.5), (7, f64::NAN)]);
    let value = |what: &str| GlmError::Value { what: what.into(), row: None };
    let response = |value| GlmError::Response { value, row: None, wanted: "positive" };
    let cases = [
        (Observations { response: &none, ..data }, value("response")),
        (Observations { response: &negative, ..data }, response(-3.0)),
        (Observations { response: &infinite, ..data }, response(f64::INFINITY)),
        (Observations { offset: Some(&offset), ..data }, value("offset")),
        (Observations { weight: Some(&owed), ..data }, GlmError::Weight(None)),
        (Observations { weight: Some(&unweighed), ..data }, value("weight")),
        (Observations { response: &none, offset: Some(&offset), ..data }, value("response")),
    ];
    for (data, want) in cases {
        for (parts, batch) in [(7, 113), (2, 4_000), (41, 10)] {
            let mut parted = Parted { data, volume: None, parts, batch, questions: 0 };
            assert_eq!(refused(&mut parted, &gamma), want);
            // It shows in the first question.
            assert_eq!(parted.questions, 1);
        }
    }
    assert_eq!(value("age").to_string(), "age is not a finite number in some row");
    assert_eq!(GlmError::Weight(None).to_string(), "the weight of some row is negative");
}

/// The first question about a model, and the answer to it.
fn first_question(model: &Model) -> Vec<u8> {
    struct Curious(Vec<u8>);
    impl Elsewhere for Curious {
        type Error = ();

        fn ask(&mut self, question: &[u8]) -> Result<Vec<u8>, ()> {
            self.0 = question.to_vec();
            Err(())
        }
    }
    let mut curious = Curious(vec![]);
    let asked = model.fit_elsewhere(&mut curious, Stop::NEVER);
    assert!(matches!(asked, Err(SpreadError::Asked(()))));
    curious.0
}

#[test]
fn batches_are_added_whole_or_not_at_all() {
    let model = Model::log(Family::Poisson, vec![area(), Term::numeric("age")]);
    let question = first_question(&model);
    let columns = model.columns().unwrap();
    assert_eq!((columns.texts, columns.numbers), (vec!["area".into()], vec!["age".into()]));
    let mut tally = Tally::of(&question).unwrap();
    let empty = tally.to_bytes();
    let texts = [Some("hill"), None];
    let texts = [("area", Texts::Plain(&texts))];
    let numbers = [("age", &[30.0, f64::NAN][..]), ("unread", &[1.0])];
    let response = [1.0, 0.0];
    let batch = Batch {
        texts: &texts,
        numbers: &numbers,
        response: &response,
        weight: None,
        offset: None,
        volume: None,
    };
    let refused = [
        Batch { texts: &[], ..batch },
        Batch { numbers: &[], ..batch },
        Batch { response: &[1.0], ..batch },
        Batch { weight: Some(&[1.0]), ..batch },
        Batch { offset: Some(&[1.0, 2.0, 3.0]), ..batch },
        Batch { volume: Some(&[1.0]), ..batch },
    ];
    for batch in refused {
        assert!(matches!(tally.add(&batch), Err(TallyError::Batch(_))));
    }
    assert_eq!(tally.to_bytes(), empty);
    tally.add(&batch).unwrap();
    assert_eq!(tally.rows(), 2);
    // Threads hand tallies to each other, and account for them.
    fn may_cross_threads<T: Send + Sync>(_: &T) {}
    may_cross_threads(&tally);
    assert!((1..1_000).contains(&(tally.size() - size_of::<Tally>())), "{}", tally.size());
    // A missing text comes before a number that is none.
    struct Answer(Vec<u8>);
    impl Elsewhere for Answer {
        type Error = ();

        fn ask(&mut self, _: &[u8]) -> Result<Vec<u8>, ()> {
            Ok(self.0.clone())
        }
    }
    let fit = model.fit_elsewhere(&mut Answer(tally.to_bytes()), Stop::NEVER);
    let Err(SpreadError::Glm(error)) = fit else { panic!("{fit:?}") };
    assert_eq!(error, GlmError::Missing("area".into()));
    // Nobody has a row.
    let fit = model.fit_elsewhere(&mut Answer(empty), Stop::NEVER);
    assert!(matches!(fit, Err(SpreadError::Glm(GlmError::NoInformation))), "{fit:?}");
    let other = first_question(&Model::log(Family::Gamma, vec![area(), Term::numeric("age")]));
    let stranger = Tally::of(&other).unwrap().to_bytes();
    assert_eq!(tally.merge(&stranger), Err(TallyError::OtherQuestion));
    let fit = model.fit_elsewhere(&mut Answer(stranger), Stop::NEVER);
    assert!(matches!(fit, Err(SpreadError::Answer(TallyError::OtherQuestion))), "{fit:?}");
}

#[test]
fn a_fit_ends_when_rows_change_or_somebody_calls_it_off() {
    struct Growing<'a>(Parted<'a>, Observations<'a>);
    impl Elsewhere for Growing<'_> {
        type Error = TallyError;

        fn ask(&mut self, question: &[u8]) -> Result<Vec<u8>, TallyError> {
            let answer = self.0.ask(question);
            self.0.data = self.1;
            answer
        }
    }
    let portfolio = Portfolio::new();
    let all = portfolio.counts();
    let but_one = &portfolio.counts[..ROWS - 1];
    let model = Model::log(Family::Poisson, vec![area()]);
    let mut growing = Growing(Parted::of(Observations { response: but_one, ..all }), all);
    let (before, now) = (ROWS as u64 - 1, ROWS as u64);
    let fit = model.fit_elsewhere(&mut growing, Stop::NEVER);
    let Err(SpreadError::Changed { before: was, now: is }) = fit else { panic!("{fit:?}") };
    assert_eq!((was, is), (before, now));
    let mut parted = Parted::of(all);
    let called_off = model.fit_elsewhere(&mut parted, Stop::when(&|| true));
    assert!(matches!(called_off, Err(SpreadError::Glm(GlmError::Stopped(_)))));
    assert_eq!(parted.questions, 0);
}

/// Every question of a fit, with an answer to it.
static QUESTIONS_AND_ANSWERS: LazyLock<Vec<(Vec<u8>, Vec<u8>)>> = LazyLock::new(|| {
    struct Noted<'a>(Parted<'a>, Vec<(Vec<u8>, Vec<u8>)>);
    impl Elsewhere for Noted<'_> {
        type Error = TallyError;

        fn ask(&mut self, question: &[u8]) -> Result<Vec<u8>, TallyError> {
            let answer = self.0.ask(question)?;
            self.1.push((question.to_vec(), answer.clone()));
            Ok(answer)
        }
    }
    let portfolio = Portfolio::new();
    let mut noted = Noted(Parted::of(portfolio.amounts()), vec![]);
    let model = Model::log(Family::Gamma, vec![area(), spline()]);
    model.fit_elsewhere(&mut noted, Stop::NEVER).unwrap();
    noted.1
});

#[test]
fn a_tally_is_read_as_it_was_written_and_nothing_else_is() {
    for (question, answer) in QUESTIONS_AND_ANSWERS.iter() {
        let mut tally = Tally::of(question).unwrap();
        let empty = tally.to_bytes();
        for length in 0..answer.len() {
            assert!(tally.merge(&answer[..length]).is_err());
        }
        assert!(tally.merge(&[&answer[..], &[0]].concat()).is_err());
        assert_eq!(tally.to_bytes(), empty);
        tally.merge(answer).unwrap();
        assert_eq!(tally.to_bytes(), *answer);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn broken_bytes_are_refused_or_read_but_never_fatal(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        for (question, answer) in QUESTIONS_AND_ANSWERS.iter() {
            let mut tally = Tally::of(question).unwrap();
            let (mut broken, mut asked) = (answer.clone(), question.clone());
            for (place, byte) in &flips {
                *place.get_mut(&mut broken) = *byte;
                *place.get_mut(&mut asked) = *byte;
            }
            let _ = tally.merge(&broken);
            let headed = [&answer[..17.min(answer.len())], &bytes].concat();
            let _ = tally.merge(&headed);
            let _ = Tally::of(&asked);
        }
        prop_assert!(Tally::of(&bytes).is_err() || bytes.len() > 20);
    }
}
