//! What a linear predictor consists of.

use super::{Frame, GlmError};

/// One term of a linear predictor; the intercept is always there and is none of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A coefficient for every level of a factor but its base.
    Factor {
        /// The factor.
        column: String,
        /// The level whose effect is in the intercept.
        base: String,
    },
    /// A coefficient for the values of a column.
    Numeric {
        /// The column.
        column: String,
    },
    /// A natural cubic spline: cubic between knots, straight outside the outer two.
    Spline {
        /// The column.
        column: String,
        /// At least three, increasing.
        knots: Vec<f64>,
    },
    /// The products of the columns of its parts.
    Product(Vec<Term>),
}

/// Columns of the design that belong together: a number times a choice of levels.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Factors and their bases; a combination has a column when none of its levels is a base.
    pub(crate) factors: Vec<(String, String)>,
    /// The number; nothing stands for one.
    pub(crate) number: Option<Number>,
}

/// A number of the design and how it comes from columns: as the product of functions of them.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) name: String,
    functions: Vec<Function>,
}

#[derive(Clone, Debug)]
enum Function {
    Itself { column: String },
    Spline { column: String, knots: Vec<f64>, index: usize },
}

impl Term {
    /// A factor with its base level.
    pub fn factor(column: &str, base: &str) -> Term {
        Term::Factor { column: column.to_owned(), base: base.to_owned() }
    }

    /// A number as it is; transformations are columns of the frame.
    pub fn numeric(column: &str) -> Term {
        Term::Numeric { column: column.to_owned() }
    }

    /// A natural cubic spline over these knots.
    pub fn spline(column: &str, knots: &[f64]) -> Term {
        Term::Spline { column: column.to_owned(), knots: knots.to_vec() }
    }

    /// The interaction of this term with another.
    pub fn times(self, other: Term) -> Term {
        let mut parts = match self {
            Term::Product(parts) => parts,
            single => vec![single],
        };
        match other {
            Term::Product(more) => parts.extend(more),
            single => parts.push(single),
        }
        Term::Product(parts)
    }

    /// What the term is called in tables of tests.
    pub fn name(&self) -> String {
        match self {
            Term::Factor { column, .. } | Term::Numeric { column } => column.clone(),
            Term::Spline { column, .. } => format!("spline({column})"),
            Term::Product(parts) => parts.iter().map(Term::name).collect::<Vec<_>>().join(":"),
        }
    }

    /// Refuses a base that no row of `frame` can have.
    ///
    /// Only of rows a model is fitted to: those it is used for, such as a single one, may lack it.
    pub(crate) fn has_bases(&self, frame: &Frame) -> Result<(), GlmError> {
        match self {
            Term::Factor { column, base } => {
                let (levels, _) = frame.factor(column)?;
                if levels.contains(base) {
                    return Ok(());
                }
                Err(GlmError::NoLevel { factor: column.clone(), level: base.clone() })
            }
            Term::Product(terms) => terms.iter().try_for_each(|term| term.has_bases(frame)),
            Term::Numeric { .. } | Term::Spline { .. } => Ok(()),
        }
    }

    /// The parts of the design it stands for, over the columns of `frame`.
    pub(crate) fn parts(&self, frame: &Frame) -> Result<Vec<Part>, GlmError> {
        match self {
            Term::Factor { column, base } => {
                frame.factor(column)?;
                Ok(vec![Part { factors: vec![(column.clone(), base.clone())], number: None }])
            }
            Term::Numeric { column } => {
                frame.numbers(column)?;
                let functions = vec![Function::Itself { column: column.clone() }];
                let number = Some(Number { name: column.clone(), functions });
                Ok(vec![Part { factors: vec![], number }])
            }
            Term::Spline { column, knots } => {
                let increasing = knots.windows(2).all(|pair| pair[0] < pair[1]);
                if knots.len() < 3 || !increasing || knots.iter().any(|knot| !knot.is_finite()) {
                    return Err(GlmError::Knots(column.clone()));
                }
                frame.numbers(column)?;
                let part = |index: usize| {
                    let (column, knots) = (column.clone(), knots.clone());
                    let name = format!("spline({column}){}", index + 1);
                    let functions = vec![Function::Spline { column, knots, index }];
                    Part { factors: vec![], number: Some(Number { name, functions }) }
                };
                Ok((0..knots.len() - 1).map(part).collect())
            }
            Term::Product(terms) => {
                let mut product = vec![Part { factors: vec![], number: None }];
                for term in terms {
                    let parts = term.parts(frame)?;
                    product = product
                        .iter()
                        .flat_map(|left| parts.iter().map(|right| left.times(right)))
                        .collect();
                }
                Ok(product)
            }
        }
    }
}

