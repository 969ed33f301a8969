//! Segments: groups of customers or vehicles that are alike in several numbers.
//!
//! Numbers of different units are standardised first. Principal components say in how many directions
//! rows really differ; k-means puts rows into groups whose members are near their middle.

use crate::number::{NotFinite, all_finite};
use crate::random::Draws;
use crate::stop::{Stop, Stopped};

/// Why rows cannot be grouped. Rows are counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SegmentError {
    /// A row with more or fewer numbers than the first.
    #[error("row {row} has {found} numbers where others have {wanted}")]
    Width {
        /// The row.
        row: usize,
        /// How many it has.
        found: usize,
        /// How many others have.
        wanted: usize,
    },
    /// A number that is none.
    #[error("number {column} of row {row} is not finite")]
    Value {
        /// The row.
        row: usize,
        /// Which of its numbers.
        column: usize,
    },
    /// A column of one value, which tells no rows apart.
    #[error("column {0} has the same value in every row")]
    Constant(usize),
    /// Fewer than two rows, or none with a number.
    #[error("there are fewer than two rows")]
    TooFew,
    /// More groups than different rows, or none.
    #[error("{0} groups cannot be made of these rows")]
    Groups(usize),
    /// An argument out of its range.
    #[error("{0} is out of range")]
    Argument(&'static str),
    /// An iteration did not come to rest.
    #[error("no convergence in {0} steps")]
    NoConvergence(usize),
    /// Somebody called it off.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A result is no number.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

/// Columns on one scale: centred, over their standard deviation (n − 1).
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Means.
    pub centres: Vec<f64>,
    /// Standard deviations.
    pub spreads: Vec<f64>,
}

/// Directions in which rows differ, the one they differ in most first.
#[derive(Clone, Debug, PartialEq)]
pub struct Components {
    /// Roots of the sums of squares along the directions.
    pub singular_values: Vec<f64>,
    /// Parts of all variance, which add up to one.
    pub shares: Vec<f64>,
    /// Directions of length one; the largest number of each is positive.
    pub loadings: Vec<Vec<f64>>,
}

/// Groups of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// Middles of the groups, the largest group first.
    pub middles: Vec<Vec<f64>>,
    /// Group of each row.
    pub of: Vec<usize>,
    /// Rows of each group.
    pub sizes: Vec<usize>,
    /// Sum of the squared distances of all rows from their middles.
    pub inertia: f64,
}

/// How groups are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KMeans {
    /// How many groups.
    pub groups: usize,
    /// From how many starts; the best end is taken.
    pub starts: usize,
    /// What the starts are drawn by.
    pub seed: u64,
}

/// Sweeps of Jacobi's method after which it is given up; five or six are usual.
const SWEEPS: usize = 100;

/// Rounds of k-means from one start after which it is given up.
const ROUNDS: usize = 10_000;

impl Scale {
    /// Means and standard deviations of the columns of these rows.
    pub fn of(rows: &[Vec<f64>]) -> Result<Scale, SegmentError> {
        let columns = check(rows)?;
        let count = rows.len() as f64;
        let (mut centres, mut spreads) = (vec![], vec![]);
        for column in 0..columns {
            let centre = rows.iter().map(|row| row[column]).sum::<f64>() / count;
            let squares: f64 = rows.iter().map(|row| (row[column] - centre).powi(2)).sum();
            let spread = (squares / (count - 1.0)).sqrt();
            if spread <= 1e-12 * centre.abs() {
                return Err(SegmentError::Constant(column));
            }
            centres.push(centre);
            spreads.push(spread);
        }
        all_finite(&centres, "mean")?;
        all_finite(&spreads, "standard deviation")?;
        Ok(Scale { centres, spreads })
    }

    /// A row on this scale.
    pub fn standard(&self, row: &[f64]) -> Result<Vec<f64>, SegmentError> {
        let (found, wanted) = (row.len(), self.centres.len());
        if found != wanted {
            return Err(SegmentError::Width { row: 0, found, wanted });
        }
        if let Some(column) = row.iter().position(|value| !value.is_finite()) {
            return Err(SegmentError::Value { row: 0, column });
        }
        let scales = self.centres.iter().zip(&self.spreads);
        Ok(row
            .iter()
            .zip(scales)
            .map(|(value, (centre, spread))| (value - centre) / spread)
            .collect())
    }
}

