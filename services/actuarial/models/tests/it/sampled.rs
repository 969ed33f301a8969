//! Fits to rows that lie elsewhere: what a sample spares, and what came beside what was expected.

use actuarial_models::Stop;
use actuarial_models::glm::{
    Elsewhere, Family, GlmError, Model, Observations, Penalty, SpreadError, TallyError, Term,
};

use super::near;
use super::parted::{Parted, Portfolio, ROWS};
use super::spread::{OTHER_STEPS, area, same, same_figures, spline};

/// Rows of which some may be asked alone.
pub(crate) struct Sampled<'a> {
    pub(crate) all: Parted<'a>,
    pub(crate) some: Parted<'a>,
}

impl Elsewhere for Sampled<'_> {
    type Error = TallyError;

    fn ask(&mut self, question: &[u8]) -> Result<Vec<u8>, TallyError> {
        self.all.ask(question)
    }

    fn ask_sample(&mut self, question: &[u8]) -> Result<Option<Vec<u8>>, TallyError> {
        self.some.ask(question).map(Some)
    }
}

#[test]
fn a_sample_changes_no_figure_whatever_it_says() {
    let portfolio = Portfolio::new();
    let fuel = || Term::factor("fuel", "gas");
    let counts = portfolio.counts();
    let poisson = Model::log(Family::Poisson, vec![area(), spline(), fuel()]);
    let gamma = Model::log(Family::Gamma, vec![area(), spline(), Term::numeric("power")]);
    let ridge = Model { penalty: Penalty { l1: 0.0, l2: 20.0 }, ..poisson.clone() };
    let cases = [
        ("Poisson", &poisson, counts),
        ("Gamma", &gamma, portfolio.amounts()),
        ("Gamma, offset", &gamma, Observations { offset: counts.offset, ..portfolio.amounts() }),
        ("ridge", &ridge, counts),
    ];
    for (what, model, data) in cases {
        let fit = model.fit(&data).unwrap();
        let rows: Vec<usize> = (0..ROWS / 8).collect();
        let frame = data.frame.pick(&rows).unwrap();
        let of = |values: &[f64]| values[..rows.len()].to_vec();
        let (response, weight) = (of(data.response), data.weight.map(of));
        let offset = data.offset.map(of);
        let (weight, offset) = (weight.as_deref(), offset.as_deref());
        // What such rows say, and the opposite: a sample that misleads.
        let most = response.iter().copied().fold(0.0, f64::max);
        let opposite: Vec<f64> = response.iter().map(|value| most - 0.99 * value).collect();
        // Nobody there has a claim, which no coefficient can say.
        let nothing = vec![0.0; rows.len()];
        let one = vec![1.0; rows.len()];
        let silent = if weight.is_some() { &one } else { &nothing };
        for (kind, response) in [("some", &response), ("opposite", &opposite), ("silent", silent)] {
            let what = format!("{what}, {kind}");
            let some = Observations { frame: &frame, response, weight, offset };
            let mut rows = Sampled { all: Parted::of(data), some: Parted::of(some) };
            let spread = model.fit_elsewhere(&mut rows, Stop::NEVER).unwrap();
            same_figures(&what, &spread, &fit, OTHER_STEPS);
            assert!((1..=12).contains(&rows.some.questions), "{what}: {}", rows.some.questions);
            assert!(spread.passes <= fit.passes + 2, "{what}: {}", spread.passes);
        }
        // A sample that is nearly all of the rows is asked once.
        let mut rows = Sampled { all: Parted::of(data), some: Parted::of(data) };
        let spread = model.fit_elsewhere(&mut rows, Stop::NEVER).unwrap();
        same(what, &spread, &fit);
        assert_eq!(rows.some.questions, 1);
    }
}

#[test]
fn what_came_and_what_was_expected_add_up_by_level() {
    let portfolio = Portfolio::new();
    let model = Model::log(Family::Poisson, vec![area(), spline(), Term::factor("fuel", "gas")]);
    // Two in three rows are fitted to, the others held out.
    let (fitted, held): (Vec<usize>, Vec<usize>) = (0..ROWS).partition(|row| row % 3 > 0);
    let part = |rows: &[usize]| {
        let of = |values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<f64>>();
        let frame = portfolio.frame.pick(rows).unwrap();
        (frame, of(&portfolio.counts), of(&portfolio.log_exposure), of(&portfolio.exposure))
    };
    let [fitted, held] = [part(&fitted), part(&held)];
    let [mut to, mut of] = [&fitted, &held].map(|(frame, response, offset, volume)| {
        let data = Observations { frame, response, weight: None, offset: Some(offset) };
        Parted { volume: Some(volume), ..Parted::of(data) }
    });
    let here = model.fit(&to.data).unwrap();
    let fit = model.fit_elsewhere(&mut to, Stop::NEVER).unwrap();
    let judged_held = fit.judge_elsewhere(&mut of, Stop::NEVER).unwrap();
    assert_eq!(of.questions, 1);
    let fitted_to = fit.judged().unwrap();
    near("deviance", fitted_to.deviance, here.deviance, 1e-10, 0.0);
    // An intercept and its levels are balanced where the model was fitted.
    near("total", fitted_to.all.expected, fitted_to.all.observed, 1e-9, 0.0);
    for (_, levels) in &fitted_to.factors {
        for (name, level) in levels {
            near(name, level.expected, level.observed, 1e-6, 0.0);
        }
    }
    for (judged, parted) in [(fitted_to, &to), (&judged_held, &of)] {
        let data = parted.data;
        let means = here.predict(data.frame, data.offset).unwrap();
        let unit =
            |y: f64, mean: f64| 2.0 * (mean - y + if y > 0.0 { y * (y / mean).ln() } else { 0.0 });
        let deviance: f64 = data.response.iter().zip(&means).map(|(&y, &mean)| unit(y, mean)).sum();
        near("deviance", judged.deviance, deviance, 1e-9, 0.0);
        assert_eq!(judged.all.rows, means.len() as u64);
        assert_eq!(judged.factors.len(), 2);
        for (name, found) in &judged.factors {
            let (levels, codes) = data.frame.factor(name).unwrap();
            assert_eq!(found.len(), levels.len());
            for (code, (level, (name, found))) in levels.iter().zip(found).enumerate() {
                let rows = || (0..means.len()).filter(|row| codes[*row] as usize == code);
                assert_eq!((name, found.rows), (level, rows().count() as u64));
                let sum = |of: &[f64]| rows().map(|row| of[row]).sum::<f64>();
                near(level, found.volume, sum(parted.volume.unwrap()), 1e-12, 0.0);
                near(level, found.observed, sum(data.response), 1e-12, 0.0);
                near(level, found.expected, sum(&means), 1e-8, 0.0);
            }
        }
    }
    // A fit to rows at hand has its means, and nothing to judge elsewhere with.
    assert_eq!(here.judged(), None);
    let refused = here.judge_elsewhere(&mut of, Stop::NEVER);
    assert!(matches!(refused, Err(SpreadError::Glm(GlmError::Argument(_)))), "{refused:?}");
}