impl Part {
    fn times(&self, other: &Part) -> Part {
        let factors = self.factors.iter().chain(&other.factors).cloned().collect();
        let number = match (&self.number, &other.number) {
            (Some(one), Some(other)) => Some(Number {
                name: format!("{}:{}", one.name, other.name),
                functions: one.functions.iter().chain(&other.functions).cloned().collect(),
            }),
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        Part { factors, number }
    }
}

impl Number {
    /// Its values in rows whose columns of numbers are these.
    pub(crate) fn values<'a>(
        &self,
        numbers: impl Fn(&str) -> Result<&'a [f64], GlmError>,
    ) -> Result<Vec<f64>, GlmError> {
        let mut product: Option<Vec<f64>> = None;
        for function in &self.functions {
            let (Function::Itself { column } | Function::Spline { column, .. }) = function;
            let values = numbers(column)?;
            let at = |&x: &f64| match function {
                Function::Itself { .. } => x,
                Function::Spline { knots, index, .. } => natural_spline(x, knots, *index),
            };
            match &mut product {
                None => product = Some(values.iter().map(at).collect()),
                Some(product) => {
                    product.iter_mut().zip(values).for_each(|(product, x)| *product *= at(x));
                }
            }
        }
        Ok(product.unwrap_or_default())
    }
}

/// Value at `x` of the basis function `index` (0 is x itself) of the natural cubic spline.
///
/// Truncated powers, scaled by the squared range so that the columns are of the size of x. They are
/// nearly collinear, which does not matter: numbers are orthogonalised before the fit.
/// Source: Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 5.2.1.
fn natural_spline(x: f64, knots: &[f64], index: usize) -> f64 {
    if index == 0 {
        return x;
    }
    let last = knots.len() - 1;
    let cube = |knot: f64| (x - knot).max(0.0).powi(3);
    let d = |k: usize| (cube(knots[k]) - cube(knots[last])) / (knots[last] - knots[k]);
    (d(index - 1) - d(last - 1)) / (knots[last] - knots[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_natural_spline_is_straight_outside_and_smooth_inside() {
        let knots = [1.0, 2.0, 4.0];
        let at = |x: f64| natural_spline(x, &knots, 1);
        // Hand calculation at 3: (8/3 − 1/2) / 3.
        assert!((at(3.0) - (8.0 / 3.0 - 0.5) / 3.0).abs() < 1e-15);
        assert_eq!((at(0.0), at(1.0)), (0.0, 0.0));
        let second = |x: f64| (at(x + 1e-3) - 2.0 * at(x) + at(x - 1e-3)) / 1e-6;
        assert!(second(6.0).abs() < 1e-6 && second(3.0) > 0.1);
        // The second derivative has no jump at the inner knot.
        assert!((second(2.0 + 2e-3) - second(2.0 - 2e-3)).abs() < 0.02);
    }

    #[test]
    fn products_take_every_combination_of_columns() {
        let mut frame = Frame::new();
        frame.add_texts("area", &["a", "b"]).unwrap();
        frame.add_numbers("age", vec![2.0, 3.0]).unwrap();
        let term = Term::factor("area", "a").times(Term::spline("age", &[1.0, 2.0, 4.0]));
        let parts = term.times(Term::numeric("age")).parts(&frame).unwrap();
        assert_eq!(parts.len(), 2);
        let number = parts[0].number.as_ref().unwrap();
        let values = number.values(|name| frame.numbers(name)).unwrap();
        assert_eq!((number.name.as_str(), values), ("spline(age)1:age", vec![4.0, 9.0]));
        assert_eq!(parts[1].factors, [("area".to_owned(), "a".to_owned())]);
        assert_eq!(
            Term::factor("area", "z").times(Term::numeric("age")).has_bases(&frame).unwrap_err(),
            GlmError::NoLevel { factor: "area".into(), level: "z".into() }
        );
        assert!(matches!(Term::spline("age", &[1.0, 2.0]).parts(&frame), Err(GlmError::Knots(_))));
    }
}
