//! Seeded draws: the same seed gives the same simulated reserves everywhere.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of draws.
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream `stream` of `seed`; streams are independent, so threads and batches replay.
    pub(crate) fn new(seed: u64, stream: u64) -> Draws {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Draws(generator)
    }

    /// One of 0..n, each as likely.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0.random_range(0..n)
    }

    /// Standard normal, by the polar method.
    pub(crate) fn normal(&mut self) -> f64 {
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * (-2.0 * s.ln() / s).sqrt();
            }
        }
    }

    /// Gamma with this shape (> 0) and scale 1. Source: Marsaglia and Tsang 2000.
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boosted = self.gamma(shape + 1.0);
            return boosted * self.uniform().powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let z = self.normal();
            let v = (1.0 + c * z).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * z * z + d * (1.0 - v + v.ln()) {
                return d * v;
            }
        }
    }

    /// From 0 up to 1, each as likely.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0.random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_draws_have_the_mean_and_variance_of_their_shape() {
        for shape in [0.3, 2.5, 40.0] {
            let mut draws = Draws::new(7, 0);
            let sample: Vec<f64> = (0..200_000).map(|_| draws.gamma(shape)).collect();
            let mean = sample.iter().sum::<f64>() / 2e5;
            let variance = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 2e5;
            assert!((mean / shape - 1.0).abs() < 0.01, "mean {mean} of {shape}");
            assert!((variance / shape - 1.0).abs() < 0.03, "variance {variance} of {shape}");
        }
    }

    #[test]
    fn a_stream_replays_and_differs_from_its_neighbour() {
        let take = |stream| (0..5).map(|_| Draws::new(1, stream).normal()).collect::<Vec<_>>();
        assert_eq!(take(0), take(0));
        assert_ne!(take(0), take(1));
    }
}
