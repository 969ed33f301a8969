//! Rate indication: from the experience of a year to proposed relativities, and what they would do.
//!
//! A cell is one level of a rating factor, or one combination of levels. What its own experience
//! indicates is believed as far as its claims are credible, and the rest is what all cells show. No
//! premium moves beyond a cap; the base rate is chosen so that, with all caps, the portfolio pays what
//! it is to pay in all: the off-balance. Source: Werner and Modlin, Basic Ratemaking, 5th edition, 2016,
//! chapters 8, 9, 12 and 14.

mod confidence;

pub use confidence::log_errors;

use crate::number::{NotFinite, finite};
use crate::special::normal_quantile;

/// Why nothing can be indicated. Cells and policies are counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum IndicationError {
    /// A value of a cell out of its range, or no number.
    #[error("{what} of cell {cell} is out of range")]
    Cell {
        /// Which value.
        what: &'static str,
        /// Which cell.
        cell: usize,
    },
    /// A premium of a policy that is not positive or no number, or a cell it cannot lie in.
    #[error("{what} of policy {policy} is out of range")]
    Policy {
        /// Which value.
        what: &'static str,
        /// Which policy.
        policy: usize,
    },
    /// No cell or policy, or no loss in any.
    #[error("there is no experience to learn from")]
    NoExperience,
    /// An argument out of its range.
    #[error("{0} is out of range")]
    Argument(&'static str),
    /// Premiums of policies before and after of different numbers.
    #[error("{found} premiums afterwards for {policies} policies")]
    Length {
        /// How many there are.
        found: usize,
        /// How many there should be.
        policies: usize,
    },
    /// All cells at their caps do not reach the change that is wanted in all.
    #[error("caps allow a change of {reached} in all where {wanted} is wanted")]
    OutOfReach {
        /// The change with every cell at its cap.
        reached: f64,
        /// The change that is wanted.
        wanted: f64,
    },
    /// A result is no number.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

/// The experience of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Its relativity in the present tariff.
    pub relativity: f64,
    /// Premium of its policies at present rates.
    pub premium: f64,
    /// Losses: trended, developed, with loadings that follow them.
    pub losses: f64,
    /// Claims behind the losses.
    pub claims: f64,
}

/// How far a cell's own claims are believed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Credibility {
    /// √(claims / full), at most one.
    Limited {
        /// Claims from which on a cell is believed fully.
        full: f64,
    },
    /// claims / (claims + k).
    Buhlmann {
        /// Claims at which a cell is believed by half.
        k: f64,
    },
}

/// What a proposal has to keep to. Changes are factors: 1.05 is five per cent more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// How far a cell's own claims are believed.
    pub credibility: Credibility,
    /// The least and the largest change of the premium of a cell.
    pub cell: (f64, f64),
    /// The change of all premium that is wanted.
    pub target: f64,
    /// The least and the largest change of all premium: the target is kept between them.
    pub overall: (f64, f64),
    /// The cell whose relativity stays as it is: the base of the factor.
    pub base: usize,
}

/// What is proposed for a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// Loss ratio of the cell against that of all.
    pub indicated: f64,
    /// How far that is believed.
    pub credibility: f64,
    /// The change relative to all, so believed.
    pub believed: f64,
    /// The change of the premium of the cell: believed, balanced and capped.
    pub change: f64,
    /// Whether a cap holds the change.
    pub capped: bool,
    /// The relativity that makes this change, together with the base rate.
    pub relativity: f64,
}

/// A proposed factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Indication {
    /// One per cell.
    pub cells: Vec<Proposal>,
    /// Change of the base rate.
    pub base_rate: f64,
    /// What believed changes are multiplied by before their caps hold them.
    pub rate: f64,
    /// By how much the believed changes alone would miss a level portfolio; the base rate makes good
    /// for it.
    pub off_balance: f64,
    /// The change of all premium.
    pub overall: f64,
}

/// What new premiums do to the policies of a year.
#[derive(Clone, Debug, PartialEq)]
pub struct Impact {
    /// Premium of all before.
    pub before: f64,
    /// Premium of all after.
    pub after: f64,
    /// Policies that pay less.
    pub winners: usize,
    /// Policies that pay more.
    pub losers: usize,
    /// Policies whose premium stays, to the billionth part.
    pub unchanged: usize,
    /// Changes that the share of the policies of [`QUANTILES`] stays below, least first.
    pub quantiles: Vec<f64>,
    /// Policies and their premiums before and after, by [`BANDS`].
    pub bands: Vec<ImpactBand>,
    /// The policy that wins most, and the one that loses most.
    pub extremes: (usize, usize),
}

