//! Densities of the Tweedie family: variance φ·μ^p, p between 1 and 2 or above 2.
//!
//! The density at y is a(y, φ)·exp((y·θ − κ)/φ) with θ = μ^(1−p)/(1−p) and κ = μ^(2−p)/(2−p); only
//! a(y, φ) has no closed form. Between 1 and 2 (sums of a Poisson number of gamma amounts) it is Dunn and
//! Smyth's series (2005), whose terms are all positive. Above 2 it is the density of a positive stable
//! variable; their series for it alternates and loses every digit when φ or y is small, so there it is
//! Zolotarev's integral, whose integrand is positive. p = 2 and 3 have closed forms: the tests use them.

use std::f64::consts::PI;

use crate::special::ln_gamma;

/// Terms that add less than this part of the largest, as a logarithm, are left out.
const SMALL: f64 = -40.0;

/// Log-density of a response `y` with this mean, variance `dispersion`·mean^`p`; p > 1 and not 2.
///
/// `y` is positive, or zero where p is below 2.
pub(super) fn ln_density(p: f64, y: f64, mean: f64, dispersion: f64) -> f64 {
    let cumulant = mean.powf(2.0 - p) / (2.0 - p);
    if y == 0.0 {
        return -cumulant / dispersion;
    }
    let tilt = (y * mean.powf(1.0 - p) / (1.0 - p) - cumulant) / dispersion;
    let base = if p < 2.0 { ln_compound(p, y, dispersion) } else { ln_stable(p, y, dispersion) };
    base + tilt
}

/// ln a(y, φ) for 1 < p < 2: ln of Σ zʲ / (j!·Γ(a·j)) / y with a = (2 − p)/(p − 1).
fn ln_compound(p: f64, y: f64, dispersion: f64) -> f64 {
    let a = (2.0 - p) / (p - 1.0);
    let ln_z = a * y.ln() - a * (p - 1.0).ln() - (1.0 + a) * dispersion.ln() - (2.0 - p).ln();
    let term = |j: f64| j * ln_z - ln_gamma(j + 1.0) - ln_gamma(a * j);
    // Terms look like a bell around this j; it is the expected number of amounts were y their mean.
    let peak = y.powf(2.0 - p) / (dispersion * (2.0 - p));
    let width = (peak / (1.0 + a)).sqrt();
    // Far from j = 0 a bell is summed as well in steps of half its width.
    let step = if peak > 400.0 && width > 4.0 { (0.5 * width).floor() } else { 1.0 };
    let middle = peak.round().max(1.0);
    let highest = term(middle);
    let mut sum = 1.0;
    let mut j = middle + step;
    loop {
        let own = term(j) - highest;
        sum += own.exp();
        if own < SMALL {
            break;
        }
        j += step;
    }
    j = middle - step;
    while j >= 1.0 {
        let own = term(j) - highest;
        sum += own.exp();
        if own < SMALL {
            break;
        }
        j -= step;
    }
    highest + (step * sum).ln() - y.ln()
}

/// ln a(y, φ) for p > 2: y over a scale is stable with index α = (p − 2)/(p − 1), Laplace transform e^(−s^α).
fn ln_stable(p: f64, y: f64, dispersion: f64) -> f64 {
    let alpha = (p - 2.0) / (p - 1.0);
    let ln_scale = ((p - 1.0) * dispersion).ln() - (dispersion * (p - 2.0)).ln() / alpha;
    let ln_x = y.ln() - ln_scale;
    let peak = y.powf(2.0 - p) / (dispersion * (p - 2.0));
    let density = if peak < 1.0 { ln_series(alpha, ln_x) } else { ln_integral(alpha, ln_x) };
    density - ln_scale
}

/// The stable density far out, where its series hardly alternates: Σ (−1)^(k+1) Γ(αk + 1)/k!·sin(παk)·x^(−αk−1)/π.
fn ln_series(alpha: f64, ln_x: f64) -> f64 {
    let (mut sum, mut sign) = (0.0, 1.0);
    for k in 1..2_000 {
        let k = f64::from(k);
        let size = (ln_gamma(alpha * k + 1.0) - ln_gamma(k + 1.0) - alpha * k * ln_x).exp();
        sum += sign * size * (PI * alpha * k).sin();
        sign = -sign;
        if size < 1e-17 * f64::abs(sum) {
            break;
        }
    }
    sum.ln() - PI.ln() - ln_x
}

