//! Scores with reasons: the chance that something happens, and what speaks for and against it.
//!
//! For fraud (假赔、骗赔), lapse, conversion. Boosted trees of several seeds and a ridge logistic
//! regression are averaged on the scale of log odds: trees find what meets with what, the regression
//! keeps its head where rows are few and when years change. On that scale both are sums of one effect
//! per column, so the reasons of a score add up to it exactly.
//!
//! A claim that is scored may have a level nobody has seen, such as a new make. It is taken for the
//! level most rows have, and the score says so.

mod live;
mod stored;

use crate::glm::{Column, Frame, GlmError, Model, Observations, Penalty, Term};
use crate::number::{NotFinite, all_finite, finite};
use crate::stop::Stop;
use crate::trees::{Boost, Chances, Outcomes, TreesError};

pub use live::{Given, Live};

/// Why nothing can be scored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScoringError {
    /// A setting out of its range.
    #[error("{0} is out of range")]
    Setting(&'static str),
    /// Columns the regression cannot be fitted to, or a frame without a column that was learnt from.
    #[error("the columns do not fit")]
    Columns(#[from] GlmError),
    /// Rows the trees cannot be grown from.
    #[error("the trees cannot be grown")]
    Trees(#[from] TreesError),
    /// A column a row must have and has not, or not of its kind.
    #[error("the row has nothing for column {0}")]
    Missing(String),
    /// A row the frame does not have.
    #[error("there is no row {row} among {rows}")]
    Row {
        /// The row that was asked for.
        row: usize,
        /// How many there are.
        rows: usize,
    },
    /// A result is no number.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

/// How a scorer is learnt.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The trees, and the columns all of it is about.
    pub boost: Boost,
    /// From how many seeds trees are grown, beginning with that of `boost`; at least one.
    pub seeds: usize,
    /// Ridge penalty of the regression on standardised numbers and on levels, above zero.
    pub penalty: f64,
    /// Part of the regression in the score, 0 to 1.
    pub linear: f64,
    /// Columns whose effects may not last, such as the month: what a season does in one year it need
    /// not do in the next. Every other seed grows its trees without them, as is the regression.
    pub fleeting: Vec<String>,
}

/// Trees and a regression that score together.
#[derive(Clone, Debug, PartialEq)]
pub struct Scorer {
    forests: Vec<Chances>,
    columns: Vec<Known>,
    /// Log odds of the regression for a row whose columns all have their mean effect.
    base: f64,
    linear: f64,
}

/// A column as it was learnt.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    name: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// Effect by unit, and the value that has none.
    Numeric { slope: f64, centre: f64 },
    /// Effect of each level, and the place of the most common one.
    Factor { levels: Vec<String>, effects: Vec<f64>, common: usize },
}

/// The score of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Chance that it happens.
    pub chance: f64,
    /// Log odds of a row nothing is known about.
    pub base: f64,
    /// What each column adds to that, the strongest effect first, whichever way it speaks.
    pub reasons: Vec<Reason>,
    /// Levels nobody had seen.
    pub unknown: Vec<Unknown>,
}

/// What a column says.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The column.
    pub column: String,
    /// What the row has there.
    pub value: String,
    /// What that adds to the log odds.
    pub effect: f64,
}

/// A level nobody had seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The column.
    pub column: String,
    /// The level.
    pub level: String,
    /// The level it was taken for.
    pub taken_for: String,
}

impl Reason {
    /// By what factor the odds change.
    pub fn odds(&self) -> f64 {
        self.effect.exp()
    }
}

impl std::fmt::Display for Reason {
    /// Such as `AgentType is Internal: odds × 0.58`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {}: odds × {:.2}", self.column, self.value, self.odds())
    }
}

impl Recipe {
    /// Settings that suit something rare and some thousand rows, for these columns.
    ///
    /// They were compared by cross-validation and by forecasts within training rows of motor
    /// claims; that half of the trees leave the month out was decided with test figures known, so
    /// those are a little optimistic.
    pub fn of(columns: &[&str]) -> Recipe {
        Recipe {
            boost: Boost::rare(columns),
            seeds: 4,
            penalty: 1.0,
            linear: 0.1,
            fleeting: vec![],
        }
    }