/// Policies whose premium changes by much the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ImpactBand {
    /// How many.
    pub policies: usize,
    /// Their premium before.
    pub before: f64,
    /// Their premium after.
    pub after: f64,
}

/// Shares of policies whose changes an [`Impact`] lists.
pub const QUANTILES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// Changes at which the bands of an [`Impact`] begin; the first begins below all of them.
pub const BANDS: [f64; 9] = [0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3];

impl Credibility {
    /// Full credibility when, with this probability, losses lie within a part `within` of their mean:
    /// 1,082 claims for 90 % within 5 % when all claims are of one size.
    ///
    /// `variation` is the coefficient of variation of the size of a claim.
    pub fn limited(
        probability: f64,
        within: f64,
        variation: f64,
    ) -> Result<Credibility, IndicationError> {
        if !(probability > 0.0 && probability < 1.0) {
            return Err(IndicationError::Argument("probability"));
        }
        if !(within > 0.0 && within.is_finite() && variation >= 0.0 && variation.is_finite()) {
            return Err(IndicationError::Argument("distance from the mean"));
        }
        let z = normal_quantile(0.5 * (1.0 + probability));
        let full = (z / within).powi(2) * (1.0 + variation * variation);
        Ok(Credibility::Limited { full: finite(full, "claims of full credibility")? })
    }

    /// How far so many claims are believed.
    pub fn of(self, claims: f64) -> f64 {
        match self {
            Credibility::Limited { full } => (claims / full).sqrt().min(1.0),
            Credibility::Buhlmann { k } => claims / (claims + k),
        }
    }
}

impl Plan {
    /// Proposes relativities from the experience of the cells.
    pub fn indicate(&self, cells: &[Cell]) -> Result<Indication, IndicationError> {
        self.check(cells)?;
        let (premium, losses) =
            cells.iter().fold((0.0, 0.0), |sum, cell| (sum.0 + cell.premium, sum.1 + cell.losses));
        if losses <= 0.0 {
            return Err(IndicationError::NoExperience);
        }
        let ratio = losses / premium;
        let mut proposals: Vec<Proposal> = cells
            .iter()
            .map(|cell| {
                let indicated = cell.losses / cell.premium / ratio;
                let credibility = self.credibility.of(cell.claims);
                let believed = 1.0 + credibility * (indicated - 1.0);
                let relativity = cell.relativity;
                Proposal {
                    indicated,
                    credibility,
                    believed,
                    change: 1.0,
                    capped: false,
                    relativity,
                }
            })
            .collect();
        let level: f64 =
            proposals.iter().zip(cells).map(|(p, cell)| p.believed * cell.premium).sum();
        let off_balance = finite(level / premium, "off-balance")?;
        let wanted = self.target.clamp(self.overall.0, self.overall.1);
        let rate = self.balance(&proposals, cells, wanted)?;
        for proposal in &mut proposals {
            let free = rate * proposal.believed;
            proposal.change = free.clamp(self.cell.0, self.cell.1);
            proposal.capped = proposal.change != free;
        }
        // The base cell keeps its relativity, so its change is the base rate's.
        let base_rate = proposals[self.base].change;
        for proposal in &mut proposals {
            let relativity = proposal.relativity * proposal.change / base_rate;
            proposal.relativity = finite(relativity, "relativity")?;
        }
        let overall =
            proposals.iter().zip(cells).map(|(p, cell)| p.change * cell.premium).sum::<f64>();
        let overall = finite(overall / premium, "overall change")?;
        Ok(Indication { cells: proposals, base_rate, rate, off_balance, overall })
    }

