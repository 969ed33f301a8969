//! The regional factor (区域因子): what a place adds to a tariff that knows nothing of places.
//!
//! Claims of a place are Poisson around what the rest of the tariff expects times a relativity. The
//! logarithm of the relativity is a sum of three parts nobody sees: one all places of a district
//! have, one that near places share the more the nearer they are, and one of the place alone. Each is
//! normal around zero with its own variance: credibility and spatial smoothing in one model. What the
//! variances are, and how far "near" reaches, is learnt from the claims themselves (the likelihood by
//! Laplace's approximation); relativities are those most probable given the claims. A place without
//! claims has its district's and its neighbours' part.
//!
//! Source: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, sections 3.4 and 5.5.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::dense::{Dense, Factor, FactorError};
use crate::linalg::dot;
use crate::number::{NotFinite, all_finite, finite};
use crate::stop::{Stop, Stopped};

/// Why places cannot be smoothed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RegionError {
    /// Claims or expected claims that are negative or no number, or coordinates that are none.
    #[error("place {place} has no proper {what}")]
    Place {
        /// Which place.
        place: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// No place, no claim, or nothing expected.
    #[error("there are no claims to learn from")]
    NoClaims,
    /// More places than a dense system is made for.
    #[error("{found} places are more than {most}")]
    TooMany {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A variance or range out of its range.
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

/// A place, such as a postcode, with the claims of its policies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Claims.
    pub claims: f64,
    /// Claims the rest of the tariff expects.
    pub expected: f64,
    /// The district it lies in: any number that tells districts apart.
    pub district: u32,
    /// Longitude and latitude in degrees.
    pub at: [f64; 2],
}

/// How much places differ: variances of the logarithm of the relativity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothing {
    /// Of the part a district has.
    pub district: f64,
    /// Of the part that near places share.
    pub near: f64,
    /// Distance in kilometres at which that part is alike by 1/e.
    pub range_km: f64,
    /// Of the part of the place alone.
    pub own: f64,
}

/// Relativities of places.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// What they were smoothed by.
    pub smoothing: Smoothing,
    /// One per place, around one.
    pub relativities: Vec<f64>,
    /// Standard errors of their logarithms.
    pub errors: Vec<f64>,
    /// Logarithm of the likelihood of the claims, up to what does not depend on the smoothing.
    pub log_likelihood: f64,
    /// Districts and places on a plane in kilometres.
    places: Vec<(u32, [f64; 2])>,
    /// Middle of the places, where the plane touches.
    centre: [f64; 2],
    /// What each place's claims pull.
    pulls: Vec<f64>,
}

/// Places of one system at most: time grows with the cube.
const MOST_PLACES: usize = 4_000;

/// Places a search for the smoothing begins with.
const SAMPLE: usize = 1_000;

/// Variance of the level all places share; wide, for the level is known well from all claims.
const LEVEL: f64 = 0.1;

/// Newton's steps after which the relativities are given up.
const STEPS: usize = 100;

/// Variances below this are none.
const LEAST_VARIANCE: f64 = 1e-5;

impl Smoothing {
    /// Learns how much places differ: the smoothing under which the claims are most likely, to a factor
    /// of √2 in each of its four numbers, between which the likelihood hardly differs.
    ///
    /// Of more than a thousand places the search begins with some, evenly taken from among them, and ends
    /// with all: no neighbour of what is found makes all claims more likely.
    pub fn learn(places: &[Place]) -> Result<Smoothing, RegionError> {
        Smoothing::learn_until(places, Stop::NEVER)
    }

    /// The same, unless it is called off, which is asked at least once a second.
    pub fn learn_until(places: &[Place], stop: Stop<'_>) -> Result<Smoothing, RegionError> {
        check(places)?;
        Ok(Smoothing::at(learnt(places, SAMPLE, stop)?))
    }

    /// A point of the grid that is searched.
    fn at(point: [i32; 4]) -> Smoothing {
        let [district, near, range, own] = point.map(|half| (0.5 * f64::from(half)).exp2());
        let variance = |times: f64| if 0.01 * times < LEAST_VARIANCE { 0.0 } else { 0.01 * times };
        Smoothing {
            district: variance(district),
            near: variance(2.0 * near),
            range_km: 20.0 * range,
            own: variance(own),
        }
    }