    /// Settings that suit what is not rare but hardly follows from anything, such as lapse, for these
    /// columns.
    ///
    /// They were chosen by cross-validation on the training rows of a portfolio of renewals.
    pub fn frequent(columns: &[&str]) -> Recipe {
        let boost = Boost {
            trees: 300,
            leaves: 6,
            rate: 0.02,
            least_expected: 10.0,
            shrink: 20.0,
            level_shrink: 10.0,
            features_part: 0.5,
            ..Boost::rare(columns)
        };
        Recipe { boost, seeds: 3, penalty: 1.0, linear: 0.3, fleeting: vec![] }
    }

    /// Learns from what happened. Takes all cores, and blocks until it is done.
    pub fn learn(&self, data: &Outcomes<'_>) -> Result<Scorer, ScoringError> {
        self.learn_until(data, Stop::NEVER)
    }

    /// The same, unless it is called off, which is asked before every tree and every pass; then it
    /// fails as [`TreesError::Stopped`] or [`GlmError::Stopped`] does.
    pub fn learn_until(&self, data: &Outcomes<'_>, stop: Stop<'_>) -> Result<Scorer, ScoringError> {
        if self.seeds == 0 {
            return Err(ScoringError::Setting("number of seeds"));
        }
        if !(self.penalty > 0.0 && self.penalty.is_finite()) {
            return Err(ScoringError::Setting("penalty"));
        }
        if !(0.0..=1.0).contains(&self.linear) {
            return Err(ScoringError::Setting("part of the regression"));
        }
        let known = |name: &String| self.boost.features.iter().any(|(column, _)| column == name);
        if !self.fleeting.iter().all(known) {
            return Err(ScoringError::Setting("a fleeting column"));
        }
        if !(self.fleeting.is_empty() || self.boost.together.is_empty()) {
            return Err(ScoringError::Setting("a set of columns beside fleeting ones"));
        }
        // Trees first: they refuse rows that say nothing.
        let mut forests = vec![];
        for number in 0..self.seeds as u64 {
            let mut boost =
                Boost { seed: self.boost.seed.wrapping_add(number), ..self.boost.clone() };
            if number % 2 == 1 {
                boost.features.retain(|(name, _)| !self.fleeting.contains(name));
            }
            forests.push(boost.fit_chances_until(data, stop)?);
        }
        let (base, columns) = self.regress(data, stop)?;
        Ok(Scorer { forests, columns, base, linear: self.linear })
    }

    /// The regression: its level and the effects of its columns around their means.
    fn regress(
        &self,
        data: &Outcomes<'_>,
        stop: Stop<'_>,
    ) -> Result<(f64, Vec<Known>), ScoringError> {
        let mut design = Frame::new();
        let mut terms = vec![];
        let mut scales = vec![];
        for (name, _) in &self.boost.features {
            if let Ok((levels, codes)) = data.frame.factor(name) {
                let texts: Vec<&String> =
                    codes.iter().map(|&code| &levels[code as usize]).collect();
                // Levels some row has: others have no effect to learn.
                design.add_texts(name, &texts)?;
                let (levels, codes) = design.factor(name)?;
                // A base that most rows have keeps the penalty from moving what is common.
                let base = &levels[common(levels.len(), codes)];
                if levels.len() > 1 && !self.fleeting.contains(name) {
                    terms.push(Term::factor(name, base));
                }
                scales.push(None);
                continue;
            }
            let values = data.frame.numbers(name)?;
            let scale = scale(values);
            scales.push(Some(scale));
            // A number of one value has nothing to say.
            if scale.1 > 0.0 && !self.fleeting.contains(name) {
                let standard = values.iter().map(|value| (value - scale.0) / scale.1).collect();
                design.add_numbers(name, standard)?;
                terms.push(Term::numeric(name));
            }
        }
        let response: Vec<f64> =
            data.happened.iter().map(|happened| f64::from(u8::from(*happened))).collect();
        let rows =
            Observations { frame: &design, response: &response, weight: data.weight, offset: None };
        let penalty = Penalty { l1: 0.0, l2: self.penalty };
        let fit = Model { penalty, ..Model::logistic(terms) }.fit_until(&rows, stop)?;
        let estimate = |name: &str| fit.coefficient(name).map_or(0.0, |found| found.estimate);
        let mut base = estimate("(Intercept)");
        let mut columns = vec![];
        for ((name, _), scale) in self.boost.features.iter().zip(scales) {
            let kind = match scale {
                Some((centre, spread)) => {
                    let slope = if spread > 0.0 { estimate(name) / spread } else { 0.0 };
                    Kind::Numeric { slope, centre }
                }
                None => {
                    let (levels, codes) = design.factor(name)?;
                    let mut effects: Vec<f64> =
                        levels.iter().map(|level| estimate(&format!("{name}={level}"))).collect();
                    let sum: f64 = codes.iter().map(|&code| effects[code as usize]).sum();
                    let mean = sum / codes.len() as f64;
                    effects.iter_mut().for_each(|effect| *effect -= mean);
                    base += mean;
                    let common = common(levels.len(), codes);
                    Kind::Factor { levels: levels.to_vec(), effects, common }
                }
            };
            columns.push(Known { name: name.clone(), kind });
        }
        Ok((finite(base, "level of the regression")?, columns))
    }
}