impl Components {
    /// Components of rows as they are: whoever wants them on one scale scales them first ([`Scale`]).
    pub fn of(rows: &[Vec<f64>]) -> Result<Components, SegmentError> {
        let columns = check(rows)?;
        let mut squares = vec![vec![0.0; columns]; columns];
        let means: Vec<f64> = (0..columns)
            .map(|column| rows.iter().map(|row| row[column]).sum::<f64>() / rows.len() as f64)
            .collect();
        for row in rows {
            for (i, line) in squares.iter_mut().enumerate() {
                let own = row[i] - means[i];
                line.iter_mut()
                    .zip(row.iter().zip(&means))
                    .for_each(|(s, (x, m))| *s += own * (x - m));
            }
        }
        let (values, directions) = eigen(squares)?;
        let all: f64 = values.iter().sum();
        let mut order: Vec<usize> = (0..columns).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        let loading = |&place: &usize| -> Vec<f64> {
            let direction: Vec<f64> = directions.iter().map(|line| line[place]).collect();
            let largest = direction
                .iter()
                .copied()
                .fold(0.0, |most: f64, value| if value.abs() > most.abs() { value } else { most });
            direction.into_iter().map(|value| value * largest.signum()).collect()
        };
        let found = Components {
            singular_values: order.iter().map(|&place| values[place].max(0.0).sqrt()).collect(),
            shares: order.iter().map(|&place| values[place].max(0.0) / all).collect(),
            loadings: order.iter().map(loading).collect(),
        };
        all_finite(&found.shares, "part of the variance")?;
        all_finite(found.loadings.iter().flatten(), "loading")?;
        Ok(found)
    }

    /// Where a row lies along the first so many directions.
    pub fn scores(&self, row: &[f64], count: usize) -> Vec<f64> {
        let along = |loading: &Vec<f64>| loading.iter().zip(row).map(|(a, b)| a * b).sum();
        self.loadings.iter().take(count).map(along).collect()
    }
}

impl KMeans {
    /// Groups rows; from each start, rows go to the nearest middle and middles to the mean of their
    /// rows until nothing moves, and then single rows move wherever that makes the inertia less.
    ///
    /// Sources: Lloyd 1982; starts far apart: Arthur and Vassilvitskii 2007 (k-means++); single rows:
    /// Hartigan and Wong 1979.
    pub fn run(&self, rows: &[Vec<f64>]) -> Result<Groups, SegmentError> {
        self.run_until(rows, Stop::NEVER)
    }

