//! A triangle from the rows of a dataset.

use std::collections::{BTreeMap, BTreeSet};

use actuarial_models::Triangle;

use super::{DevelopmentIs, Layout, Reserving};
use crate::error;
use crate::method::Failure;
use crate::method::data::Data;
use crate::method::period::{Period, common_step};

/// Most cells of a triangle.
const MOST_CELLS: usize = 1_000_000;

/// A triangle and what its periods are called.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) triangle: Triangle,
    pub(super) origins: Vec<Period>,
    /// Months of a period as the data have it, before the triangle was made coarser.
    pub(super) origin_months_found: u32,
    /// Cells that are sums of several rows.
    pub(super) summed_cells: usize,
}

/// Amounts by month the origin begins with, and age in months.
type Cells = BTreeMap<(i32, u32), Cell>;

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    amount: f64,
    there: usize,
    missing: usize,
}

impl Reserving {
    /// The triangle of `amount`, or of the columns of ages.
    pub(super) fn triangle(&self, data: &Data, amount: Option<&str>) -> Result<Named, Failure> {
        let origins = periods(data, &self.origin)?;
        let months: Vec<i32> = origins.iter().map(|origin| origin.month).collect();
        let named = origins.iter().map(|origin| origin.months).max().unwrap_or(12);
        let found = match named {
            1 => common_step(&months).unwrap_or(1),
            months => months,
        };
        let (cells, step) = match &self.layout {
            Layout::Wide(ages) => (wide(data, &self.origin, &months, ages)?, None),
            Layout::Long { development, is, amount: own } => {
                let amounts = data.gapped(amount.unwrap_or(own))?;
                let ages = self.ages(data, development, *is, &origins, found)?;
                (long(&months, &ages.0, &amounts), Some(ages.1))
            }
        };
        let (origins, ages, rows, summed_cells) = grid(&cells, found, step, self.age_months)?;
        let triangle = match self.is_incremental {
            true => Triangle::incremental(found, ages, &rows),
            false => Triangle::cumulative(found, ages, &rows),
        };
        let labels: Vec<Period> =
            origins.into_iter().map(|month| Period::beginning(month, found)).collect();
        let triangle = triangle.map_err(|error| super::compute::refused(&error, &labels, &[]))?;
        let named = Named { triangle, origins: labels, origin_months_found: found, summed_cells };
        self.coarser(named)
    }

    /// The triangle at the grain that was asked for.
    fn coarser(&self, named: Named) -> Result<Named, Failure> {
        let Some(wanted) = self.origin_months.filter(|wanted| *wanted != named.origin_months_found)
        else {
            return Ok(named);
        };
        let step = self.age_months.unwrap_or(wanted);
        let last = named.triangle.ages().last().copied().unwrap_or(step);
        // The last period of the longest origin begins later than its first.
        let last = last + wanted - named.origin_months_found;
        let ages: Vec<u32> = (1..=last / step).map(|age| age * step).collect();
        let triangle = named.triangle.coarser(wanted, ages);
        let triangle =
            triangle.map_err(|error| super::compute::refused(&error, &named.origins, &[]))?;
        let parts = (wanted / named.origin_months_found) as usize;
        let origins = named.origins.chunks_exact(parts);
        let origins = origins.map(|part| Period::beginning(part[0].month, wanted)).collect();
        Ok(Named { triangle, origins, ..named })
    }

