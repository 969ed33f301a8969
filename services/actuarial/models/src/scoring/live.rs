//! A scorer made ready for one row after another: what a call waits for.

use super::{Kind, Reason, Score, Scorer, ScoringError, Unknown, chance};
use crate::number::finite;
use crate::trees::{Cell, Ready};

/// A scorer that scores a row in some ten thousandths of a second, as [`Scorer::score`] does.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    scorer: Scorer,
    forests: Vec<Forest>,
}

#[derive(Clone, Debug, PartialEq)]
struct Forest {
    trees: Ready,
    /// The scorer's column of each feature.
    columns: Vec<usize>,
}

/// What a row has in a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// A number.
    Number(f64),
    /// A level.
    Text(String),
}

impl Scorer {
    /// The scorer made ready. Refused when its trees have more than seven leaves.
    pub fn live(self) -> Result<Live, ScoringError> {
        let mut forests = vec![];
        for forest in &self.forests {
            let trees = forest.ready()?;
            let own = |name: &str| self.columns.iter().position(|column| column.name == name);
            let columns = trees.features.iter().map(|feature| {
                own(&feature.name).ok_or_else(|| ScoringError::Missing(feature.name.clone()))
            });
            let columns = columns.collect::<Result<Vec<usize>, _>>()?;
            forests.push(Forest { trees, columns });
        }
        Ok(Live { scorer: self, forests })
    }
}

impl Live {
    /// The scorer it was made of.
    pub fn scorer(&self) -> &Scorer {
        &self.scorer
    }

    /// The score of a row, with its reasons. A number counts as its text where levels were learnt, and
    /// a text as its number where numbers were; a column the row has not is named.
    pub fn score(&self, given: impl Fn(&str) -> Option<Given>) -> Result<Score, ScoringError> {
        let columns = &self.scorer.columns;
        let (mut values, mut unknown) = (Vec::with_capacity(columns.len()), vec![]);
        for column in columns {
            let missing = || ScoringError::Missing(column.name.clone());
            let value = given(&column.name).ok_or_else(missing)?;
            values.push(match (&column.kind, value) {
                (Kind::Numeric { .. }, Given::Number(value)) => {
                    Value::Number(finite(value, "value of a column")?)
                }
                (Kind::Numeric { .. }, Given::Text(text)) => {
                    let value: f64 = text.parse().map_err(|_| missing())?;
                    Value::Number(finite(value, "value of a column")?)
                }
                (Kind::Factor { levels, common, .. }, value) => {
                    let text = match value {
                        Given::Text(text) => text,
                        Given::Number(value) => value.to_string(),
                    };
                    let place = levels.iter().position(|level| *level == text);
                    if place.is_none() {
                        let taken_for = levels[*common].clone();
                        let (column, level) = (column.name.clone(), text.clone());
                        unknown.push(Unknown { column, level, taken_for });
                    }
                    Value::Level { place: place.unwrap_or(*common), told: text }
                }
            });
        }
        let (base, effects) = self.effects(&values)?;
        let mut reasons = Vec::with_capacity(columns.len());
        for ((column, effect), value) in columns.iter().zip(effects).zip(values) {
            let effect = finite(effect, "effect")?;
            let value = match value {
                Value::Number(value) => value.to_string(),
                Value::Level { told, .. } => told,
            };
            reasons.push(Reason { column: column.name.clone(), value, effect });
        }
        let score = base + reasons.iter().map(|reason| reason.effect).sum::<f64>();
        reasons.sort_by(|a, b| b.effect.abs().total_cmp(&a.effect.abs()));
        Ok(Score { chance: finite(chance(score), "chance")?, base, reasons, unknown })
    }

    /// Log odds of a row nothing is known about, and what each column adds.
    fn effects(&self, values: &[Value]) -> Result<(f64, Vec<f64>), ScoringError> {
        let Scorer { columns, base, linear, .. } = &self.scorer;
        let part = (1.0 - linear) / self.forests.len() as f64;
        let mut base = linear * base;
        let mut effects = vec![0.0; columns.len()];
        for forest in &self.forests {
            base += part * forest.trees.base;
            let mut own = vec![0.0; forest.columns.len()];
            let cell = |feature: usize| {
                let column = forest.columns[feature];
                match (&values[column], &columns[column].kind) {
                    (Value::Level { place, .. }, Kind::Factor { levels, .. }) => {
                        Cell::Level(&levels[*place])
                    }
                    (Value::Number(value), _) => Cell::Number(*value),
                    (Value::Level { told, .. }, _) => Cell::Level(told),
                }
            };
            forest.trees.effects(cell, &mut own)?;
            for (column, effect) in forest.columns.iter().zip(own) {
                effects[*column] += part * effect;
            }
        }
        for ((column, value), effect) in columns.iter().zip(values).zip(&mut effects) {
            *effect += linear
                * match (&column.kind, value) {
                    (Kind::Numeric { slope, centre }, Value::Number(value)) => {
                        slope * (value - centre)
                    }
                    (Kind::Factor { effects, .. }, Value::Level { place, .. }) => effects[*place],
                    _ => 0.0,
                };
        }
        Ok((base, effects))
    }
}

/// A value of the kind its column was learnt with.
enum Value {
    Number(f64),
    Level { place: usize, told: String },
}
