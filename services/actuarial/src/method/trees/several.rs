//! Boosted trees of several seeds as one model: scores, logarithms of the frequency, are averaged, so
//! that what each factor adds to them adds up over all.

use actuarial_models::Stop;
use actuarial_models::glm::Frame;
use actuarial_models::trees::{Boost, Counts, Effects, Ensemble, Importance, TreesError};

/// Trees of one seed or more.
pub(super) struct Several(Vec<Ensemble>);

impl Several {
    /// Grows trees of so many seeds, beginning with that of `boost`; `grown` hears how many are done.
    pub(super) fn grow(
        boost: &Boost,
        seeds: usize,
        data: &Counts<'_>,
        stop: Stop<'_>,
        mut grown: impl FnMut(usize),
    ) -> Result<Several, TreesError> {
        let mut all = vec![];
        for number in 0..seeds as u64 {
            let own = Boost { seed: boost.seed.wrapping_add(number), ..boost.clone() };
            all.push(own.fit_until(data, stop)?);
            grown(all.len());
        }
        Ok(Several(all))
    }

    /// The trees of the first seed.
    pub(super) fn first(&self) -> &Ensemble {
        &self.0[0]
    }

    /// How many seeds.
    pub(super) fn seeds(&self) -> usize {
        self.0.len()
    }

    /// Trees of all seeds.
    pub(super) fn trees(&self) -> usize {
        self.0.iter().map(Ensemble::trees).sum()
    }

    /// Claims per exposure, by row.
    pub(super) fn frequencies(&self, frame: &Frame) -> Result<Vec<f64>, TreesError> {
        let [one] = self.0.as_slice() else {
            let mut scores = vec![0.0; frame.rows()];
            for trees in &self.0 {
                let own = trees.frequencies(frame)?;
                scores.iter_mut().zip(own).for_each(|(score, own)| *score += own.ln());
            }
            let count = self.0.len() as f64;
            return Ok(scores.into_iter().map(|score| (score / count).exp()).collect());
        };
        one.frequencies(frame)
    }

    /// What each feature adds to the score of one row, on average over the seeds.
    pub(super) fn effects(&self, frame: &Frame, row: usize) -> Result<Effects, TreesError> {
        let count = self.0.len() as f64;
        let mut mean = Effects { base: 0.0, effects: vec![0.0; self.first().features.len()] };
        for trees in &self.0 {
            let own = trees.effects(frame, row)?;
            mean.base += own.base / count;
            mean.effects.iter_mut().zip(own.effects).for_each(|(mean, own)| *mean += own / count);
        }
        Ok(mean)
    }

    /// Mean gain, and splits of all seeds, by feature.
    pub(super) fn importance(&self) -> Vec<Importance> {
        let count = self.0.len() as f64;
        let mut all = self.first().importance();
        for trees in &self.0[1..] {
            for (all, own) in all.iter_mut().zip(trees.importance()) {
                all.gain += own.gain;
                all.splits += own.splits;
            }
        }
        all.iter_mut().for_each(|own| own.gain /= count);
        all
    }

    /// Mean gains of pairs of features that meet on paths, the largest first.
    pub(super) fn interactions(&self) -> Vec<([usize; 2], f64)> {
        let mut all: Vec<([usize; 2], f64)> = vec![];
        for (pair, gain) in self.0.iter().flat_map(Ensemble::interactions) {
            match all.iter_mut().find(|(known, _)| *known == pair) {
                Some((_, sum)) => *sum += gain / self.0.len() as f64,
                None => all.push((pair, gain / self.0.len() as f64)),
            }
        }
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all
    }

    /// Mean growth of the deviance, over the seeds, when a feature's values are dealt out anew.
    pub(super) fn permuted(
        &self,
        data: &Counts<'_>,
        seed: u64,
        stop: Stop<'_>,
    ) -> Result<Vec<f64>, TreesError> {
        let mut mean = vec![0.0; self.first().features.len()];
        for trees in &self.0 {
            let own = trees.permuted_until(data, seed, stop)?;
            mean.iter_mut().zip(own).for_each(|(mean, own)| *mean += own / self.0.len() as f64);
        }
        Ok(mean)
    }
}
