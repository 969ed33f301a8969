//! Computing an indication.

use std::collections::BTreeMap;

use actuarial_models::indication::{
    BANDS, Cell, Credibility, Impact, IndicationError, Plan as Proposal, QUANTILES, log_errors,
};

use super::result::{
    BandResult, CapResult, CellResult, CredibilityRule, ExtremeResult, FactorResult, ImpactResult,
    IndicationResult, QuantileResult,
};
use super::{Aim, Experience, Factor, Indication};
use crate::error;
use crate::figure::{Figure, NINETY_FIVE};
use crate::job::Watch;
use crate::method::data::Data;
use crate::method::period::Period;
use crate::method::prepare::meet;
use crate::method::{Failure, Outcome, Plan};

/// Most levels of a factor: a tariff has a relativity for each.
const MOST_LEVELS: usize = 1_000;

/// Experience row by row, at the level of the future.
struct Rows {
    premium: Vec<f64>,
    losses: Vec<f64>,
    claims: Vec<f64>,
}

/// A factor's levels, the level of each row, and what is proposed.
struct Proposed {
    levels: Vec<String>,
    codes: Vec<u32>,
    changes: Vec<f64>,
    result: FactorResult,
}

impl Plan for Indication {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, _seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        watch.stage("preparing the columns", 12);
        let data = self.prepare.apply(data)?;
        let rows = self.experience(&data)?;
        let sum = |values: &[f64]| values.iter().sum::<f64>();
        let (premium, losses) = (sum(&rows.premium), sum(&rows.losses));
        if premium <= 0.0 {
            return Err(self.no_premium("all rows"));
        }
        let target = match self.aim {
            Aim::Change(change) => change,
            Aim::LossRatio(permissible) => losses / premium / permissible,
        };
        watch.stage("proposing relativities", 30);
        let mut now = rows.premium.clone();
        let mut proposed: Vec<Proposed> = Vec::with_capacity(self.factors.len());
        for (place, factor) in self.factors.iter().enumerate() {
            if watch.is_stopped() {
                return Err(Failure::stopped());
            }
            // The first factor brings premium to its level; the others only share it out anew.
            let (target, overall) = match place {
                0 => (target, self.overall_cap),
                _ => (1.0, (1.0, 1.0)),
            };
            let own = self.proposed(factor, &data, &rows, &now, (target, overall))?;
            for (premium, code) in now.iter_mut().zip(&own.codes) {
                *premium *= own.changes[*code as usize];
            }
            proposed.push(own);
        }
        watch.stage("comparing premiums", 80);
        let impact = self.impact(&data, &rows.premium, &now, &proposed)?;
        let (rule, claims) = match self.credibility {
            Credibility::Limited { full } => ("limited", full),
            Credibility::Buhlmann { k } => ("buhlmann", k),
        };
        let found = IndicationResult {
            rows: rows.premium.len(),
            premium: premium.into(),
            losses: losses.into(),
            claims: sum(&rows.claims).into(),
            loss_ratio: (losses / premium).into(),
            target: target.into(),
            overall: (sum(&now) / premium).into(),
            credibility: CredibilityRule { rule: rule.to_owned(), claims: claims.into() },
            level_cap: self.level_cap.into(),
            overall_cap: self.overall_cap.into(),
            factors: proposed.into_iter().map(|own| own.result).collect(),
            impact,
        };
        let shown = [
            ("lossRatio", found.loss_ratio.0),
            ("target", found.target.0),
            ("overall", found.overall.0),
            ("winners", found.impact.winners as f64),
            ("losers", found.impact.losers as f64),
        ];
        Outcome::of(&found, shown)
    }
}

