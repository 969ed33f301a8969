//! Data that cannot be: every kind has a named answer, and no number that is none ever leaves.

use actuarial_models::Triangle;
use actuarial_models::glm::{
    Aliased, Family, Frame, GlmError, Kind, Model, Observations, Penalty, Reading, Term,
};
use actuarial_models::reserving::{
    Bootstrap, LastSigma, ReservingError, Selection, Tail, Valuation, chain_ladder, mack, odp,
};
use actuarial_models::trees::{Boost, Counts, TreesError};

const ROWS: usize = 60;

/// Two ages and two areas, with a number that is zero and one that repeats another.
fn frame() -> Frame {
    let mut frame = Frame::new();
    let of = |value: &dyn Fn(usize) -> f64| (0..ROWS).map(value).collect::<Vec<f64>>();
    let areas: Vec<&str> = (0..ROWS).map(|row| ["a", "b", "c"][row % 3]).collect();
    frame.add_texts("area", &areas).unwrap();
    frame.add_texts("same", &areas).unwrap();
    frame.add_numbers("age", of(&|row| (row / 3) as f64)).unwrap();
    frame.add_numbers("months", of(&|row| 12.0 * (row / 3) as f64 + 1.0)).unwrap();
    frame.add_numbers("zero", vec![0.0; ROWS]).unwrap();
    frame.add_numbers("constant", vec![7.0; ROWS]).unwrap();
    frame
}

fn fit(model: Model, response: &[f64]) -> Result<Vec<f64>, GlmError> {
    let frame = frame();
    let data = Observations { frame: &frame, response, weight: None, offset: None };
    Ok(model.fit(&data)?.coefficients.into_iter().map(|c| c.estimate).collect())
}

/// Claims in every area and at every age, none of them the same number.
fn claims() -> Vec<f64> {
    (0..ROWS).map(|row| ((row * 7) % 4) as f64).collect()
}

#[test]
fn columns_a_model_cannot_use_are_named() {
    let poisson = |terms: Vec<Term>| fit(Model::log(Family::Poisson, terms), &claims());
    let zero = GlmError::ZeroColumn("zero".into());
    assert_eq!(poisson(vec![Term::numeric("zero")]), Err(zero));
    let aliased = |name: &str| Err(GlmError::Aliased(name.into()));
    assert_eq!(poisson(vec![Term::numeric("constant")]), aliased("constant"));
    let terms = vec![Term::numeric("age"), Term::numeric("months")];
    assert_eq!(poisson(terms), aliased("months"));
    let terms = vec![Term::factor("area", "a"), Term::factor("same", "a")];
    assert_eq!(poisson(terms.clone()), aliased("same=b"));
    let model = Model { aliased: Aliased::Drop, ..Model::log(Family::Poisson, terms) };
    let kept = fit(model, &claims()).unwrap();
    assert_eq!(kept[3..], [0.0, 0.0]);
    assert!(kept.iter().all(|estimate| estimate.is_finite()));
}

#[test]
fn responses_that_separate_are_named_by_what_separates_them() {
    // No claim in area b; every row in c has one.
    let none: Vec<f64> = (0..ROWS).map(|row| if row % 3 == 1 { 0.0 } else { 1.0 }).collect();
    let factor = || vec![Term::factor("area", "a")];
    let separated = |name: &str| Err(GlmError::Separated(name.into()));
    assert_eq!(fit(Model::log(Family::Poisson, factor()), &none), separated("area=b"));
    // A threshold in a number, which no level shows.
    let old: Vec<f64> = (0..ROWS).map(|row| f64::from(u8::from(row / 3 >= 9))).collect();
    assert_eq!(fit(Model::logistic(vec![Term::numeric("age")]), &old), separated("age"));
    // A penalty makes the estimate finite.
    let penalty = Penalty { l1: 0.0, l2: 1.0 };
    let model = Model { penalty, ..Model::logistic(vec![Term::numeric("age")]) };
    assert!(fit(model, &old).unwrap().iter().all(|estimate| estimate.is_finite()));
    let all = fit(Model::log(Family::Poisson, vec![]), &[0.0; ROWS]);
    assert_eq!(all, Err(GlmError::NoInformation));
}

