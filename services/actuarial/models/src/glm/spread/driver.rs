//! Asking the questions of a fit, one after the other.

use super::factor::{Factor, MOST};
use super::found::{Closing, Found, Products, Survey};
use super::question::{Asked, Columns, Plan, Question, bare, frame};
use super::{Elsewhere, Judged, SpreadError, Tally};
use crate::glm::basis::{Numbers, is_apart};
use crate::glm::climb::Problem;
use crate::glm::family::Curvature;
use crate::glm::layout::Layout;
use crate::glm::pass::{Present, Sums};
use crate::glm::source::{Alone, Design, Distance, Source};
use crate::glm::{Fit, GlmError, Model};
use crate::linalg::Symmetric;
use crate::stop::Stop;

/// Rounds after which numbers are as orthogonal as they become.
const ROUNDS: usize = 4;

/// The part of a number that others leave, by which a round divides at least: less is mostly rounding.
const LEAST_PART: f64 = 1e-5;

/// The part of a number that others leave, below which another round is worth its pass.
const SURE_PART: f64 = 1e-3;

/// How many times the rows of a sample all of them are, at least: otherwise it spares too little.
const LEAST_SAVED: u64 = 8;

/// Rows that lie elsewhere, and what is known of them.
struct There<'a, E> {
    rows: &'a mut E,
    stop: Stop<'a>,
    /// Whether there is an offset, and how many rows there are, once that is known.
    has_offset: bool,
    count: Option<u64>,
    levels: Vec<(String, Vec<String>)>,
    present: Vec<Vec<Present>>,
    /// The log-likelihood, where it was asked for with the distance.
    likelihood: Option<f64>,
    settled: Option<Settled>,
}

/// Where a fit ended, and what it is compared with.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub(super) plan: Plan,
    pub(super) at: Vec<f64>,
    pub(super) judged: Judged,
}

/// See [`Model::fit_elsewhere`].
pub(super) fn fit<E: Elsewhere>(
    model: &Model,
    rows: &mut E,
    stop: Stop<'_>,
) -> Result<Fit, SpreadError<E::Error>> {
    model.family.check(model.link)?;
    model.penalty.check()?;
    Columns::of(&model.terms)?;
    // What no rows could make right is found before they are asked.
    bare(&model.terms)?;
    let mut there = There {
        rows,
        stop,
        has_offset: false,
        count: None,
        levels: vec![],
        present: vec![],
        likelihood: None,
        settled: None,
    };
    let survey = there.survey(model)?;
    let mut layout = Layout::plan(&frame(&model.terms, &there.levels)?, &model.terms)?;
    there.orthogonalise(model, &mut layout, &survey)?;
    let rows = there.count.unwrap_or_default() as f64;
    for place in 0..layout.basis.scaled.len() {
        let moments = survey.numbers[layout.basis.scaled[place].number - 1];
        layout.scale_by(place, (moments.squares / rows).sqrt())?;
    }
    let (fit, there) = Problem::solve(model, layout, there, survey.totals, stop)?;
    Ok(Fit { elsewhere: there.settled, ..fit })
}

/// See [`Fit::judge_elsewhere`].
pub(super) fn judge<E: Elsewhere>(
    fit: &Fit,
    rows: &mut E,
    stop: Stop<'_>,
) -> Result<Judged, SpreadError<E::Error>> {
    let Some(Settled { plan, at, .. }) = &fit.elsewhere else {
        return Err(GlmError::Argument("a fit to rows at hand").into());
    };
    let asked = Asked::Closing { plan: plan.clone(), at: at.clone(), dispersion: 1.0 };
    match ask(rows, stop, &fit.model, asked)?.1 {
        Found::Closing(closing) => Ok(judged(plan, closing)),
        _ => unreachable!("it is what was asked"),
    }
}

fn judged(plan: &Plan, closing: Closing) -> Judged {
    let factors =
        plan.levels.iter().zip(closing.levels).map(|((name, levels), found)| {
            (name.clone(), levels.iter().cloned().zip(found).collect())
        });
    Judged { all: closing.all, deviance: closing.deviance, factors: factors.collect() }
}

/// Asks one question: how many rows there were, what was found, and the levels of the factors.
pub(super) fn ask<E: Elsewhere>(
    rows: &mut E,
    stop: Stop<'_>,
    model: &Model,
    asked: Asked,
) -> Result<(u64, Found, Vec<Factor>), SpreadError<E::Error>> {
    stop.ask()?;
    let question = Question::of(model, asked).to_bytes();
    let answer = rows.ask(&question).map_err(SpreadError::Asked)?;
    read(&question, &answer)
}

/// Reads the answer to a question.
fn read<E>(question: &[u8], answer: &[u8]) -> Result<(u64, Found, Vec<Factor>), SpreadError<E>> {
    let mut tally = Tally::of(question).map_err(SpreadError::Answer)?;
    tally.merge(answer).map_err(SpreadError::Answer)?;
    let count = tally.rows();
    let (found, factors) = tally.found()?;
    Ok((count, found, factors))
}

