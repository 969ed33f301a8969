//! Boosting for what happens or does not: fraud, lapse, conversion.

use super::shard::Response;
use super::{Boost, Effects, Ensemble, Feature, Importance, TreesError};
use crate::glm::Frame;
use crate::number::finite;
use crate::stop::Stop;

/// Rows in which something happened or did not.
#[derive(Clone, Copy, Debug)]
pub struct Outcomes<'a> {
    /// Columns of the features.
    pub frame: &'a Frame,
    /// Whether it happened, by row.
    pub happened: &'a [bool],
    /// Weights of the rows, positive; one each when `None`.
    ///
    /// Weights that balance what is rare against what is common change the odds the trees speak of:
    /// order by them, but do not read them as chances.
    pub weight: Option<&'a [f64]>,
}

/// Trees whose scores add up to the logarithm of the odds that something happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Chances {
    pub(crate) trees: Ensemble,
}

impl Boost {
    /// Settings that suit something rare and some thousand rows, for these columns.
    ///
    /// Of a leaf, the variance of what happens in it takes the place of expected claims. They were
    /// chosen by cross-validation on training rows of motor claims.
    pub fn rare(features: &[&str]) -> Boost {
        Boost {
            trees: 400,
            leaves: 6,
            rate: 0.03,
            least_expected: 1.0,
            shrink: 2.0,
            level_shrink: 1.0,
            rows_part: 0.8,
            features_part: 0.5,
            ..Boost::of(features)
        }
    }

    /// Grows trees for the odds of what happens. Takes all cores, and blocks until it is done.
    pub fn fit_chances(&self, data: &Outcomes<'_>) -> Result<Chances, TreesError> {
        self.fit_chances_until(data, Stop::NEVER)
    }

    /// The same, unless it is called off, which is asked before every tree.
    pub fn fit_chances_until(
        &self,
        data: &Outcomes<'_>,
        stop: Stop<'_>,
    ) -> Result<Chances, TreesError> {
        self.check()?;
        data.check()?;
        match data.weight {
            Some(weights) => self.fit_weighted(data, weights, stop),
            None => self.fit_weighted(data, &vec![1.0; data.happened.len()], stop),
        }
    }

    fn fit_weighted(
        &self,
        data: &Outcomes<'_>,
        weights: &[f64],
        stop: Stop<'_>,
    ) -> Result<Chances, TreesError> {
        let part = |wanted: bool| -> f64 {
            let rows = data.happened.iter().zip(weights);
            rows.filter(|(happened, _)| **happened == wanted).map(|(_, weight)| weight).sum()
        };
        let (yes, no) = (part(true), part(false));
        let base = finite((yes / no).ln(), "odds")?;
        let happened = data.happened;
        let response = Response::Chances { happened, weights, odds: base.exp() };
        Ok(Chances { trees: self.grow(data.frame, response, (base, yes + no), stop)? })
    }
}

impl Outcomes<'_> {
    fn check(&self) -> Result<(), TreesError> {
        let rows = self.frame.rows();
        let lengths = [
            ("what happened", self.happened.len()),
            ("weights", self.weight.map_or(rows, <[f64]>::len)),
        ];
        for (what, found) in lengths {
            if found != rows {
                return Err(TreesError::Length { what, found, rows });
            }
        }
        let positive = |weight: &f64| *weight > 0.0 && weight.is_finite();
        if let Some(row) = self.weight.and_then(|all| all.iter().position(|w| !positive(w))) {
            return Err(TreesError::Weight(row));
        }
        let yes = self.happened.iter().filter(|happened| **happened).count();
        if yes == 0 || yes == rows || rows >= u32::MAX as usize {
            return Err(TreesError::OneClass);
        }
        Ok(())
    }
}

impl Chances {
    /// Chances of the rows of a frame. Uses all cores.
    ///
    /// A level the trees were not grown with is refused.
    pub fn chances(&self, frame: &Frame) -> Result<Vec<f64>, TreesError> {
        let odds = self.trees.frequencies(frame)?;
        Ok(odds.into_iter().map(|odds| odds / (1.0 + odds)).collect())
    }

    /// Logarithms of the odds of the rows of a frame: scores that can be averaged and added to.
    pub fn log_odds(&self, frame: &Frame) -> Result<Vec<f64>, TreesError> {
        Ok(self.trees.frequencies(frame)?.into_iter().map(f64::ln).collect())
    }

    /// What each feature adds to the logarithm of the odds of one row.
    pub fn effects(&self, frame: &Frame, row: usize) -> Result<Effects, TreesError> {
        self.trees.effects(frame, row)
    }

    /// The features, in the order of effects.
    pub fn features(&self) -> &[Feature] {
        &self.trees.features
    }

    /// Gain and splits of every feature, in their order.
    pub fn importance(&self) -> Vec<Importance> {
        self.trees.importance()
    }