/// The stable density from Zolotarev's integral over 0 to π of A·exp(−A·t), t = x^(−α/(1−α)).
///
/// The integrand is even around 0 and vanishes with all its slopes at π, so equal steps converge like a
/// power series. It falls from 0 on, or nearly so.
fn ln_integral(alpha: f64, ln_x: f64) -> f64 {
    let rest = 1.0 - alpha;
    let ln_a0 = rest.ln() + alpha / rest * alpha.ln();
    let ln_a = |u: f64| match u > 0.0 {
        true => {
            let sines = alpha * (alpha * u).sin().ln() + rest * (rest * u).sin().ln();
            (sines - u.sin().ln()) / rest
        }
        false => ln_a0,
    };
    let t = (-alpha / rest * ln_x).exp();
    let start = ln_a0.exp() * t;
    // ln of A·exp(−A·t), t·A(0) set aside.
    let height = |u: f64| {
        let own = ln_a(u);
        own - (own - ln_a0).exp_m1() * start
    };
    let highest = if start < 1.0 { ln_a0 - start.ln() - (1.0 - start) } else { ln_a0 };
    let (mut low, mut high) = (0.0, PI);
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        if height(middle) - highest > SMALL { low = middle } else { high = middle }
    }
    let at = |u: f64| (height(u) - highest).exp();
    let mut steps = 8;
    let mut wide = high / f64::from(steps);
    let mut sum = 0.5 * at(0.0) + (1..steps).map(|i| at(f64::from(i) * wide)).sum::<f64>();
    while steps < 8_192 {
        // Halving the steps squares what is missing.
        let between: f64 = (0..steps).map(|i| at((f64::from(i) + 0.5) * wide)).sum();
        let is_close = (between - sum).abs() < 1e-8 * sum;
        (sum, steps, wide) = (sum + between, 2 * steps, 0.5 * wide);
        if is_close {
            break;
        }
    }
    sum *= wide;
    alpha.ln() - rest.ln() - ln_x / rest - PI.ln() + highest - start + sum.ln()
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    #[track_caller]
    fn close(what: &str, found: f64, wanted: f64, digits: f64) {
        let apart = (found - wanted).abs();
        assert!(apart <= digits * wanted.abs().max(1.0), "{what}: {found} is not {wanted}");
    }

    #[test]
    fn densities_are_those_of_the_series_summed_with_400_digits() {
        // Dunn and Smyth's series for both ranges, summed by mpmath 1.4 with 400 digits: p, y, mean, φ.
        let cases = [
            (1.5, 2.0, 3.0, 1.0, -1.628_833_480_863_265_5),
            (1.5, 0.0, 3.0, 1.5, -2.309_401_076_758_503),
            (1.1, 0.7, 1.0, 0.4, -0.401_544_667_301_450_2),
            (1.9, 120.0, 80.0, 2.0, -5.997_526_653_882_331),
            // 5,000 terms: summed in steps of half the bell's width.
            (1.5, 100.0, 90.0, 0.02, -5.192_843_656_850_766),
            (1.3, 1e-3, 0.5, 1.0, -7.102_378_567_423_696),
            (2.5, 2.0, 3.0, 1.0, -1.882_755_013_212_679),
            (2.5, 0.4, 1.0, 0.1, -2.374_019_760_084_211),
            (3.5, 1.0, 2.0, 0.3, -0.640_029_413_313_666_5),
            (2.2, 5.0, 4.0, 0.6, -2.522_165_192_564_89),
            (6.0, 0.8, 0.9, 0.5, 0.150_720_724_004_376_3),
            (2.5, 0.05, 1.0, 0.5, -4.825_659_733_809_981),
            (4.0, 30.0, 2.0, 3.0, -7.713_487_087_329_11),
        ];
        for (p, y, mean, dispersion, wanted) in cases {
            let what = format!("p {p}, y {y}");
            close(&what, ln_density(p, y, mean, dispersion), wanted, 1e-12);
        }
    }

    #[test]
    fn at_three_it_is_the_inverse_gaussian_whatever_the_dispersion() {
        for dispersion in [1e-6, 1e-3, 0.01, 0.1, 1.0, 10.0, 1e3] {
            for y in [0.01_f64, 0.5, 1.0, 3.0, 1e3] {
                let mean = 1.3;
                let square = (y - mean).powi(2) / (dispersion * mean * mean * y);
                let wanted = -0.5 * ((TAU * dispersion * y.powi(3)).ln() + square);
                let what = format!("φ {dispersion}, y {y}");
                close(&what, ln_density(3.0, y, mean, dispersion), wanted, 1e-11);
            }
        }
    }

    #[test]
    fn near_two_it_is_the_gamma_distribution_from_both_sides() {
        let (y, mean, dispersion): (f64, f64, f64) = (2.0, 3.0, 0.7);
        let shape = 1.0 / dispersion;
        let gamma = shape * (shape * y / mean).ln() - shape * y / mean - y.ln() - ln_gamma(shape);
        // As far from it below as above, and the nearer the closer: half of both is of second order.
        let (below, above) =
            (ln_density(1.9999, y, mean, dispersion), ln_density(2.0001, y, mean, dispersion));
        close("half", 0.5 * (below + above), gamma, 1e-8);
        close("below", below, gamma, 5e-5);
        close("above", above, gamma, 5e-5);
    }

    #[test]
    fn near_one_it_is_a_poisson_count_of_dispersions() {
        // A tall bell at every multiple of φ = 1: what lies in it is what the count has.
        let (p, mean): (f64, f64) = (1.000_1, 2.0);
        for (count, factorial) in [(1.0, 1.0_f64), (3.0, 6.0)] {
            let wide = 0.1;
            let parts = 4_000;
            let part = 2.0 * wide / f64::from(parts);
            let inside: f64 = (0..parts)
                .map(|i| count - wide + (f64::from(i) + 0.5) * part)
                .map(|y| ln_density(p, y, mean, 1.0).exp() * part)
                .sum();
            let wanted = (-mean).exp() * mean.powf(count) / factorial;
            close("count", inside, wanted, 1e-3);
        }
    }
}
