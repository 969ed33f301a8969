//! Boosting: one tree after another, each on what those before leave unexplained.

use std::num::NonZero;
use std::thread::available_parallelism;

use super::TreesError;
use super::bins::{Feature, MOST_BINS};
use super::grow::Rules;
use super::shard::{Draw, Lanes, Response, Shard, mix};
use super::tree::{MOST_LEAVES, Tree};
use crate::glm::Frame;
use crate::number::finite;
use crate::stop::Stop;

/// Features of one fit at most.
pub(crate) const MOST_FEATURES: usize = 64;

/// How expected claims may follow a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Monotone {
    /// In any way.
    #[default]
    Free,
    /// Never down.
    Increasing,
    /// Never up.
    Decreasing,
}

/// What to grow.
#[derive(Clone, Debug, PartialEq)]
pub struct Boost {
    /// Columns the trees look at, and how expected claims may follow each.
    pub features: Vec<(String, Monotone)>,
    /// How many trees.
    pub trees: usize,
    /// Leaves of a tree, 2 to 16.
    pub leaves: usize,
    /// Part of a leaf's step that is taken.
    pub rate: f64,
    /// Expected claims of a leaf at least.
    pub least_expected: f64,
    /// Expected claims that are added to those of a leaf, with as many claims: ridge.
    pub shrink: f64,
    /// What is added to that where levels of a factor are set apart.
    pub level_shrink: f64,
    /// Bins of a numeric column at most.
    pub bins: usize,
    /// Part of the rows each tree is grown from.
    pub rows_part: f64,
    /// Part of the features each tree looks at.
    pub features_part: f64,
    /// Sets of features that may meet on one path, by place in `features`; none: all may.
    pub together: Vec<Vec<usize>>,
    /// What rows and features are drawn by.
    pub seed: u64,
    /// How many threads; all cores when `None`. The trees are the same.
    pub threads: Option<NonZero<usize>>,
}

/// The rows trees are grown from.
#[derive(Clone, Copy, Debug)]
pub struct Counts<'a> {
    /// Columns of the features.
    pub frame: &'a Frame,
    /// Claims of each row, zero or positive.
    pub claims: &'a [f64],
    /// Exposure of each row, positive.
    pub exposure: &'a [f64],
}

/// Trees whose scores add up to the logarithm of claims per exposure.
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    /// The features.
    pub features: Vec<Feature>,
    /// Logarithm of claims per exposure of all rows together: where the trees start.
    pub base: f64,
    pub(crate) trees: Vec<Tree>,
}

impl Boost {
    /// Settings that suit a motor portfolio, for these columns without constraints.
    ///
    /// They were chosen on a tenth of the learning rows of the French portfolio, held out.
    pub fn of(features: &[&str]) -> Boost {
        Boost {
            features: features.iter().map(|name| ((*name).to_owned(), Monotone::Free)).collect(),
            trees: 600,
            leaves: 16,
            rate: 0.1,
            least_expected: 10.0,
            shrink: 5.0,
            level_shrink: 5.0,
            bins: 80,
            rows_part: 1.0,
            features_part: 0.8,
            together: vec![],
            seed: 0,
            threads: None,
        }
    }

    /// Grows the trees. Takes all cores, and blocks until it is done.
    pub fn fit(&self, data: &Counts<'_>) -> Result<Ensemble, TreesError> {
        self.fit_until(data, Stop::NEVER)
    }

    /// The same, unless it is called off, which is asked before every tree.
    pub fn fit_until(&self, data: &Counts<'_>, stop: Stop<'_>) -> Result<Ensemble, TreesError> {
        self.check()?;
        data.check()?;
        let (claims, exposure): (f64, f64) = (data.claims.iter().sum(), data.exposure.iter().sum());
        let base = finite((claims / exposure).ln(), "frequency")?;
        let frequency = base.exp();
        let expected: Vec<f64> = data.exposure.iter().map(|part| frequency * part).collect();
        // Sums of expected claims may grow to four times the claims before they leave 32 bits.
        let response = Response::Counts { claims: data.claims, expected: &expected };
        self.grow(data.frame, response, (base, claims), stop)
    }

