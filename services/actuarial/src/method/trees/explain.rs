//! Why trees expect what they do of single rows: the effect of each factor on the score.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Rows, several::Several};
use crate::figure::Figure;
use crate::method::Failure;
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::features::Features;

/// Most rows that are explained.
const MOST_ROWS: usize = 1_000;

/// Which rows are explained.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = BoostedTreesExplain)]
pub struct ExplainBody {
    /// Rows by number, counted from 1 among the rows the run takes.
    #[schema(example = json!([1, 25]))]
    pub rows: Option<Vec<u64>>,
    /// Instead: so many of the rows that are held out, the first ones.
    pub held_out: Option<u64>,
}

/// Checked: which rows are explained.
#[derive(Clone, Debug)]
pub(super) enum Explain {
    /// Places among the rows the run takes.
    Rows(Vec<usize>),
    /// So many that are held out.
    HeldOut(usize),
}

/// What trees expect of a row, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplainedRowResult {
    /// Its number, counted from 1 among the rows the run takes.
    pub(crate) row: usize,
    /// Claims per exposure: e to the score.
    pub(crate) frequency: Figure,
    /// Base and effects together.
    pub(crate) score: Figure,
    /// The score of a row nothing is known about.
    pub(crate) base: Figure,
    /// By factor, the strongest first.
    pub(crate) effects: Vec<EffectResult>,
}

/// What a factor adds to the score.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EffectResult {
    pub(crate) name: String,
    /// What the row has there.
    pub(crate) value: String,
    pub(crate) effect: Figure,
    /// What the frequency is multiplied by: e to the effect.
    pub(crate) relativity: Figure,
}

/// Reads which rows are explained.
pub(super) fn read(
    body: Option<&ExplainBody>,
    holds_out: bool,
    check: &mut Check<'_>,
) -> Option<Explain> {
    let body = body?;
    match (&body.rows, body.held_out) {
        (Some(rows), None) => {
            if rows.is_empty() || rows.len() > MOST_ROWS || rows.contains(&0) {
                let detail = format!("names 1 to {MOST_ROWS} rows, counted from 1");
                check.fault("/explain/rows", detail);
            }
            let places =
                rows.iter().map(|row| usize::try_from(*row).unwrap_or(0).saturating_sub(1));
            Some(Explain::Rows(places.collect()))
        }
        (None, Some(count)) => {
            if !holds_out {
                check.fault("/explain/heldOut", "goes with holdOut: no row is held out");
            }
            let most = MOST_ROWS as u64;
            Some(Explain::HeldOut(check.whole("/explain/heldOut", Some(count), 1, 1..=most)))
        }
        _ => {
            check.fault("/explain", "give rows or heldOut, one of both");
            None
        }
    }
}

impl Explain {
    /// The places of the rows that are explained.
    pub(super) fn places(&self, held: &[bool]) -> Result<Vec<usize>, Failure> {
        match self {
            Explain::HeldOut(count) => {
                let places = (0..held.len()).filter(|row| held[*row]);
                Ok(places.take(*count).collect())
            }
            Explain::Rows(rows) => match rows.iter().find(|row| **row >= held.len()) {
                None => Ok(rows.clone()),
                Some(row) => {
                    let detail = format!("there is no row {} of {}", row + 1, held.len());
                    let advice = "rows under explain are counted from 1 among those the run takes";
                    Err(Failure::new(&crate::error::UNFIT_VALUE, detail, advice))
                }
            },
        }
    }
}

/// What trees expect of these rows, and why. `places` are theirs among all rows.
pub(super) fn explained(
    trees: &Several,
    features: &Features,
    data: &Data,
    rows: &Rows,
    places: &[usize],
) -> Result<Vec<ExplainedRowResult>, Failure> {
    let texts = features.columns().map(|column| Ok((column, data.texts(column)?)));
    let texts = texts.collect::<Result<Vec<_>, Failure>>()?;
    let each = places.iter().enumerate().map(|(row, place)| {
        let found = trees.effects(&rows.frame, row).map_err(|error| super::refused(&error))?;
        let names = trees.first().features.iter().map(|feature| feature.name.as_str());
        let mut effects: Vec<EffectResult> = names
            .zip(&found.effects)
            .map(|(name, effect)| {
                let own = texts.iter().find(|(column, _)| *column == name);
                let value = own.and_then(|(_, texts)| texts[row].clone());
                EffectResult {
                    name: name.to_owned(),
                    value: value.unwrap_or_else(|| super::MISSING_LEVEL.to_owned()),
                    effect: (*effect).into(),
                    relativity: effect.exp().into(),
                }
            })
            .collect();
        effects.sort_by(|a, b| b.effect.0.abs().total_cmp(&a.effect.0.abs()));
        Ok(ExplainedRowResult {
            row: place + 1,
            frequency: found.score().exp().into(),
            score: found.score().into(),
            base: found.base.into(),
            effects,
        })
    });
    each.collect()
}
