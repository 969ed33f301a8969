//! How sure an indicated change is: the spread of the policies behind it.
//!
//! Nothing is assumed of the losses but that policies are independent: the error is that of a quotient of
//! quotients by linearisation, from each policy's distance to what its cell, and all, should have cost it.
//! Source: Cochran, Sampling Techniques, 3rd edition, 1977, section 6.

use super::IndicationError;
use crate::number::finite;

/// Standard errors of the logarithm of what each cell indicates: its loss ratio against that of all.
///
/// Rows are policies or any other independent units, each with premium, losses and the place of its cell
/// among `count`. A cell with fewer than two rows, or without losses, has none.
pub fn log_errors(
    premiums: &[f64],
    losses: &[f64],
    cells: &[u32],
    count: usize,
) -> Result<Vec<Option<f64>>, IndicationError> {
    let rows = premiums.len();
    for found in [losses.len(), cells.len()] {
        if found != rows {
            return Err(IndicationError::Length { found, policies: rows });
        }
    }
    let mut own = vec![Sums::default(); count];
    let mut all = Sums::default();
    for row in 0..rows {
        let values = [("premium", premiums[row]), ("losses", losses[row])];
        if let Some((what, _)) = values.iter().find(|(_, value)| !value.is_finite()) {
            return Err(IndicationError::Policy { what, policy: row });
        }
        let cell = own.get_mut(cells[row] as usize);
        let cell = cell.ok_or(IndicationError::Policy { what: "cell", policy: row })?;
        for sums in [cell, &mut all] {
            sums.rows += 1;
            sums.premium += premiums[row];
            sums.losses += losses[row];
        }
    }
    if all.losses <= 0.0 || all.premium <= 0.0 || rows < 2 {
        return Err(IndicationError::NoExperience);
    }
    // Distances of a row to its cell (a) and to all (b), as parts of the losses.
    let mut spread = vec![(0.0, 0.0); count];
    let mut common = 0.0;
    for row in 0..rows {
        let place = cells[row] as usize;
        let b = all.distance(premiums[row], losses[row]);
        common += b * b;
        if own[place].losses > 0.0 && own[place].premium > 0.0 {
            let a = own[place].distance(premiums[row], losses[row]);
            spread[place].0 += a * a;
            spread[place].1 += a * b;
        }
    }
    let correction = rows as f64 / (rows - 1) as f64;
    let errors = own.iter().zip(spread).map(|(sums, (squares, products))| {
        if sums.rows < 2 || sums.losses <= 0.0 || sums.premium <= 0.0 {
            return Ok(None);
        }
        let variance: f64 = correction * (squares - 2.0 * products + common);
        Ok(Some(finite(variance.max(0.0).sqrt(), "error of an indicated change")?))
    });
    errors.collect()
}

#[derive(Clone, Copy, Default)]
struct Sums {
    rows: usize,
    premium: f64,
    losses: f64,
}

impl Sums {
    /// What a row lost beyond its share, as part of all losses.
    fn distance(&self, premium: f64, losses: f64) -> f64 {
        losses / self.losses - premium / self.premium
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two cells of 1,000 policies at one premium; 100 and 200 of them lose one.
    #[test]
    fn frequencies_have_the_errors_of_the_binomial() {
        let policies = 2_000;
        let cells: Vec<u32> = (0..policies).map(|row| u32::from(row >= 1_000)).collect();
        let losses: Vec<f64> = (0..policies)
            .map(|row| f64::from(u8::from(row < 100 || (1_000..1_200).contains(&row))))
            .collect();
        let found = log_errors(&vec![1.0; policies], &losses, &cells, 2).unwrap();
        // ln(L1/L) with L1 = 100 and L = 300 moves by (1 − 1/3)/100 with L1 and by −1/300 with L2, whose
        // variances are 1000·0.1·0.9 and 1000·0.2·0.8.
        let within: f64 = 90.0 * (2.0 / 300.0_f64).powi(2) + 160.0 * (1.0 / 300.0_f64).powi(2);
        // Which cell a policy lies in is drawn, too: the frequency of all, 0.15, moves with it.
        let split = 2_000.0 * ((0.15 - 0.1) / 300.0_f64).powi(2);
        let wanted = ((within + split) * 2_000.0 / 1_999.0).sqrt();
        assert!((found[0].unwrap() - wanted).abs() < 1e-12, "{found:?} {wanted}");
    }

    #[test]
    fn what_has_no_error_has_none() {
        let found = log_errors(&[1.0; 5], &[1.0, 2.0, 0.0, 0.0, 3.0], &[0, 0, 1, 1, 2], 4).unwrap();
        assert!(found[0].is_some());
        // Without losses, with one policy, without any.
        assert_eq!(found[1..], [None, None, None]);
        let same = log_errors(&[1.0, 2.0, 3.0], &[2.0, 1.0, 9.0], &[0; 3], 1).unwrap();
        assert!(same[0].unwrap() < 1e-7, "one cell is all: it indicates no change for sure");
        let odd = log_errors(&[1.0, f64::NAN], &[1.0; 2], &[0; 2], 1);
        assert_eq!(odd, Err(IndicationError::Policy { what: "premium", policy: 1 }));
        let none = log_errors(&[1.0; 2], &[0.0; 2], &[0; 2], 1);
        assert_eq!(none, Err(IndicationError::NoExperience));
        let lost = log_errors(&[1.0; 2], &[1.0; 2], &[0, 1], 1);
        assert_eq!(lost, Err(IndicationError::Policy { what: "cell", policy: 1 }));
    }
}
