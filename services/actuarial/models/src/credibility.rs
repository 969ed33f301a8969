//! Credibility: how far the experience of one contract is its own, and how far chance.
//!
//! Bühlmann and Straub 1970 for contracts side by side; Jewell 1975 for contracts in sectors, with the
//! estimators of Bühlmann and Gisler 2005. All estimators are unbiased before they are cut at zero.

use crate::number::{NotFinite, finite};

/// Why experience cannot be weighed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CredibilityError {
    /// An observation that is no number, or a weight that is none or not positive.
    #[error("observation {observation} of contract {contract} has no value or no positive weight")]
    Observation {
        /// Which contract, counted through all sectors.
        contract: usize,
        /// Which of its observations.
        observation: usize,
    },
    /// A contract or sector without anything in it.
    #[error("contract or sector {0} is empty")]
    Empty(usize),
    /// One contract cannot be compared with others.
    #[error("there are fewer than two contracts to compare")]
    TooFew,
    /// One observation each cannot vary.
    #[error("no contract has two observations, so nothing says how much they vary")]
    NoVariation,
    /// An iteration did not come to rest.
    #[error("no convergence in {0} steps")]
    NoConvergence(usize),
    /// A result is no number.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

/// A value, such as a claims ratio, and the volume behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// The value.
    pub value: f64,
    /// Its weight, above zero; the variance of the value is inverse to it.
    pub weight: f64,
}

/// How the variance between contracts is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Between {
    /// In one go, without bias.
    #[default]
    Unbiased,
    /// From the credibilities it leads to, until both agree (Bichsel and Straub).
    Iterative,
}

/// Contracts side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct BuhlmannStraub {
    /// What is expected of a contract nothing is known about.
    pub collective: f64,
    /// Variance of an observation of weight one.
    pub within: f64,
    /// Variance between contracts; zero when they differ no more than by chance.
    pub between: f64,
    /// One per contract.
    pub contracts: Vec<Credible>,
}

/// What is expected of one contract, or of a sector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Credible {
    /// Mean of its own experience.
    pub mean: f64,
    /// Weight behind that.
    pub weight: f64,
    /// Credibility of it, 0 to 1.
    pub credibility: f64,
    /// Its experience and what is around it, so weighed.
    pub premium: f64,
}

/// Contracts in sectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Hierarchical {
    /// What is expected of a sector nothing is known about.
    pub collective: f64,
    /// Variance of an observation of weight one.
    pub within: f64,
    /// Variance between contracts of a sector.
    pub between_contracts: f64,
    /// Variance between sectors.
    pub between_sectors: f64,
    /// One per sector.
    pub sectors: Vec<Credible>,
    /// One per contract, by sector.
    pub contracts: Vec<Vec<Credible>>,
}

/// Turns after which the iterative estimator is given up.
const TURNS: usize = 10_000;

/// Weighs the experience of contracts against that of all.
pub fn buhlmann_straub(
    contracts: &[Vec<Observation>],
    estimator: Between,
) -> Result<BuhlmannStraub, CredibilityError> {
    let nodes = contracts.iter().enumerate().map(|(index, own)| mean(index, own));
    let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
    let within = within(contracts, &nodes)?;
    let mut between = excess(&nodes, within).ok_or(CredibilityError::TooFew)?.max(0.0);
    if estimator == Between::Iterative {
        between = agreed(std::slice::from_ref(&nodes), within, between)?;
    }
    let between = finite(between, "variance between contracts")?;
    let (collective, contracts) = weigh(&nodes, within, between, None)?;
    Ok(BuhlmannStraub { collective, within, between, contracts })
}

