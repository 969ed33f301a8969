//! The least value of a function of a few numbers, without slopes (Nelder and Mead 1965).
//!
//! For likelihoods of a handful of parameters, where a step costs a pass over some hundred rows and
//! deriving slopes would cost more than it saves. Deterministic: the same start gives the same end.

/// Evaluations after which the search ends where it is.
const EVALUATIONS: usize = 20_000;

/// Where `value` is least, searched from `start`; values that are no number count as very large.
pub(crate) fn least<const N: usize>(
    start: [f64; N],
    value: impl Fn(&[f64; N]) -> f64,
) -> ([f64; N], f64) {
    let at = |point: [f64; N]| {
        let value = value(&point);
        (point, if value.is_nan() { f64::INFINITY } else { value })
    };
    let mut best = at(start);
    let mut spent = 1;
    // A simplex may shrink before it has arrived: it is set up anew until that changes nothing.
    loop {
        let before = best.1;
        let mut corners = vec![best];
        for axis in 0..N {
            let mut point = best.0;
            point[axis] += 0.5;
            corners.push(at(point));
        }
        spent += N;
        while spent < EVALUATIONS {
            corners.sort_by(|a, b| a.1.total_cmp(&b.1));
            let (low, high) = (corners[0], corners[N]);
            if high.1 - low.1 <= 1e-12 * (1.0 + low.1.abs()) {
                break;
            }
            let middle: [f64; N] = std::array::from_fn(|axis| {
                corners[..N].iter().map(|corner| corner.0[axis]).sum::<f64>() / N as f64
            });
            let along = |part: f64| {
                at(std::array::from_fn(|axis| middle[axis] + part * (high.0[axis] - middle[axis])))
            };
            let reflected = along(-1.0);
            spent += 1;
            let next = if reflected.1 < low.1 {
                spent += 1;
                let further = along(-2.0);
                if further.1 < reflected.1 { further } else { reflected }
            } else if reflected.1 < corners[N - 1].1 {
                reflected
            } else {
                spent += 1;
                along(if reflected.1 < high.1 { -0.5 } else { 0.5 })
            };
            if next.1 < high.1 {
                corners[N] = next;
                continue;
            }
            for corner in &mut corners[1..] {
                let pulled = std::array::from_fn(|axis| 0.5 * (corner.0[axis] + low.0[axis]));
                *corner = at(pulled);
            }
            spent += N;
        }
        let found = corners.into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
        best = found.unwrap_or(best);
        let still = before - best.1 <= 1e-10 * (1.0 + best.1.abs());
        if still || spent >= EVALUATIONS {
            return best;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bottom_of_a_curved_valley_is_found() {
        let valley = |p: &[f64; 2]| (1.0 - p[0]).powi(2) + 100.0 * (p[1] - p[0] * p[0]).powi(2);
        let (point, value) = least([-1.2, 1.0], valley);
        assert!(value < 1e-9, "{value}");
        assert!((point[0] - 1.0).abs() < 1e-4 && (point[1] - 1.0).abs() < 1e-4, "{point:?}");
    }

    #[test]
    fn values_that_are_no_number_are_avoided() {
        let (point, _) = least([1.0], |p| p[0].sqrt() + 0.25 / p[0].sqrt());
        assert!((point[0] - 0.25).abs() < 1e-4, "{point:?}");
    }
}
