//! Claims by exposure against what a model expects of them.
//!
//! Everything weighs by exposure: a policy of a month says a twelfth of one of a year. `actual` and
//! `expected` may be counts or amounts, as long as both are the same.

use super::{ValidationError, each, ordered, same_length};
use crate::number::finite;

/// Rows with their exposure, what a model expects of them, and what came.
#[derive(Clone, Copy, Debug)]
pub struct Priced<'a> {
    exposure: &'a [f64],
    expected: &'a [f64],
    actual: &'a [f64],
}

/// Rows that stand together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Band {
    /// How many.
    pub rows: usize,
    /// Their exposure.
    pub exposure: f64,
    /// What the model expects of them.
    pub expected: f64,
    /// What came.
    pub actual: f64,
}

/// A band of a comparison of two models.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DoubleBand {
    /// The rows, and what the one model expects.
    pub band: Band,
    /// What the other model expects.
    pub rival: f64,
}

/// A point of an ordered Lorenz curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Part of the exposure (or premium) up to here.
    pub exposure: f64,
    /// Part of what came.
    pub actual: f64,
}

/// An ordered Lorenz curve: how little of the claims the part of the portfolio has that a model finds
/// cheap.
#[derive(Clone, Debug, PartialEq)]
pub struct Lorenz {
    /// From (0, 0) to (1, 1), one point after each group of rows the model finds alike.
    pub points: Vec<Point>,
}

impl Band {
    /// What came, by exposure.
    pub fn rate(&self) -> Option<f64> {
        ratio(self.actual, self.exposure)
    }

    /// What is expected, by exposure.
    pub fn expected_rate(&self) -> Option<f64> {
        ratio(self.expected, self.exposure)
    }

    /// Actual against expected; `None` where nothing is expected.
    pub fn ratio(&self) -> Option<f64> {
        ratio(self.actual, self.expected)
    }

    /// Standard error of [`Band::ratio`] when claims are counted and come by chance alone (Poisson).
    pub fn error_of_counts(&self) -> Option<f64> {
        ratio(self.expected.sqrt(), self.expected)
    }
}

fn ratio(above: f64, below: f64) -> Option<f64> {
    (below > 0.0).then(|| above / below).filter(|ratio| ratio.is_finite())
}

impl<'a> Priced<'a> {
    /// Rows: positive exposures, and expected and actual claims that are not negative, with at least
    /// one above zero each.
    pub fn new(
        exposure: &'a [f64],
        expected: &'a [f64],
        actual: &'a [f64],
    ) -> Result<Priced<'a>, ValidationError> {
        let rows = exposure.len();
        same_length(rows, &[("expected claims", expected.len()), ("claims", actual.len())])?;
        each("exposure", exposure, |value| value > 0.0)?;
        each("expected claims", expected, |value| value >= 0.0)?;
        each("claims", actual, |value| value >= 0.0)?;
        let something = |values: &[f64]| values.iter().any(|value| *value > 0.0);
        if !something(actual) || !something(expected) {
            return Err(ValidationError::NoClaims);
        }
        Ok(Priced { exposure, expected, actual })
    }

    /// All rows as one band.
    pub fn whole(&self) -> Band {
        let mut whole = Band::default();
        (0..self.exposure.len()).for_each(|row| self.add(&mut whole, row));
        whole
    }

    /// Expected and actual claims in bands of the same exposure, the rows the model finds cheapest
    /// first: the steeper and the nearer to each other, the better the model.
    ///
    /// Rows are not cut, so a band may miss its exposure by a part of a row.
    pub fn lift(&self, bands: usize) -> Result<Vec<Band>, ValidationError> {
        let mut found = vec![Band::default(); count(bands)?];
        for (row, place) in self.bands(&self.rates(), bands) {
            self.add(&mut found[place], row);
        }
        found.retain(|band| band.rows > 0);
        Ok(found)
    }

    /// Two models in bands of the same exposure, ordered by what `rival` expects against this one. In
    /// the outer bands, where both disagree most, what came says which is right.
    pub fn double_lift(
        &self,
        rival: &[f64],
        bands: usize,
    ) -> Result<Vec<DoubleBand>, ValidationError> {
        let mut found = vec![DoubleBand::default(); count(bands)?];
        let keys = self.against(rival)?;
        for (row, place) in self.bands(&keys, bands) {
            self.add(&mut found[place].band, row);
            found[place].rival += rival[row];
        }
        found.retain(|double| double.band.rows > 0);
        Ok(found)
    }

    /// Expected and actual claims by the levels of a factor, one band per level, empty ones too.
    pub fn by_level(&self, levels: usize, codes: &[u32]) -> Result<Vec<Band>, ValidationError> {
        same_length(self.exposure.len(), &[("the factor", codes.len())])?;
        if let Some(row) = codes.iter().position(|&code| code as usize >= levels) {
            return Err(ValidationError::Value { what: "level", row });
        }
        let mut found = vec![Band::default(); levels];
        for (row, &code) in codes.iter().enumerate() {
            self.add(&mut found[code as usize], row);
        }
        Ok(found)
    }

    /// The Lorenz curve of the claims over the exposure, rows the model finds cheapest first.
    pub fn lorenz(&self) -> Result<Lorenz, ValidationError> {
        Lorenz::of(&self.rates(), self.exposure, self.actual)
    }

    /// Gini index of [`Priced::lorenz`]: 0 when the model tells nothing apart.
    pub fn gini(&self) -> Result<f64, ValidationError> {
        self.lorenz()?.gini()
    }

    /// The Lorenz curve of the claims over the premiums that were charged, rows first that this model
    /// finds too dear. Its Gini index is what could be won by choosing risks with this model while
    /// the market charges those premiums. Source: Frees, Meyers and Cummings 2011.
    pub fn lorenz_against(&self, premium: &[f64]) -> Result<Lorenz, ValidationError> {
        same_length(self.exposure.len(), &[("premium", premium.len())])?;
        each("premium", premium, |value| value > 0.0)?;
        let keys: Vec<f64> = self.expected.iter().zip(premium).map(|(e, p)| e / p).collect();
        Lorenz::of(&keys, premium, self.actual)
    }

    fn rates(&self) -> Vec<f64> {
        self.expected.iter().zip(self.exposure).map(|(claims, part)| claims / part).collect()
    }

    /// What a rival expects against this model, by row.
    fn against(&self, rival: &[f64]) -> Result<Vec<f64>, ValidationError> {
        same_length(self.exposure.len(), &[("claims the rival expects", rival.len())])?;
        each("claims the rival expects", rival, |value| value > 0.0)?;
        each("expected claims", self.expected, |value| value > 0.0)?;
        Ok(rival.iter().zip(self.expected).map(|(rival, own)| rival / own).collect())
    }

    /// Rows and the places of their bands, by keys: the band the middle of a row's exposure lies in.
    fn bands(&self, keys: &[f64], bands: usize) -> impl Iterator<Item = (usize, usize)> {
        let total: f64 = self.exposure.iter().sum();
        let mut before = 0.0;
        ordered(keys).into_iter().map(move |row| {
            let middle = before + 0.5 * self.exposure[row];
            before += self.exposure[row];
            (row, ((bands as f64 * middle / total) as usize).min(bands - 1))
        })
    }

    fn add(&self, band: &mut Band, row: usize) {
        band.rows += 1;
        band.exposure += self.exposure[row];
        band.expected += self.expected[row];
        band.actual += self.actual[row];
    }
}

