//! What is asked of rows that lie elsewhere, as bytes: one version, little-endian, nothing left over.
//!
//! A question carries the terms, the levels of the factors and the basis of the numbers, from which
//! whoever tallies plans the very layout of whoever asks. What is read is checked to the point where a
//! tally cannot fail any more.

use super::TallyError;
use crate::glm::family::Curvature;
use crate::glm::layout::Layout;
use crate::glm::{Column, Family, Frame, GlmError, Link, Model, Term};
use crate::stored::{Reader, StoredError, Writer};

/// The version of questions and tallies; the two change together.
pub(super) const VERSION: u8 = 2;

/// A question about rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question {
    pub(super) family: Family,
    pub(super) link: Link,
    /// Products are of terms that are none.
    pub(super) terms: Vec<Term>,
    pub(super) asked: Asked,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// Levels of the factors, totals of the responses, first sums of the numbers.
    Survey,
    /// Products of the numbers that stand alone, and what is present in the cells.
    Products(Plan),
    /// The sums of the normal equations.
    Pass { plan: Plan, at: Vec<f64>, curvature: Curvature },
    /// How far responses are from their means, how likely they are, and what came where how much was
    /// expected.
    Closing { plan: Plan, at: Vec<f64>, dispersion: f64 },
    /// The sums of a model that is an intercept alone.
    Alone { level: f64 },
    /// What is known about α of the negative binomial family at these means.
    Shape { plan: Plan, at: Vec<f64>, alpha: f64 },
}

/// What a layout is planned from beside the terms.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// Factors and their levels, in the order of the columns.
    pub(super) levels: Vec<(String, Vec<String>)>,
    pub(super) centres: Vec<f64>,
    pub(super) factor: Vec<Vec<f64>>,
    pub(super) scales: Vec<f64>,
}

/// The columns that terms read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Columns of texts.
    pub texts: Vec<String>,
    /// Columns of numbers.
    pub numbers: Vec<String>,
}

impl Question {
    /// A question about the rows a model is fitted to.
    pub(super) fn of(model: &Model, asked: Asked) -> Question {
        let terms = model.terms.iter().map(flat).collect();
        Question { family: model.family, link: model.link, terms, asked }
    }

    /// The model, as far as rows are concerned.
    pub(super) fn model(&self) -> Model {
        Model { link: self.link, ..Model::log(self.family, self.terms.clone()) }
    }

