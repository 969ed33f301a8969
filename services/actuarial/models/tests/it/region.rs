//! The regional factor out of fold: what places add to a tariff, by smoothing and by coordinates.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::thread;

use actuarial_models::glm::{Aliased, Family, Fit, Frame, Model, Observations};
use actuarial_models::region::{Place, Smoothing};
use actuarial_models::trees::{Boost, Counts};
use actuarial_models::validation::pricing::Priced;

use super::glm::{belgian, terms_of};
use super::table::Texts;
use super::{near, number, oracle};

const FOLDS: usize = 5;

/// The Belgian portfolio with its places.
struct Belgium {
    frame: Frame,
    claims: Vec<f64>,
    exposure: Vec<f64>,
    /// Place of each policy.
    place: Vec<usize>,
    /// Postcodes and coordinates of the places.
    places: Vec<(u32, [f64; 2])>,
}

/// Claims that are expected of the policies of a fold, by models of the other folds.
struct Held {
    rows: Vec<usize>,
    tariff: Vec<f64>,
    smooth: Vec<f64>,
    trees: Vec<f64>,
}

impl Belgium {
    fn read() -> Option<Belgium> {
        let (mut frame, claims, offset) = belgian()?;
        let texts = Texts::read("portfolios/beMTPL97.csv.gz")?;
        for name in ["ageph", "agec", "power", "bm", "long", "lat"] {
            // A few policies have no coordinates of their own; their postcode has.
            frame.add_numbers(name, texts.numbers(name)).unwrap();
        }
        let (long, lat) = (texts.numbers("long"), texts.numbers("lat"));
        let postcodes: Vec<u32> =
            texts.texts("postcode").iter().map(|code| code.parse().unwrap()).collect();
        let mut known = BTreeMap::new();
        for (row, code) in postcodes.iter().enumerate() {
            known.entry(*code).or_insert([long[row], lat[row]]);
        }
        let places: Vec<(u32, [f64; 2])> = known.into_iter().collect();
        let find = |code: &u32| places.binary_search_by_key(code, |place| place.0).unwrap();
        let place = postcodes.iter().map(find).collect();
        let exposure = offset.iter().map(|offset| offset.exp()).collect();
        Some(Belgium { frame, claims, exposure, place, places })
    }

    /// The tariff without places, fitted to some rows whose exposure is multiplied by factors of places.
    fn tariff(&self, rows: &[usize], factors: &[f64]) -> Fit {
        let case = &oracle("portfolio_glms").unwrap()["beMTPL97_poisson_no_region"];
        let frame = self.frame.pick(rows).unwrap();
        let claims = pick(&self.claims, rows);
        let offset = self.offset(rows, factors);
        let data =
            Observations { frame: &frame, response: &claims, weight: None, offset: Some(&offset) };
        let model = Model::log(Family::Poisson, terms_of(&frame, case));
        let threads = NonZero::new(1);
        Model { aliased: Aliased::Drop, threads, ..model }.fit(&data).unwrap()
    }

    fn offset(&self, rows: &[usize], factors: &[f64]) -> Vec<f64> {
        let log = |&row: &usize| (self.exposure[row] * factors[self.place[row]]).ln();
        rows.iter().map(log).collect()
    }

    /// Claims of the places among some rows, and what is expected without places.
    fn places(&self, rows: &[usize], expected: &[f64]) -> Vec<Place> {
        let mut places: Vec<Place> = self
            .places
            .iter()
            .map(|&(code, at)| Place { claims: 0.0, expected: 0.0, district: code / 100, at })
            .collect();
        for (&row, expected) in rows.iter().zip(expected) {
            places[self.place[row]].claims += self.claims[row];
            places[self.place[row]].expected += expected;
        }
        places
    }