impl Lorenz {
    /// Rows by their keys, the least first; rows of one key make one straight part.
    fn of(keys: &[f64], base: &[f64], actual: &[f64]) -> Result<Lorenz, ValidationError> {
        let (whole, all): (f64, f64) = (base.iter().sum(), actual.iter().sum());
        let (mut before, mut came) = (0.0, 0.0);
        let mut points = vec![Point { exposure: 0.0, actual: 0.0 }];
        let mut last: Option<f64> = None;
        for row in ordered(keys) {
            (before, came) = (before + base[row], came + actual[row]);
            let point = Point {
                exposure: finite(before / whole, "part of the exposure")?,
                actual: finite(came / all, "part of the claims")?,
            };
            // Rates that are one number but for their last digits are one rate.
            let alike = |last: f64| (keys[row] - last).abs() <= 1e-12 * keys[row].abs();
            match points.last_mut() {
                Some(same) if last.is_some_and(alike) => *same = point,
                _ => points.push(point),
            }
            last = Some(keys[row]);
        }
        Ok(Lorenz { points })
    }

    /// One less twice the area below the curve.
    pub fn gini(&self) -> Result<f64, ValidationError> {
        let part = |pair: &[Point]| {
            (pair[1].exposure - pair[0].exposure) * (pair[0].actual + pair[1].actual)
        };
        Ok(finite(1.0 - self.points.windows(2).map(part).sum::<f64>(), "Gini index")?)
    }

    /// The curve at so many equal parts of the exposure, for drawing.
    pub fn at(&self, parts: usize) -> Result<Vec<Point>, ValidationError> {
        let parts = count(parts)?;
        let at = |part: usize| {
            let exposure = part as f64 / parts as f64;
            let next = self.points.partition_point(|point| point.exposure < exposure);
            let next = next.clamp(1, self.points.len() - 1);
            let (low, high) = (self.points[next - 1], self.points[next]);
            let along = (exposure - low.exposure) / (high.exposure - low.exposure);
            Point { exposure, actual: low.actual + along * (high.actual - low.actual) }
        };
        Ok((0..=parts).map(at).collect())
    }
}