/// Weighs the experience of contracts against their sector's, and that against all.
pub fn hierarchical(
    sectors: &[Vec<Vec<Observation>>],
    estimator: Between,
) -> Result<Hierarchical, CredibilityError> {
    let mut nodes: Vec<Vec<(f64, f64)>> = vec![];
    let mut first = 0;
    for (index, sector) in sectors.iter().enumerate() {
        if sector.is_empty() {
            return Err(CredibilityError::Empty(index));
        }
        let own = (first..).zip(sector).map(|(index, contract)| mean(index, contract));
        nodes.push(own.collect::<Result<Vec<_>, _>>()?);
        first += sector.len();
    }
    let contracts = sectors.concat();
    let within = within(&contracts, &nodes.concat())?;
    let between_contracts = between_contracts(&nodes, within, estimator)?;
    let means: Vec<(f64, f64)> =
        nodes.iter().map(|sector| credible_mean(sector, within, between_contracts)).collect();
    let noise = if between_contracts > 0.0 { between_contracts } else { within };
    let mut between_sectors = excess(&means, noise).ok_or(CredibilityError::TooFew)?.max(0.0);
    if estimator == Between::Iterative {
        between_sectors = agreed(std::slice::from_ref(&means), noise, between_sectors)?;
    }
    let between_sectors = finite(between_sectors, "variance between sectors")?;
    let (collective, weighed) = weigh(&means, noise, between_sectors, None)?;
    let mut contracts = vec![];
    for (sector, around) in nodes.iter().zip(&weighed) {
        contracts.push(weigh(sector, within, between_contracts, Some(around.premium))?.1);
    }
    Ok(Hierarchical {
        collective,
        within,
        between_contracts,
        between_sectors,
        sectors: weighed,
        contracts,
    })
}

/// Weighted mean and weight of a contract.
fn mean(contract: usize, own: &[Observation]) -> Result<(f64, f64), CredibilityError> {
    let bad = own
        .iter()
        .position(|seen| !(seen.value.is_finite() && seen.weight > 0.0 && seen.weight.is_finite()));
    if let Some(observation) = bad {
        return Err(CredibilityError::Observation { contract, observation });
    }
    if own.is_empty() {
        return Err(CredibilityError::Empty(contract));
    }
    let weight: f64 = own.iter().map(|seen| seen.weight).sum();
    let sum: f64 = own.iter().map(|seen| seen.weight * seen.value).sum();
    Ok((sum / weight, weight))
}

fn within(contracts: &[Vec<Observation>], nodes: &[(f64, f64)]) -> Result<f64, CredibilityError> {
    let (mut squares, mut degrees) = (0.0, 0);
    for (own, (mean, _)) in contracts.iter().zip(nodes) {
        squares += own.iter().map(|seen| seen.weight * (seen.value - mean).powi(2)).sum::<f64>();
        degrees += own.len() - 1;
    }
    if degrees == 0 {
        return Err(CredibilityError::NoVariation);
    }
    Ok(finite(squares / degrees as f64, "variance within contracts")?)
}

/// The unbiased variance between nodes whose own variance is `noise` over their weight.
///
/// `None` for fewer than two nodes; it may be negative.
fn excess(nodes: &[(f64, f64)], noise: f64) -> Option<f64> {
    if nodes.len() < 2 {
        return None;
    }
    let total: f64 = nodes.iter().map(|(_, weight)| weight).sum();
    let mean = nodes.iter().map(|(value, weight)| value * weight).sum::<f64>() / total;
    let squares: f64 = nodes.iter().map(|(value, weight)| weight * (value - mean).powi(2)).sum();
    let volume = total - nodes.iter().map(|(_, weight)| weight * weight).sum::<f64>() / total;
    Some((squares - (nodes.len() as f64 - 1.0) * noise) / volume)
}

/// The variance between contracts of a sector.
fn between_contracts(
    sectors: &[Vec<(f64, f64)>],
    within: f64,
    estimator: Between,
) -> Result<f64, CredibilityError> {
    // Each sector's estimate cut at zero, those that can be made averaged.
    let each: Vec<f64> = sectors.iter().filter_map(|sector| excess(sector, within)).collect();
    if each.is_empty() {
        return Err(CredibilityError::TooFew);
    }
    let cut = each.iter().map(|variance| variance.max(0.0)).sum::<f64>();
    let mut between = cut / each.len() as f64;
    if estimator == Between::Iterative {
        between = agreed(sectors, within, between)?;
    }
    Ok(finite(between, "variance between contracts")?)
}