    /// Relativities of the places under this smoothing.
    pub fn fit(&self, places: &[Place]) -> Result<Region, RegionError> {
        self.fit_until(places, Stop::NEVER)
    }

    /// The same, unless it is called off, which is asked before every step.
    pub fn fit_until(&self, places: &[Place], stop: Stop<'_>) -> Result<Region, RegionError> {
        check(places)?;
        self.check()?;
        let system = System::of(places);
        let mode = system.mode(self, &vec![0.0; places.len()], 1e-8, stop)?;
        let errors = mode.errors(stop)?;
        all_finite(&errors, "error of a relativity")?;
        let relativities: Vec<f64> = mode.logs.iter().map(|log| log.exp()).collect();
        all_finite(&relativities, "relativity")?;
        Ok(Region {
            smoothing: *self,
            relativities,
            errors,
            log_likelihood: finite(mode.log_likelihood, "likelihood")?,
            places: system.places,
            centre: system.centre,
            pulls: mode.pulls,
        })
    }

    fn check(&self) -> Result<(), RegionError> {
        let variance = |value: f64| value >= 0.0 && value.is_finite();
        if !(variance(self.district) && variance(self.near) && variance(self.own)) {
            return Err(RegionError::Argument("variance"));
        }
        if self.range_km > 0.0 && self.range_km.is_finite() {
            Ok(())
        } else {
            Err(RegionError::Argument("range"))
        }
    }

    /// Covariance of two different places.
    fn between(&self, one: &(u32, [f64; 2]), other: &(u32, [f64; 2])) -> f64 {
        let [x, y] = [one.1[0] - other.1[0], one.1[1] - other.1[1]];
        let near = self.near * (-(x * x + y * y).sqrt() / self.range_km).exp();
        LEVEL + near + if one.0 == other.0 { self.district } else { 0.0 }
    }
}

/// The most likely point of the grid; the search begins with at most `sample` places.
fn learnt(places: &[Place], sample: usize, stop: Stop<'_>) -> Result<[i32; 4], RegionError> {
    let all = System::of(places);
    // The first point is a market's order of magnitude.
    let first = [0; 4];
    let every = places.len().div_ceil(sample);
    let some: Vec<Place> = places.iter().step_by(every).copied().collect();
    if every == 1 || some.iter().all(|place| place.claims == 0.0) {
        return all.climb(first, &[4, 2, 1], stop);
    }
    let near = System::of(&some).climb(first, &[4, 2, 1], stop)?;
    all.climb(near, &[1], stop)
}

impl Region {
    /// The relativity of a place that was not among the places, or of any point.
    pub fn at(&self, district: u32, at: [f64; 2]) -> Result<f64, RegionError> {
        if !at.iter().all(|degrees| degrees.is_finite()) {
            return Err(RegionError::Place { place: 0, what: "coordinates" });
        }
        let new = (district, on_plane(self.centre, at));
        let shared = self.places.iter().map(|place| self.smoothing.between(&new, place));
        let log: f64 = shared.zip(&self.pulls).map(|(shared, pull)| shared * pull).sum();
        Ok(finite(log.exp(), "relativity")?)
    }
}

fn check(places: &[Place]) -> Result<(), RegionError> {
    if places.len() > MOST_PLACES {
        return Err(RegionError::TooMany { found: places.len(), most: MOST_PLACES });
    }
    for (index, place) in places.iter().enumerate() {
        let proper = |value: f64| value >= 0.0 && value.is_finite();
        let [long, lat] = place.at;
        let what = match () {
            () if !proper(place.claims) => "claims",
            () if !proper(place.expected) => "expected claims",
            () if !(long.abs() <= 180.0 && lat.abs() <= 90.0) => "coordinates",
            () if place.claims > 0.0 && place.expected == 0.0 => "expected claims",
            () => continue,
        };
        return Err(RegionError::Place { place: index, what });
    }
    let claims: f64 = places.iter().map(|place| place.claims).sum();
    if claims > 0.0 { Ok(()) } else { Err(RegionError::NoClaims) }
}

