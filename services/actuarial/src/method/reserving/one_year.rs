//! The one-year view: how far ultimates may move within a year, by origin and year.

use actuarial_models::reserving::{Mack, RunOff, YearAhead};

use super::result::{AheadResult, OneYearResult};
use super::triangle::Named;
use crate::figure::{Figure, figures};

/// What a run-off says beside the errors of all years.
pub(super) fn result(named: &Named, mack: &Mack, run_off: &RunOff) -> OneYearResult {
    let ahead = |name: String, reserve: f64, all: f64, of: &dyn Fn(&YearAhead) -> f64| {
        let years: Vec<f64> = run_off.years.iter().map(of).collect();
        let next = of(run_off.next());
        AheadResult {
            name,
            reserve: reserve.into(),
            next_year: next.into(),
            all_years: all.into(),
            part: (all > 0.0).then(|| Figure(next / all)),
            years: figures(years),
        }
    };
    let origins = named.origins.iter().zip(&mack.ladder.origins).zip(&mack.origins).enumerate();
    OneYearResult {
        origins: origins
            .map(|(place, ((name, projected), error))| {
                let of = |year: &YearAhead| year.origins[place];
                ahead(name.to_string(), projected.reserve(), error.total(), &of)
            })
            .collect(),
        total: ahead("total".to_owned(), mack.ladder.reserve(), mack.total.total(), &|year| {
            year.total
        }),
    }
}
