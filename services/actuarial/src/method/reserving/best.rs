//! The best estimate: what an actuary takes of each method, origin by origin.

use std::collections::BTreeMap;

use super::Method;
use super::result::{
    BestOriginResult, BestResult, ProjectionResult, ReservingResult, WeightResult,
};
use super::triangle::Named;
use super::{Best, Reserving};
use crate::error;
use crate::figure::Figure;
use crate::method::Failure;
use crate::method::period::Period;

impl Reserving {
    /// The selected ultimates, from what the methods of the run say.
    pub(super) fn best(
        &self,
        named: &Named,
        found: &ReservingResult,
    ) -> Result<Option<BestResult>, Failure> {
        let Some(best) = &self.best else { return Ok(None) };
        let known: Vec<String> = named.origins.iter().map(Period::to_string).collect();
        for origin in best.origins.keys() {
            if !known.contains(origin) {
                let detail =
                    format!("best names origin {origin}, which the triangle does not have");
                let advice = format!("its origins are {}", known.join(", "));
                return Err(Failure::new(&error::UNFIT_VALUE, detail, advice));
            }
        }
        let mut origins = Vec::with_capacity(known.len());
        for (place, name) in known.into_iter().enumerate() {
            let weights = best.of(&name);
            let mut ultimate = 0.0;
            let mut parts = vec![];
            for (method, weight) in weights {
                let Some(projection) = projection(found, *method) else {
                    return Err(Failure::ours("a method of the selection was not computed"));
                };
                let own = projection.origins[place].ultimate.0;
                ultimate += weight * own;
                parts.push(WeightResult {
                    method: method.name().to_owned(),
                    weight: (*weight).into(),
                    ultimate: own.into(),
                });
            }
            let latest = found.chain_ladder.origins[place].latest.0;
            origins.push(BestOriginResult {
                name,
                latest: latest.into(),
                ultimate: ultimate.into(),
                reserve: (ultimate - latest).into(),
                parts,
            });
        }
        let sum = |of: fn(&BestOriginResult) -> Figure| -> Figure {
            Figure(origins.iter().map(|origin| of(origin).0).sum())
        };
        Ok(Some(BestResult {
            latest: sum(|origin| origin.latest),
            ultimate: sum(|origin| origin.ultimate),
            reserve: sum(|origin| origin.reserve),
            origins,
        }))
    }
}

impl Best {
    /// The weights of an origin.
    fn of(&self, origin: &str) -> &BTreeMap<Method, f64> {
        self.origins.get(origin).unwrap_or(&self.otherwise)
    }
}

impl Method {
    /// The word for it in parameters and results.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Method::ChainLadder => "chainLadder",
            Method::BornhuetterFerguson => "bornhuetterFerguson",
            Method::Benktander => "benktander",
            Method::CapeCod => "capeCod",
        }
    }
}

fn projection(found: &ReservingResult, method: Method) -> Option<&ProjectionResult> {
    match method {
        Method::ChainLadder => Some(&found.chain_ladder),
        Method::BornhuetterFerguson => found.bornhuetter_ferguson.as_ref(),
        Method::Benktander => found.benktander.as_ref(),
        Method::CapeCod => found.cape_cod.as_ref().map(|cape| &cape.projection),
    }
}
