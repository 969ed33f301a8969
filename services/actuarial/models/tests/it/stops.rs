//! What takes long ends soon after it was called off, and answers nothing half-done.

use std::sync::atomic::{AtomicUsize, Ordering};

use actuarial_models::glm::{Family, Frame, GlmError, Model, Observations, Term, type_three_until};
use actuarial_models::region::{Place, RegionError, Smoothing};
use actuarial_models::reserving::{Bootstrap, ReservingError};
use actuarial_models::segments::{KMeans, SegmentError};
use actuarial_models::trees::{Boost, Counts, TreesError};
use actuarial_models::{Stop, Stopped, Triangle};

/// Lets so many questions pass, then calls off; counts them all.
struct Patience {
    most: usize,
    asked: AtomicUsize,
}

impl Patience {
    fn of(most: usize) -> Patience {
        Patience { most, asked: AtomicUsize::new(0) }
    }

    /// Asks for something under this patience; how often it was asked.
    fn during(&self, compute: impl FnOnce(Stop<'_>)) -> usize {
        let asked = || self.asked.fetch_add(1, Ordering::Relaxed) >= self.most;
        compute(Stop::when(&asked));
        self.asked.load(Ordering::Relaxed)
    }
}

/// Policies of forty ages, claims by a rule.
fn policies() -> (Frame, Vec<f64>, Vec<f64>) {
    let rows = 10_000;
    let mut frame = Frame::new();
    frame.add_numbers("age", (0..rows).map(|row| f64::from(row % 40)).collect()).unwrap();
    let areas: Vec<&str> = (0..rows).map(|row| ["a", "b", "c"][row as usize / 7 % 3]).collect();
    frame.add_texts("area", &areas).unwrap();
    let claims = (0..rows).map(|row| f64::from(u8::from(row * 7_919 % 40 < 5 + row % 3))).collect();
    (frame, claims, vec![1.0; rows as usize])
}

#[test]
fn five_thousand_trees_end_at_the_next_one() {
    let (frame, claims, exposure) = policies();
    let data = Counts { frame: &frame, claims: &claims, exposure: &exposure };
    let boost = Boost { trees: 5_000, ..Boost::of(&["age", "area"]) };
    let asked = Patience::of(3).during(|stop| {
        assert_eq!(boost.fit_until(&data, stop), Err(TreesError::Stopped(Stopped)));
    });
    assert_eq!(asked, 4, "three trees were grown");
    let some = Boost { trees: 5, ..boost.clone() };
    let trees = some.fit_until(&data, Stop::NEVER).unwrap();
    assert_eq!(trees, some.fit(&data).unwrap());
    Patience::of(1).during(|stop| {
        let lost = trees.permuted_until(&data, 1, stop);
        assert_eq!(lost, Err(TreesError::Stopped(Stopped)));
    });
    Patience::of(0).during(|stop| {
        let tariff = boost.distil_until(&trees, &data, 1, stop);
        assert_eq!(tariff, Err(TreesError::Stopped(Stopped)));
    });
}

#[test]
fn fits_end_at_the_next_pass() {
    let (frame, claims, _) = policies();
    let data = Observations { frame: &frame, response: &claims, weight: None, offset: None };
    let terms = vec![Term::factor("area", "a"), Term::numeric("age")];
    let model = Model::log(Family::Poisson, terms);
    let stopped = GlmError::Stopped(Stopped);
    for most in [0, 2] {
        let asked = Patience::of(most).during(|stop| {
            assert_eq!(model.fit_until(&data, stop).unwrap_err(), stopped);
        });
        assert_eq!(asked, most + 1);
    }
    let fit = model.fit(&data).unwrap();
    // Each test fits once more: the second is called off, whatever the first took.
    let first = Patience::of(usize::MAX).during(|stop| {
        let left = Model { terms: vec![Term::numeric("age")], ..model.clone() };
        left.fit_until(&data, stop).unwrap();
    });
    let asked = Patience::of(first).during(|stop| {
        assert_eq!(type_three_until(&fit, &data, stop).unwrap_err(), stopped);
    });
    assert_eq!(asked, first + 1);
    Patience::of(1).during(|stop| {
        assert_eq!(model.fit_negative_binomial_until(&data, stop).unwrap_err(), stopped);
    });
}

#[test]
fn a_bootstrap_ends_at_the_next_batch_and_groups_at_the_next_round() {
    let rows = [vec![100.0, 150.0, 165.0], vec![110.0, 170.0], vec![120.0]];
    let rows: Vec<Vec<Option<f64>>> =
        rows.iter().map(|row| (0..3).map(|age| row.get(age).copied()).collect()).collect();
    let triangle = Triangle::cumulative(12, vec![12, 24, 36], &rows).unwrap();
    let plan = Bootstrap { draws: 100_000_000, ..Bootstrap::default() };
    let asked = Patience::of(2).during(|stop| {
        let stopped = ReservingError::Stopped(Stopped);
        assert_eq!(plan.run_until(&triangle, stop).unwrap_err(), stopped);
    });
    assert_eq!(asked, 3);

    let rows: Vec<Vec<f64>> =
        (0..500).map(|row| vec![f64::from(row % 83), f64::from(row % 7)]).collect();
    let plan = KMeans { groups: 9, starts: 1_000_000, seed: 1 };
    Patience::of(20).during(|stop| {
        assert_eq!(plan.run_until(&rows, stop).unwrap_err(), SegmentError::Stopped(Stopped));
    });
}

#[test]
fn places_end_at_the_next_step() {
    let places: Vec<Place> = (0..60)
        .map(|place| Place {
            claims: f64::from(20 + place % 11),
            expected: 25.0,
            district: place / 10,
            at: [4.0 + 0.1 * f64::from(place % 10), 50.0 + 0.1 * f64::from(place / 10)],
        })
        .collect();
    let asked = Patience::of(4).during(|stop| {
        let learnt = Smoothing::learn_until(&places, stop);
        assert_eq!(learnt, Err(RegionError::Stopped(Stopped)));
    });
    assert_eq!(asked, 5);
    let smoothing = Smoothing { district: 0.01, near: 0.02, range_km: 20.0, own: 0.01 };
    Patience::of(0).during(|stop| {
        let fitted = smoothing.fit_until(&places, stop);
        assert_eq!(fitted, Err(RegionError::Stopped(Stopped)));
    });
}