impl<E: Elsewhere> There<'_, E> {
    fn ask(
        &mut self,
        model: &Model,
        asked: Asked,
    ) -> Result<(Found, Vec<Factor>), SpreadError<E::Error>> {
        let (now, found, factors) = ask(self.rows, self.stop, model, asked)?;
        let before = *self.count.get_or_insert(now);
        if now == before { Ok((found, factors)) } else { Err(SpreadError::Changed { before, now }) }
    }

    /// Learns levels, totals and the first sums of the numbers.
    fn survey(&mut self, model: &Model) -> Result<Survey, SpreadError<E::Error>> {
        let (found, factors) = self.ask(model, Asked::Survey)?;
        let Found::Survey(survey) = found else { unreachable!("it is what was asked") };
        if survey.counted == 0 {
            return Err(GlmError::NoInformation.into());
        }
        for factor in factors {
            let levels = factor.levels();
            if levels.len() > MOST {
                return Err(GlmError::Levels { factor: factor.name, most: MOST }.into());
            }
            self.levels.push((factor.name, levels));
        }
        self.has_offset = survey.has_offset;
        Ok(survey)
    }

    /// Centres the numbers that stand alone and makes them orthogonal; learns what is present too.
    ///
    /// Products of numbers that nearly determine each other say little about what is left of them, for
    /// half of the digits are lost. So what is left after one round is divided by not less than it
    /// surely is, and looked at again by its own products.
    fn orthogonalise(
        &mut self,
        model: &Model,
        layout: &mut Layout,
        survey: &Survey,
    ) -> Result<(), SpreadError<E::Error>> {
        let kind = if model.penalty.is_none() { Numbers::Orthogonal } else { Numbers::Scaled };
        let alone = layout.basis.alone.clone();
        let moments: Vec<_> = alone.iter().map(|own| survey.numbers[own.number - 1]).collect();
        layout.basis.centres = moments.iter().map(|own| own.sum / survey.weight).collect();
        layout.basis.factor = identity(alone.len());
        if let Some(j) = layout.basis.centres.iter().position(|centre| !centre.is_finite()) {
            return Err(GlmError::Aliased(layout.names[alone[j].column].clone()).into());
        }
        let mut sizes: Option<Vec<f64>> = None;
        // Under a penalty it does not matter what is present.
        let rounds = if alone.is_empty() && kind == Numbers::Scaled { 0 } else { ROUNDS };
        for _ in 0..rounds {
            let asked = Asked::Products(Plan::of(layout, &self.levels));
            let Found::Products(found) = self.ask(model, asked)?.0 else {
                unreachable!("it is what was asked")
            };
            let Products { products, present } = found;
            self.present = present;
            sizes.get_or_insert_with(|| {
                (0..alone.len()).map(|j| (products.at(j, j) / survey.weight).sqrt()).collect()
            });
            let (round, is_sure) = round(&products, survey.weight, kind);
            layout.basis.factor = times(&round, &layout.basis.factor);
            if is_sure || layout.basis.factor.iter().flatten().any(|value| !value.is_finite()) {
                break;
            }
        }
        let sizes = sizes.unwrap_or_default();
        for (j, own) in alone.iter().enumerate() {
            let name = || layout.names[own.column].clone();
            if moments[j].is_zero_everywhere {
                return Err(GlmError::ZeroColumn(name()).into());
            }
            if !is_apart(layout.basis.factor[j][j], sizes[j], layout.basis.centres[j]) {
                return Err(GlmError::Aliased(name()).into());
            }
        }
        Ok(())
    }

    fn plan(&self, layout: &Layout) -> Plan {
        Plan::of(layout, &self.levels)
    }
}

/// The triangular factor of a matrix of products over `total`, and whether all of its digits are good.
///
/// A number without size is left as it is: it is refused afterwards.
fn round(products: &Symmetric, total: f64, kind: Numbers) -> (Vec<Vec<f64>>, bool) {
    let count = products.size();
    let mut factor = vec![vec![0.0; count]; count];
    let mut is_sure = true;
    for j in 0..count {
        let size = products.at(j, j) / total;
        let mut left = size;
        if kind == Numbers::Orthogonal {
            for k in 0..j {
                let done: f64 = (0..k).map(|i| factor[i][k] * factor[i][j]).sum();
                factor[k][j] = (products.at(k, j) / total - done) / factor[k][k];
                left -= factor[k][j] * factor[k][j];
            }
        }
        let part = (left / size).max(0.0).sqrt();
        let is_there = size > 0.0 && size.is_finite();
        is_sure &= !is_there || part >= SURE_PART;
        factor[j][j] = if is_there { part.max(LEAST_PART) * size.sqrt() } else { 1.0 };
    }
    (factor, is_sure)
}

fn identity(size: usize) -> Vec<Vec<f64>> {
    (0..size).map(|row| (0..size).map(|column| f64::from(row == column)).collect()).collect()
}

/// The product of two upper triangular matrices.
fn times(left: &[Vec<f64>], right: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let cell = |row: usize, column: usize| -> f64 {
        (row..=column).map(|k| left[row][k] * right[k][column]).sum()
    };
    let size = left.len();
    (0..size).map(|row| (0..size).map(|column| cell(row, column)).collect()).collect()
}