    /// The layout of the design; of a survey, as if factors had no level but their bases.
    pub(super) fn layout(&self) -> Result<Layout, GlmError> {
        match (&self.asked, self.asked.plan()) {
            (Asked::Survey, _) => bare(&self.terms),
            (_, Some(plan)) => plan.layout(&self.terms),
            (_, None) => Layout::plan(&Frame::new(), &[]),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(VERSION);
        let (family, parameter) = match self.family {
            Family::Gaussian => (0, 0.0),
            Family::Poisson => (1, 0.0),
            Family::Gamma => (2, 0.0),
            Family::Tweedie { power } => (3, power),
            Family::Binomial => (4, 0.0),
            Family::NegativeBinomial { alpha } => (5, alpha),
        };
        to.byte(family);
        to.number(parameter);
        let (link, parameter) = match self.link {
            Link::Log => (0, 0.0),
            Link::Logit => (1, 0.0),
            Link::Power(power) => (2, power),
        };
        to.byte(link);
        to.number(parameter);
        to.count(self.terms.len());
        self.terms.iter().for_each(|term| write_term(&mut to, term));
        match &self.asked {
            Asked::Survey => to.byte(0),
            Asked::Products(plan) => {
                to.byte(1);
                plan.write(&mut to);
            }
            Asked::Pass { plan, at, curvature } => {
                to.byte(if *curvature == Curvature::Observed { 2 } else { 3 });
                plan.write(&mut to);
                to.numbers(at);
            }
            Asked::Closing { plan, at, dispersion } => {
                to.byte(4);
                plan.write(&mut to);
                to.numbers(at);
                to.number(*dispersion);
            }
            Asked::Alone { level } => {
                to.byte(5);
                to.number(*level);
            }
            Asked::Shape { plan, at, alpha } => {
                to.byte(6);
                plan.write(&mut to);
                to.numbers(at);
                to.number(*alpha);
            }
        }
        to.0
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Question, TallyError> {
        let mut from = Reader::new(bytes);
        let most = bytes.len();
        if from.byte()? != VERSION {
            return Err(TallyError::Malformed("it is of another version"));
        }
        let (family, parameter) = (from.byte()?, from.number()?);
        let family = match family {
            0 => Family::Gaussian,
            1 => Family::Poisson,
            2 => Family::Gamma,
            3 => Family::Tweedie { power: parameter },
            4 => Family::Binomial,
            5 => Family::NegativeBinomial { alpha: parameter },
            _ => return Err(TallyError::Malformed("there is no such family")),
        };
        let (link, parameter) = (from.byte()?, from.number()?);
        let link = match link {
            0 => Link::Log,
            1 => Link::Logit,
            2 => Link::Power(parameter),
            _ => return Err(TallyError::Malformed("there is no such link")),
        };
        let terms = (0..from.count(most)?).map(|_| term(&mut from, most));
        let terms = terms.collect::<Result<Vec<_>, StoredError>>()?;
        let asked = match from.byte()? {
            0 => Asked::Survey,
            1 => Asked::Products(Plan::read(&mut from, most)?),
            kind @ (2 | 3) => Asked::Pass {
                plan: Plan::read(&mut from, most)?,
                at: from.numbers(most)?,
                curvature: if kind == 2 { Curvature::Observed } else { Curvature::Expected },
            },
            4 => Asked::Closing {
                plan: Plan::read(&mut from, most)?,
                at: from.numbers(most)?,
                dispersion: from.number()?,
            },
            5 => Asked::Alone { level: from.number()? },
            6 => Asked::Shape {
                plan: Plan::read(&mut from, most)?,
                at: from.numbers(most)?,
                alpha: from.number()?,
            },
            _ => return Err(TallyError::Malformed("there is no such question")),
        };
        from.end()?;
        Ok(Question { family, link, terms, asked })
    }
}

impl Asked {
    /// What the layout is planned from, where it takes more than the terms.
    pub(super) fn plan(&self) -> Option<&Plan> {
        match self {
            Asked::Survey | Asked::Alone { .. } => None,
            Asked::Products(plan)
            | Asked::Pass { plan, .. }
            | Asked::Closing { plan, .. }
            | Asked::Shape { plan, .. } => Some(plan),
        }
    }

    /// The coefficients at which something is asked.
    pub(super) fn at(&self) -> Option<&[f64]> {
        match self {
            Asked::Survey | Asked::Products(_) | Asked::Alone { .. } => None,
            Asked::Pass { at, .. } | Asked::Closing { at, .. } | Asked::Shape { at, .. } => {
                Some(at)
            }
        }
    }
}

impl Plan {
    /// How a layout was planned, given the levels of its factors.
    pub(super) fn of(layout: &Layout, levels: &[(String, Vec<String>)]) -> Plan {
        let basis = &layout.basis;
        Plan {
            levels: levels.to_vec(),
            centres: basis.centres.clone(),
            factor: basis.factor.clone(),
            scales: basis.scaled.iter().map(|own| own.scale).collect(),
        }
    }

    fn layout(&self, terms: &[Term]) -> Result<Layout, GlmError> {
        let mut layout = Layout::plan(&frame(terms, &self.levels)?, terms)?;
        let basis = &mut layout.basis;
        let count = basis.alone.len();
        let square = self.factor.len() == count && self.factor.iter().all(|row| row.len() == count);
        let fits = square && self.centres.len() == count && self.scales.len() == basis.scaled.len();
        if !fits || self.scales.contains(&0.0) || (0..count).any(|j| self.factor[j][j] == 0.0) {
            return Err(GlmError::Argument("the basis of the numbers"));
        }
        basis.centres.clone_from(&self.centres);
        basis.factor.clone_from(&self.factor);
        basis.scaled.iter_mut().zip(&self.scales).for_each(|(own, &scale)| own.scale = scale);
        Ok(layout)
    }

    fn write(&self, to: &mut Writer) {
        to.count(self.levels.len());
        for (name, levels) in &self.levels {
            to.text(name);
            to.texts(levels);
        }
        to.numbers(&self.centres);
        to.count(self.factor.len());
        self.factor.iter().for_each(|row| to.numbers(row));
        to.numbers(&self.scales);
    }

    fn read(from: &mut Reader<'_>, most: usize) -> Result<Plan, StoredError> {
        let levels = (0..from.count(most)?).map(|_| Ok((from.text()?, from.texts(most)?)));
        Ok(Plan {
            levels: levels.collect::<Result<_, StoredError>>()?,
            centres: from.numbers(most)?,
            factor: (0..from.count(most)?).map(|_| from.numbers(most)).collect::<Result<_, _>>()?,
            scales: from.numbers(most)?,
        })
    }
}

impl Columns {
    /// The columns that `terms` read, each once, in the order they come.
    pub(super) fn of(terms: &[Term]) -> Result<Columns, GlmError> {
        let mut columns = Columns::default();
        terms.iter().for_each(|term| columns.add(term));
        let both = columns.texts.iter().find(|name| columns.numbers.contains(name));
        both.map_or(Ok(()), |name| Err(GlmError::Twice(name.clone())))?;
        Ok(columns)
    }

    fn add(&mut self, term: &Term) {
        let (columns, name) = match term {
            Term::Factor { column, .. } => (&mut self.texts, column),
            Term::Numeric { column } | Term::Spline { column, .. } => (&mut self.numbers, column),
            Term::Product(terms) => return terms.iter().for_each(|term| self.add(term)),
        };
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
}

/// A frame without rows: factors with these levels, and the numbers of the terms.
pub(super) fn frame(terms: &[Term], levels: &[(String, Vec<String>)]) -> Result<Frame, GlmError> {
    let mut frame = Frame::new();
    for (name, levels) in levels {
        frame.add(name, Column::Factor { levels: levels.clone(), codes: vec![] })?;
    }
    for name in Columns::of(terms)?.numbers {
        frame.add_numbers(&name, vec![])?;
    }
    Ok(frame)
}

/// The layout of these terms as if factors had no level but their bases.
pub(super) fn bare(terms: &[Term]) -> Result<Layout, GlmError> {
    Layout::plan(&frame(terms, &bases(terms))?, terms)
}

/// Every factor with the levels that are bases of it.
fn bases(terms: &[Term]) -> Vec<(String, Vec<String>)> {
    fn add(term: &Term, levels: &mut Vec<(String, Vec<String>)>) {
        match term {
            Term::Factor { column, base } => {
                match levels.iter_mut().find(|(name, _)| name == column) {
                    Some((_, bases)) if bases.contains(base) => {}
                    Some((_, bases)) => bases.push(base.clone()),
                    None => levels.push((column.clone(), vec![base.clone()])),
                }
            }
            Term::Product(terms) => terms.iter().for_each(|term| add(term, levels)),
            Term::Numeric { .. } | Term::Spline { .. } => {}
        }
    }
    let mut levels = vec![];
    terms.iter().for_each(|term| add(term, &mut levels));
    levels
}

/// The same term; a product within a product takes its place there.
fn flat(term: &Term) -> Term {
    match term {
        Term::Product(terms) => {
            let flat = terms.iter().map(flat).flat_map(|term| match term {
                Term::Product(terms) => terms,
                single => vec![single],
            });
            Term::Product(flat.collect())
        }
        single => single.clone(),
    }
}

fn write_term(to: &mut Writer, term: &Term) {
    match term {
        Term::Factor { column, base } => {
            to.byte(0);
            to.text(column);
            to.text(base);
        }
        Term::Numeric { column } => {
            to.byte(1);
            to.text(column);
        }
        Term::Spline { column, knots } => {
            to.byte(2);
            to.text(column);
            to.numbers(knots);
        }
        Term::Product(terms) => {
            to.byte(3);
            to.count(terms.len());
            terms.iter().for_each(|term| write_term(to, term));
        }
    }
}

fn term(from: &mut Reader<'_>, most: usize) -> Result<Term, StoredError> {
    match from.byte()? {
        3 => {
            let terms = (0..from.count(most)?).map(|_| {
                let kind = from.byte()?;
                single(kind, from, most)
            });
            Ok(Term::Product(terms.collect::<Result<_, _>>()?))
        }
        kind => single(kind, from, most),
    }
}

/// A term that is no product; so reading ends however deep a writer nests.
fn single(kind: u8, from: &mut Reader<'_>, most: usize) -> Result<Term, StoredError> {
    let column = from.text()?;
    match kind {
        0 => Ok(Term::Factor { column, base: from.text()? }),
        1 => Ok(Term::Numeric { column }),
        2 => Ok(Term::Spline { column, knots: from.numbers(most)? }),
        _ => Err(StoredError("there is no such term")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::glm::Tally;

    fn single_term() -> impl Strategy<Value = Term> {
        prop_oneof![
            ("[a-c]", "[x-z]").prop_map(|(column, base)| Term::Factor { column, base }),
            "[m-p]".prop_map(|column| Term::Numeric { column }),
            ("[m-p]", vec(-9.0..9.0, 0..5))
                .prop_map(|(column, knots)| Term::Spline { column, knots }),
        ]
    }

    fn any_plan() -> impl Strategy<Value = Plan> {
        let numbers = || vec(-9.0..9.0, 0..4);
        let levels = vec(("[a-c]", vec(".{0,3}", 0..4)), 0..4);
        (levels, numbers(), vec(numbers(), 0..4), numbers())
            .prop_map(|(levels, centres, factor, scales)| Plan { levels, centres, factor, scales })
    }

    fn any_question() -> impl Strategy<Value = Question> {
        let family = prop_oneof![
            Just(Family::Gaussian),
            Just(Family::Poisson),
            Just(Family::Gamma),
            (1.1..1.9).prop_map(|power| Family::Tweedie { power }),
            Just(Family::Binomial),
            (0.1..9.0).prop_map(|alpha| Family::NegativeBinomial { alpha }),
        ];
        let link =
            prop_oneof![Just(Link::Log), Just(Link::Logit), (0.5..2.0).prop_map(Link::Power)];
        let term = prop_oneof![single_term(), vec(single_term(), 0..3).prop_map(Term::Product)];
        let at = || vec(-9.0..9.0, 0..4);
        let asked = prop_oneof![
            Just(Asked::Survey),
            any_plan().prop_map(Asked::Products),
            (any_plan(), at(), any::<bool>()).prop_map(|(plan, at, observed)| {
                let curvature = if observed { Curvature::Observed } else { Curvature::Expected };
                Asked::Pass { plan, at, curvature }
            }),
            (any_plan(), at(), 0.1..9.0).prop_map(|(plan, at, dispersion)| Asked::Closing {
                plan,
                at,
                dispersion
            }),
            (-9.0..9.0).prop_map(|level| Asked::Alone { level }),
            (any_plan(), at(), 0.1..9.0).prop_map(|(plan, at, alpha)| Asked::Shape {
                plan,
                at,
                alpha
            }),
        ];
        (family, link, vec(term, 0..4), asked).prop_map(|(family, link, terms, asked)| Question {
            family,
            link,
            terms,
            asked,
        })
    }

    proptest! {
        #[test]
        fn a_question_is_read_as_it_was_written_and_no_part_of_it_is_one(
            question in any_question(),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = question.to_bytes();
            prop_assert_eq!(Question::from_bytes(&bytes), Ok(question));
            prop_assert!(Question::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
            let longer = [&bytes[..], &[0]].concat();
            prop_assert!(Question::from_bytes(&longer).is_err());
            // Whatever it says, it begins a tally or is refused.
            let _ = Tally::of(&bytes);
        }

        #[test]
        fn bytes_that_are_no_question_are_refused(bytes in vec(any::<u8>(), 0..200)) {
            if let Ok(question) = Question::from_bytes(&bytes) {
                prop_assert_eq!(question.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn factors_of_a_plan_are_those_of_the_terms_in_their_order() {
        let terms = vec![Term::factor("area", "a"), Term::factor("fuel", "gas")];
        let model = Model::log(Family::Poisson, terms);
        let levels = |names: [&str; 2]| {
            names.map(|name| (name.to_owned(), vec!["a".to_owned(), "gas".to_owned()])).to_vec()
        };
        for (names, is_one) in [(["area", "fuel"], true), (["fuel", "area"], false)] {
            let plan =
                Plan { levels: levels(names), centres: vec![], factor: vec![], scales: vec![] };
            let asked = Asked::Closing { plan, at: vec![0.0; 3], dispersion: 1.0 };
            let tally = Tally::of(&Question::of(&model, asked).to_bytes());
            assert_eq!(tally.is_ok(), is_one, "{tally:?}");
        }
    }

    #[test]
    fn a_product_within_a_product_takes_its_place() {
        let inner = Term::Product(vec![Term::numeric("age"), Term::numeric("power")]);
        let nested = Term::Product(vec![Term::factor("area", "a"), inner]);
        let model = Model::log(Family::Poisson, vec![nested]);
        let question = Question::of(&model, Asked::Survey);
        let parts = [Term::factor("area", "a"), Term::numeric("age"), Term::numeric("power")];
        assert_eq!(question.terms, [Term::Product(parts.to_vec())]);
        let columns = Columns::of(&model.terms).unwrap();
        assert_eq!((columns.texts, columns.numbers.len()), (vec!["area".to_owned()], 2));
        let both = [Term::factor("age", "old"), Term::numeric("age")];
        assert_eq!(Columns::of(&both), Err(GlmError::Twice("age".into())));
    }
}
