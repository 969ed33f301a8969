//! 结案时长: how long claims stay open, and what makes it longer (Kaplan and Meier; Cox).

use actuarial_models::survival::{Lifetime, SurvivalError, Ties, cox, kaplan_meier};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error;
use crate::figure::Figure;
use crate::job::Watch;
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::prepare::{ConditionBody, DerivedBody, Prepare};
use crate::method::{Failure, Outcome, Plan};

/// Most times a curve is shown at; more are thinned out.
const MOST_STEPS: usize = 1_000;
/// Most curves.
const MOST_GROUPS: usize = 50;

/// What is analysed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = SurvivalParameters)]
pub struct SurvivalBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// Columns made of others, which everything else may name.
    pub derive: Option<Vec<DerivedBody>>,
    /// The column of durations, such as days from report to settlement.
    pub time: Option<String>,
    /// The column that says whether it ended: true or 1; false or 0 while it is still open. All ended
    /// when absent.
    pub ended: Option<String>,
    /// A curve for each value of this column; one for all when absent.
    pub group: Option<String>,
    /// Columns of numbers whose effect on the hazard is estimated (Cox).
    pub covariates: Option<Vec<String>>,
    /// How ends at one time are treated: `efron` (the default) or `breslow`.
    pub ties: Option<String>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Survival {
    columns: Vec<String>,
    prepare: Prepare,
    time: String,
    ended: Option<String>,
    group: Option<String>,
    covariates: Vec<String>,
    ties: Ties,
}

/// How long things last.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SurvivalResult {
    pub(crate) curves: Vec<CurveResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cox: Option<CoxResult>,
}

/// The part that lasts on, of one group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CurveResult {
    pub(crate) name: String,
    pub(crate) subjects: usize,
    pub(crate) ended: usize,
    /// Null when more than half last on.
    pub(crate) median: Option<Figure>,
    pub(crate) steps: Vec<StepResult>,
}

/// A time at which something ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepResult {
    pub(crate) time: Figure,
    pub(crate) at_risk: usize,
    pub(crate) events: usize,
    pub(crate) survival: Figure,
    pub(crate) error: Figure,
}

/// What makes them last longer or shorter.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CoxResult {
    pub(crate) ties: String,
    pub(crate) coefficients: Vec<HazardResult>,
    pub(crate) null_log_likelihood: Figure,
    pub(crate) log_likelihood: Figure,
}

/// What one covariate does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HazardResult {
    pub(crate) name: String,
    pub(crate) estimate: Figure,
    pub(crate) error: Figure,
    /// Null where the error is zero.
    pub(crate) z: Option<Figure>,
    pub(crate) hazard_ratio: Figure,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &SurvivalBody, check: &mut Check<'_>) -> Survival {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let ties = [("efron", Ties::Efron), ("breslow", Ties::Breslow)];
    let mut covariates: Vec<String> = vec![];
    for (index, name) in body.covariates.iter().flatten().enumerate() {
        let at = format!("/covariates/{index}");
        if covariates.contains(name) {
            check.fault(&at, "is named before");
        }
        covariates.push(check.number(&at, Some(name), None));
    }
    if covariates.len() > 100 {
        check.fault("/covariates", "are at most 100");
    }
    Survival {
        time: check.number("/time", body.time.as_ref(), None),
        ended: check.optional_number("/ended", body.ended.as_ref(), None),
        group: check.optional("/group", body.group.as_ref(), None),
        ties: check.word("/ties", body.ties.as_ref(), &ties),
        columns: check.used(),
        prepare,
        covariates,
    }
}

impl Plan for Survival {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, _seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        let data = self.prepare.apply(data)?;
        let lifetimes = self.lifetimes(&data)?;
        let (groups, codes) = match &self.group {
            Some(group) => data.factor(group)?,
            None => (vec!["all".to_owned()], vec![0; data.rows()]),
        };
        if groups.len() > MOST_GROUPS {
            let detail = format!("{} groups are more than {MOST_GROUPS}", groups.len());
            return Err(Failure::new(&error::TOO_MUCH_DATA, detail, "group them under derive"));
        }
        let mut curves = Vec::with_capacity(groups.len());
        for (group, name) in groups.iter().enumerate() {
            let own = lifetimes.iter().zip(&codes).filter(|(_, code)| **code as usize == group);
            let own: Vec<Lifetime> = own.map(|(lifetime, _)| *lifetime).collect();
            curves.push(self.curve(name, &own)?);
        }
        if watch.is_stopped() {
            return Err(Failure::stopped());
        }
        let mut shown = vec![("subjects", lifetimes.len() as f64)];
        let ended = lifetimes.iter().filter(|lifetime| lifetime.ended).count();
        shown.push(("ended", ended as f64));
        if let [curve] = curves.as_slice() {
            shown.extend(curve.median.map(|median| ("median", median.0)));
        }
        watch.stage("regressing the hazard", 40);
        let cox =
            if self.covariates.is_empty() { None } else { Some(self.cox(&data, &lifetimes)?) };
        shown.extend(cox.as_ref().map(|cox| ("logLikelihood", cox.log_likelihood.0)));
        Outcome::of(&SurvivalResult { curves, cox }, shown)
    }
}

