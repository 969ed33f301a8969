//! Parameters of a pricing model, checked against the columns.

use actuarial_models::glm::{Aliased, Family, Link, Penalty};

use super::{FamilyAsked, Glm, GlmBody, TermAsked, TermBody};
use crate::dataset::Role;
use crate::dataset::infer::MOST_LEVELS;
use crate::method::check::Check;
use crate::method::data::MISSING_LEVEL;
use crate::method::prepare::{self, Condition, ConditionBody, Prepare};

/// Terms may be products of products, so deep.
const DEEPEST: usize = 4;
/// Most terms of a model.
const MOST_TERMS: usize = 200;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Poisson,
    Gamma,
    Tweedie,
    Binomial,
    NegativeBinomial,
    Gaussian,
}

const FAMILIES: [(&str, Word); 6] = [
    ("poisson", Word::Poisson),
    ("gamma", Word::Gamma),
    ("tweedie", Word::Tweedie),
    ("binomial", Word::Binomial),
    ("negativeBinomial", Word::NegativeBinomial),
    ("gaussian", Word::Gaussian),
];

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &GlmBody, check: &mut Check<'_>) -> Glm {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let hold_out = conditions(body.hold_out.as_ref(), check, "/holdOut");
    let word = check.word("/family", body.family.as_ref(), &FAMILIES);
    let family = family(word, body, check);
    let links = match word {
        Word::Binomial => vec![("logit", Link::Logit), ("log", Link::Log)],
        _ => {
            vec![("log", Link::Log), ("identity", Link::Power(1.0)), ("inverse", Link::Power(-1.0))]
        }
    };
    let link = check.word("/link", body.link.as_ref(), &links);
    let role = match word {
        Word::Gamma | Word::Tweedie => Role::Amount,
        _ => Role::Claims,
    };
    let response = check.number("/response", body.response.as_ref(), Some(role));
    let per = check.optional_number("/per", body.per.as_ref(), None);
    let of_role = (word == Word::Poisson || word == Word::NegativeBinomial)
        .then_some(Role::Exposure)
        .filter(|_| link == Link::Log && body.weight.is_none() && body.offset.is_none());
    let exposure = check.optional_number("/exposure", body.exposure.as_ref(), of_role);
    if exposure.is_some() && link != Link::Log {
        check.fault("/exposure", "goes with the log link; use weight or offset with others");
    }
    if exposure.is_some() && body.offset.is_some() {
        check.fault("/offset", "give exposure or offset, one of both");
    }
    if per.is_some() && body.weight.is_some() {
        check.fault("/weight", "per is the weight already; give one of both");
    }
    let terms = body.terms.iter().flatten().enumerate();
    let terms: Vec<TermAsked> = terms
        .filter_map(|(index, term)| asked(term, check, &format!("/terms/{index}"), 0))
        .collect();
    if terms.len() > MOST_TERMS {
        check.fault("/terms", format!("are at most {MOST_TERMS}"));
    }
    let in_passes =
        check.word("/reading", body.reading.as_ref(), &[("once", false), ("passes", true)]);
    for (column, base) in terms.iter().flat_map(TermAsked::factors).filter(|_| in_passes) {
        if base.is_none() {
            let detail = format!(
                "name the base of {column}: rows that are read in passes are not searched for one"
            );
            check.fault("/terms", detail);
        }
    }
    let penalty = Penalty {
        l1: check.within("/lasso", body.lasso, 0.0, 0.0..=f64::MAX),
        l2: check.within("/ridge", body.ridge, 0.0, 0.0..=f64::MAX),
    };
    let tests = tests(body, check);
    if !penalty.is_none() && body.tests.is_some() && tests != (false, false) {
        check.fault("/tests", "a penalised model has none; leave them out");
    }
    let whether = [("refuse", Aliased::Refuse), ("drop", Aliased::Drop)];
    Glm {
        aliased: check.word("/aliased", body.aliased.as_ref(), &whether),
        drops_missing: check.word(
            "/missing",
            body.missing.as_ref(),
            &[("refuse", false), ("drop", true)],
        ),
        weight: check.optional_number("/weight", body.weight.as_ref(), None),
        offset: check.optional_number("/offset", body.offset.as_ref(), None),
        wald: tests.0 && penalty.is_none(),
        type_three: tests.1 && penalty.is_none(),
        columns: vec![],
        in_passes,
        prepare,
        hold_out,
        family,
        link,
        response,
        per,
        exposure,
        terms,
        penalty,
    }
    .with_columns(check.used())
}

impl Glm {
    /// Columns are named until the last parameter is read.
    fn with_columns(self, columns: Vec<String>) -> Glm {
        Glm { columns, ..self }
    }
}