    /// The same, unless it is called off, which is asked before every round.
    pub fn run_until(&self, rows: &[Vec<f64>], stop: Stop<'_>) -> Result<Groups, SegmentError> {
        check(rows)?;
        if self.starts == 0 {
            return Err(SegmentError::Argument("number of starts"));
        }
        let mut different: Vec<&Vec<f64>> = rows.iter().collect();
        different.sort_by(|a, b| {
            let unequal = a.iter().zip(*b).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne());
            unequal.unwrap_or(std::cmp::Ordering::Equal)
        });
        different.dedup();
        if self.groups == 0 || self.groups > different.len() {
            return Err(SegmentError::Groups(self.groups));
        }
        let mut best: Option<Groups> = None;
        for start in 0..self.starts {
            let found = self.climb(rows, &mut Draws::new(self.seed, start as u64), stop)?;
            if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
                best = Some(found);
            }
        }
        let found = best.ok_or(SegmentError::Argument("number of starts"))?;
        all_finite([&found.inertia], "inertia")?;
        Ok(found.by_size())
    }

    fn climb(
        &self,
        rows: &[Vec<f64>],
        draws: &mut Draws,
        stop: Stop<'_>,
    ) -> Result<Groups, SegmentError> {
        let mut middles = self.start(rows, draws);
        let mut of = vec![usize::MAX; rows.len()];
        for _ in 0..ROUNDS {
            stop.ask()?;
            let now: Vec<usize> = rows.iter().map(|row| nearest(row, &middles).0).collect();
            if now == of {
                break;
            }
            of = now;
            middles = self.middles(rows, &of, &middles);
        }
        let mut sizes = vec![0; self.groups];
        of.iter().for_each(|&group| sizes[group] += 1);
        self.move_singly(rows, &mut of, (&mut sizes, &mut middles), stop)?;
        // From the rows again: moves have rounded the middles.
        let middles = self.middles(rows, &of, &middles);
        let inertia = rows.iter().zip(&of).map(|(row, &group)| apart(row, &middles[group])).sum();
        Ok(Groups { middles, of, sizes, inertia })
    }

    /// Rows far from each other, at random.
    fn start(&self, rows: &[Vec<f64>], draws: &mut Draws) -> Vec<Vec<f64>> {
        let mut middles = vec![rows[draws.below(rows.len())].clone()];
        let mut away: Vec<f64> = rows.iter().map(|row| apart(row, &middles[0])).collect();
        while middles.len() < self.groups {
            let mut left = draws.uniform() * away.iter().sum::<f64>();
            let far = away.iter().position(|away| {
                left -= away;
                left < 0.0
            });
            // Rounding may leave a little over; rows that are no middle yet have a distance.
            let row = far.or_else(|| away.iter().rposition(|away| *away > 0.0)).unwrap_or(0);
            middles.push(rows[row].clone());
            let new = &rows[row];
            away.iter_mut().zip(rows).for_each(|(away, row)| *away = away.min(apart(row, new)));
        }
        middles
    }

    /// Means of the groups; one without rows stays where it was.
    fn middles(&self, rows: &[Vec<f64>], of: &[usize], before: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut sums = vec![(vec![0.0; rows[0].len()], 0usize); self.groups];
        for (row, &group) in rows.iter().zip(of) {
            sums[group].0.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            sums[group].1 += 1;
        }
        let mean = |((sum, count), before): ((Vec<f64>, usize), &Vec<f64>)| match count {
            0 => before.clone(),
            _ => sum.into_iter().map(|sum| sum / count as f64).collect(),
        };
        sums.into_iter().zip(before).map(mean).collect()
    }

    /// Moves rows one by one while that makes the inertia less, counting how middles move with them.
    fn move_singly(
        &self,
        rows: &[Vec<f64>],
        of: &mut [usize],
        (sizes, middles): (&mut [usize], &mut [Vec<f64>]),
        stop: Stop<'_>,
    ) -> Result<(), SegmentError> {
        for _ in 0..ROUNDS {
            stop.ask()?;
            let mut moved = false;
            for (row, own) in rows.iter().zip(of.iter_mut()) {
                let size = sizes[*own] as f64;
                if sizes[*own] <= 1 {
                    continue;
                }
                let saved = size / (size - 1.0) * apart(row, &middles[*own]);
                let cost = |group: usize| {
                    let size = sizes[group] as f64;
                    size / (size + 1.0) * apart(row, &middles[group])
                };
                let others = (0..self.groups).filter(|group| group != own);
                let Some((cost, to)) =
                    others.map(|group| (cost(group), group)).min_by(|a, b| a.0.total_cmp(&b.0))
                else {
                    return Ok(());
                };
                if cost < saved * (1.0 - 1e-12) {
                    shift(&mut middles[*own], row, -1.0 / (size - 1.0));
                    shift(&mut middles[to], row, 1.0 / (sizes[to] as f64 + 1.0));
                    sizes[*own] -= 1;
                    sizes[to] += 1;
                    *own = to;
                    moved = true;
                }
            }
            if !moved {
                return Ok(());
            }
        }
        Err(SegmentError::NoConvergence(ROUNDS))
    }
}

impl Groups {
    /// The group a row belongs to, and its squared distance from the middle.
    pub fn nearest(&self, row: &[f64]) -> Result<(usize, f64), SegmentError> {
        let (found, wanted) = (row.len(), self.middles[0].len());
        if found != wanted {
            return Err(SegmentError::Width { row: 0, found, wanted });
        }
        if let Some(column) = row.iter().position(|value| !value.is_finite()) {
            return Err(SegmentError::Value { row: 0, column });
        }
        Ok(nearest(row, &self.middles))
    }

    fn by_size(self) -> Groups {
        let mut order: Vec<usize> = (0..self.sizes.len()).collect();
        order.sort_by_key(|&group| std::cmp::Reverse(self.sizes[group]));
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
        Groups {
            middles: order.iter().map(|&group| self.middles[group].clone()).collect(),
            of: self.of.iter().map(|&group| place[group]).collect(),
            sizes: order.iter().map(|&group| self.sizes[group]).collect(),
            inertia: self.inertia,
        }
    }
}

fn shift(middle: &mut [f64], row: &[f64], part: f64) {
    middle.iter_mut().zip(row).for_each(|(middle, value)| *middle += part * (value - *middle));
}

/// The nearest middle and its squared distance; of equals the first.
fn nearest(row: &[f64], middles: &[Vec<f64>]) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (group, middle) in middles.iter().enumerate() {
        let away = apart(row, middle);
        if away < best.1 {
            best = (group, away);
        }
    }
    best
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Number of columns, when all rows have it and all numbers are finite.
fn check(rows: &[Vec<f64>]) -> Result<usize, SegmentError> {
    let wanted = rows.first().map_or(0, Vec::len);
    if rows.len() < 2 || wanted == 0 {
        return Err(SegmentError::TooFew);
    }
    for (index, row) in rows.iter().enumerate() {
        if row.len() != wanted {
            return Err(SegmentError::Width { row: index, found: row.len(), wanted });
        }
        if let Some(column) = row.iter().position(|value| !value.is_finite()) {
            return Err(SegmentError::Value { row: index, column });
        }
    }
    Ok(wanted)
}