    /// The first so many trees, as if no more had been grown.
    pub fn first(self, trees: usize) -> Chances {
        Chances { trees: self.trees.first(trees) }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use super::*;
    use crate::random::Draws;

    const ROWS: usize = 12_000;

    /// One in ten in area a, three in ten in b above forty, else one in a hundred.
    fn rows() -> (Frame, Vec<bool>) {
        let mut draws = Draws::new(3, 0);
        let ages: Vec<f64> = (0..ROWS).map(|_| (20 + draws.below(40)) as f64).collect();
        let areas: Vec<&str> = (0..ROWS).map(|_| ["a", "b", "c"][draws.below(3)]).collect();
        let chance = |row: usize| match areas[row] {
            "a" => 10,
            "b" if ages[row] > 40.0 => 30,
            _ => 1,
        };
        let happened = (0..ROWS).map(|row| draws.below(100) < chance(row)).collect();
        let mut frame = Frame::new();
        frame.add_numbers("age", ages.clone()).unwrap();
        frame.add_texts("area", &areas).unwrap();
        (frame, happened)
    }

    fn corners() -> Frame {
        let mut frame = Frame::new();
        frame.add_numbers("age", vec![30.0, 30.0, 50.0, 50.0]).unwrap();
        frame.add_texts("area", &["a", "b", "b", "c"]).unwrap();
        frame
    }

    fn settings() -> Boost {
        Boost { trees: 150, features_part: 1.0, ..Boost::rare(&["age", "area"]) }
    }

    #[test]
    fn trees_find_the_chances_rows_were_drawn_by_and_effects_add_up_to_them() {
        let (frame, happened) = rows();
        let data = Outcomes { frame: &frame, happened: &happened, weight: None };
        let trees = settings().fit_chances(&data).unwrap();
        let found = trees.chances(&corners()).unwrap();
        for (got, want) in found.iter().zip([0.10, 0.01, 0.30, 0.01]) {
            // Two standard errors of the rows of a corner, and what shrinkage takes.
            assert!((got - want).abs() < 0.03, "{found:?}");
        }
        for (row, chance) in found.iter().enumerate() {
            let score = trees.effects(&corners(), row).unwrap().score();
            assert!(((chance / (1.0 - chance)).ln() - score).abs() < 1e-10);
        }
        // Means of chances are those of what happened, as for any fit with a free level.
        let all = trees.chances(&frame).unwrap();
        let mean = all.iter().sum::<f64>() / ROWS as f64;
        let share = happened.iter().filter(|yes| **yes).count() as f64 / ROWS as f64;
        assert!((mean / share - 1.0).abs() < 0.01, "{mean} {share}");
        let grown = [1, 2].map(|threads| {
            Boost { threads: NonZero::new(threads), ..settings() }.fit_chances(&data).unwrap()
        });
        assert_eq!(grown[0], grown[1]);
    }

    #[test]
    fn a_weight_of_two_is_a_row_twice() {
        let (frame, happened) = rows();
        let rows: Vec<usize> = (0..ROWS).flat_map(|row| vec![row; 1 + row % 2]).collect();
        let mut twice = Frame::new();
        let (ages, (levels, areas)) =
            (frame.numbers("age").unwrap(), frame.factor("area").unwrap());
        twice.add_numbers("age", rows.iter().map(|&row| ages[row]).collect()).unwrap();
        let areas: Vec<&String> = rows.iter().map(|&row| &levels[areas[row] as usize]).collect();
        twice.add_texts("area", &areas).unwrap();
        let both: Vec<bool> = rows.iter().map(|&row| happened[row]).collect();
        let weight: Vec<f64> = (0..ROWS).map(|row| (1 + row % 2) as f64).collect();
        let boost = Boost { rows_part: 1.0, trees: 50, ..settings() };
        let by_weight = Outcomes { frame: &frame, happened: &happened, weight: Some(&weight) };
        let by_rows = Outcomes { frame: &twice, happened: &both, weight: None };
        let found = [by_weight, by_rows]
            .map(|data| boost.fit_chances(&data).unwrap().chances(&corners()).unwrap());
        for (one, other) in found[0].iter().zip(&found[1]) {
            // Sums are rounded row by row, so splits that are as good may change places.
            assert!((one / other - 1.0).abs() < 2e-3, "{found:?}");
        }
    }

    #[test]
    fn outcomes_that_say_nothing_are_named() {
        let (frame, happened) = rows();
        let fit = |happened: &[bool], weight: Option<&[f64]>| {
            settings().fit_chances(&Outcomes { frame: &frame, happened, weight }).unwrap_err()
        };
        assert_eq!(fit(&vec![false; ROWS], None), TreesError::OneClass);
        assert_eq!(fit(&vec![true; ROWS], None), TreesError::OneClass);
        let what = "what happened";
        let short = TreesError::Length { what, found: ROWS - 1, rows: ROWS };
        assert_eq!(fit(&happened[1..], None), short);
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut weight = vec![1.0; ROWS];
            weight[4] = bad;
            assert_eq!(fit(&happened, Some(&weight)), TreesError::Weight(4));
        }
        let data = Outcomes { frame: &frame, happened: &happened, weight: None };
        let mut new = Frame::new();
        new.add_numbers("age", vec![30.0]).unwrap();
        new.add_texts("area", &["z"]).unwrap();
        let refused = TreesError::NewLevel { factor: "area".into(), level: "z".into() };
        let trees = Boost { trees: 5, ..settings() }.fit_chances(&data).unwrap();
        assert_eq!(trees.chances(&new), Err(refused.clone()));
        assert_eq!(trees.effects(&new, 0), Err(refused));
    }
}
