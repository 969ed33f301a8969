//! Newton steps on the sums of a pass, with every way data can spoil them told apart.

use super::family::Curvature;
use super::layout::Layout;
use super::pass::{Present, Sums};
use super::source::{Design, Source, Totals};
use super::{Aliased, Family, Fit, GlmError, Link, Model};
use crate::linalg::{Cholesky, Superfluous, Symmetric};
use crate::number::{all_finite, finite};
use crate::stop::Stop;

/// A pivot below this part of its diagonal means an aliased column.
const TOLERANCE: f64 = 1e-11;

/// Passes after which a fit is given up.
pub(crate) const PASSES: usize = 100;

/// Newton's decrement (a step in standard errors, squared) after which one step more changes nothing.
pub(crate) const CONVERGED: f64 = 1e-13;

/// Steps over a sample after which it is given up.
const SAMPLE_STEPS: usize = 12;

/// The decrement of a sample that is as good as settled: its rows are further from all rows than that.
const SAMPLE_CONVERGED: f64 = 1e-6;

/// A design ready for passes over the rows of a source.
pub(crate) struct Problem<'a, S> {
    pub(crate) model: &'a Model,
    pub(crate) layout: Layout,
    pub(crate) source: S,
    scales: Vec<f64>,
    /// The part of the deviance that depends on the responses alone.
    pub(crate) constant: f64,
    /// The deviance where the fit begins: of an intercept at the level of the totals.
    pub(crate) first_deviance: f64,
    pub(crate) passes: usize,
    pub(crate) kept: Vec<usize>,
    pub(crate) stop: Stop<'a>,
}

impl<'a, S: Source> Problem<'a, S> {
    /// Fits a model; the source comes back with what it found.
    pub(crate) fn solve(
        model: &'a Model,
        layout: Layout,
        source: S,
        totals: Totals,
        stop: Stop<'a>,
    ) -> Result<(Fit, S), S::Error> {
        let level = model.level(totals)?;
        let mut problem = Problem {
            model,
            scales: layout.scales(),
            kept: (0..layout.columns()).collect(),
            layout,
            source,
            constant: totals.constant,
            first_deviance: f64::NAN,
            passes: 0,
            stop,
        };
        problem.columns_say_something()?;
        let mut start = vec![0.0; problem.layout.columns()];
        start[0] = level;
        let (fitted, sums) = problem.climb(start)?;
        problem.finish(&fitted, sums, level)
    }

    pub(crate) fn sums(&mut self, at: &[f64], curvature: Curvature) -> Result<Sums, S::Error> {
        self.passes += 1;
        let design = Design { model: self.model, layout: &self.layout };
        let mut sums = self.source.sums(design, at, curvature)?;
        sums.deviance += self.constant;
        Ok(sums)
    }

    /// Whether both curvatures are the same, so that no pass is needed for standard errors.
    pub(crate) fn canonical(&self) -> bool {
        match (self.model.family.plain(), self.model.link) {
            (Family::Poisson, Link::Log) | (Family::Binomial, Link::Logit) => true,
            (Family::Gamma | Family::Tweedie { .. } | Family::NegativeBinomial { .. }, link) => {
                link != Link::Log
            }
            _ => true, // steps are taken by expected curvature already
        }
    }

    /// Half the deviance and the penalty: what is made as small as possible.
    fn objective(&self, at: &[f64], deviance: f64) -> f64 {
        0.5 * deviance + self.model.penalty.of(at, &self.scales)
    }

    /// Newton steps, halved while they lead up.
    fn climb(&mut self, start: Vec<f64>) -> Result<(Vec<f64>, Sums), S::Error> {
        let mut at = start;
        self.stop.ask()?;
        let mut sums = self.sums(&at, Curvature::Observed)?;
        let mut reached = self.objective(&at, sums.deviance);
        finite(reached, "deviance")?;
        self.first_deviance = sums.deviance;
        let mut fallen = f64::INFINITY;
        self.keep(&sums.information)?;
        if let Some(near) = self.settled_in_sample(&at)? {
            let found = self.sums(&near, Curvature::Observed)?;
            let now = self.objective(&near, found.deviance);
            if now <= reached {
                (at, sums, reached) = (near, found, now);
            }
        }
        while self.passes < PASSES {
            let mut step = self.step(&sums, &at)?;
            all_finite(&step, "step of the fit")?;
            let decrement = sums.information.quadratic(&step);
            let noise = decrement < 1e-6 && decrement >= fallen;
            if decrement < CONVERGED || noise {
                self.settled(&step)?;
                at.iter_mut().zip(&step).for_each(|(at, step)| *at += step);
                return Ok((at, sums));
            }
            fallen = decrement;
            loop {
                self.stop.ask()?;
                let next: Vec<f64> = at.iter().zip(&step).map(|(at, step)| at + step).collect();
                sums = self.sums(&next, Curvature::Observed)?;
                let now = self.objective(&next, sums.deviance);
                // Rounding may lift the sum of many rows a little.
                if now <= reached + 1e-9 * (1.0 + reached.abs()) {
                    (at, reached) = (next, now);
                    break;
                }
                if self.passes >= PASSES {
                    return Err(self.lost(&step).into());
                }
                step.iter_mut().for_each(|part| *part *= 0.5);
                fallen = f64::INFINITY;
            }
        }
        Err(GlmError::NoConvergence(PASSES).into())
    }