#[test]
fn numbers_that_are_none_are_named_by_column_and_row() {
    for (value, text) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        let mut frame = Frame::new();
        let refused = frame.add_numbers("age", vec![1.0, value]);
        assert_eq!(refused, Err(GlmError::Value { what: "age".into(), row: Some(1) }));
        let mut reading = Reading::new(&[("age", Kind::Numeric)]);
        let refused = reading.row([text.as_bytes()]);
        assert_eq!(refused, Err(GlmError::Text { what: "age".into(), row: 0, text: text.into() }));
        let mut response = claims();
        response[5] = value;
        let refused = fit(Model::log(Family::Poisson, vec![]), &response).unwrap_err();
        assert!(matches!(
            refused,
            GlmError::Value { row: Some(5), .. } | GlmError::Response { row: Some(5), .. }
        ));
        let cell = Triangle::cumulative(12, vec![12, 24], &[vec![Some(1.0), Some(value)]]);
        assert_eq!(cell, Err(ReservingError::Cell { origin: 0, age: 1 }));
        let frame = self::frame();
        let data = Counts { frame: &frame, claims: &response, exposure: &[1.0; ROWS] };
        assert_eq!(Boost::of(&["age"]).fit(&data), Err(TreesError::Claims(5)));
    }
    let mut reading = Reading::new(&[("age", Kind::Numeric)]);
    assert!(reading.row(["30".as_bytes()]).is_ok());
    let refused = reading.row(["thirty".as_bytes()]).unwrap_err();
    assert_eq!(refused.to_string(), "age is \"thirty\" in row 1, which is not a finite number");
}

fn triangle(rows: &[&[f64]]) -> Triangle {
    let ages = (1..=rows[0].len() as u32).map(|year| 12 * year).collect();
    let rows: Vec<Vec<Option<f64>>> =
        rows.iter().map(|row| row.iter().copied().map(Some).collect()).collect();
    Triangle::incremental(12, ages, &rows).unwrap()
}

#[test]
fn a_triangle_of_one_cell_has_a_reserve_of_nothing_and_no_error() {
    let one = triangle(&[&[100.0]]);
    let development = Selection::default().develop(&one).unwrap();
    assert_eq!(chain_ladder(&one, development, Tail::default()).unwrap().reserve(), 0.0);
    let errors = mack(&one, &Selection::default(), LastSigma::Minimum, Tail::default());
    assert_eq!(errors, Err(ReservingError::NoVariation));
    let saturated = ReservingError::Saturated { cells: 1, parameters: 1 };
    assert_eq!(odp(&one).unwrap_err(), saturated);
    assert_eq!(Bootstrap::default().run(&one).unwrap_err(), saturated);
    assert_eq!(Valuation::of(&one, &[1.0]), Err(ReservingError::NoVariation));
}

#[test]
fn negative_increments_are_carried_or_refused_by_name() {
    // Recoveries in the second year of the first origin: amounts stay positive, so every method
    // answers with numbers.
    let carried =
        triangle(&[&[100.0, -10.0, 5.0, 2.0], &[120.0, 30.0, 4.0], &[90.0, 20.0], &[80.0]]);
    let found = mack(&carried, &Selection::default(), LastSigma::Minimum, Tail::default()).unwrap();
    assert!(found.ladder.reserve() > 0.0 && found.total.total().is_finite());
    assert!(odp(&carried).unwrap().total.total().is_finite());
    let plan = Bootstrap { draws: 500, ..Bootstrap::default() };
    let drawn = plan.run(&carried).unwrap();
    assert!(drawn.prediction.draws().iter().all(|draw| draw.is_finite()));

    // More came back than was paid: no link ratio starts from that.
    let below = triangle(&[&[100.0, 10.0, 5.0, 2.0], &[50.0, -60.0, 4.0], &[90.0, 20.0], &[80.0]]);
    let refused = mack(&below, &Selection::default(), LastSigma::Minimum, Tail::default());
    assert_eq!(refused, Err(ReservingError::NotPositive { origin: 1, age: 1 }));
    // A whole age that gives back: the Poisson model has no mean for it.
    let age = triangle(&[&[100.0, -10.0, 5.0, 2.0], &[120.0, -20.0, 4.0], &[90.0, -5.0], &[80.0]]);
    let refused = odp(&age).unwrap_err();
    assert_eq!(refused, ReservingError::NoVolume { what: "age", index: 1 });
}