    /// Grows trees from `base` on; claims of all rows, or their weights, add up to `volume`.
    pub(crate) fn grow(
        &self,
        frame: &Frame,
        response: Response<'_>,
        (base, volume): (f64, f64),
        stop: Stop<'_>,
    ) -> Result<Ensemble, TreesError> {
        let cut = |(name, _): &(String, Monotone)| Feature::cut(frame, name, self.bins);
        let features = self.features.iter().map(cut).collect::<Result<Vec<Feature>, _>>()?;
        for (feature, (_, monotone)) in features.iter().zip(&self.features) {
            if !feature.is_numeric() && *monotone != Monotone::Free {
                return Err(TreesError::NoOrder(feature.name.clone()));
            }
        }
        let codes = features.iter().map(|feature| feature.codes(frame));
        let codes = codes.collect::<Result<Vec<_>, _>>()?;
        let sizes: Vec<usize> = features.iter().map(Feature::bins).collect();
        let lanes = Lanes::of(&sizes);
        let scale = (2f64.powi(30) / volume).log2().floor().exp2();
        let cores = available_parallelism().map_or(1, NonZero::get);
        let rows = frame.rows();
        let threads = self.threads.map_or(cores, NonZero::get).clamp(1, parts(rows));
        let mut shards: Vec<Shard> = (0..threads)
            .map(|part| rows * part / threads..rows * (part + 1) / threads)
            .map(|range| Shard::of(range, &lanes, &codes, response, scale))
            .collect();
        let numeric: Vec<bool> = features.iter().map(Feature::is_numeric).collect();
        let monotone: Vec<Monotone> = self.features.iter().map(|(_, monotone)| *monotone).collect();
        let together: Vec<u64> = self
            .together
            .iter()
            .map(|set| set.iter().fold(0, |mask, feature| mask | 1 << feature))
            .collect();
        let rules = Rules {
            lanes: &lanes,
            numeric: &numeric,
            monotone: &monotone,
            together: &together,
            leaves: self.leaves,
            rate: self.rate,
            least_expected: (self.least_expected * scale).max(1.0),
            shrink: self.shrink,
            level_shrink: self.level_shrink,
            scale,
        };
        let mut trees = Vec::with_capacity(self.trees);
        for number in 0..self.trees {
            stop.ask()?;
            let seed = mix(self.seed).wrapping_add(mix(number as u64));
            let below = (self.rows_part * 2f64.powi(32)) as u64;
            let open = self.open(seed);
            let tree = rules.grow(&mut shards, Draw { seed, below }, open);
            trees.push(tree.ok_or(TreesError::Diverged(number))?);
        }
        Ok(Ensemble { features, base, trees })
    }

    /// Features of a tree: those whose hashes are lowest.
    fn open(&self, seed: u64) -> u64 {
        let count = self.features.len();
        let wanted = ((count as f64 * self.features_part).round() as usize).clamp(1, count);
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|&feature| mix(seed ^ mix(feature as u64)));
        order[..wanted].iter().fold(0, |open, feature| open | 1 << feature)
    }

    pub(crate) fn check(&self) -> Result<(), TreesError> {
        let part = |value: f64| value > 0.0 && value <= 1.0;
        let not_negative = |value: f64| value >= 0.0 && value.is_finite();
        let count = self.features.len();
        let known = self.together.iter().flatten().all(|&feature| feature < count);
        let settings = [
            ((1..=MOST_FEATURES).contains(&count), "number of features"),
            ((2..=MOST_LEAVES).contains(&self.leaves), "number of leaves"),
            (part(self.rate), "rate"),
            (part(self.rows_part), "part of the rows"),
            (part(self.features_part), "part of the features"),
            (not_negative(self.least_expected), "expected claims of a leaf"),
            (not_negative(self.shrink) && not_negative(self.level_shrink), "shrinkage"),
            ((2..=MOST_BINS).contains(&self.bins), "number of bins"),
            (known, "a feature of a set"),
        ];
        let wrong = settings.iter().find(|(right, _)| !right);
        wrong.map_or(Ok(()), |(_, what)| Err(TreesError::Setting(what)))
    }
}

/// Shards of at least some thousand rows.
fn parts(rows: usize) -> usize {
    (rows / 4096).max(1)
}