/// Kilometres east and north of a centre.
fn on_plane(centre: [f64; 2], at: [f64; 2]) -> [f64; 2] {
    const KM_PER_DEGREE: f64 = 111.195;
    let narrow = centre[1].to_radians().cos();
    [KM_PER_DEGREE * narrow * (at[0] - centre[0]), KM_PER_DEGREE * (at[1] - centre[1])]
}

/// Places and their claims, ready for any smoothing.
struct System {
    places: Vec<(u32, [f64; 2])>,
    centre: [f64; 2],
    claims: Vec<f64>,
    expected: Vec<f64>,
}

/// The most probable logarithms of relativities.
struct Mode {
    logs: Vec<f64>,
    pulls: Vec<f64>,
    log_likelihood: f64,
    covariance: Dense,
    /// Roots of the expected claims at the mode.
    roots: Vec<f64>,
    factor: Factor,
}

impl System {
    fn of(places: &[Place]) -> System {
        let count = places.len() as f64;
        let mean = |axis: usize| places.iter().map(|place| place.at[axis]).sum::<f64>() / count;
        let centre = [mean(0), mean(1)];
        System {
            places: places.iter().map(|p| (p.district, on_plane(centre, p.at))).collect(),
            centre,
            claims: places.iter().map(|place| place.claims).collect(),
            expected: places.iter().map(|place| place.expected).collect(),
        }
    }

    fn covariance(&self, smoothing: &Smoothing) -> Dense {
        Dense::of(self.places.len(), |row, column| {
            let between = smoothing.between(&self.places[row], &self.places[column]);
            if row == column { between + smoothing.own } else { between }
        })
    }

    /// Climbs to where the claims are most likely, in half steps of powers of two.
    fn climb(
        &self,
        from: [i32; 4],
        steps: &[i32],
        stop: Stop<'_>,
    ) -> Result<[i32; 4], RegionError> {
        let mut modes = vec![0.0; self.places.len()];
        let mut known: HashMap<[i32; 4], f64> = HashMap::new();
        let mut value = |point: [i32; 4]| -> Result<f64, RegionError> {
            // Whoever climbs looks back where it came from.
            if let Some(likelihood) = known.get(&point) {
                return Ok(*likelihood);
            }
            let found = self.mode(&Smoothing::at(point), &modes, 1e-3, stop)?;
            modes = found.logs;
            known.insert(point, found.log_likelihood);
            Ok(found.log_likelihood)
        };
        let mut best = from;
        let mut most = value(best)?;
        for &step in steps {
            let mut moved = true;
            let mut rounds = 0;
            while moved && rounds < 20 {
                (moved, rounds) = (false, rounds + 1);
                for axis in 0..4 {
                    for side in [step, -step] {
                        let mut point = best;
                        point[axis] = (point[axis] + side).clamp(-24, 16);
                        if point == best {
                            continue;
                        }
                        let found = value(point)?;
                        if found > most + 1e-3 {
                            (best, most, moved) = (point, found, true);
                            break;
                        }
                    }
                }
            }
        }
        Ok(best)
    }