/// Conditions under a pointer of their own.
pub(crate) fn conditions(
    bodies: Option<&Vec<ConditionBody>>,
    check: &mut Check<'_>,
    at: &str,
) -> Vec<Condition> {
    let bodies = bodies.into_iter().flatten().enumerate();
    bodies
        .filter_map(|(index, body)| prepare::condition(check, &format!("{at}/{index}"), body))
        .collect()
}

fn family(word: Word, body: &GlmBody, check: &mut Check<'_>) -> FamilyAsked {
    if body.power.is_some() && word != Word::Tweedie {
        check.fault("/power", "belongs to tweedie");
    }
    if body.alpha.is_some() && word != Word::NegativeBinomial {
        check.fault("/alpha", "belongs to negativeBinomial");
    }
    FamilyAsked::Given(match word {
        Word::Poisson => Family::Poisson,
        Word::Gamma => Family::Gamma,
        Word::Gaussian => Family::Gaussian,
        Word::Binomial => Family::Binomial,
        Word::Tweedie => {
            let power = check.within("/power", body.power, 1.5, -10.0..=10.0);
            // So near to 1 or 2 digits are lost, and at 1 and 2 nothing is.
            let lost = [1.0, 2.0].iter().any(|at| power != *at && (power - at).abs() < 0.001);
            if (power > 0.0 && power < 1.0) || lost {
                let detail = "is 0 or below, 1, or above 1: there is no such family between 0 and 1; within \
                              0.001 of 1 or 2 give 1 or 2";
                check.fault("/power", detail);
            }
            Family::Tweedie { power }
        }
        Word::NegativeBinomial => match body.alpha {
            None => return FamilyAsked::NegativeBinomial,
            Some(alpha) => Family::NegativeBinomial {
                alpha: check.within("/alpha", Some(alpha), 1.0, 1e-9..=1e6),
            },
        },
    })
}

fn tests(body: &GlmBody, check: &mut Check<'_>) -> (bool, bool) {
    let Some(tests) = &body.tests else { return (true, false) };
    let words = [("wald", (true, false)), ("typeThree", (false, true))];
    let each = tests.iter().enumerate();
    each.map(|(index, test)| check.word(&format!("/tests/{index}"), Some(test), &words))
        .fold((false, false), |all, one| (all.0 || one.0, all.1 || one.1))
}

fn asked(term: &TermBody, check: &mut Check<'_>, at: &str, depth: usize) -> Option<TermAsked> {
    let named = [
        term.factor.is_some(),
        term.number.is_some(),
        term.spline.is_some(),
        term.product.is_some(),
    ];
    if named.iter().filter(|named| **named).count() != 1 {
        check.fault(at, "give one of factor, number, spline and product");
        return None;
    }
    if let Some(column) = &term.factor {
        check.needed(&format!("{at}/factor"), Some(column), None);
        if let (Some(base), Some(profile)) = (&term.base, check.profile(column)) {
            let levels = &profile.levels;
            let known = levels.is_empty()
                || base == MISSING_LEVEL
                || levels.iter().any(|level| level.value == *base);
            if !known {
                let some: Vec<&str> = levels.iter().map(|level| &*level.value).take(20).collect();
                let detail = format!("{column} has no level {base:?}; it has {}", some.join(", "));
                check.fault(&format!("{at}/base"), detail);
            }
        }
        if let Some(profile) = check.profile(column).filter(|profile| profile.distinct.is_none()) {
            let detail = format!(
                "{} has more than {MOST_LEVELS} values; group it with derive, or take it as a \
                 number",
                profile.name
            );
            check.fault(&format!("{at}/factor"), detail);
        }
        return Some(TermAsked::Factor { column: column.clone(), base: term.base.clone() });
    }
    if term.base.is_some() {
        check.fault(&format!("{at}/base"), "belongs to a factor");
    }
    if let Some(column) = &term.number {
        check.number(&format!("{at}/number"), Some(column), None);
        return Some(TermAsked::Number(column.clone()));
    }
    if let Some(column) = &term.spline {
        check.number(&format!("{at}/spline"), Some(column), None);
        let knots = term.knots.clone().unwrap_or_default();
        if knots.len() < 3 || knots.windows(2).any(|pair| pair[0] >= pair[1]) {
            check.fault(&format!("{at}/knots"), "are at least three increasing numbers");
        }
        return Some(TermAsked::Spline { column: column.clone(), knots });
    }
    let parts = term.product.as_deref().unwrap_or_default();
    if parts.len() < 2 || depth == DEEPEST {
        check.fault(&format!("{at}/product"), "is of at least two terms");
        return None;
    }
    let parts = parts.iter().enumerate().filter_map(|(index, part)| {
        asked(part, check, &format!("{at}/product/{index}"), depth + 1)
    });
    Some(TermAsked::Product(parts.collect()))
}
