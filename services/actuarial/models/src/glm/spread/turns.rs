//! The search for α of the negative binomial family over rows that lie elsewhere.

use super::driver::{Settled, ask, fit};
use super::found::Found;
use super::question::Asked;
use super::{Elsewhere, SpreadError};
use crate::glm::negative_binomial::{Shape, Turns};
use crate::glm::{Family, Fit, Model};
use crate::stop::Stop;

/// Rows that lie elsewhere, and where the last fit to them ended.
pub(super) struct There<'a, E> {
    pub(super) rows: &'a mut E,
    pub(super) stop: Stop<'a>,
    pub(super) model: Model,
    pub(super) settled: Option<Settled>,
}

impl<E: Elsewhere> Turns for There<'_, E> {
    type Error = SpreadError<E::Error>;

    fn fit(&mut self, family: Family) -> Result<Fit, Self::Error> {
        self.model.family = family;
        let fit = fit(&self.model, self.rows, self.stop)?;
        self.settled.clone_from(&fit.elsewhere);
        Ok(fit)
    }

    fn shape(&mut self, alpha: f64) -> Result<Shape, Self::Error> {
        let settled = self.settled.clone();
        let Settled { plan, at, .. } = settled.expect("a fit comes before its means");
        let asked = Asked::Shape { plan, at, alpha };
        match ask(self.rows, self.stop, &self.model, asked)?.1 {
            Found::Shape(shape) => Ok(shape),
            _ => unreachable!("it is what was asked"),
        }
    }
}