    /// Newton's steps from `start` to the mode, until one moves no logarithm further than `still`.
    ///
    /// An error of the mode enters the likelihood by its square.
    fn mode(
        &self,
        smoothing: &Smoothing,
        start: &[f64],
        still: f64,
        stop: Stop<'_>,
    ) -> Result<Mode, RegionError> {
        let covariance = self.covariance(smoothing);
        let mut logs = start.to_vec();
        for _ in 0..STEPS {
            stop.ask()?;
            let means: Vec<f64> = self
                .expected
                .iter()
                .zip(&logs)
                .map(|(expected, log)| expected * log.exp())
                .collect();
            all_finite(&means, "expected claims of a place")?;
            let roots: Vec<f64> = means.iter().map(|mean| mean.sqrt()).collect();
            let factor = scaled(&covariance, &roots, stop)?;
            // b = W·f + ∇; a = b − W½·B⁻¹·W½·K·b; f = K·a.
            let wanted: Vec<f64> = (0..logs.len())
                .map(|place| means[place] * logs[place] + self.claims[place] - means[place])
                .collect();
            let spread = covariance.times(&wanted);
            let right: Vec<f64> = spread.iter().zip(&roots).map(|(x, root)| x * root).collect();
            let solved = factor.solve(&right);
            let pulls: Vec<f64> =
                (0..logs.len()).map(|place| wanted[place] - roots[place] * solved[place]).collect();
            let next = covariance.times(&pulls);
            let moved = next.iter().zip(&logs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            // Where a step would carry far, half of it still climbs: the posterior has one peak.
            let part = if moved > 2.0 { 2.0 / moved } else { 1.0 };
            logs.iter_mut().zip(&next).for_each(|(log, next)| *log += part * (next - *log));
            if moved < still {
                let chance = |place: usize| {
                    let log: f64 = logs[place];
                    self.claims[place] * log - self.expected[place] * log.exp()
                };
                let fit: f64 = (0..logs.len()).map(chance).sum();
                let log_likelihood = fit - 0.5 * dot(&pulls, &logs) - 0.5 * factor.ln_determinant();
                return Ok(Mode { logs, pulls, log_likelihood, covariance, roots, factor });
            }
        }
        Err(RegionError::NoConvergence(STEPS))
    }
}

impl Mode {
    /// Standard errors: the diagonal of K − K·W½·B⁻¹·W½·K.
    fn errors(&self, stop: Stop<'_>) -> Result<Vec<f64>, RegionError> {
        let shared =
            |place: usize, other: usize| self.covariance.row(place)[other] * self.roots[other];
        let known = self.factor.quadratics(self.logs.len(), shared, stop)?;
        let error = |(place, known): (usize, f64)| {
            (self.covariance.row(place)[place] - known).max(0.0).sqrt()
        };
        Ok(known.into_iter().enumerate().map(error).collect())
    }
}

/// The factor of B = 1 + W½·K·W½, which no smoothing makes singular.
fn scaled(covariance: &Dense, roots: &[f64], stop: Stop<'_>) -> Result<Factor, RegionError> {
    let system = Dense::of(roots.len(), |row, column| match row.cmp(&column) {
        Ordering::Less => 0.0,
        Ordering::Equal => 1.0 + roots[row] * roots[row] * covariance.row(row)[row],
        Ordering::Greater => roots[row] * roots[column] * covariance.row(row)[column],
    });
    system.factor(stop).map_err(|error| match error {
        FactorError::NotPositive => NotFinite("system of the places").into(),
        FactorError::Stopped(stopped) => stopped.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Draws;

    fn place(claims: f64, expected: f64, district: u32, at: [f64; 2]) -> Place {
        Place { claims, expected, district, at }
    }

    #[test]
    fn a_single_place_is_where_the_slopes_of_claims_and_prior_meet() {
        // At the mode, claims − expected·e^f = f / variance.
        let smoothing = Smoothing { district: 0.0, near: 0.0, range_km: 1.0, own: 0.3 };
        let region = smoothing.fit(&[place(30.0, 20.0, 1, [4.0, 50.0])]).unwrap();
        let log = region.relativities[0].ln();
        assert!((30.0 - 20.0 * log.exp() - log / 0.4).abs() < 1e-6);
        // The curvature there: expected·e^f + 1 / variance.
        let error = (20.0 * log.exp() + 1.0 / 0.4).powf(-0.5);
        assert!((region.errors[0] - error).abs() < 1e-6);
    }

    #[test]
    fn empty_places_follow_their_district_and_their_neighbours() {
        let smoothing = Smoothing { district: 0.05, near: 0.05, range_km: 10.0, own: 0.01 };
        let places = [
            place(200.0, 100.0, 1, [4.0, 50.0]),
            place(0.0, 0.0, 1, [5.0, 50.0]),
            place(0.0, 0.0, 2, [4.05, 50.0]),
            place(0.0, 0.0, 2, [6.0, 50.0]),
            place(1000.0, 1000.0, 3, [9.0, 50.0]),
        ];
        let region = smoothing.fit(&places).unwrap();
        let found = &region.relativities;
        assert!(found[0] > 1.7 && found[0] < 2.0, "{found:?}");
        assert!(found[1] > found[3] + 0.05 && found[2] > found[3] + 0.05, "{found:?}");
        assert!(region.errors[0] < region.errors[1]);
        // A place in the list and the same place asked for anew agree, but for its own part.
        let again = region.at(2, [4.05, 50.0]).unwrap();
        assert!((again / found[2] - 1.0).abs() < 1e-4, "{again} {found:?}");
    }

    /// A wave of e^±0.3 along the longitude.
    fn wave(x: usize) -> f64 {
        0.3 * (x as f64 / 3.0).sin()
    }

    /// Places drawn by the wave, nothing by district, hardly anything by place.
    fn waved(count: usize) -> Vec<Place> {
        let mut draws = Draws::new(9, 0);
        (0..count)
            .map(|index| {
                let (x, y) = (index % 12, index / 12);
                let mean = 400.0 * wave(x).exp();
                let claims = (mean + mean.sqrt() * draws.normal()).round();
                let at = [4.0 + 0.1 * x as f64, 50.0 + 0.1 * y as f64];
                place(claims, 400.0, index as u32 % 7, at)
            })
            .collect()
    }

    #[test]
    fn no_neighbour_of_what_is_learnt_makes_the_claims_more_likely() {
        let places = waved(300);
        let likelihood = |point| Smoothing::at(point).fit(&places).unwrap().log_likelihood;
        let [all, some] = [300, 100].map(|sample| learnt(&places, sample, Stop::NEVER).unwrap());
        for found in [all, some] {
            let most = likelihood(found);
            for axis in 0..4 {
                for side in [-1, 1] {
                    let mut point = found;
                    point[axis] += side;
                    assert!(likelihood(point) < most + 2e-3, "{found:?} {point:?}");
                }
            }
        }
        // None of the first of every three has a claim: the search begins with all.
        let mut silent = places.clone();
        silent.iter_mut().step_by(3).for_each(|place| place.claims = 0.0);
        let found = learnt(&silent, 100, Stop::NEVER).unwrap();
        assert_eq!(found, learnt(&silent, 300, Stop::NEVER).unwrap());
    }

    #[test]
    fn what_places_were_drawn_by_is_learnt() {
        let places = waved(120);
        let smoothing = Smoothing::learn(&places).unwrap();
        assert!(smoothing.near > 0.01, "{smoothing:?}");
        assert!(smoothing.district < 0.002 && smoothing.own < 0.002, "{smoothing:?}");
        let region = smoothing.fit(&places).unwrap();
        let apart = |log: &dyn Fn(usize) -> f64| {
            let square = |index: usize| (log(index) - wave(index % 12)).powi(2);
            ((0..120).map(square).sum::<f64>() / 120.0).sqrt()
        };
        let raw = apart(&|index| (places[index].claims / 400.0).ln());
        let smooth = apart(&|index| region.relativities[index].ln());
        assert!(smooth < 0.75 * raw, "{smooth} {raw}");
    }

    #[test]
    fn places_that_cannot_be_are_named() {
        let learn = |places: &[Place]| Smoothing::learn(places).unwrap_err();
        let good = place(1.0, 1.0, 1, [4.0, 50.0]);
        let wrong = |place: Place| learn(&[good, place]);
        let named = |what| RegionError::Place { place: 1, what };
        assert_eq!(wrong(Place { claims: f64::NAN, ..good }), named("claims"));
        assert_eq!(wrong(Place { expected: -1.0, ..good }), named("expected claims"));
        assert_eq!(wrong(Place { expected: 0.0, ..good }), named("expected claims"));
        assert_eq!(wrong(Place { at: [f64::INFINITY, 0.0], ..good }), named("coordinates"));
        assert_eq!(learn(&[Place { claims: 0.0, ..good }]), RegionError::NoClaims);
        assert_eq!(learn(&[]), RegionError::NoClaims);
        let smoothing = Smoothing { district: -0.1, near: 0.0, range_km: 1.0, own: 0.1 };
        assert_eq!(smoothing.fit(&[good]), Err(RegionError::Argument("variance")));
        let smoothing = Smoothing { district: 0.1, range_km: 0.0, ..smoothing };
        assert_eq!(smoothing.fit(&[good]), Err(RegionError::Argument("range")));
    }
}