    /// The age of each row in months, and the step between ages.
    fn ages(
        &self,
        data: &Data,
        column: &str,
        is: Option<DevelopmentIs>,
        origins: &[Period],
        origin_months: u32,
    ) -> Result<(Vec<u32>, u32), Failure> {
        let texts = data.texts(column)?;
        let is = match is {
            Some(is) => is,
            None => told(&texts, origins),
        };
        let unread = |row: usize, what: &str| {
            let text = texts[row].as_deref().unwrap_or("nothing");
            let detail = format!("{column} is {text:?} in row {}, which is no {what}", row + 1);
            let advice = "set developmentIs to valuation, age or lag, or leave the row out";
            Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column)
        };
        if is == DevelopmentIs::Valuation {
            let valuations = periods(data, column)?;
            let months: Vec<i32> = valuations.iter().map(|valuation| valuation.month).collect();
            let named = valuations.iter().map(|valuation| valuation.months).max().unwrap_or(12);
            let step = match (self.age_months, named) {
                (Some(step), _) => step,
                (None, 1) => common_step(&months).unwrap_or(1),
                (None, months) => months,
            };
            let length = if named == 1 { step } else { named };
            let mut ages = Vec::with_capacity(months.len());
            for (row, (valuation, origin)) in months.iter().zip(origins).enumerate() {
                let age = valuation - origin.month + length as i32;
                let age = u32::try_from(age).ok().filter(|age| *age > 0);
                ages.push(age.ok_or_else(|| unread(row, "valuation at or after its origin"))?);
            }
            return Ok((ages, step));
        }
        let mut ages = Vec::with_capacity(texts.len());
        for (row, text) in texts.iter().enumerate() {
            let age = text.as_deref().and_then(|text| text.trim().parse::<f64>().ok());
            let age = age.filter(|age| age.fract() == 0.0 && (0.0..=1_200.0).contains(age));
            ages.push(age.ok_or_else(|| unread(row, "age in months and no lag"))? as u32);
        }
        if is == DevelopmentIs::Age {
            let months: Vec<i32> = ages.iter().map(|age| *age as i32).collect();
            return Ok((ages, common_step(&[months, vec![0]].concat()).unwrap_or(origin_months)));
        }
        // Some count the first period as 0.
        let first = u32::from(ages.contains(&0));
        let step = self.age_months.unwrap_or(origin_months);
        Ok((ages.iter().map(|lag| (lag + first) * step).collect(), step))
    }

    /// An amount for each origin from a column that says it in each of the origin's rows; where companies
    /// are tested, in each of the company's, and theirs are added up.
    pub(super) fn by_origin(
        &self,
        data: &Data,
        column: &str,
        named: &Named,
    ) -> Result<Vec<f64>, Failure> {
        let values = data.gapped(column)?;
        let months = periods(data, &self.origin)?;
        let company = self.backtest.as_ref().and_then(|asked| asked.company.as_ref());
        let companies = match company {
            Some(company) => data.factor(company)?.1,
            None => vec![0; months.len()],
        };
        let mut each: BTreeMap<(i32, u32), f64> = BTreeMap::new();
        for (row, (origin, &value)) in months.iter().zip(&*values).enumerate() {
            if value.is_nan() {
                continue;
            }
            let known = *each.entry((origin.month, companies[row])).or_insert(value);
            if known != value {
                let origin = Period::beginning(origin.month, named.origin_months_found);
                let detail = format!(
                    "{column} of origin {origin} is {known} in one row and {value} in row {}",
                    row + 1
                );
                let advice = "one amount belongs to each origin: choose the rows of one segment, or \
                              import a dataset that is summed up";
                return Err(Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column));
            }
        }
        let mut found: BTreeMap<i32, f64> = BTreeMap::new();
        for ((month, _), value) in each {
            *found.entry(month).or_default() += value;
        }
        let parts = named.triangle.origin_months() / named.origin_months_found.max(1);
        let mut amounts = Vec::with_capacity(named.origins.len());
        for origin in &named.origins {
            let mut sum = 0.0;
            for part in 0..parts {
                let month = origin.month + (part * named.origin_months_found) as i32;
                sum += *found.get(&month).ok_or_else(|| {
                    let detail = format!("{column} says nothing of origin {origin}");
                    let advice = "every origin needs an amount";
                    Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column)
                })?;
            }
            amounts.push(sum);
        }
        Ok(amounts)
    }
}

/// The periods of a column.
fn periods(data: &Data, column: &str) -> Result<Vec<Period>, Failure> {
    let texts = data.texts(column)?;
    let mut periods = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let period = text.as_deref().and_then(Period::parse);
        periods.push(period.ok_or_else(|| {
            let text = text.as_deref().unwrap_or("nothing");
            let detail = format!("{column} is {text:?} in row {}, which is no period", row + 1);
            let advice = "periods are years (2024), quarters (2024Q1), months (2024-01) or days; \
                          leave other rows out with a condition under rows";
            Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column)
        })?);
    }
    Ok(periods)
}

/// What a column of development holds, from its values: periods that do not begin before the first
/// origin are valuations, small numbers are lags, others ages.
fn told(texts: &[Option<String>], origins: &[Period]) -> DevelopmentIs {
    let first = origins.iter().map(|origin| origin.month).min().unwrap_or(0);
    let is_valuation = |text: &Option<String>| {
        let period = text.as_deref().and_then(Period::parse);
        period.is_some_and(|period| first <= period.month)
    };
    if texts.iter().all(is_valuation) {
        return DevelopmentIs::Valuation;
    }
    let numbers = || texts.iter().flatten().filter_map(|text| text.trim().parse::<f64>().ok());
    let (least, most) =
        numbers().fold((f64::MAX, 0.0_f64), |(least, most), n| (least.min(n), most.max(n)));
    let is_lag = least <= 1.0 && most <= 60.0;
    if is_lag { DevelopmentIs::Lag } else { DevelopmentIs::Age }
}