    /// Where the steps over a sample come to rest, if they do. That is nearer to where all rows come to
    /// rest than the start, and a sample that misleads costs one pass.
    fn settled_in_sample(&mut self, start: &[f64]) -> Result<Option<Vec<f64>>, S::Error> {
        let (mut at, mut reached) = (start.to_vec(), f64::INFINITY);
        for _ in 0..SAMPLE_STEPS {
            self.stop.ask()?;
            let design = Design { model: self.model, layout: &self.layout };
            let Some(sums) = self.source.sums_of_sample(design, &at)? else { return Ok(None) };
            let now = self.objective(&at, sums.deviance);
            let Ok(step) = self.step(&sums, &at) else { return Ok(None) };
            let decrement = sums.information.quadratic(&step);
            if !(now <= reached && decrement.is_finite()) {
                return Ok(None);
            }
            reached = now;
            at.iter_mut().zip(&step).for_each(|(at, step)| *at += step);
            if decrement < SAMPLE_CONVERGED {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn step(&self, sums: &Sums, at: &[f64]) -> Result<Vec<f64>, GlmError> {
        let penalty = &self.model.penalty;
        if !penalty.is_none() {
            return penalty.step(&sums.information, &sums.score, at, &self.scales);
        }
        let factor = self.factor(&sums.information)?;
        let score: Vec<f64> = self.kept.iter().map(|&column| sums.score[column]).collect();
        let mut step = vec![0.0; at.len()];
        for (&column, part) in self.kept.iter().zip(factor.solve(&score)) {
            step[column] = part;
        }
        Ok(step)
    }

    /// Factorises the part of the columns that is estimated.
    pub(crate) fn factor(&self, information: &Symmetric) -> Result<Cholesky, GlmError> {
        let factor = information.minor(&self.kept).cholesky(0.0);
        factor.map_err(|Superfluous(place)| {
            GlmError::Separated(self.layout.names[self.kept[place]].clone())
        })
    }

    /// Decides which columns are estimated; at the start weights say nothing about responses yet, so
    /// what is singular here is the design's fault.
    fn keep(&mut self, information: &Symmetric) -> Result<(), GlmError> {
        if !self.model.penalty.is_none() {
            return Ok(());
        }
        while let Err(Superfluous(place)) = information.minor(&self.kept).cholesky(TOLERANCE) {
            let name = self.layout.names[self.kept[place]].clone();
            if self.model.aliased == Aliased::Refuse {
                return Err(GlmError::Aliased(name));
            }
            self.kept.remove(place);
        }
        Ok(())
    }

    /// A level without rows has no coefficient, a level without events an infinite one.
    fn columns_say_something(&mut self) -> Result<(), S::Error> {
        if !self.model.penalty.is_none() {
            return Ok(());
        }
        let edges = match (self.model.family.plain(), self.model.link) {
            (Family::Gaussian | Family::Gamma, _) => (false, false),
            (Family::Binomial, _) => (true, true),
            (_, link) => (link == Link::Log, false),
        };
        let design = Design { model: self.model, layout: &self.layout };
        let blocks = self.source.present(design)?;
        for group in &self.layout.groups {
            let slot = self.layout.slots[group.slot];
            let Some(block) = slot.block else { continue };
            let mut seen = vec![Present::default(); group.columns.len()];
            for (&place, cell) in group.place.iter().zip(&blocks[block]) {
                if place > 0 {
                    seen[place as usize - 1].add(*cell);
                }
            }
            for (&column, seen) in group.columns.iter().zip(seen) {
                let name = || self.layout.names[column].clone();
                if !seen.any && self.model.aliased == Aliased::Refuse {
                    return Err(GlmError::ZeroColumn(name()).into());
                }
                let edge = (edges.0 && !seen.above_zero) || (edges.1 && !seen.below_one);
                if seen.any && edge && slot.number == 0 {
                    return Err(GlmError::Separated(name()).into());
                }
            }
        }
        Ok(())
    }

    /// Refuses a fit that only looks settled: the likelihood is flat, but a coefficient still runs.
    fn settled(&self, step: &[f64]) -> Result<(), GlmError> {
        if !self.model.penalty.is_none() {
            return Ok(());
        }
        // Levels are zeros and ones and numbers are of size one, so a step is one of the predictor.
        let longest = step.iter().fold(0.0, |most: f64, part| most.max(part.abs()));
        if longest > 0.1 { Err(self.lost(step)) } else { Ok(()) }
    }

    /// Names the column that moves most.
    fn lost(&self, step: &[f64]) -> GlmError {
        let longest = (0..step.len()).max_by(|&a, &b| step[a].abs().total_cmp(&step[b].abs()));
        GlmError::Separated(self.layout.names[longest.unwrap_or(0)].clone())
    }
}
