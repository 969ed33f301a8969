//! Trees and splines, out of sample on the stored split of the French portfolio. Settings were chosen on held-out learning rows; the test rows only say how good they are.

use actuarial_models::glm::{Family, Frame, Model, Observations, Term};
use actuarial_models::trees::{Boost, Counts, Ensemble};

use super::shared;
use super::table::Texts;

const COLUMNS: [&str; 9] = [
    "VehPower",
    "VehAge",
    "DrivAge",
    "BonusMalus",
    "Density",
    "Area",
    "VehBrand",
    "VehGas",
    "Region",
];

/// A part of the portfolio.
struct Part {
    frame: Frame,
    claims: Vec<f64>,
    exposure: Vec<f64>,
}

impl Part {
    /// Learning and test rows.
    fn both() -> Option<(Part, Part)> {
        shared("fremtpl2/freMTPL2freq.csv.gz")?;
        Some((Part::read("L"), Part::read("T")))
    }

    fn read(part: &str) -> Part {
        let all = Texts::read("fremtpl2/freMTPL2freq.csv.gz").unwrap();
        let split: Vec<bool> = all.texts("SplitS100").iter().map(|text| text == part).collect();
        let texts = all.only(|row| split[row]);
        let mut frame = Frame::new();
        for name in COLUMNS {
            if COLUMNS[5..].contains(&name) {
                frame.add_texts(name, texts.texts(name)).unwrap();
            } else {
                frame.add_numbers(name, texts.numbers(name)).unwrap();
            }
        }
        let of = |name: &str, change: &dyn Fn(f64) -> f64| -> Vec<f64> {
            texts.numbers(name).into_iter().map(change).collect()
        };
        frame.add_numbers("ln(Density)", of("Density", &f64::ln)).unwrap();
        frame.add_numbers("level", of("BonusMalus", &|level| level.min(150.0))).unwrap();
        frame.add_numbers("car", of("VehAge", &|age| age.min(25.0))).unwrap();
        frame.add_classes("power", "VehPower", &[5.0, 6.0, 7.0, 8.0, 9.0]).unwrap();
        let claims = of("ClaimNb", &|count| count.min(4.0));
        let exposure = of("Exposure", &|part| part.min(1.0));
        Part { frame, claims, exposure }
    }

    fn counts(&self) -> Counts<'_> {
        Counts { frame: &self.frame, claims: &self.claims, exposure: &self.exposure }
    }

    /// Mean Poisson deviance of frequencies, in hundredths.
    fn deviance(&self, frequencies: &[f64]) -> f64 {
        let rows = frequencies.iter().zip(&self.claims).zip(&self.exposure);
        let unit = |((frequency, claims), exposure): ((&f64, &f64), &f64)| {
            let mean = frequency * exposure;
            2.0 * (mean - claims + if *claims > 0.0 { claims * (claims / mean).ln() } else { 0.0 })
        };
        100.0 * rows.map(unit).sum::<f64>() / frequencies.len() as f64
    }
}

#[test]
fn trees_reach_their_deviance_out_of_sample_alone_and_averaged_and_explain_themselves() {
    let Some((learn, test)) = Part::both() else { return };
    let grow = |seed: u64| -> Ensemble {
        Boost { seed, ..Boost::of(&COLUMNS) }.fit(&learn.counts()).unwrap()
    };
    let grown: Vec<Ensemble> = (0..5).map(grow).collect();
    let each: Vec<Vec<f64>> =
        grown.iter().map(|trees| trees.frequencies(&test.frame).unwrap()).collect();
    let mean: Vec<f64> = (0..test.claims.len())
        .map(|row| each.iter().map(|frequencies| frequencies[row]).sum::<f64>() / 5.0)
        .collect();
    let singles: Vec<f64> = each.iter().map(|found| test.deviance(found)).collect();
    let averaged = test.deviance(&mean);
    eprintln!("single {singles:.4?}, averaged {averaged:.4}");
    assert!(singles[0] <= 31.11, "{singles:?}");
    assert!(averaged <= 31.08, "{averaged}");

    // Every effect is accounted for.
    let trees = &grown[0];
    for row in [0, 777] {
        let effects = trees.effects(&test.frame, row).unwrap();
        assert!((effects.score() - each[0][row].ln()).abs() < 1e-10);
    }
    // What every published model of this portfolio leans on: the bonus-malus level.
    let mut importance = trees.importance();
    importance.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    assert!(importance[..3].iter().any(|most| most.name == "BonusMalus"), "{importance:?}");
    let lost = trees.permuted(&test.counts(), 1).unwrap();
    eprintln!("lost without {lost:.5?}");
    assert!(lost[3] > 0.002, "{lost:?}");
}

#[test]
fn a_tariff_distilled_from_trees_reaches_its_deviance_out_of_sample() {
    let Some((learn, test)) = Part::both() else { return };
    let trees = Boost::of(&COLUMNS).fit(&learn.counts()).unwrap();
    let plan = Boost { trees: 300, rate: 0.2, features_part: 1.0, ..Boost::of(&COLUMNS) };
    let tariff = plan.distil(&trees, &learn.counts(), 12).unwrap();
    let white = test.deviance(&tariff.frequencies(&test.frame).unwrap());
    eprintln!("white box {white:.4} in {} tables", tariff.tables.len());
    assert!(tariff.tables.len() <= 9 + 12 && tariff.tables.iter().all(|t| t.features.len() <= 2));
    assert!(white <= 31.50, "{white}");
}

#[test]
fn splines_reach_their_deviance_out_of_sample() {
    let Some((learn, test)) = Part::both() else { return };
    let terms = vec![
        Term::factor("power", "1"),
        Term::spline("car", &[0.0, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 20.0]),
        Term::spline("DrivAge", &[18.0, 21.0, 25.0, 30.0, 38.0, 46.0, 55.0, 65.0, 80.0]),
        Term::spline("level", &[50.0, 54.0, 60.0, 68.0, 76.0, 90.0, 110.0]),
        Term::factor("VehBrand", "B1"),
        Term::factor("VehGas", "Diesel"),
        Term::spline("ln(Density)", &[2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.5]),
        Term::factor("Region", "R24"),
        Term::factor("Area", "C"),
    ];
    let offset: Vec<f64> = learn.exposure.iter().map(|exposure| exposure.ln()).collect();
    let data = Observations {
        frame: &learn.frame,
        response: &learn.claims,
        weight: None,
        offset: Some(&offset),
    };
    let fit = Model::log(Family::Poisson, terms).fit(&data).unwrap();
    let found = test.deviance(&fit.predict(&test.frame, None).unwrap());
    eprintln!("splines {found:.4}");
    assert!(found <= 32.08, "{found}");
}