fn long(origins: &[i32], ages: &[u32], amounts: &[f64]) -> Cells {
    let mut cells = Cells::new();
    for ((origin, age), amount) in origins.iter().zip(ages).zip(amounts) {
        add(cells.entry((*origin, *age)).or_default(), *amount);
    }
    cells
}

fn wide(
    data: &Data,
    origin: &str,
    origins: &[i32],
    ages: &[(String, u32)],
) -> Result<Cells, Failure> {
    let mut seen = BTreeSet::new();
    if let Some(row) = origins.iter().position(|month| !seen.insert(*month)) {
        let detail = format!("{origin} comes twice: again in row {}", row + 1);
        let advice = "a dataset with columns of ages has one row for each origin";
        return Err(Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(origin));
    }
    let mut cells = Cells::new();
    for (column, age) in ages {
        for (month, amount) in origins.iter().zip(&*data.gapped(column)?) {
            add(cells.entry((*month, *age)).or_default(), *amount);
        }
    }
    Ok(cells)
}

fn add(cell: &mut Cell, amount: f64) {
    if amount.is_nan() {
        cell.missing += 1;
    } else {
        cell.amount += amount;
        cell.there += 1;
    }
}

type Grid = (Vec<i32>, Vec<u32>, Vec<Vec<Option<f64>>>, usize);

/// Origins without a gap from the first to the last, ages without a gap from the first to the last
/// where they have one step, and the amounts of the cells.
fn grid(
    cells: &Cells,
    origin_months: u32,
    step: Option<u32>,
    asked: Option<u32>,
) -> Result<Grid, Failure> {
    for ((month, age), cell) in cells {
        if cell.there > 0 && cell.missing > 0 {
            let origin = Period::beginning(*month, origin_months);
            let detail = format!(
                "origin {origin} at {age} months has an amount in {} rows and none in {}",
                cell.there, cell.missing
            );
            let advice = "choose rows whose amounts are all there, such as those of one segment";
            return Err(Failure::new(&error::UNFIT_VALUE, detail, advice));
        }
    }
    let known = || cells.iter().filter(|(_, cell)| cell.there > 0);
    let months: BTreeSet<i32> = known().map(|((month, _), _)| *month).collect();
    let found: BTreeSet<u32> = known().map(|((_, age), _)| *age).collect();
    let nothing = || {
        let detail = "no row has an amount";
        Failure::new(&error::NOTHING_TO_LEARN, detail, "choose other rows or another column")
    };
    let (first, last) = (months.first().ok_or_else(nothing)?, months.last().ok_or_else(nothing)?);
    let origins: Vec<i32> = (*first..=*last).step_by(origin_months as usize).collect();
    if let Some(odd) = months.iter().find(|month| origins.binary_search(month).is_err()) {
        let detail = format!(
            "origin {} does not lie whole periods of {origin_months} months after the first",
            Period::beginning(*odd, 1)
        );
        let advice = "set originMonths to the length of the origin periods";
        return Err(Failure::new(&error::UNFIT_VALUE, detail, advice));
    }
    let step = asked.or(step);
    let even = step.filter(|step| {
        found.iter().all(|age| (age - found.first().unwrap_or(age)).is_multiple_of(*step))
    });
    let ages: Vec<u32> = match (even, found.first(), found.last()) {
        (Some(step), Some(first), Some(last)) => (*first..=*last).step_by(step as usize).collect(),
        _ => found.into_iter().collect(),
    };
    if origins.len() * ages.len() > MOST_CELLS {
        let detail = format!("{} origins and {} ages are too many", origins.len(), ages.len());
        let advice = "choose fewer origins, or a coarser grain with originMonths and ageMonths";
        return Err(Failure::new(&error::TOO_MUCH_DATA, detail, advice));
    }
    let amount = |month: i32, age: u32| {
        cells.get(&(month, age)).filter(|cell| cell.there > 0).map(|cell| cell.amount)
    };
    let rows = origins.iter().map(|month| ages.iter().map(|age| amount(*month, *age)).collect());
    let rows = rows.collect();
    let summed = known().filter(|(_, cell)| cell.there > 1).count();
    Ok((origins, ages, rows, summed))
}