    fn hold_out(&self, fold: usize) -> Held {
        let (learn, rows): (Vec<usize>, Vec<usize>) =
            (0..self.claims.len()).partition(|&row| fold_of(row) != fold);
        let even = vec![1.0; self.places.len()];
        let fit = self.tariff(&learn, &even);
        let held = self.frame.pick(&rows).unwrap();
        let tariff = fit.predict(&held, Some(&self.offset(&rows, &even))).unwrap();

        // How far to smooth is learnt from the other folds alone.
        let places = self.places(&learn, fit.means.as_ref().unwrap());
        let smoothing = Smoothing::learn(&places).unwrap();
        let first = smoothing.fit(&places).unwrap();
        // The tariff anew beside the factor, and the factor anew beside that.
        let fit = self.tariff(&learn, &first.relativities);
        let alone: Vec<f64> = learn
            .iter()
            .zip(fit.means.as_ref().unwrap())
            .map(|(&row, mean)| mean / first.relativities[self.place[row]])
            .collect();
        let region = smoothing.fit(&self.places(&learn, &alone)).unwrap();
        assert!(region.errors.iter().all(|error| *error > 0.0 && *error < 0.5), "{smoothing:?}");
        let offset = self.offset(&rows, &region.relativities);
        let smooth = fit.predict(&held, Some(&offset)).unwrap();

        // Trees on coordinates and everything else, on what tariff and factor leave.
        let factor = |row: usize| region.relativities[self.place[row]];
        let expected: Vec<f64> =
            learn.iter().zip(&alone).map(|(&row, mean)| mean * factor(row)).collect();
        let columns = [
            "coverage", "sex", "fuel", "use", "fleet", "ageph", "agec", "power", "bm", "long",
            "lat",
        ];
        let boost = Boost {
            trees: 150,
            leaves: 8,
            rate: 0.05,
            least_expected: 30.0,
            shrink: 20.0,
            rows_part: 0.8,
            features_part: 0.6,
            threads: NonZero::new(1),
            ..Boost::of(&columns)
        };
        let frame = self.frame.pick(&learn).unwrap();
        let claims = pick(&self.claims, &learn);
        let data = Counts { frame: &frame, claims: &claims, exposure: &expected };
        let left = boost.fit(&data).unwrap().frequencies(&held).unwrap();
        let trees = smooth.iter().zip(left).map(|(smooth, left)| smooth * left).collect();
        Held { rows, tariff, smooth, trees }
    }

    /// Mean Poisson deviance of all policies, in hundredths.
    fn deviance(&self, expected: &[f64]) -> f64 {
        let unit = |(mean, claims): (&f64, &f64)| {
            2.0 * (mean - claims + if *claims > 0.0 { claims * (claims / mean).ln() } else { 0.0 })
        };
        let rows = expected.iter().zip(&self.claims);
        100.0 * rows.map(unit).sum::<f64>() / expected.len() as f64
    }
}

/// The fold of a policy, by a hash of its number.
fn fold_of(row: usize) -> usize {
    let hash = ((row as u64 + 1) * 2_654_435_761) % (1 << 32);
    (hash * FOLDS as u64 / (1 << 32)) as usize
}

fn pick(values: &[f64], rows: &[usize]) -> Vec<f64> {
    rows.iter().map(|&row| values[row]).collect()
}

#[test]
fn places_add_to_a_tariff_out_of_fold() {
    let (Some(oracle), Some(belgium)) = (oracle("region_factor_cv"), Belgium::read()) else {
        return;
    };
    let held: Vec<Held> = thread::scope(|scope| {
        let folds = (0..FOLDS).map(|fold| {
            scope.spawn({
                let belgium = &belgium;
                move || belgium.hold_out(fold)
            })
        });
        let running: Vec<_> = folds.collect();
        running.into_iter().map(|fold| fold.join().unwrap()).collect()
    });
    let all = |of: fn(&Held) -> &Vec<f64>| {
        let mut expected = vec![0.0; belgium.claims.len()];
        for fold in &held {
            fold.rows.iter().zip(of(fold)).for_each(|(&row, mean)| expected[row] = *mean);
        }
        expected
    };
    let (tariff, smooth, trees) =
        (all(|held| &held.tariff), all(|held| &held.smooth), all(|held| &held.trees));
    let deviances = [&tariff, &smooth, &trees].map(|expected| belgium.deviance(expected));
    let gini = |expected: &[f64]| {
        Priced::new(&belgium.exposure, expected, &belgium.claims).unwrap().gini().unwrap()
    };
    let ginis = [&tariff, &smooth, &trees].map(|expected| gini(expected));
    eprintln!("deviances {deviances:.4?}, Gini {ginis:.4?}");
    near("tariff", deviances[0], number(&oracle["results"]["glm_no_region"]), 1e-8, 0.0);
    // Policies of one rate are one part of our curve; the oracle has them in some order.
    near("Gini", ginis[0], number(&oracle["gini_out_of_fold"]["glm_no_region"]), 1e-5, 0.0);
    assert!(deviances[1] <= 53.15 && deviances[2] <= 53.10, "{deviances:?}");
    assert!(ginis[1] > number(&oracle["gini_out_of_fold"]["glm_district_dummies"]), "{ginis:?}");
}