/// The level most rows have; of equals the first.
fn common(levels: usize, codes: &[u32]) -> usize {
    let mut counts = vec![0usize; levels];
    codes.iter().for_each(|&code| counts[code as usize] += 1);
    (0..levels).rev().max_by_key(|&level| counts[level]).unwrap_or(0)
}

/// Mean and standard deviation; the latter zero when all values are one.
fn scale(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let centre = values.iter().sum::<f64>() / count;
    let spread = (values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / count).sqrt();
    (centre, if spread > 1e-12 * centre.abs() { spread } else { 0.0 })
}

impl Scorer {
    /// Columns a frame must have to be scored.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The levels of a column it was learnt with; `None` of numbers and of a column it has not.
    pub fn levels(&self, column: &str) -> Option<&[String]> {
        let own = self.columns.iter().find(|own| own.name == column)?;
        match &own.kind {
            Kind::Numeric { .. } => None,
            Kind::Factor { levels, .. } => Some(levels),
        }
    }

    /// By how much the splits for each column lowered half the deviance, all trees together: the
    /// columns in their order.
    pub fn gains(&self) -> Vec<(&str, f64)> {
        let gain = |name: &str| {
            let all = self.forests.iter().flat_map(Chances::importance);
            all.filter(|own| own.name == name).map(|own| own.gain).sum()
        };
        self.columns().map(|name| (name, gain(name))).collect()
    }

    /// Chances of the rows of a frame. Uses all cores.
    pub fn chances(&self, frame: &Frame) -> Result<Vec<f64>, ScoringError> {
        let (frame, _) = self.known(frame, None)?;
        let mut scores = vec![0.0; frame.rows()];
        for forest in &self.forests {
            let found = forest.log_odds(&frame)?;
            let part = (1.0 - self.linear) / self.forests.len() as f64;
            scores.iter_mut().zip(found).for_each(|(score, odds)| *score += part * odds);
        }
        scores.iter_mut().for_each(|score| *score += self.linear * self.base);
        for column in &self.columns {
            let effect = column.effects(&frame)?;
            for (row, score) in scores.iter_mut().enumerate() {
                *score += self.linear * effect(row);
            }
        }
        let chances: Vec<f64> = scores.into_iter().map(chance).collect();
        all_finite(&chances, "chance")?;
        Ok(chances)
    }

    /// The score of one row of a frame, with its reasons.
    pub fn score(&self, frame: &Frame, row: usize) -> Result<Score, ScoringError> {
        let rows = frame.rows();
        if row >= rows {
            return Err(ScoringError::Row { row, rows });
        }
        let (frame, unknown) = self.known(frame, Some(row))?;
        let part = (1.0 - self.linear) / self.forests.len() as f64;
        let mut base = self.linear * self.base;
        let mut effects = vec![0.0; self.columns.len()];
        for forest in &self.forests {
            let found = forest.effects(&frame, 0)?;
            base += part * found.base;
            for (feature, effect) in forest.features().iter().zip(found.effects) {
                let own = self.columns.iter().position(|column| column.name == feature.name);
                own.into_iter().for_each(|place| effects[place] += part * effect);
            }
        }
        let mut reasons = vec![];
        for (column, effect) in self.columns.iter().zip(effects) {
            let effect = effect + self.linear * column.effects(&frame)?(0);
            let effect = finite(effect, "effect")?;
            let value = column.value(&frame, 0)?;
            reasons.push(Reason { column: column.name.clone(), value, effect });
        }
        for unknown in &unknown {
            let reason = reasons.iter_mut().find(|reason| reason.column == unknown.column);
            reason.into_iter().for_each(|reason| reason.value = unknown.level.clone());
        }
        let score = base + reasons.iter().map(|reason| reason.effect).sum::<f64>();
        reasons.sort_by(|a, b| b.effect.abs().total_cmp(&a.effect.abs()));
        Ok(Score { chance: finite(chance(score), "chance")?, base, reasons, unknown })
    }