fn count(bands: usize) -> Result<usize, ValidationError> {
    if bands == 0 { Err(ValidationError::Argument("number of bands")) } else { Ok(bands) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPOSURE: [f64; 4] = [1.0, 0.5, 1.0, 1.5];
    const EXPECTED: [f64; 4] = [0.75, 0.125, 0.5, 0.375];
    const ACTUAL: [f64; 4] = [2.0, 0.0, 1.0, 1.0];

    fn priced() -> Priced<'static> {
        Priced::new(&EXPOSURE, &EXPECTED, &ACTUAL).unwrap()
    }

    #[test]
    fn the_curve_and_its_index_are_those_of_a_hand_calculation() {
        // Rates ¾, ¼, ½, ¼: the second and the last row are alike.
        let lorenz = priced().lorenz().unwrap();
        let points: Vec<(f64, f64)> =
            lorenz.points.iter().map(|point| (point.exposure, point.actual)).collect();
        assert_eq!(points, [(0.0, 0.0), (0.5, 0.25), (0.75, 0.5), (1.0, 1.0)]);
        // Areas: ½·½·¼, ¼·⅜, ¼·¾; in all 0.34375.
        assert!((priced().gini().unwrap() - (1.0 - 2.0 * 0.34375)).abs() < 1e-15);
        let drawn = lorenz.at(8).unwrap();
        assert_eq!((drawn.len(), drawn[2].actual, drawn[5].actual), (9, 0.125, 0.375));
        // Premiums as the model has them: no risk can be chosen by it.
        let level: Vec<f64> = EXPECTED.iter().map(|expected| 2.0 * expected).collect();
        let curve = priced().lorenz_against(&level).unwrap();
        assert!(curve.gini().unwrap().abs() < 1e-15);
        // One premium for all: order is by what is expected of a row.
        let flat = priced().lorenz_against(&[1.0; 4]).unwrap();
        let want = [0.0, 0.0, 0.25, 0.5, 1.0];
        assert_eq!(flat.points.iter().map(|point| point.actual).collect::<Vec<_>>(), want);
    }

    #[test]
    fn bands_hold_the_same_exposure_and_every_row_once() {
        let bands = priced().lift(2).unwrap();
        assert_eq!(bands.len(), 2);
        assert_eq!((bands[0].rows, bands[0].exposure, bands[0].actual), (2, 2.0, 1.0));
        assert_eq!(bands[0].expected, 0.5);
        assert_eq!((bands[1].rows, bands[1].rate()), (2, Some(1.5)));
        assert!((bands[1].ratio().unwrap() - 2.4).abs() < 1e-12);
        assert!((bands[1].error_of_counts().unwrap() - 1.25f64.powf(-0.5)).abs() < 1e-12);
        let whole = priced().whole();
        assert_eq!((whole.rows, whole.exposure, whole.actual), (4, 4.0, 4.0));
        // More bands than rows: none is empty.
        assert_eq!(priced().lift(50).unwrap().len(), 4);
    }

    #[test]
    fn a_rival_is_compared_where_both_disagree() {
        // The rival doubles the first row and halves the third.
        let rival = [1.5, 0.125, 0.25, 0.375];
        let bands = priced().double_lift(&rival, 4).unwrap();
        let found: Vec<(f64, f64, f64)> =
            bands.iter().map(|b| (b.band.actual, b.band.expected, b.rival)).collect();
        assert_eq!(found.first(), Some(&(1.0, 0.5, 0.25)));
        assert_eq!(found.last(), Some(&(2.0, 0.75, 1.5)));
        let levels = priced().by_level(3, &[0, 2, 0, 2]).unwrap();
        assert_eq!((levels[0].actual, levels[1].rows, levels[1].ratio()), (3.0, 0, None));
        assert_eq!(levels[2].exposure, 2.0);
    }

    #[test]
    fn rows_that_cannot_be_judged_are_named() {
        let new = |exposure: &[f64], expected: &[f64], actual: &[f64]| {
            Priced::new(exposure, expected, actual).map(|_| ()).unwrap_err()
        };
        let value = |what, row| ValidationError::Value { what, row };
        assert_eq!(new(&[0.0], &[1.0], &[1.0]), value("exposure", 0));
        assert_eq!(new(&[1.0], &[f64::NAN], &[1.0]), value("expected claims", 0));
        assert_eq!(new(&[1.0], &[1.0], &[-1.0]), value("claims", 0));
        assert_eq!(new(&[1.0], &[1.0], &[0.0]), ValidationError::NoClaims);
        assert_eq!(new(&[], &[], &[]), ValidationError::NoClaims);
        assert!(matches!(new(&[1.0], &[], &[1.0]), ValidationError::Length { .. }));
        assert_eq!(priced().lift(0), Err(ValidationError::Argument("number of bands")));
        assert_eq!(priced().by_level(2, &[0, 1, 2, 0]), Err(value("level", 2)));
        let rival = priced().double_lift(&[1.0, 0.0, 1.0, 1.0], 2);
        assert_eq!(rival, Err(value("claims the rival expects", 1)));
    }
}