impl Counts<'_> {
    pub(crate) fn check(&self) -> Result<(), TreesError> {
        let rows = self.frame.rows();
        for (what, found) in [("claims", self.claims.len()), ("exposure", self.exposure.len())] {
            if found != rows {
                return Err(TreesError::Length { what, found, rows });
            }
        }
        let bad = self.claims.iter().position(|claims| !(*claims >= 0.0 && claims.is_finite()));
        if let Some(row) = bad {
            return Err(TreesError::Claims(row));
        }
        let bad = self.exposure.iter().position(|part| !(*part > 0.0 && part.is_finite()));
        if let Some(row) = bad {
            return Err(TreesError::Exposure(row));
        }
        if self.claims.iter().all(|claims| *claims == 0.0) || rows >= u32::MAX as usize {
            return Err(TreesError::NoClaims);
        }
        Ok(())
    }
}

impl Ensemble {
    /// How many trees there are.
    pub fn trees(&self) -> usize {
        self.trees.len()
    }

    /// The first so many trees, as if no more had been grown.
    pub fn first(mut self, trees: usize) -> Ensemble {
        self.trees.truncate(trees);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Draws;

    const ROWS: usize = 20_000;

    /// Ages below 40, three areas and exposures up to a year.
    fn policies() -> (Frame, Vec<f64>) {
        let mut draws = Draws::new(5, 0);
        let ages: Vec<f64> = (0..ROWS).map(|_| draws.below(40) as f64).collect();
        let areas: Vec<&str> = (0..ROWS).map(|_| ["a", "b", "c"][draws.below(3)]).collect();
        let exposure = (0..ROWS).map(|_| 0.1 * (1 + draws.below(10)) as f64).collect();
        let mut frame = Frame::new();
        frame.add_numbers("age", ages).unwrap();
        frame.add_texts("area", &areas).unwrap();
        (frame, exposure)
    }

    /// Claims to expect: in area a they double with every ten years, elsewhere they are 0.2 a year.
    fn expected(frame: &Frame, exposure: &[f64]) -> Vec<f64> {
        let (ages, (_, areas)) = (frame.numbers("age").unwrap(), frame.factor("area").unwrap());
        let doubled = |row: usize| if areas[row] == 0 { ages[row] / 10.0 } else { 1.0 };
        (0..ROWS).map(|row| 0.1 * exposure[row] * doubled(row).exp2()).collect()
    }

    /// Policies and claims drawn from what is to expect: one or none.
    fn portfolio() -> (Frame, Vec<f64>, Vec<f64>) {
        let (frame, exposure) = policies();
        let mut draws = Draws::new(6, 0);
        let mut drawn =
            |mean: f64| f64::from(u8::from((draws.below(1_000_000) as f64) < 1e6 * mean));
        let claims = expected(&frame, &exposure).into_iter().map(&mut drawn).collect();
        (frame, claims, exposure)
    }

    fn settings() -> Boost {
        Boost { trees: 60, rate: 0.2, features_part: 1.0, ..Boost::of(&["age", "area"]) }
    }

    #[test]
    fn any_number_of_threads_grows_the_same_trees_and_scores_agree_with_them() {
        let (frame, claims, exposure) = portfolio();
        let data = Counts { frame: &frame, claims: &claims, exposure: &exposure };
        let grown = [1, 2, 3].map(|threads| {
            let threads = NonZero::new(threads);
            Boost { threads, ..settings() }.fit(&data).unwrap()
        });
        assert_eq!(grown[0], grown[1]);
        assert_eq!(grown[0], grown[2]);
        let drawn = |seed| Boost { seed, rows_part: 0.5, ..settings() }.fit(&data).unwrap();
        assert_ne!(drawn(1), drawn(2));

        // By tables, by walking each tree, and by effects.
        let trees = grown[0].clone().first(59);
        let codes = trees.codes(&frame).unwrap();
        let frequencies = trees.frequencies(&frame).unwrap();
        for row in (0..ROWS).step_by(977) {
            let walk = |tree: &Tree| tree.value(tree.leaf(|feature| codes[feature][row]));
            let score = trees.base + trees.trees.iter().map(walk).sum::<f64>();
            assert!((frequencies[row] / score.exp() - 1.0).abs() < 1e-14);
            let effects = trees.effects(&frame, row).unwrap();
            assert!((effects.score() - score).abs() < 1e-12, "{effects:?} {score}");
        }
        let staged = trees.deviances(&data).unwrap();
        assert!((staged[58] - trees.deviance(&data).unwrap()).abs() < 1e-14);
        assert!(staged[58] < staged[0]);
    }

    #[test]
    fn trees_find_what_is_to_expect() {
        let (frame, exposure) = policies();
        let claims = expected(&frame, &exposure);
        let data = Counts { frame: &frame, claims: &claims, exposure: &exposure };
        let trees = settings().fit(&data).unwrap();
        let mut corners = Frame::new();
        corners.add_numbers("age", vec![2.0, 20.0, 36.0, 36.0]).unwrap();
        corners.add_texts("area", &["a", "a", "a", "b"]).unwrap();
        let found = trees.frequencies(&corners).unwrap();
        let wanted = [0.2f64.exp2(), 4.0, 3.6f64.exp2(), 2.0].map(|times| 0.1 * times);
        for (got, want) in found.iter().zip(wanted) {
            assert!((got / want - 1.0).abs() < 0.1, "{found:?} {wanted:?}");
        }
        let lost = trees.permuted(&data, 3).unwrap();
        assert!(lost.iter().all(|lost| *lost > 0.005), "{lost:?}");
        assert_eq!(trees.interactions()[0].0, [0, 1]);
    }

    #[test]
    fn monotone_effects_never_turn_and_sets_keep_features_apart() {
        let (frame, claims, exposure) = portfolio();
        let data = Counts { frame: &frame, claims: &claims, exposure: &exposure };
        let mut boost = settings();
        boost.features[0].1 = Monotone::Increasing;
        let ages: Vec<f64> = (0..40).map(f64::from).collect();
        let along = |boost: &Boost, area: &str| {
            let mut frame = Frame::new();
            frame.add_numbers("age", ages.clone()).unwrap();
            frame.add_texts("area", &[area; 40]).unwrap();
            boost.fit(&data).unwrap().frequencies(&frame).unwrap()
        };
        let turns = |found: &[f64]| found.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!(turns(&along(&settings(), "b")) > 0, "free effects follow chance");
        for area in ["a", "b", "c"] {
            assert_eq!(turns(&along(&boost, area)), 0, "{area}");
        }
        boost.together = vec![vec![0], vec![1]];
        assert!(boost.fit(&data).unwrap().interactions().is_empty());
    }

    #[test]
    fn what_trees_cannot_be_grown_from_is_named() {
        let (frame, claims, exposure) = portfolio();
        let data = Counts { frame: &frame, claims: &claims, exposure: &exposure };
        let with = |row: usize, value: f64, values: &[f64]| {
            let mut values = values.to_vec();
            values[row] = value;
            values
        };
        let fit = |claims: &[f64], exposure: &[f64]| {
            settings().fit(&Counts { frame: &frame, claims, exposure }).unwrap_err()
        };
        assert_eq!(fit(&with(7, -1.0, &claims), &exposure), TreesError::Claims(7));
        assert_eq!(fit(&with(7, f64::NAN, &claims), &exposure), TreesError::Claims(7));
        assert_eq!(fit(&claims, &with(9, 0.0, &exposure)), TreesError::Exposure(9));
        assert_eq!(fit(&claims, &with(9, f64::INFINITY, &exposure)), TreesError::Exposure(9));
        assert_eq!(fit(&vec![0.0; ROWS], &exposure), TreesError::NoClaims);
        assert!(matches!(fit(&claims[1..], &exposure), TreesError::Length { what: "claims", .. }));
        let mut boost = settings();
        boost.features[1].1 = Monotone::Increasing;
        assert_eq!(boost.fit(&data), Err(TreesError::NoOrder("area".into())));
        let boost = Boost { leaves: 17, ..settings() };
        assert_eq!(boost.fit(&data), Err(TreesError::Setting("number of leaves")));
        let boost = Boost::of(&["height"]);
        assert!(matches!(boost.fit(&data), Err(TreesError::Columns(_))));
        // A column of one value says nothing, and does no harm.
        let mut flat = frame.clone();
        flat.add_numbers("zero", vec![0.0; ROWS]).unwrap();
        let boost = Boost { rows_part: 1.0, ..Boost::of(&["zero"]) };
        let trees = boost.fit(&Counts { frame: &flat, ..data }).unwrap();
        assert!(
            trees.frequencies(&flat).unwrap().iter().all(|f| (f.ln() - trees.base).abs() < 1e-3)
        );
    }
}