impl Survival {
    fn lifetimes(&self, data: &Data) -> Result<Vec<Lifetime>, Failure> {
        let times = data.numbers(&self.time)?;
        let Some(column) = &self.ended else {
            return Ok(times.into_iter().map(|time| Lifetime { time, ended: true }).collect());
        };
        let ended = data.numbers(column)?;
        if let Some(row) = ended.iter().position(|ended| *ended != 0.0 && *ended != 1.0) {
            let detail = format!("{column} is {} in row {}", ended[row], row + 1);
            let advice = "the column says true or 1 where it ended, false or 0 while it is open";
            return Err(Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column));
        }
        let each = times.into_iter().zip(ended);
        Ok(each.map(|(time, ended)| Lifetime { time, ended: ended == 1.0 }).collect())
    }

    fn curve(&self, name: &str, own: &[Lifetime]) -> Result<CurveResult, Failure> {
        let found = kaplan_meier(own).map_err(|error| self.refused(&error, name))?;
        let steps = found.steps();
        // Even thinning keeps the first and the last.
        let every = steps.len().div_ceil(MOST_STEPS).max(1);
        let shown = steps.iter().enumerate();
        let shown = shown.filter(|(at, _)| at % every == 0 || at + 1 == steps.len());
        Ok(CurveResult {
            name: name.to_owned(),
            subjects: own.len(),
            ended: own.iter().filter(|lifetime| lifetime.ended).count(),
            median: found.median().map(Figure),
            steps: shown
                .map(|(_, step)| StepResult {
                    time: step.time.into(),
                    at_risk: step.at_risk,
                    events: step.events,
                    survival: step.survival.into(),
                    error: step.error.into(),
                })
                .collect(),
        })
    }

    fn cox(&self, data: &Data, lifetimes: &[Lifetime]) -> Result<CoxResult, Failure> {
        let columns = self.covariates.iter().map(|column| data.numbers(column));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let rows: Vec<Vec<f64>> = (0..data.rows())
            .map(|row| columns.iter().map(|column| column[row]).collect())
            .collect();
        let found =
            cox(lifetimes, &rows, self.ties).map_err(|error| self.refused(&error, "all"))?;
        let each = self.covariates.iter().zip(&found.coefficients).zip(&found.errors);
        Ok(CoxResult {
            ties: if self.ties == Ties::Efron { "efron" } else { "breslow" }.to_owned(),
            coefficients: each
                .map(|((name, estimate), error)| HazardResult {
                    name: name.clone(),
                    estimate: (*estimate).into(),
                    error: (*error).into(),
                    z: Some(estimate / error).filter(|z| z.is_finite()).map(Figure),
                    hazard_ratio: estimate.exp().into(),
                })
                .collect(),
            null_log_likelihood: found.null_log_likelihood.into(),
            log_likelihood: found.log_likelihood.into(),
        })
    }

    fn refused(&self, error: &SurvivalError, group: &str) -> Failure {
        let text = error.to_string();
        let covariate = |place: usize| self.covariates.get(place).cloned().unwrap_or_default();
        match error {
            SurvivalError::Time(_) => Failure::new(
                &error::UNFIT_VALUE,
                format!("{} is negative in a row of {group}", self.time),
                "leave such rows out with a condition under rows",
            )
            .of_column(&self.time),
            SurvivalError::NoEvent => Failure::new(
                &error::NOTHING_TO_LEARN,
                format!("nothing of {group} ended"),
                "choose other rows, or leave the group out",
            ),
            SurvivalError::Aliased(place) => {
                let name = covariate(*place);
                let detail =
                    format!("{name} is constant or determined by the covariates before it");
                Failure::new(&error::UNDETERMINED, detail, "leave it out").of_column(&name)
            }
            SurvivalError::Separated(place) => {
                let name = covariate(*place);
                let detail =
                    format!("{name} tells ends apart perfectly: its coefficient is infinite");
                let advice = "leave it out, or take more rows";
                Failure::new(&error::UNDETERMINED, detail, advice).of_column(&name)
            }
            SurvivalError::NoConvergence(_) => {
                Failure::new(&error::NO_CONVERGENCE, text, "take fewer covariates")
            }
            SurvivalError::NotFinite(what) => Failure::not_a_number(what.0),
            SurvivalError::Covariate { .. } | SurvivalError::Width(_) => {
                Failure::new(&error::UNFIT_VALUE, text, "correct the covariates")
            }
        }
    }
}