impl<E: Elsewhere> Source for There<'_, E> {
    type Error = SpreadError<E::Error>;

    fn sums(
        &mut self,
        Design { model, layout }: Design<'_>,
        at: &[f64],
        curvature: Curvature,
    ) -> Result<Sums, Self::Error> {
        if at.iter().any(|value| !value.is_finite()) {
            // A step that went too far, about which rows need not be asked.
            return Ok(Sums {
                information: Symmetric::zero(layout.columns()),
                score: vec![0.0; layout.columns()],
                deviance: f64::NAN,
            });
        }
        let (plan, at) = (self.plan(layout), at.to_vec());
        match self.ask(model, Asked::Pass { plan, at, curvature })?.0 {
            Found::Pass(pass) => Ok(pass.sums),
            _ => unreachable!("it is what was asked"),
        }
    }

    fn sums_of_sample(
        &mut self,
        Design { model, layout }: Design<'_>,
        at: &[f64],
    ) -> Result<Option<Sums>, Self::Error> {
        let (plan, at) = (self.plan(layout), at.to_vec());
        let asked = Asked::Pass { plan, at, curvature: Curvature::Observed };
        let question = Question::of(model, asked).to_bytes();
        let answer = self.rows.ask_sample(&question).map_err(SpreadError::Asked)?;
        let Some(answer) = answer else { return Ok(None) };
        let (some, found, _) = read(&question, &answer)?;
        let all = self.count.unwrap_or_default();
        match found {
            Found::Pass(pass) if some > 0 && some <= all / LEAST_SAVED => {
                Ok(Some(pass.sums.times(all as f64 / some as f64)))
            }
            _ => Ok(None),
        }
    }

    fn present(&mut self, _: Design<'_>) -> Result<Vec<Vec<Present>>, Self::Error> {
        Ok(std::mem::take(&mut self.present))
    }

    fn distance(&mut self, design: Design<'_>, at: &[f64]) -> Result<Distance, Self::Error> {
        let closing = self.closing(design, at, 1.0)?;
        let distance = Distance { pearson: closing.pearson, rows: closing.counted as usize };
        let is_final = design.model.family.dispersion_is_one();
        self.likelihood = is_final.then_some(closing.likelihood);
        let plan = self.plan(design.layout);
        let judged = judged(&plan, closing);
        self.settled = Some(Settled { plan, at: at.to_vec(), judged });
        Ok(distance)
    }

    fn likelihood(
        &mut self,
        design: Design<'_>,
        at: &[f64],
        dispersion: f64,
    ) -> Result<f64, Self::Error> {
        match self.likelihood {
            Some(likelihood) => Ok(likelihood),
            None => Ok(self.closing(design, at, dispersion)?.likelihood),
        }
    }

    fn alone(&mut self, model: &Model, level: f64) -> Result<Alone, Self::Error> {
        if !level.is_finite() {
            return Ok(Alone { score: f64::NAN, information: f64::NAN, deviance: f64::NAN });
        }
        match self.ask(model, Asked::Alone { level })?.0 {
            Found::Alone(sums) => Ok(sums),
            _ => unreachable!("it is what was asked"),
        }
    }

    fn has_offset(&self) -> bool {
        self.has_offset
    }
}

impl<E: Elsewhere> There<'_, E> {
    fn closing(
        &mut self,
        Design { model, layout }: Design<'_>,
        at: &[f64],
        dispersion: f64,
    ) -> Result<Closing, SpreadError<E::Error>> {
        let (plan, at) = (self.plan(layout), at.to_vec());
        match self.ask(model, Asked::Closing { plan, at, dispersion })?.0 {
            Found::Closing(closing) => Ok(closing),
            _ => unreachable!("it is what was asked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_finds_the_factor_and_whether_it_can_be_trusted() {
        let matrix = |cells: [(usize, usize, f64); 3]| {
            let mut matrix = Symmetric::zero(2);
            cells.iter().for_each(|&(row, column, value)| matrix.add(row, column, value));
            matrix
        };
        // 4 = 2², 6 = 2·3, 34 = 3² + 5²; all of it twice.
        let products = matrix([(0, 0, 8.0), (0, 1, 12.0), (1, 1, 68.0)]);
        let (factor, is_sure) = round(&products, 2.0, Numbers::Orthogonal);
        assert_eq!((factor, is_sure), (vec![vec![2.0, 3.0], vec![0.0, 5.0]], true));
        let twice = matrix([(0, 0, 1.0), (0, 1, 2.0), (1, 1, 4.0)]);
        let (factor, is_sure) = round(&twice, 1.0, Numbers::Orthogonal);
        assert_eq!((factor, is_sure), (vec![vec![1.0, 2.0], vec![0.0, 2.0 * LEAST_PART]], false));
        let both = [vec![2.0, 3.0], vec![0.0, 5.0]];
        assert_eq!(times(&both, &identity(2)), both);
        assert_eq!(times(&both, &both), [[4.0, 21.0], [0.0, 25.0]]);
    }
}