impl Indication {
    fn experience(&self, data: &Data) -> Result<Rows, Failure> {
        let mut rows = Rows {
            premium: data.numbers(&self.premium)?,
            losses: data.numbers(&self.losses)?,
            claims: data.numbers(&self.claims)?,
        };
        let Some(experience) = &self.experience else { return Ok(rows) };
        rows.losses.iter_mut().for_each(|losses| *losses *= experience.loading);
        let Some(column) = &experience.period else { return Ok(rows) };
        // By text, not by row: there are few periods.
        let (names, codes) = data.factor(column)?;
        let mut factors = Vec::with_capacity(names.len());
        for name in &names {
            let Some(period) = Period::parse(name) else {
                let detail = format!("{column} is {name:?} in some row, which is no period");
                let advice =
                    "periods are years (2024), quarters (2024Q1), months (2024-01) or days";
                return Err(Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column));
            };
            factors.push(experience.factors(period));
        }
        for (row, code) in codes.iter().enumerate() {
            let (premium, losses) = factors[*code as usize];
            rows.premium[row] *= premium;
            rows.losses[row] *= losses;
        }
        Ok(rows)
    }

    fn proposed(
        &self,
        factor: &Factor,
        data: &Data,
        rows: &Rows,
        now: &[f64],
        (target, overall): (f64, (f64, f64)),
    ) -> Result<Proposed, Failure> {
        let (levels, codes) = data.factor(&factor.column)?;
        if levels.len() > MOST_LEVELS {
            let detail = format!("{} has {} levels", factor.column, levels.len());
            let advice = format!("group them under derive: a factor has at most {MOST_LEVELS}");
            return Err(
                Failure::new(&error::TOO_MUCH_DATA, detail, advice).of_column(&factor.column)
            );
        }
        let mut cells: Vec<Cell> = levels
            .iter()
            .map(|level| {
                let relativity = factor.present.get(level).copied().unwrap_or(1.0);
                Cell { relativity, premium: 0.0, losses: 0.0, claims: 0.0 }
            })
            .collect();
        for (row, code) in codes.iter().enumerate() {
            let cell = &mut cells[*code as usize];
            cell.premium += now[row];
            cell.losses += rows.losses[row];
            cell.claims += rows.claims[row];
        }
        let base = match &factor.base {
            Some(base) => levels.iter().position(|level| level == base).ok_or_else(|| {
                let detail = format!("no row has the base {base} of {}", factor.column);
                let advice = format!("choose one of {}", listed(&levels));
                Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&factor.column)
            })?,
            None => {
                let largest =
                    |a: &usize, b: &usize| cells[*a].premium.total_cmp(&cells[*b].premium);
                (0..cells.len()).max_by(largest).unwrap_or(0)
            }
        };
        let plan =
            Proposal { credibility: self.credibility, cell: self.level_cap, target, overall, base };
        let refuse = |error: IndicationError| self.refused(&error, factor, &levels);
        let found = plan.indicate(&cells).map_err(refuse)?;
        let errors = log_errors(now, &rows.losses, &codes, cells.len()).map_err(refuse)?;
        let each = levels.iter().zip(&cells).zip(found.cells.iter().zip(errors));
        let results = each.map(|((name, cell), (proposal, error))| {
            let bound = |side: f64| {
                error.map(|error| Figure(proposal.indicated * (side * NINETY_FIVE * error).exp()))
            };
            CellResult {
                name: name.clone(),
                present: cell.relativity.into(),
                premium: cell.premium.into(),
                losses: cell.losses.into(),
                claims: cell.claims.into(),
                loss_ratio: (cell.losses / cell.premium).into(),
                indicated: proposal.indicated.into(),
                low: bound(-1.0),
                high: bound(1.0),
                credibility: proposal.credibility.into(),
                believed: proposal.believed.into(),
                change: proposal.change.into(),
                capped: proposal.capped,
                relativity: proposal.relativity.into(),
            }
        });
        let known = |level: &&String| !levels.contains(level);
        let result = FactorResult {
            name: factor.column.clone(),
            base: levels[base].clone(),
            target: target.clamp(overall.0, overall.1).into(),
            overall: found.overall.into(),
            base_rate: found.base_rate.into(),
            rate: found.rate.into(),
            off_balance: found.off_balance.into(),
            levels: results.collect(),
            without_experience: factor.present.keys().filter(known).cloned().collect(),
            tariff: factor.tariff.clone(),
        };
        let changes = found.cells.iter().map(|cell| cell.change).collect();
        Ok(Proposed { levels, codes, changes, result })
    }

    fn impact(
        &self,
        data: &Data,
        before: &[f64],
        after: &[f64],
        proposed: &[Proposed],
    ) -> Result<ImpactResult, Failure> {
        let chosen = meet(&self.impact, data)?;
        let rows: Vec<usize> =
            (0..before.len()).filter(|row| chosen[*row] && before[*row] > 0.0).collect();
        let without_premium = chosen.iter().filter(|chosen| **chosen).count() - rows.len();
        if rows.is_empty() {
            let detail = "no row with premium meets every condition under impact";
            return Err(Failure::new(&error::NOTHING_TO_LEARN, detail, "change the conditions"));
        }
        let of = |all: &[f64]| rows.iter().map(|row| all[*row]).collect::<Vec<f64>>();
        let (before, after) = (of(before), of(after));
        let found = Impact::of(&before, &after).map_err(|error| self.unfit(&error))?;
        let extreme = |place: usize| ExtremeResult {
            row: place + 1,
            before: before[place].into(),
            change: (after[place] / before[place]).into(),
            levels: proposed
                .iter()
                .map(|own| {
                    let level = &own.levels[own.codes[rows[place]] as usize];
                    (own.result.name.clone(), level.clone())
                })
                .collect::<BTreeMap<String, String>>(),
        };
        let bands = found.bands.iter().enumerate().map(|(place, band)| BandResult {
            from: (place > 0).then(|| BANDS[place - 1].into()),
            below: BANDS.get(place).map(|below| Figure(*below)),
            policies: band.policies,
            before: band.before.into(),
            after: band.after.into(),
        });
        let quantiles = QUANTILES.iter().zip(&found.quantiles);
        Ok(ImpactResult {
            policies: rows.len(),
            without_premium,
            before: found.before.into(),
            after: found.after.into(),
            change: found.change().into(),
            winners: found.winners,
            losers: found.losers,
            unchanged: found.unchanged,
            quantiles: quantiles
                .map(|(share, change)| QuantileResult {
                    share: (*share).into(),
                    change: (*change).into(),
                })
                .collect(),
            bands: bands.collect(),
            extremes: vec![extreme(found.extremes.0), extreme(found.extremes.1)],
        })
    }

    fn no_premium(&self, whose: &str) -> Failure {
        let detail = format!("{} of {whose} is not positive", self.premium);
        let advice = "group the level with another under derive, or choose rows with premium";
        Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&self.premium)
    }

    fn unfit(&self, error: &IndicationError) -> Failure {
        match error {
            IndicationError::NotFinite(what) => Failure::not_a_number(what.0),
            _ => Failure::new(&error::UNFIT_VALUE, error.to_string(), "correct the parameters"),
        }
    }

    fn refused(&self, error: &IndicationError, factor: &Factor, levels: &[String]) -> Failure {
        match error {
            IndicationError::Cell { what, cell } => {
                let level = levels.get(*cell).map(String::as_str).unwrap_or_default();
                let column = match *what {
                    "premium" => &self.premium,
                    "losses" => &self.losses,
                    "claims" => &self.claims,
                    _ => &factor.column,
                };
                let place = format!("level {level} of {}", factor.column);
                match *what {
                    "premium" => self.no_premium(&place),
                    _ => {
                        let detail = format!("{column} of {place} is negative");
                        let advice = "take more periods, or group the level with another under \
                                      derive";
                        Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column)
                    }
                }
            }
            IndicationError::NoExperience => {
                let detail = format!("{} is zero or negative in all", self.losses);
                let advice = "choose rows with losses";
                Failure::new(&error::NOTHING_TO_LEARN, detail, advice).of_column(&self.losses)
            }
            IndicationError::OutOfReach { reached, wanted } => {
                let detail = format!(
                    "the caps of the levels of {} allow a change of {reached:.4} in all where \
                     {wanted:.4} is wanted",
                    factor.column
                );
                let advice = "widen levelCap, or lower the target or overallCap";
                Failure::new(&error::UNDETERMINED, detail, advice).of_column(&factor.column)
            }
            _ => self.unfit(error),
        }
    }
}

impl Experience {
    /// What premium and losses of a period are multiplied by.
    fn factors(&self, period: Period) -> (f64, f64) {
        let of = |factors: &BTreeMap<Period, f64>| {
            let own = factors.iter().find(|(whole, _)| {
                (whole.month..whole.month + whole.months as i32).contains(&period.month)
            });
            own.map_or(1.0, |(_, factor)| *factor)
        };
        let middle = |period: Period| f64::from(period.month) + 0.5 * f64::from(period.months);
        let trend = self
            .trend
            .map_or(1.0, |(growth, to)| (1.0 + growth).powf((middle(to) - middle(period)) / 12.0));
        (of(&self.on_level), of(&self.development) * trend)
    }
}

impl From<(f64, f64)> for CapResult {
    fn from((least, most): (f64, f64)) -> CapResult {
        CapResult { least: least.into(), most: most.into() }
    }
}

/// Some levels, for people.
fn listed(levels: &[String]) -> String {
    let shown: Vec<&str> = levels.iter().take(20).map(String::as_str).collect();
    shown.join(", ")
}