/// Eigenvalues and vectors (columns) of a symmetric matrix, by Jacobi's rotations.
fn eigen(mut a: Vec<Vec<f64>>) -> Result<(Vec<f64>, Vec<Vec<f64>>), SegmentError> {
    let size = a.len();
    let mut vectors = vec![vec![0.0; size]; size];
    (0..size).for_each(|place| vectors[place][place] = 1.0);
    let whole: f64 = a.iter().flatten().map(|value| value * value).sum();
    for _ in 0..SWEEPS {
        let above = |(row, line): (usize, &Vec<f64>)| {
            line[row + 1..].iter().map(|value| value * value).sum::<f64>()
        };
        if a.iter().enumerate().map(above).sum::<f64>() <= 1e-30 * whole {
            return Ok(((0..size).map(|place| a[place][place]).collect(), vectors));
        }
        for (p, q) in (0..size).flat_map(|p| (p + 1..size).map(move |q| (p, q))) {
            if a[p][q] == 0.0 {
                continue;
            }
            let angle = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
            let t = angle.signum() / (angle.abs() + (angle * angle + 1.0).sqrt());
            let (c, s) = (1.0 / (t * t + 1.0).sqrt(), t / (t * t + 1.0).sqrt());
            for line in a.iter_mut().chain(&mut vectors) {
                (line[p], line[q]) = (c * line[p] - s * line[q], s * line[p] + c * line[q]);
            }
            let (above, below) = a.split_at_mut(q);
            for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
                (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
            }
        }
    }
    Err(SegmentError::NoConvergence(SWEEPS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_of_a_tilted_cross_are_its_arms() {
        // Arms of 2 along (3, 4)/5 and of 1 across it.
        let rows: Vec<Vec<f64>> = [(2.0, 0.0), (-2.0, 0.0), (0.0, 1.0), (0.0, -1.0)]
            .iter()
            .map(|(along, across)| vec![0.6 * along - 0.8 * across, 0.8 * along + 0.6 * across])
            .collect();
        let found = Components::of(&rows).unwrap();
        for (got, want) in found.singular_values.iter().zip([8f64.sqrt(), 2f64.sqrt()]) {
            assert!((got - want).abs() < 1e-14);
        }
        assert!((found.shares[0] - 0.8).abs() < 1e-14);
        assert!((found.loadings[0][0] - 0.6).abs() < 1e-14);
        assert!((found.loadings[1][0] - 0.8).abs() < 1e-14);
        assert!((found.scores(&rows[0], 1)[0] - 2.0).abs() < 1e-14);
    }

    #[test]
    fn groups_are_those_one_sees() {
        let rows: Vec<Vec<f64>> =
            [0.0, 0.1, 0.2, 5.0, 5.2, 9.0].iter().map(|value| vec![*value]).collect();
        let plan = KMeans { groups: 3, starts: 20, seed: 1 };
        let found = plan.run(&rows).unwrap();
        assert_eq!(
            (found.of.as_slice(), found.sizes.as_slice()),
            ([0, 0, 0, 1, 1, 2].as_slice(), [3, 2, 1].as_slice(),)
        );
        assert!((found.inertia - (0.02 + 0.02)).abs() < 1e-12);
        assert_eq!(found.nearest(&[8.0]).unwrap(), (2, 1.0));
        assert_eq!(plan.run(&rows).unwrap(), found);
    }

    #[test]
    fn rows_that_cannot_be_grouped_are_named() {
        let rows = [vec![1.0, 2.0], vec![1.0, 3.0], vec![1.0, 3.0]];
        assert_eq!(Scale::of(&rows), Err(SegmentError::Constant(0)));
        let groups = |groups| KMeans { groups, starts: 1, seed: 1 }.run(&rows).map(|g| g.sizes);
        assert_eq!(
            (groups(3), groups(0)),
            (Err(SegmentError::Groups(3)), Err(SegmentError::Groups(0)))
        );
        assert_eq!(groups(2), Ok(vec![2, 1]));
        let bad = Components::of(&[vec![1.0], vec![f64::NAN]]);
        assert_eq!(bad, Err(SegmentError::Value { row: 1, column: 0 }));
        let bad = Components::of(&[vec![1.0], vec![1.0, 2.0]]);
        assert_eq!(bad, Err(SegmentError::Width { row: 1, found: 2, wanted: 1 }));
        assert_eq!(Components::of(&[]), Err(SegmentError::TooFew));
        // Nothing varies: no part of nothing.
        assert!(Components::of(&[vec![1.0], vec![1.0]]).is_err());
    }
}
