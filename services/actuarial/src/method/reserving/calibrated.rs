//! A reserve whose distribution is learnt from a market's past valuations and what came of them.

use actuarial_models::reserving::{Hindsight, Seen, Valuation};

use super::compute::{QUANTILES, refused};
use super::result::{CalibratedResult, HindsightResult, QuantileResult};
use super::triangle::Named;
use super::{Calibrate, Reserving};
use crate::error;
use crate::job::Watch;
use crate::method::Failure;
use crate::method::data::Data;

impl Reserving {
    /// The rows of the company whose reserve is wanted, where the dataset holds a market.
    pub(super) fn own_rows(&self, data: &Data) -> Result<Option<Data>, Failure> {
        let Some(Calibrate::Market { company, of, .. }) = &self.calibrate else { return Ok(None) };
        let (levels, codes) = data.factor(company)?;
        let Some(own) = levels.iter().position(|level| level == of) else {
            let detail = format!("no row has {of} in {company}");
            let advice = "name the company whose reserve is wanted, as it stands in the column";
            return Err(Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(company));
        };
        let keep: Vec<bool> = codes.iter().map(|code| *code as usize == own).collect();
        Ok(Some(data.clone().only(&keep)))
    }

    /// The calibrated reserve of the triangle; `data` holds the market.
    pub(super) fn calibrated(
        &self,
        data: &Data,
        named: &Named,
        exposure: &[f64],
        watch: &Watch,
    ) -> Result<Option<CalibratedResult>, Failure> {
        let Some(calibrate) = &self.calibrate else { return Ok(None) };
        // What is developed has no reserve any more: the distribution is for the back-test alone.
        if self.backtest.is_some() && named.triangle.is_developed() {
            return Ok(None);
        }
        let refuse = |error| refused(&error, &named.origins, named.triangle.ages());
        let (hindsight, companies, left_out, seen) = match calibrate {
            Calibrate::Given(hindsight) => (*hindsight, 0, vec![], vec![]),
            Calibrate::Market { company, views, .. } => {
                let (seen, companies, left_out) = self.market(data, company, views, watch)?;
                let learnt = Hindsight::learn(&seen).map_err(|_| {
                    let detail = format!(
                        "{} past valuations of {companies} companies teach too little",
                        seen.len()
                    );
                    let advice = "import more companies, or origins whose outcome is known, or give \
                                  calibrate.parameters of another run";
                    Failure::new(&error::NOTHING_TO_LEARN, detail, advice).of_column(company)
                })?;
                (learnt, companies, left_out, seen)
            }
        };
        let valuation = Valuation::of(&named.triangle, exposure).map_err(refuse)?;
        let spread = hindsight.spread(&valuation);
        let mut quantiles = vec![];
        for (name, p) in QUANTILES {
            let amount = spread.quantile(p).map_err(refuse)?;
            quantiles.push(QuantileResult { name: name.to_owned(), amount: amount.into() });
        }
        // How often outcomes it was learnt from lie inside nine tenths: a check of the form, no proof.
        let inside = seen.iter().filter(|past| {
            let p = hindsight.spread(&past.valuation).percentile(past.outcome);
            (0.05..=0.95).contains(&p)
        });
        let inside = inside.count() as f64 / seen.len().max(1) as f64;
        Ok(Some(CalibratedResult {
            reserve: spread.reserve.into(),
            mack_error: valuation.mack.into(),
            apart: valuation.apart.into(),
            scale: spread.scale.into(),
            deviation: spread.deviation().into(),
            quantiles,
            hindsight: HindsightResult {
                mack: hindsight.mack.into(),
                reserve: hindsight.reserve.into(),
                apart: hindsight.apart.into(),
                degrees: hindsight.degrees.into(),
                seen: hindsight.seen,
            },
            companies,
            left_out,
            inside: (!seen.is_empty()).then(|| inside.into()),
        }))
    }

    /// Past valuations of every company, how many companies gave any, and who gave none.
    fn market(
        &self,
        data: &Data,
        company: &str,
        views: &[usize],
        watch: &Watch,
    ) -> Result<(Vec<Seen>, usize, Vec<String>), Failure> {
        let (levels, codes) = data.factor(company)?;
        let (mut all, mut companies, mut left_out) = (vec![], 0, vec![]);
        for (place, name) in levels.into_iter().enumerate() {
            if watch.is_stopped() {
                return Err(Failure::stopped());
            }
            let keep: Vec<bool> = codes.iter().map(|code| *code as usize == place).collect();
            let before = all.len();
            // A company that cannot be valued teaches nothing, and is named.
            if let Ok((named, exposure)) = self.company(&data.clone().only(&keep)) {
                for view in views {
                    let seen = Valuation::look_back(&named.triangle, &exposure, *view);
                    all.extend(seen.unwrap_or_default());
                }
            }
            match all.len() > before {
                true => companies += 1,
                false => left_out.push(name),
            }
        }
        Ok((all, companies, left_out))
    }

    fn company(&self, data: &Data) -> Result<(Named, Vec<f64>), Failure> {
        let named = self.triangle(data, None)?;
        let column = self.exposure.as_deref().unwrap_or_default();
        let exposure = self.by_origin(data, column, &named)?;
        Ok((named, exposure))
    }
}
