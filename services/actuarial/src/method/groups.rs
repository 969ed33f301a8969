//! Rows in groups by several columns, and in periods.

use std::collections::BTreeMap;

use crate::error;
use crate::method::Failure;
use crate::method::data::Data;
use crate::method::period::{Period, common_step};

/// Groups of rows: every combination of levels some row has, in the order of the levels.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    /// The levels of each group, joined by commas; `all` where no column is named.
    pub(crate) names: Vec<String>,
    /// By group, its level of each column.
    pub(crate) levels: Vec<Vec<String>>,
    /// Which group a row belongs to.
    pub(crate) codes: Vec<usize>,
}

/// Periods that follow one another without a gap, and which of them a row belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Periods {
    pub(crate) names: Vec<String>,
    pub(crate) places: Vec<usize>,
    /// Months of each.
    pub(crate) months: u32,
    /// The month after the last one, counted from the year 0.
    pub(crate) next: i32,
}

impl Groups {
    /// Rows by the levels of these columns; more than `most` groups are refused.
    pub(crate) fn of(data: &Data, by: &[String], most: usize) -> Result<Groups, Failure> {
        let columns = by.iter().map(|column| data.factor(column));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let key = |row: usize| columns.iter().map(|(_, codes)| codes[row]).collect::<Vec<u32>>();
        let mut places: BTreeMap<Vec<u32>, usize> =
            (0..data.rows()).map(|row| (key(row), 0)).collect();
        if places.len() > most {
            let detail = format!("{} groups are more than {most}", places.len());
            return Err(Failure::new(&error::TOO_MUCH_DATA, detail, "name fewer columns under by"));
        }
        places.values_mut().enumerate().for_each(|(place, value)| *value = place);
        let level = |(column, code): (&(Vec<String>, Vec<u32>), &u32)| {
            column.0.get(*code as usize).cloned().unwrap_or_default()
        };
        let levels: Vec<Vec<String>> =
            places.keys().map(|key| columns.iter().zip(key).map(level).collect()).collect();
        let names = levels.iter().map(|own| match own.is_empty() {
            true => "all".to_owned(),
            false => own.join(", "),
        });
        let names = names.collect();
        let codes = (0..data.rows()).map(|row| places[&key(row)]).collect();
        Ok(Groups { names, levels, codes })
    }
}

impl Periods {
    /// Rows by the periods a column names.
    pub(crate) fn of(data: &Data, column: &str) -> Result<Periods, Failure> {
        let texts = data.texts(column)?;
        let each = texts.iter().enumerate().map(|(row, text)| {
            text.as_deref().and_then(Period::parse).ok_or_else(|| {
                let text = text.as_deref().unwrap_or("nothing");
                let detail = format!("{column} is {text:?} in row {}, which is no period", row + 1);
                let advice =
                    "periods are years (2024), quarters (2024Q1), months (2024-01) or days";
                Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column)
            })
        });
        let periods = each.collect::<Result<Vec<Period>, Failure>>()?;
        let starts: Vec<i32> = periods.iter().map(|period| period.month).collect();
        let named = periods.iter().map(|period| period.months).max().unwrap_or(12);
        let months = match named {
            1 => common_step(&starts).unwrap_or(1),
            months => months,
        };
        let first = starts.iter().min().copied().unwrap_or(0);
        let last = starts.iter().max().copied().unwrap_or(0);
        let all = (first..=last).step_by(months as usize);
        Ok(Periods {
            names: all.map(|month| Period::beginning(month, months).to_string()).collect(),
            places: starts.iter().map(|month| (month - first) as usize / months as usize).collect(),
            next: last + months as i32,
            months,
        })
    }

    /// The names of so many periods after the last.
    pub(crate) fn ahead(&self, count: usize) -> impl Iterator<Item = String> {
        let (next, months) = (self.next, self.months);
        (0..count as i32)
            .map(move |step| Period::beginning(next + step * months as i32, months).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::table::Column;

    fn data() -> Data {
        let whole = |values: [i64; 4]| Column::Integer(values.map(Some).to_vec());
        Data::new(
            [("a".to_owned(), whole([2, 1, 2, 10])), ("b".to_owned(), whole([7, 7, 7, 5]))],
            4,
        )
    }

    #[test]
    fn groups_are_the_combinations_rows_have_in_the_order_of_levels() {
        let by = ["a", "b"].map(String::from);
        let groups = Groups::of(&data(), &by, 3).unwrap();
        assert_eq!(groups.names, ["1, 7", "2, 7", "10, 5"]);
        assert_eq!(
            (groups.codes, &groups.levels[2]),
            (vec![1, 0, 1, 2], &vec!["10".into(), "5".into()])
        );
        assert_eq!(Groups::of(&data(), &[], 1).unwrap().names, ["all"]);
        let many = Groups::of(&data(), &by, 2).unwrap_err().document();
        assert_eq!(many["code"], "E5105");
    }

    #[test]
    fn periods_follow_one_another_without_a_gap() {
        let years = Column::Integer([2021, 2019, 2022, 2021].map(Some).to_vec());
        let data = Data::new([("year".to_owned(), years)], 4);
        let periods = Periods::of(&data, "year").unwrap();
        assert_eq!(periods.names, ["2019", "2020", "2021", "2022"]);
        assert_eq!((&periods.places, periods.months), (&vec![2, 0, 3, 2], 12));
        assert_eq!(periods.ahead(2).collect::<Vec<_>>(), ["2023", "2024"]);
        assert_eq!(Periods::of(&self::data(), "a").unwrap_err().document()["column"], "a");
    }
}
