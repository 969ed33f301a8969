//! The search for α of the negative binomial family over rows that lie elsewhere.

use super::driver::{Fitted, ask, fit};
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
    pub(super) fitted: Option<Fitted>,
}

impl<E: Elsewhere> Turns for There<'_, E> {
    type Error = SpreadError<E::Error>;

    fn fit(&mut self, family: Family) -> Result<Fit, Self::Error> {
        self.model.family = family;
        let (fit, fitted) = fit(&self.model, self.rows, self.stop)?;
        self.fitted = fitted;
        Ok(fit)
    }

    fn shape(&mut self, alpha: f64) -> Result<Shape, Self::Error> {
        let Fitted { plan, at } = self.fitted.clone().expect("a fit comes before its means");
        let asked = Asked::Shape { plan, at, alpha };
        match ask(self.rows, self.stop, &self.model, asked)?.1 {
            Found::Shape(shape) => Ok(shape),
            _ => unreachable!("it is what was asked"),
        }
    }
}
