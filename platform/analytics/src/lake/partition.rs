//! Parting the rows of a batch by month and region.

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use jiff::Timestamp;
use jiff::civil::date;
use kernel::time::day_of;

use crate::lake::manifest::TableEntry;
use crate::lake::{LakeError, Month};

/// What all rows of a file have in common. Rows without a month or region come first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) month: Option<Month>,
    pub(crate) region: Option<String>,
}

impl Key {
    /// The folders of a file, `month=2025-03/region=320000/`.
    pub(crate) fn folders(&self, table: &TableEntry) -> String {
        let mut folders = String::new();
        if table.month_of.is_some() {
            let month = self.month.map_or("none".to_owned(), |month| month.to_string());
            folders += &format!("month={month}/");
        }
        if table.region_of.is_some() {
            // A region is the caller's text: what no path may hold is spelt in hexadecimal.
            let plain = |region: &str| {
                !region.is_empty() && region.chars().all(|c| c.is_ascii_alphanumeric())
            };
            let region = match &self.region {
                None => "none".to_owned(),
                Some(region) if plain(region) && region != "none" => region.clone(),
                Some(region) => format!("-{}", hex::encode(region)),
            };
            folders += &format!("region={region}/");
        }
        folders
    }
}

/// Whether a column can part a table, by what it is asked for.
pub(crate) fn is_month_column(kind: &DataType) -> bool {
    matches!(kind, DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _))
}

/// The same for regions.
pub(crate) fn is_region_column(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8)
}

/// The rows of a batch by their key, each part in the order of the batch.
pub(crate) fn part(
    table: &TableEntry,
    batch: RecordBatch,
) -> Result<BTreeMap<Key, RecordBatch>, LakeError> {
    if table.month_of.is_none() && table.region_of.is_none() {
        return Ok(BTreeMap::from([(Key::default(), batch)]));
    }
    let months = match table.month_of.as_deref().and_then(|name| batch.column_by_name(name)) {
        Some(column) => months(column),
        None => vec![None; batch.num_rows()],
    };
    let regions = table.region_of.as_deref().and_then(|name| batch.column_by_name(name));
    let regions = regions.map(|column| column.as_string::<i32>());
    let mut places: HashMap<(Option<Month>, Option<&str>), Vec<u32>> = HashMap::new();
    for (row, month) in (0_u32..).zip(months) {
        let at = row as usize;
        let region = regions.filter(|column| column.is_valid(at)).map(|column| column.value(at));
        places.entry((month, region)).or_default().push(row);
    }
    if places.len() == 1 {
        let key = places.into_keys().next();
        let key = key.map_or_else(Key::default, |(month, region)| Key {
            month,
            region: region.map(str::to_owned),
        });
        return Ok(BTreeMap::from([(key, batch)]));
    }
    let parts = places.iter().map(|((month, region), rows)| {
        let key = Key { month: *month, region: region.map(str::to_owned) };
        Ok((key, take_record_batch(&batch, &UInt32Array::from(rows.clone()))?))
    });
    parts.collect()
}

/// The month in China of each row.
fn months(column: &dyn Array) -> Vec<Option<Month>> {
    // Rows repeat days far more often than they name new ones.
    let mut known: HashMap<i64, Option<Month>> = HashMap::new();
    let mut month = |unit: i64, of: &dyn Fn(i64) -> Option<Month>| match known.entry(unit) {
        Entry::Occupied(found) => *found.get(),
        Entry::Vacant(free) => *free.insert(of(unit)),
    };
    match column.data_type() {
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>();
            let of = |days: i64| {
                let day = date(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?);
                day.ok().map(Month::of)
            };
            days.iter().map(|day| month(i64::from(day?), &of)).collect()
        }
        _ => {
            // Months in China begin on the hour; all but a few instants share theirs with many.
            const HOUR: i64 = 3_600_000_000;
            let instants = column.as_primitive::<TimestampMicrosecondType>();
            let of = |hour: i64| {
                let instant = Timestamp::from_microsecond(hour.checked_mul(HOUR)?).ok()?;
                Some(Month::of(day_of(instant)))
            };
            instants.iter().map(|instant| month(instant?.div_euclid(HOUR), &of)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn rows_part_by_the_month_in_china_and_the_region() {
        let schema = Schema::new(vec![
            Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
            Field::new("region", DataType::Utf8, true),
            Field::new("n", DataType::Int64, false),
        ]);
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_microsecond();
        let batch = RecordBatch::try_new(
            Arc::new(schema.clone()),
            vec![
                Arc::new(
                    TimestampMicrosecondArray::from(vec![
                        Some(at("2025-02-28T15:59:59.999999Z")),
                        Some(at("2025-02-28T16:00:00Z")),
                        None,
                        Some(at("2025-03-31T15:59:59Z")),
                    ])
                    .with_timezone("UTC"),
                ),
                Arc::new(StringArray::from(vec![
                    Some("320000"),
                    Some("320000"),
                    None,
                    Some("320000"),
                ])),
                Arc::new(Int64Array::from(vec![0, 1, 2, 3])),
            ],
        )
        .unwrap();
        let table = TableEntry {
            schema,
            month_of: Some("at".to_owned()),
            region_of: Some("region".to_owned()),
            files: Vec::new(),
        };
        let parts = part(&table, batch).unwrap();
        let seen: Vec<(String, Vec<i64>)> = parts
            .iter()
            .map(|(key, rows)| {
                let numbers = rows.column(2).as_primitive::<arrow::datatypes::Int64Type>();
                (key.folders(&table), numbers.values().to_vec())
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("month=none/region=none/".to_owned(), vec![2]),
                ("month=2025-02/region=320000/".to_owned(), vec![0]),
                ("month=2025-03/region=320000/".to_owned(), vec![1, 3]),
            ]
        );
    }

    #[test]
    fn a_region_cannot_leave_its_folder() {
        let table = TableEntry {
            schema: Schema::empty(),
            month_of: None,
            region_of: Some("region".to_owned()),
            files: Vec::new(),
        };
        let folders =
            |region: &str| Key { month: None, region: Some(region.to_owned()) }.folders(&table);
        assert_eq!(folders("../x"), "region=-2e2e2f78/");
        assert_eq!(folders("none"), "region=-6e6f6e65/");
        assert_eq!(folders(""), "region=-/");
        assert_eq!(folders("320000"), "region=320000/");
    }
}