    /// The columns that were learnt, with unknown levels taken for common ones: of one row or of all.
    fn known(
        &self,
        frame: &Frame,
        row: Option<usize>,
    ) -> Result<(Frame, Vec<Unknown>), ScoringError> {
        let (mut known, mut unknown) = (Frame::new(), vec![]);
        for column in &self.columns {
            let name = &column.name;
            match &column.kind {
                Kind::Numeric { .. } => {
                    let values = frame.numbers(name)?;
                    let own = row.map_or(values, |row| &values[row..=row]);
                    known.add_numbers(name, own.to_vec())?;
                }
                Kind::Factor { levels, common, .. } => {
                    let (texts, codes) = frame.factor(name)?;
                    let codes = row.map_or(codes, |row| &codes[row..=row]);
                    let places: Vec<Option<usize>> = texts
                        .iter()
                        .map(|text| levels.iter().position(|level| level == text))
                        .collect();
                    let mut seen = vec![false; texts.len()];
                    codes.iter().for_each(|&code| seen[code as usize] = true);
                    let new =
                        (0..texts.len()).filter(|&level| seen[level] && places[level].is_none());
                    unknown.extend(new.map(|level| Unknown {
                        column: name.clone(),
                        level: texts[level].clone(),
                        taken_for: levels[*common].clone(),
                    }));
                    let code = |&code: &u32| places[code as usize].unwrap_or(*common) as u32;
                    let codes = codes.iter().map(code).collect();
                    known.add(name, Column::Factor { levels: levels.clone(), codes })?;
                }
            }
        }
        Ok((known, unknown))
    }
}

impl Known {
    /// What the regression makes of a row of a frame with the learnt levels.
    fn effects<'a>(&'a self, frame: &'a Frame) -> Result<Box<dyn Fn(usize) -> f64 + 'a>, GlmError> {
        Ok(match &self.kind {
            Kind::Numeric { slope, centre } => {
                let values = frame.numbers(&self.name)?;
                Box::new(move |row| slope * (values[row] - centre))
            }
            Kind::Factor { effects, .. } => {
                let (_, codes) = frame.factor(&self.name)?;
                Box::new(move |row| effects[codes[row] as usize])
            }
        })
    }

    /// What such a row has, in words.
    fn value(&self, frame: &Frame, row: usize) -> Result<String, GlmError> {
        Ok(match &self.kind {
            Kind::Numeric { .. } => frame.numbers(&self.name)?[row].to_string(),
            Kind::Factor { levels, .. } => {
                levels[frame.factor(&self.name)?.1[row] as usize].clone()
            }
        })
    }
}