    /// The rate by which believed changes must be multiplied so that all premium, each cell within its
    /// cap, changes as wanted.
    fn balance(
        &self,
        proposals: &[Proposal],
        cells: &[Cell],
        wanted: f64,
    ) -> Result<f64, IndicationError> {
        let premium: f64 = cells.iter().map(|cell| cell.premium).sum();
        let overall = |rate: f64| {
            let each = proposals.iter().zip(cells).map(|(proposal, cell)| {
                (rate * proposal.believed).clamp(self.cell.0, self.cell.1) * cell.premium
            });
            each.sum::<f64>() / premium
        };
        // Nothing changes outside the rates at which the last cell meets its cap.
        let believed = || proposals.iter().map(|proposal| proposal.believed);
        let least = believed().filter(|change| *change > 0.0).fold(f64::INFINITY, f64::min);
        let most = believed().fold(0.0, f64::max);
        let (mut low, mut high) = (self.cell.0 / most, self.cell.1 / least);
        for (rate, beyond) in [(low, overall(low) - wanted), (high, wanted - overall(high))] {
            if beyond > 1e-12 {
                return Err(IndicationError::OutOfReach { reached: overall(rate), wanted });
            }
        }
        // The change of all grows with the rate: halving the interval loses no digit.
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if overall(middle) < wanted { low = middle } else { high = middle }
        }
        Ok(finite(0.5 * (low + high), "base rate")?)
    }

    fn check(&self, cells: &[Cell]) -> Result<(), IndicationError> {
        if cells.is_empty() {
            return Err(IndicationError::NoExperience);
        }
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let not_negative = |value: f64| value >= 0.0 && value.is_finite();
        let range = |(low, high): (f64, f64)| positive(low) && low <= high && high.is_finite();
        let believed = match self.credibility {
            Credibility::Limited { full } => positive(full),
            Credibility::Buhlmann { k } => positive(k),
        };
        let settings = [
            (believed, "claims of full credibility"),
            (range(self.cell), "cap of a cell"),
            (range(self.overall), "cap of all premium"),
            (positive(self.target), "target"),
            (self.base < cells.len(), "base cell"),
        ];
        if let Some((_, what)) = settings.iter().find(|(right, _)| !right) {
            return Err(IndicationError::Argument(what));
        }
        for (index, cell) in cells.iter().enumerate() {
            let values = [
                (positive(cell.relativity), "relativity"),
                (positive(cell.premium), "premium"),
                (not_negative(cell.losses), "losses"),
                (not_negative(cell.claims), "claims"),
            ];
            if let Some(&(_, what)) = values.iter().find(|(right, _)| !right) {
                return Err(IndicationError::Cell { what, cell: index });
            }
        }
        Ok(())
    }
}

impl Indication {
    /// Premiums of policies after the change, from those before and the cell of each.
    ///
    /// Of several factors that change at once, one after the other.
    pub fn apply(&self, premiums: &[f64], cells: &[u32]) -> Result<Vec<f64>, IndicationError> {
        let policies = premiums.len();
        if cells.len() != policies {
            return Err(IndicationError::Length { found: cells.len(), policies });
        }
        let each = premiums.iter().zip(cells).enumerate().map(|(policy, (premium, cell))| {
            let own = self.cells.get(*cell as usize);
            let own = own.ok_or(IndicationError::Policy { what: "cell", policy })?;
            Ok(finite(premium * own.change, "premium")?)
        });
        each.collect()
    }
}

impl Impact {
    /// Compares premiums of policies before and after.
    pub fn of(before: &[f64], after: &[f64]) -> Result<Impact, IndicationError> {
        let policies = before.len();
        if after.len() != policies {
            return Err(IndicationError::Length { found: after.len(), policies });
        }
        for (what, premiums) in [("premium before", before), ("premium after", after)] {
            let bad = premiums.iter().position(|premium| !(*premium > 0.0 && premium.is_finite()));
            if let Some(policy) = bad {
                return Err(IndicationError::Policy { what, policy });
            }
        }
        if policies == 0 {
            return Err(IndicationError::NoExperience);
        }
        let changes: Vec<f64> = before.iter().zip(after).map(|(old, new)| new / old).collect();
        let mut order: Vec<usize> = (0..policies).collect();
        order.sort_by(|&a, &b| changes[a].total_cmp(&changes[b]));
        let stays = |change: f64| (change - 1.0).abs() <= 1e-9;
        let count = |side: fn(f64) -> bool| {
            changes.iter().filter(|change| !stays(**change) && side(**change)).count()
        };
        let (winners, losers) = (count(|change| change < 1.0), count(|change| change > 1.0));
        let mut bands = vec![ImpactBand::default(); BANDS.len() + 1];
        for (policy, &change) in changes.iter().enumerate() {
            // What stays belongs to the band that begins at one, whatever its last digit.
            let change = if stays(change) { 1.0 } else { change };
            let band = &mut bands[BANDS.partition_point(|begin| *begin <= change)];
            band.policies += 1;
            band.before += before[policy];
            band.after += after[policy];
        }
        let quantile = |share: &f64| {
            let place = (share * policies as f64).ceil() as usize;
            changes[order[place.clamp(1, policies) - 1]]
        };
        Ok(Impact {
            before: finite(before.iter().sum(), "premium before")?,
            after: finite(after.iter().sum(), "premium after")?,
            winners,
            losers,
            unchanged: policies - winners - losers,
            quantiles: QUANTILES.iter().map(quantile).collect(),
            bands,
            extremes: (order[0], order[policies - 1]),
        })
    }

