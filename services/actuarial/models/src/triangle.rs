//! Development triangles: what was known about each origin period at each age.
//!
//! A cell is a cumulative amount or missing; it is never a number that is no number. Ages are in months
//! from the start of the origin period and may stand at any distance, origins have one length. What
//! the amounts are (paid, incurred, counts) and how periods are labelled is the caller's.

use crate::reserving::ReservingError;

/// Cumulative amounts by origin period (rows, oldest first) and age (columns, youngest first).
#[derive(Clone, Debug, PartialEq)]
pub struct Triangle {
    origin_months: u32,
    ages: Vec<u32>,
    /// Row by row; a missing cell is NaN, which never leaves this type.
    cells: Vec<f64>,
}

impl Triangle {
    /// A triangle of cumulative amounts.
    ///
    /// `origin_months` is the length of an origin period, `ages` are months, increasing. Rows may be
    /// shorter than `ages`: what is not there is missing.
    pub fn cumulative(
        origin_months: u32,
        ages: Vec<u32>,
        rows: &[Vec<Option<f64>>],
    ) -> Result<Triangle, ReservingError> {
        if origin_months == 0 || ages.is_empty() || rows.is_empty() {
            return Err(ReservingError::Empty);
        }
        if ages[0] == 0 || ages.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(ReservingError::Ages);
        }
        let mut cells = vec![f64::NAN; rows.len() * ages.len()];
        for (origin, row) in rows.iter().enumerate() {
            if row.len() > ages.len() {
                return Err(ReservingError::Width { origin, found: row.len(), ages: ages.len() });
            }
            for (age, value) in row.iter().enumerate() {
                let Some(value) = *value else { continue };
                if !value.is_finite() {
                    return Err(ReservingError::Cell { origin, age });
                }
                cells[origin * ages.len() + age] = value;
            }
        }
        Ok(Triangle { origin_months, ages, cells })
    }

    /// A triangle of the amounts that came in between one age and the next.
    ///
    /// A missing amount before one that is there is refused: the sum after it is not known.
    pub fn incremental(
        origin_months: u32,
        ages: Vec<u32>,
        rows: &[Vec<Option<f64>>],
    ) -> Result<Triangle, ReservingError> {
        let mut summed = Vec::with_capacity(rows.len());
        for (origin, row) in rows.iter().enumerate() {
            let known = row.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
            let mut total = 0.0;
            let mut sums = Vec::with_capacity(known);
            for (age, value) in row[..known].iter().enumerate() {
                total += value.ok_or(ReservingError::Gap { origin, age })?;
                sums.push(Some(total));
            }
            summed.push(sums);
        }
        Triangle::cumulative(origin_months, ages, &summed)
    }

    /// Number of origin periods.
    pub fn origins(&self) -> usize {
        self.cells.len() / self.ages.len()
    }

    /// Ages in months.
    pub fn ages(&self) -> &[u32] {
        &self.ages
    }

    /// Length of an origin period in months.
    pub fn origin_months(&self) -> u32 {
        self.origin_months
    }

    /// The cumulative amount of an origin at the age of this index; `None` when it is missing.
    pub fn get(&self, origin: usize, age: usize) -> Option<f64> {
        let value = self.row(origin)[age];
        (!value.is_nan()).then_some(value)
    }

    /// Index of the oldest known age of an origin, and the amount there.
    pub fn latest(&self, origin: usize) -> Option<(usize, f64)> {
        let row = self.row(origin);
        let age = row.iter().rposition(|value| !value.is_nan())?;
        Some((age, row[age]))
    }

    /// Whether every origin is known at the last age: nothing is left to be reserved.
    pub fn is_developed(&self) -> bool {
        let last = self.ages.len() - 1;
        (0..self.origins()).all(|origin| self.get(origin, last).is_some())
    }

    /// The amount that came in between the age before and this one.
    ///
    /// `None` when one of the two is missing; the first age counts from nothing.
    pub fn increment(&self, origin: usize, age: usize) -> Option<f64> {
        let before = if age == 0 { 0.0 } else { self.get(origin, age - 1)? };
        Some(self.get(origin, age)? - before)
    }

    /// The same amounts by longer origin periods, at the `ages` asked for.
    ///
    /// A cell is there when each of the periods it is made of is known at the age it then has;
    /// periods at the end that do not fill a longer one are left out.
    pub fn coarser(&self, origin_months: u32, ages: Vec<u32>) -> Result<Triangle, ReservingError> {
        if origin_months == 0 || !origin_months.is_multiple_of(self.origin_months) {
            return Err(ReservingError::Grain { from: self.origin_months, to: origin_months });
        }
        let parts = (origin_months / self.origin_months) as usize;
        let rows: Vec<Vec<Option<f64>>> = (0..self.origins() / parts)
            .map(|long| {
                let cell =
                    |&age: &u32| (0..parts).map(|part| self.part(long, parts, part, age)).sum();
                ages.iter().map(cell).collect()
            })
            .collect();
        Triangle::cumulative(origin_months, ages, &rows)
    }

    /// The triangle of `origins` origins from `first` on as it was known when the youngest of them had
    /// one age, at as many ages.
    ///
    /// Ages must be one origin period apart. `None` when there are not so many origins or ages.
    pub fn earlier(&self, first: usize, origins: usize) -> Option<Triangle> {
        let months = self.origin_months;
        let even = self.ages.iter().zip(1..).all(|(age, periods)| *age == periods * months);
        let fits = origins > 0 && origins <= self.ages.len() && first + origins <= self.origins();
        if !even || !fits {
            return None;
        }
        let mut cells = vec![f64::NAN; origins * origins];
        for (origin, row) in cells.chunks_exact_mut(origins).enumerate() {
            let seen = origins - origin;
            row[..seen].copy_from_slice(&self.row(first + origin)[..seen]);
        }
        Some(Triangle { origin_months: months, ages: self.ages[..origins].to_vec(), cells })
    }

    /// What was known so many months after the first origin began: without the origins and ages of which
    /// nothing was. `None` when nothing at all was known.
    pub fn as_of(&self, months: u32) -> Option<Triangle> {
        let width = self.ages.len();
        let mut cells = self.cells.clone();
        let (mut origins, mut ages) = (0, 0);
        for (place, cell) in cells.iter_mut().enumerate() {
            let (origin, age) = (place / width, place % width);
            let seen_at = origin as u64 * u64::from(self.origin_months) + u64::from(self.ages[age]);
            if seen_at > u64::from(months) {
                *cell = f64::NAN;
            } else if !cell.is_nan() {
                origins = origins.max(origin + 1);
                ages = ages.max(age + 1);
            }
        }
        cells.truncate(origins * width);
        let seen = Triangle { origin_months: self.origin_months, ages: self.ages.clone(), cells };
        (ages > 0).then(|| seen.up_to(ages))
    }

    /// Its first `ages` ages, or all where it has fewer; at least one.
    pub fn up_to(&self, ages: usize) -> Triangle {
        let ages = ages.clamp(1, self.ages.len());
        let rows = self.cells.chunks_exact(self.ages.len());
        let cells = rows.flat_map(|row| row[..ages].iter().copied()).collect();
        Triangle { origin_months: self.origin_months, ages: self.ages[..ages].to_vec(), cells }
    }

    /// Months from the beginning of the first origin to the latest date anything is known of.
    pub fn months(&self) -> u32 {
        let latest = (0..self.origins()).filter_map(|origin| {
            let (age, _) = self.latest(origin)?;
            Some(origin as u32 * self.origin_months + self.ages[age])
        });
        latest.max().unwrap_or(0)
    }

    /// The amounts of an origin; NaN where one is missing.
    pub(crate) fn row(&self, origin: usize) -> &[f64] {
        &self.cells[origin * self.ages.len()..][..self.ages.len()]
    }

    /// What part `part` of a longer period knows when that period has `age` months.
    fn part(&self, long: usize, parts: usize, part: usize, age: u32) -> Option<f64> {
        let starts = part as u32 * self.origin_months;
        if age <= starts {
            return Some(0.0); // has not begun
        }
        let index = self.ages.binary_search(&(age - starts)).ok()?;
        self.get(long * parts + part, index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    #[test]
    fn increments_add_up_and_come_back() {
        let rows = [known(&[10.0, 5.0, 1.0]), known(&[20.0, -2.0]), known(&[7.0])];
        let triangle = Triangle::incremental(12, vec![12, 24, 36], &rows).unwrap();
        assert_eq!(triangle.get(0, 2), Some(16.0));
        assert_eq!(triangle.latest(1), Some((1, 18.0)));
        assert_eq!(triangle.increment(1, 1), Some(-2.0));
        assert_eq!(triangle.get(2, 1), None);
    }

    #[test]
    fn an_earlier_view_knows_nothing_of_what_came_after() {
        let rows = [known(&[1.0, 2.0, 3.0]), known(&[10.0, 20.0, 30.0]), known(&[100.0, 200.0])];
        let triangle = Triangle::cumulative(12, vec![12, 24, 36], &rows).unwrap();
        let view = triangle.earlier(1, 2).unwrap();
        assert_eq!((view.get(0, 0), view.get(0, 1)), (Some(10.0), Some(20.0)));
        assert_eq!((view.get(1, 0), view.get(1, 1)), (Some(100.0), None));
        assert_eq!((view.origins(), view.ages()), (2, [12, 24].as_slice()));
        assert!(triangle.earlier(2, 2).is_none() && triangle.earlier(0, 4).is_none());
        assert!(triangle.earlier(0, 0).is_none());
    }

    #[test]
    fn an_earlier_date_leaves_out_what_nobody_knew() {
        let rows = [known(&[1.0, 2.0, 3.0]), known(&[10.0, 20.0, 30.0]), known(&[100.0, 200.0])];
        let triangle = Triangle::cumulative(12, vec![12, 24, 36], &rows).unwrap();
        assert_eq!(triangle.months(), 48);
        let seen = triangle.as_of(35).unwrap();
        assert_eq!((seen.origins(), seen.ages(), seen.months()), (2, [12, 24].as_slice(), 24));
        assert_eq!((seen.get(0, 1), seen.get(1, 0), seen.get(1, 1)), (Some(2.0), Some(10.0), None));
        let all = triangle.as_of(48).unwrap();
        assert_eq!((all.origins(), all.months(), all.get(2, 1)), (3, 48, Some(200.0)));
        assert_eq!(triangle.as_of(11), None);
        assert_eq!(triangle.up_to(1).ages(), [12]);
        assert_eq!(triangle.up_to(9).ages(), triangle.ages());
    }

    #[test]
    fn half_years_become_years() {
        // Ages of the second half are six months younger at the same date.
        let rows = [
            known(&[1.0, 2.0, 3.0, 4.0]),
            known(&[10.0, 20.0, 30.0]),
            known(&[100.0, 200.0]),
            known(&[1000.0]),
            known(&[5.0]),
        ];
        let halves = Triangle::cumulative(6, vec![6, 12, 18, 24], &rows).unwrap();
        let years = halves.coarser(12, vec![6, 12, 24]).unwrap();
        assert_eq!(years.origins(), 2);
        assert_eq!(years.row(0), [1.0, 12.0, 34.0]);
        assert_eq!((years.get(1, 0), years.get(1, 1)), (Some(100.0), Some(1200.0)));
        assert_eq!(years.get(1, 2), None);
    }

    #[test]
    fn impossible_triangles_are_refused_by_name() {
        let build = |ages: &[u32], row: Vec<Option<f64>>| {
            Triangle::cumulative(12, ages.to_vec(), &[row]).unwrap_err()
        };
        assert!(matches!(build(&[], vec![]), ReservingError::Empty));
        assert!(matches!(build(&[24, 12], vec![]), ReservingError::Ages));
        assert!(matches!(build(&[12], known(&[1.0, 2.0])), ReservingError::Width { .. }));
        assert!(matches!(
            build(&[12, 24], vec![Some(1.0), Some(f64::NAN)]),
            ReservingError::Cell { origin: 0, age: 1 }
        ));
        let gap = Triangle::incremental(12, vec![12, 24], &[vec![None, Some(1.0)]]).unwrap_err();
        assert!(matches!(gap, ReservingError::Gap { origin: 0, age: 0 }));
    }
}
