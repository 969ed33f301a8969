//! `make bench-region`: the regional factor of as many places as China has counties, and more.
//!
//! Prints how long it takes to learn how much 3,200 made-up places differ, and to smooth them by it.
#![expect(
    clippy::float_arithmetic,
    clippy::unwrap_used,
    reason = "a measurement, which ends when something is wrong"
)]

use std::time::Instant;

use actuarial_models::region::{Place, Smoothing};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const PLACES: usize = 3_200;

fn main() {
    let places = places();
    let start = Instant::now();
    let smoothing = Smoothing::learn(&places).unwrap();
    println!("learnt in {:.1} s: {smoothing:?}", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let fit = smoothing.fit(&places).unwrap();
    println!("smoothed in {:.1} s", start.elapsed().as_secs_f64());
    println!("log likelihood {:.3}", fit.log_likelihood);
}

/// Places between Kunming and Harbin in thirty districts, with a wave along the longitude.
fn places() -> Vec<Place> {
    let mut draws = ChaCha8Rng::seed_from_u64(1);
    let districts: Vec<f64> = (0..30).map(|_| draws.random_range(-0.15..0.15)).collect();
    let place = |_| {
        let [east, north]: [f64; 2] = [draws.random(), draws.random()];
        let at = [100.0 + 26.0 * east, 25.0 + 21.0 * north];
        let district = (6.0 * east) as usize * 5 + (5.0 * north) as usize;
        let expected = draws.random_range(20.0..420.0);
        let log = districts[district] + 0.25 * (at[0] / 1.5).sin() + draws.random_range(-0.1..0.1);
        // As uncertain as a Poisson count.
        let mean = expected * f64::exp(log);
        let normal = (0..12).map(|_| draws.random::<f64>()).sum::<f64>() - 6.0;
        let claims = (mean + mean.sqrt() * normal).round().max(0.0);
        Place { claims, expected, district: u32::try_from(district).unwrap(), at }
    };
    (0..PLACES).map(place).collect()
}