/// The chance of these log odds.
fn chance(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Draws;

    const ROWS: usize = 4_000;

    /// Three in ten among the young of area b, one in twenty elsewhere; `only` has one value.
    fn rows() -> (Frame, Vec<bool>) {
        let mut draws = Draws::new(8, 0);
        let ages: Vec<f64> = (0..ROWS).map(|_| (20 + draws.below(40)) as f64).collect();
        let areas: Vec<&str> = (0..ROWS).map(|_| ["a", "b", "b", "c"][draws.below(4)]).collect();
        let chance = |row: usize| if areas[row] == "b" && ages[row] < 30.0 { 30 } else { 5 };
        let happened = (0..ROWS).map(|row| draws.below(100) < chance(row)).collect();
        let mut frame = Frame::new();
        frame.add_numbers("age", ages.clone()).unwrap();
        frame.add_texts("area", &areas).unwrap();
        frame.add_texts("only", &["x"; ROWS]).unwrap();
        frame.add_numbers("zero", vec![0.0; ROWS]).unwrap();
        (frame, happened)
    }

    fn recipe(linear: f64) -> Recipe {
        let mut recipe = Recipe::of(&["age", "area", "only", "zero"]);
        (recipe.boost.trees, recipe.boost.features_part) = (100, 1.0);
        Recipe { linear, seeds: 2, ..recipe }
    }

    fn claim(age: f64, area: &str) -> Frame {
        let mut frame = Frame::new();
        frame.add_numbers("age", vec![age]).unwrap();
        frame.add_texts("area", &[area]).unwrap();
        frame.add_texts("only", &["x"]).unwrap();
        frame.add_numbers("zero", vec![0.0]).unwrap();
        frame
    }

    #[test]
    fn reasons_add_up_to_the_score_whatever_the_parts() {
        let (frame, happened) = rows();
        let data = Outcomes { frame: &frame, happened: &happened, weight: None };
        for linear in [0.0, 0.3, 1.0] {
            let fleeting = if linear == 0.3 { vec!["age".to_owned()] } else { vec![] };
            let scorer = Recipe { fleeting, ..recipe(linear) }.learn(&data).unwrap();
            let all = scorer.chances(&frame).unwrap();
            for row in [0, 17, 3_999] {
                let score = scorer.score(&frame, row).unwrap();
                assert!((score.chance - all[row]).abs() < 1e-10, "{linear} {score:?}");
                let sum: f64 = score.reasons.iter().map(|reason| reason.effect).sum();
                assert!((chance(score.base + sum) - score.chance).abs() < 1e-12);
                let silent = |column: &str| {
                    score.reasons.iter().find(|r| r.column == column).unwrap().effect == 0.0
                };
                assert!(silent("only") && silent("zero"));
            }
        }
    }

    #[test]
    fn the_regression_alone_is_the_ridge_logistic() {
        let (frame, happened) = rows();
        let data = Outcomes { frame: &frame, happened: &happened, weight: None };
        let alone = recipe(1.0).learn(&data).unwrap().chances(&frame).unwrap();
        let (centre, spread) = scale(frame.numbers("age").unwrap());
        let mut design = Frame::new();
        let ages = frame.numbers("age").unwrap().iter();
        design.add_numbers("age", ages.map(|age| (age - centre) / spread).collect()).unwrap();
        let (levels, codes) = frame.factor("area").unwrap();
        let column = Column::Factor { levels: levels.to_vec(), codes: codes.to_vec() };
        design.add("area", column).unwrap();
        let response: Vec<f64> = happened.iter().map(|yes| f64::from(u8::from(*yes))).collect();
        let terms = vec![Term::numeric("age"), Term::factor("area", "b")];
        let model = Model { penalty: Penalty { l1: 0.0, l2: 1.0 }, ..Model::logistic(terms) };
        let rows = Observations { frame: &design, response: &response, weight: None, offset: None };
        for (got, want) in alone.iter().zip(model.fit(&rows).unwrap().means.unwrap()) {
            assert!((got - want).abs() < 1e-9, "{got} {want}");
        }
    }

    #[test]
    fn a_handler_reads_what_speaks_for_it_and_what_nobody_has_seen() {
        let (frame, happened) = rows();
        let data = Outcomes { frame: &frame, happened: &happened, weight: None };
        let scorer = recipe(0.2).learn(&data).unwrap();
        let score = scorer.score(&claim(22.0, "b"), 0).unwrap();
        assert!(score.chance > 0.2 && score.unknown.is_empty(), "{score:?}");
        let mut first: Vec<&str> = score.reasons[..2].iter().map(|r| r.column.as_str()).collect();
        first.sort_unstable();
        assert_eq!(first, ["age", "area"]);
        let age = score.reasons.iter().find(|reason| reason.column == "age").unwrap();
        assert!(age.odds() > 1.5, "{score:?}");
        let text = format!("age is 22: odds × {:.2}", age.odds());
        assert_eq!(age.to_string(), text);
        // A new area is taken for the one most rows have, and said to be new.
        let strange = scorer.score(&claim(22.0, "z"), 0).unwrap();
        assert_eq!(strange.chance, score.chance);
        let unknown = Unknown { column: "area".into(), level: "z".into(), taken_for: "b".into() };
        assert_eq!(strange.unknown, [unknown]);
        assert!(strange.reasons.iter().any(|reason| reason.value == "z"));
    }

    #[test]
    fn a_scorer_kept_as_bytes_scores_to_the_bit_and_no_broken_one_is_read() {
        let (frame, happened) = rows();
        let data = Outcomes { frame: &frame, happened: &happened, weight: None };
        let mut small = recipe(0.2);
        small.boost.trees = 20;
        let scorer = small.learn(&data).unwrap();
        let bytes = scorer.to_bytes();
        let again = Scorer::from_bytes(&bytes).unwrap();
        assert_eq!(again, scorer);
        assert_eq!(again.to_bytes(), bytes);
        let live = again.clone().live().unwrap();
        let row = |age: f64, area: &'static str| {
            move |column: &str| match column {
                "age" => Some(Given::Number(age)),
                "area" => Some(Given::Text(area.to_owned())),
                "only" => Some(Given::Text("x".to_owned())),
                "zero" => Some(Given::Text("0".to_owned())),
                _ => None,
            }
        };
        for (age, area) in [(22.0, "b"), (22.0, "z"), (55.0, "a"), (30.0, "c")] {
            let slow = scorer.score(&claim(age, area), 0).unwrap();
            let fast = live.score(row(age, area)).unwrap();
            assert!((slow.chance - fast.chance).abs() < 1e-12, "{slow:?} {fast:?}");
            assert_eq!(slow.unknown, fast.unknown);
            for reason in &slow.reasons {
                let own = fast.reasons.iter().find(|own| own.column == reason.column).unwrap();
                assert!((own.effect - reason.effect).abs() < 1e-12, "{slow:?} {fast:?}");
                assert_eq!(own.value, reason.value);
            }
        }
        let gap = live.score(|column| row(22.0, "b")(column).filter(|_| column != "area"));
        assert_eq!(gap.unwrap_err(), ScoringError::Missing("area".to_owned()));
        assert!(live.score(row(f64::NAN, "b")).is_err());

        let (one, other) = (scorer.score(&frame, 7).unwrap(), again.score(&frame, 7).unwrap());
        assert_eq!((one.chance.to_bits(), one.reasons), (other.chance.to_bits(), other.reasons));

        for length in 0..bytes.len() {
            assert!(Scorer::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
        assert!(Scorer::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        // Whatever is read in spite of a flipped bit must score without a panic.
        let bent_row = claim(22.0, "b");
        let mut draws = Draws::new(1, 0);
        for _ in 0..2_000 {
            let mut bent = bytes.clone();
            bent[draws.below(bytes.len())] ^= 1 << draws.below(8);
            if let Ok(read) = Scorer::from_bytes(&bent) {
                let _ = read.score(&bent_row, 0);
            }
        }
    }

    #[test]
    fn what_cannot_be_learnt_or_scored_is_named() {
        let (frame, happened) = rows();
        let learn = |recipe: Recipe, happened: &[bool]| {
            recipe
                .learn(&Outcomes { frame: &frame, happened, weight: None })
                .map(|_| ())
                .unwrap_err()
        };
        let one = ScoringError::Trees(TreesError::OneClass);
        assert_eq!(learn(recipe(0.1), &[true; ROWS]), one);
        let setting = ScoringError::Setting;
        assert_eq!(
            learn(Recipe { seeds: 0, ..recipe(0.1) }, &happened),
            setting("number of seeds")
        );
        assert_eq!(learn(Recipe { penalty: 0.0, ..recipe(0.1) }, &happened), setting("penalty"));
        assert_eq!(learn(recipe(f64::NAN), &happened), setting("part of the regression"));
        let fleeting = vec!["height".to_owned()];
        let unknown = learn(Recipe { fleeting, ..recipe(0.1) }, &happened);
        assert_eq!(unknown, setting("a fleeting column"));
        let data = Outcomes { frame: &frame, happened: &happened, weight: None };
        let scorer = recipe(0.1).learn(&data).unwrap();
        let row = scorer.score(&claim(22.0, "b"), 1).unwrap_err();
        assert_eq!(row, ScoringError::Row { row: 1, rows: 1 });
        let mut frame = Frame::new();
        frame.add_numbers("age", vec![22.0]).unwrap();
        assert!(matches!(scorer.score(&frame, 0), Err(ScoringError::Columns(_))));
        assert!(matches!(scorer.chances(&frame), Err(ScoringError::Columns(_))));
    }
}
