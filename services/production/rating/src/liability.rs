//! Liability covers: third party by limit and formula, occupants by rate, limit and seat.

use kernel::Fen;
use production_core::cover::{CoverRequest, Part};
use rust_decimal::Decimal;

use crate::commercial::{Pure, Work, pointer};
use crate::rating::RatingRefusal;
use crate::tariff::{Dated, Kind, Parameter, in_force};
use crate::trace::{Step, Trace};

impl Work<'_> {
    /// Third-party liability: by limit to one million, by formula above.
    pub(crate) fn third_party(
        &self,
        at: usize,
        request: &CoverRequest,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<Pure> {
        let mut trace = Trace::default();
        let step = self.parameter(Parameter::LiabilityStep, &mut trace, refusals)?;
        let most = self.parameter(Parameter::LiabilityMax, &mut trace, refusals)?;
        let mut trace = Trace::default();
        let Some(limit) = request.limit else {
            let text = "third-party liability needs a limit";
            refusals.push(RatingRefusal::new("S02", pointer(at, "limit"), text));
            return None;
        };
        let (region, day) = (self.input.region, self.day(Kind::PureRisk));
        let in_force = |row: &&Dated<_>| row.regions.contains(region) && row.span.contains(day);
        let rows = || self.class.third_party.iter().filter(in_force);
        let Some(top) = rows().max_by_key(|row| row.value.0) else {
            refusals.push(self.no_pure_risk("third-party liability"));
            return None;
        };
        if let Some(row) = rows().find(|row| row.value.0 == limit) {
            let amount = row.value.1;
            trace.push(Step::amount("pureRisk", amount).from(self.tariff.row(row.at)));
            return Some(Pure { amount, trace, ncd_applies: true });
        }
        let above = limit.yuan() - top.value.0.yuan();
        if above <= Decimal::ZERO || above % step != Decimal::ZERO || limit.yuan() > most {
            let list: Vec<String> =
                rows().map(|row| row.value.0.yuan().normalize().to_string()).collect();
            let text = format!(
                "a limit of {limit} is neither one of {} nor a multiple of {step} up to {most}",
                list.join(", ")
            );
            refusals.push(RatingRefusal::new("L16", pointer(at, "limit"), text));
            return None;
        }
        let growth = self.parameter(Parameter::LiabilityGrowth, &mut trace, refusals)?;
        let damping = self.parameter(Parameter::LiabilityDamping, &mut trace, refusals)?;
        let steps = above / step;
        trace.push(Step::amount("pureRiskTopLimit", top.value.1).from(self.tariff.row(top.at)));
        trace.push(Step::number("stepsAbove", steps));
        let amount = above_top_limit(top.value.1, steps, growth, damping)?;
        trace.push(Step::amount("pureRisk", amount).rounded());
        Some(Pure { amount, trace, ncd_applies: true })
    }

    /// Occupants' liability: rate × limit × seats, the driver apart from the passengers.
    pub(crate) fn occupants(
        &self,
        at: usize,
        request: &CoverRequest,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<Pure> {
        let (Some(limit), Some(part)) = (request.limit, request.part) else {
            let text = "occupants' liability needs a limit and the part: driver or passenger";
            refusals.push(RatingRefusal::new("S02", pointer(at, ""), text));
            return None;
        };
        let (rows, seats) = match part {
            Part::Driver => (&self.class.driver, 1),
            Part::Passenger => (&self.class.passenger, self.passenger_seats(request)),
        };
        if part == Part::Passenger && (seats == 0 || seats >= self.input.vehicle.seats.max(1)) {
            let text = format!(
                "{seats} passenger seats do not agree with {} seats in the vehicle",
                self.input.vehicle.seats
            );
            refusals.push(RatingRefusal::new("L21", pointer(at, "seats"), text));
            return None;
        }
        let Some(row) = in_force(rows, self.input.region, self.day(Kind::PureRisk)) else {
            refusals.push(self.no_pure_risk("occupants' liability"));
            return None;
        };
        let mut trace = Trace::default();
        trace.push(Step::number("rate", row.value).from(self.tariff.row(row.at)));
        trace.push(Step::number("seats", seats));
        let amount = limit.at_rate(row.value * Decimal::from(seats))?;
        trace.push(Step::amount("pureRisk", amount).rounded());
        Some(Pure { amount, trace, ncd_applies: true })
    }

    /// Passenger seats of a request: all but the driver's unless it says fewer.
    pub(crate) fn passenger_seats(&self, request: &CoverRequest) -> u16 {
        request.seats.unwrap_or(self.input.vehicle.seats.saturating_sub(1))
    }
}

/// Liability above the highest tabled limit: `A + A × N × (0.1 - 0.0025 N)`, rounded, where A is
/// the pure premium of that limit and N the steps above it.
fn above_top_limit(top: Fen, steps: Decimal, growth: Decimal, damping: Decimal) -> Option<Fen> {
    top.at_rate(Decimal::ONE + steps * (growth - damping * steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn liability_above_one_million_follows_the_formula() {
        let premium = |top: i64, steps: i64| {
            above_top_limit(Fen(top), steps.into(), decimal("0.1"), decimal("0.0025")).unwrap()
        };
        let cases = [(1, 219_500), (2, 238_000), (8, 328_000)];
        for (steps, expected) in cases {
            assert_eq!(premium(200_000, steps), Fen(expected));
        }
        // The seed table of the private car carries the same limits worked out.
        let seed = [(1, 140_963), (2, 152_844), (4, 174_678), (8, 210_642)];
        for (steps, expected) in seed {
            assert_eq!(premium(128_440, steps), Fen(expected));
        }
    }
}