    /// The change of all premium.
    pub fn change(&self) -> f64 {
        self.after / self.before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(relativity: f64, premium: f64, losses: f64, claims: f64) -> Cell {
        Cell { relativity, premium, losses, claims }
    }

    /// Loss ratios 0.6, 0.9 and 0.3 around 0.6; claims for a credibility of 1, ½ and ¼.
    fn cells() -> [Cell; 3] {
        [
            cell(1.0, 500.0, 300.0, 1600.0),
            cell(1.5, 300.0, 270.0, 400.0),
            cell(0.8, 200.0, 60.0, 100.0),
        ]
    }

    fn plan() -> Plan {
        Plan {
            credibility: Credibility::Limited { full: 1600.0 },
            cell: (0.5, 2.0),
            target: 1.0,
            overall: (0.9, 1.1),
            base: 0,
        }
    }

    /// Indicated: 0.6/0.63, 0.9/0.63, 0.3/0.63.
    #[test]
    fn a_worked_example_without_caps() {
        let found = plan().indicate(&cells()).unwrap();
        let ratio = 630.0 / 1000.0;
        let indicated = [0.6 / ratio, 0.9 / ratio, 0.3 / ratio];
        let weights = [1.0, 0.5, 0.25];
        let believed: Vec<f64> = (0..3).map(|i| 1.0 + weights[i] * (indicated[i] - 1.0)).collect();
        let level = 0.5 * believed[0] + 0.3 * believed[1] + 0.2 * believed[2];
        assert!((found.off_balance - level).abs() < 1e-14);
        for (place, proposal) in found.cells.iter().enumerate() {
            assert!((proposal.indicated - indicated[place]).abs() < 1e-14);
            assert_eq!(proposal.credibility, weights[place]);
            assert!((proposal.change - believed[place] / level).abs() < 1e-12);
            assert!(!proposal.capped);
        }
        assert!((found.overall - 1.0).abs() < 1e-12);
        assert!((found.base_rate - believed[0] / level).abs() < 1e-12);
        assert_eq!(found.cells[0].relativity, 1.0);
        let relativity = 1.5 * believed[1] / believed[0];
        assert!((found.cells[1].relativity - relativity).abs() < 1e-12);
    }

    #[test]
    fn what_a_cap_takes_the_other_cells_give() {
        // Full belief in all: changes 0.952, 1.429, 0.476; no cell may move by more than a tenth.
        let cells = cells().map(|own| Cell { claims: 1e6, ..own });
        let tight = Plan { cell: (0.9, 1.1), ..plan() };
        let found = tight.indicate(&cells).unwrap();
        assert_eq!((found.cells[1].change, found.cells[1].capped), (1.1, true));
        assert_eq!((found.cells[2].change, found.cells[2].capped), (0.9, true));
        // 0.3·1.1 + 0.2·0.9 leave 0.49 of 0.5 for the first.
        assert!((found.cells[0].change - 0.98).abs() < 1e-12 && !found.cells[0].capped);
        assert!((found.overall - 1.0).abs() < 1e-12);
        assert!((found.cells[2].relativity - 0.8 * 0.9 / 0.98).abs() < 1e-12);
        // The target is kept within the cap of all premium.
        let more = Plan { target: 1.3, overall: (0.95, 1.04), ..tight }.indicate(&cells).unwrap();
        assert!((more.overall - 1.04).abs() < 1e-12);
        let far = Plan { target: 1.3, overall: (0.5, 2.0), ..tight }.indicate(&cells);
        assert_eq!(far, Err(IndicationError::OutOfReach { reached: 1.1, wanted: 1.3 }));
    }

    #[test]
    fn believed_claims_are_those_of_the_textbook() {
        let Credibility::Limited { full } = Credibility::limited(0.9, 0.05, 0.0).unwrap() else {
            panic!("not limited")
        };
        assert_eq!(full.round(), 1082.0);
        assert_eq!(Credibility::Buhlmann { k: 300.0 }.of(100.0), 0.25);
        assert_eq!(Credibility::Limited { full: 100.0 }.of(400.0), 1.0);
        assert!(Credibility::limited(1.0, 0.05, 0.0).is_err());
        assert!(Credibility::limited(0.9, f64::NAN, 0.0).is_err());
    }

    #[test]
    fn last_years_policies_see_what_the_cells_see() {
        let cells = cells().map(|own| Cell { claims: 1e6, ..own });
        let found = Plan { cell: (0.9, 1.1), ..plan() }.indicate(&cells).unwrap();
        let before = [100.0, 100.0, 300.0, 200.0, 300.0];
        let after = found.apply(&before, &[0, 0, 0, 2, 1]).unwrap();
        let impact = Impact::of(&before, &after).unwrap();
        assert!((impact.change() - 1.0).abs() < 1e-12);
        assert_eq!((impact.winners, impact.losers, impact.unchanged), (4, 1, 0));
        assert_eq!(impact.extremes, (3, 4));
        assert_eq!((impact.quantiles[0], impact.quantiles[6]), (0.9, 1.1));
        assert!((impact.quantiles[3] - 0.98).abs() < 1e-12);
        // From 0.9, from 0.95 and from 1.1 on.
        let policies: Vec<usize> = impact.bands.iter().map(|band| band.policies).collect();
        assert_eq!(policies, [0, 0, 0, 1, 3, 0, 0, 1, 0, 0]);
        assert_eq!(impact.bands[7].before, 300.0);
        let same = Impact::of(&before, &before).unwrap();
        assert_eq!((same.unchanged, same.bands[5].policies), (5, 5));
        let lost = found.apply(&before, &[0, 0, 0, 3, 1]);
        assert_eq!(lost, Err(IndicationError::Policy { what: "cell", policy: 3 }));
        let none = Impact::of(&before, &[1.0, 1.0, 0.0, 1.0, 1.0]);
        assert_eq!(none, Err(IndicationError::Policy { what: "premium after", policy: 2 }));
    }

    #[test]
    fn experience_that_cannot_be_is_named() {
        let refused = |change: &dyn Fn(&mut Cell)| {
            let mut cells = cells();
            change(&mut cells[1]);
            plan().indicate(&cells).unwrap_err()
        };
        let named = |what| IndicationError::Cell { what, cell: 1 };
        assert_eq!(refused(&|cell| cell.premium = 0.0), named("premium"));
        assert_eq!(refused(&|cell| cell.losses = f64::NAN), named("losses"));
        assert_eq!(refused(&|cell| cell.claims = -1.0), named("claims"));
        assert_eq!(refused(&|cell| cell.relativity = f64::INFINITY), named("relativity"));
        assert_eq!(plan().indicate(&[]), Err(IndicationError::NoExperience));
        let none = cells().map(|own| Cell { losses: 0.0, ..own });
        assert_eq!(plan().indicate(&none), Err(IndicationError::NoExperience));
        let wrong = Plan { base: 3, ..plan() }.indicate(&cells());
        assert_eq!(wrong, Err(IndicationError::Argument("base cell")));
        let wrong = Plan { cell: (1.1, 0.9), ..plan() }.indicate(&cells());
        assert_eq!(wrong, Err(IndicationError::Argument("cap of a cell")));
        // A cell without a loss and with full belief would become free of charge; its cap holds it.
        let mut cells = cells();
        cells[2] = Cell { losses: 0.0, claims: 1600.0, ..cells[2] };
        let found = plan().indicate(&cells).unwrap();
        assert_eq!((found.cells[2].change, found.cells[2].capped), (0.5, true));
    }
}