/// Mean of a sector and its volume: the credibilities of its contracts, or their weights when they
/// are alike.
fn credible_mean(sector: &[(f64, f64)], within: f64, between: f64) -> (f64, f64) {
    let part = |weight: f64| match between {
        0.0 => weight,
        between => weight * between / (weight * between + within),
    };
    let volume: f64 = sector.iter().map(|(_, weight)| part(*weight)).sum();
    let sum: f64 = sector.iter().map(|(value, weight)| value * part(*weight)).sum();
    (sum / volume, volume)
}

/// The variance between nodes of a sector that the credibilities it leads to give back.
fn agreed(sectors: &[Vec<(f64, f64)>], noise: f64, start: f64) -> Result<f64, CredibilityError> {
    let mut between = start;
    let degrees: usize = sectors.iter().map(|sector| sector.len() - 1).sum();
    for _ in 0..TURNS {
        if between <= 0.0 {
            return Ok(0.0);
        }
        let mut squares = 0.0;
        for sector in sectors {
            let (around, weighed) = weigh(sector, noise, between, None)?;
            let square = |node: &Credible| node.credibility * (node.mean - around).powi(2);
            squares += weighed.iter().map(square).sum::<f64>();
        }
        let next = squares / degrees as f64;
        if (next - between).abs() <= 1e-13 * between {
            return Ok(next);
        }
        between = next;
    }
    Err(CredibilityError::NoConvergence(TURNS))
}

/// Premiums of nodes around `around`, or around their mean weighted by credibility.
fn weigh(
    nodes: &[(f64, f64)],
    noise: f64,
    between: f64,
    around: Option<f64>,
) -> Result<(f64, Vec<Credible>), CredibilityError> {
    let credibility = |weight: f64| match between {
        0.0 => 0.0,
        _ => weight * between / (weight * between + noise),
    };
    let volume = |weight: f64| if between == 0.0 { weight } else { credibility(weight) };
    let total: f64 = nodes.iter().map(|(_, weight)| volume(*weight)).sum();
    let sum: f64 = nodes.iter().map(|(value, weight)| value * volume(*weight)).sum();
    let around = finite(around.unwrap_or(sum / total), "collective")?;
    let credible = |&(mean, weight): &(f64, f64)| {
        let credibility = credibility(weight);
        let premium = around + credibility * (mean - around);
        Credible { mean, weight, credibility, premium }
    };
    Ok((around, nodes.iter().map(credible).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(values: &[f64]) -> Vec<Observation> {
        values.iter().map(|&value| Observation { value, weight: 1.0 }).collect()
    }

    #[test]
    fn contracts_that_differ_no_more_than_by_chance_share_one_premium() {
        let contracts = [contract(&[1.0, 3.0]), contract(&[2.0, 2.0, 2.0]), contract(&[0.0, 4.0])];
        for estimator in [Between::Unbiased, Between::Iterative] {
            let found = buhlmann_straub(&contracts, estimator).unwrap();
            assert_eq!((found.between, found.collective), (0.0, 2.0));
            assert!(found.contracts.iter().all(|c| (c.credibility, c.premium) == (0.0, 2.0)));
        }
    }

    #[test]
    fn what_says_nothing_is_refused_by_name() {
        let find = |contracts: &[Vec<Observation>]| {
            buhlmann_straub(contracts, Between::Unbiased).unwrap_err()
        };
        assert_eq!(find(&[contract(&[1.0, 2.0])]), CredibilityError::TooFew);
        assert_eq!(find(&[contract(&[1.0]), contract(&[2.0])]), CredibilityError::NoVariation);
        assert_eq!(find(&[contract(&[1.0, 2.0]), vec![]]), CredibilityError::Empty(1));
        let bad = find(&[contract(&[1.0, f64::NAN])]);
        assert_eq!(bad, CredibilityError::Observation { contract: 0, observation: 1 });
    }
}
