//! A bundle with proposed relativities in it.
//!
//! A file of relativities says by what the cells of rate tables are multiplied; the actuarial cloud's
//! indications are exported as such. What was in force ends the day before, and new rows begin: no
//! row a policy was rated with is overwritten. Where a relativity differs between regions, a row is split.
//! Each new row says in its source which proposal made it, by what, and of which row.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use kernel::money::half_up;
use production_core::region::Region;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NoKind, StrDeserializer};

use super::dated::{RegionSet, Span};
use super::error::TariffError;
use super::manifest::{self, Entry, Kind, MANIFEST};
use super::sheet::{Cells, Line, Sheet};

/// What is known of a table whose cells may be multiplied.
struct Changeable {
    kind: Kind,
    name: &'static str,
    /// Columns that are multiplied, and their decimals.
    amounts: &'static [(&'static str, u32)],
    /// Columns whose values may be the levels of a factor.
    levels: &'static [&'static str],
    /// Holds amounts, not coefficients: a base rate applies.
    carries_base: bool,
}

const CHANGEABLE: [Changeable; 5] = [
    Changeable {
        kind: Kind::PureRisk,
        name: "pure_risk",
        amounts: &[("pure_risk_base_cny", 2), ("pure_risk_rate", 6)],
        levels: &["cover", "class_key", "limit_cny", "vehicle_age_years_min", "regions"],
        carries_base: true,
    },
    Changeable {
        kind: Kind::Scratch,
        name: "scratch",
        amounts: &[("pure_risk_cny", 2)],
        levels: &["limit_cny", "vehicle_age_years_min", "price_min_cny"],
        carries_base: true,
    },
    Changeable {
        kind: Kind::AdditionalCover,
        name: "additional_cover",
        amounts: &[("rate", 6)],
        levels: &["code"],
        carries_base: true,
    },
    Changeable {
        kind: Kind::HullDeductible,
        name: "hull_deductible",
        amounts: &[("factor", 4)],
        levels: &["deductible_cny"],
        carries_base: false,
    },
    Changeable {
        kind: Kind::NcdLevel,
        name: "ncd_level",
        amounts: &[("coefficient", 4)],
        levels: &["level"],
        carries_base: false,
    },
];

/// Proposed relativities, read and checked in themselves.
#[derive(Debug)]
pub struct Proposal {
    file: String,
    lines: Vec<Multiplier>,
}

/// One line: these rows, so many times.
#[derive(Debug)]
struct Multiplier {
    line: u32,
    kind: Kind,
    /// Column and value of the level; `None` for the base rate.
    level: Option<(String, String)>,
    /// Values the row must have, by column.
    rows: Vec<(String, Vec<String>)>,
    times: Decimal,
    source: String,
}

/// What rows of one group are multiplied by, and who says so first.
type Times<'a> = Vec<(Decimal, Option<&'a Multiplier>)>;

impl Proposal {
    /// Reads a file of relativities: columns `table`, `column`, `level`, `where`, `times` and `source`.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Proposal, Vec<TariffError>> {
        let mut errors = vec![];
        let sheet = Sheet::parse(file, bytes, &mut errors);
        for column in ["table", "column", "level", "where", "times", "source"] {
            if errors.is_empty() && sheet.column(column).is_none() {
                let problem = "the column is missing".to_owned();
                let advice = "take the file as the actuarial cloud exports it";
                errors.push(TariffError::cell(file, 1, column, problem, advice));
            }
        }
        if errors.is_empty() && sheet.rows.is_empty() {
            let problem = "the file proposes nothing".to_owned();
            errors.push(TariffError::file(file, problem, "export a run with factors"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let lines = sheet.rows.iter().filter_map(|line| {
            let mut cells = Cells { sheet: &sheet, line, table: 0, errors: &mut errors };
            multiplier(&mut cells)
        });
        let lines = lines.collect();
        if errors.is_empty() { Ok(Proposal { file: file.to_owned(), lines }) } else { Err(errors) }
    }

    /// The files of a bundle with the proposal in force from a day on, beside all that was.
    ///
    /// Whether the result is a sound tariff is for [`Tariff::from_files`](super::Tariff::from_files) to say.
    pub fn applied(
        &self,
        files: &BTreeMap<String, Vec<u8>>,
        from: Date,
    ) -> Result<BTreeMap<String, Vec<u8>>, Vec<TariffError>> {
        let Some(bytes) = files.get(MANIFEST) else {
            let problem = "the bundle has no manifest".to_owned();
            return Err(vec![TariffError::file(MANIFEST, problem, "add it")]);
        };
        let entries = manifest::parse(bytes).map_err(|error| vec![error])?;
        let mut errors = vec![];
        let mut changed = files.clone();
        let mut used = BTreeSet::new();
        for entry in &entries {
            if !self.lines.iter().any(|line| line.kind == entry.kind) {
                continue;
            }
            let sheets = match entry.kind {
                Kind::NcdLevel => self.discounts(&entries, files, from, &mut used, &mut errors),
                _ => self.table(entry, files, from, &mut used, &mut errors).into_iter().collect(),
            };
            for sheet in sheets {
                changed.insert(sheet.file.to_string(), written(&sheet));
            }
        }
        for line in self.lines.iter().filter(|line| !used.contains(&line.line)) {
            let (column, what) = match &line.level {
                Some((column, value)) => ("level", format!("has {column} {value:?}")),
                None => ("where", "is meant".to_owned()),
            };
            let problem = format!("no row of {} in force {what}", table_name(line.kind));
            let advice = "correct the level or where, or leave the factor out of the export";
            errors.push(TariffError::cell(&self.file, line.line, column, problem, advice));
        }
        if errors.is_empty() { Ok(changed) } else { Err(errors) }
    }

    /// A dated table with its new rows.
    fn table(
        &self,
        entry: &Entry,
        files: &BTreeMap<String, Vec<u8>>,
        from: Date,
        used: &mut BTreeSet<u32>,
        errors: &mut Vec<TariffError>,
    ) -> Option<Sheet> {
        let before = errors.len();
        let mut sheet = Sheet::parse(&entry.file, files.get(&entry.file)?, errors);
        let scopes: Vec<(Span, RegionSet)> =
            sheet.rows.iter().map(|line| scope(&sheet, line, errors)).collect();
        if errors.len() > before {
            return None;
        }
        // Rows that must change together lest their bands break.
        let mut groups: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
        for (row, (span, _)) in scopes.iter().enumerate() {
            if span.to.is_none_or(|to| to >= from) {
                let line = &sheet.rows[row];
                let mut key = match &entry.band {
                    Some(band) => {
                        band.within.iter().map(|it| sheet.text(line, it).into()).collect()
                    }
                    None => vec![row.to_string()],
                };
                key.push(sheet.text(line, "effective_from").to_owned());
                groups.entry(key).or_default().push(row);
            }
        }
        let amounts = changeable(entry.kind)?.amounts;
        let (mut ended, mut replaced, mut added) = (vec![], BTreeSet::new(), vec![]);
        for rows in groups.values() {
            let Some(&first) = rows.first() else { continue };
            let parts = self.parts(&sheet, rows, entry.kind, scopes[first].1, used);
            if parts.iter().all(|(_, times)| times.iter().all(|(_, by)| by.is_none())) {
                continue;
            }
            for (regions, times) in &parts {
                for (&row, (factor, by)) in rows.iter().zip(times) {
                    let mut line = sheet.rows[row].clone();
                    if parts.len() > 1 {
                        set(&sheet, &mut line, "regions", regions.text());
                    }
                    let begins = scopes[row].0.from.max(from);
                    set(&sheet, &mut line, "effective_from", begins.to_string());
                    if let Some(by) = by {
                        multiply(&sheet, &mut line, amounts, *factor, errors);
                        let told = by.told(*factor, &sheet, &sheet.rows[row]);
                        set(&sheet, &mut line, "source", told);
                    }
                    added.push(line);
                }
            }
            for &row in rows {
                match scopes[row].0.from < from {
                    true => ended.push(row),
                    false => drop(replaced.insert(row)),
                }
            }
        }
        let eve = from.yesterday().map_or_else(|_| from.to_string(), |day| day.to_string());
        for row in ended {
            let mut line = sheet.rows[row].clone();
            set(&sheet, &mut line, "effective_to", eve.clone());
            sheet.rows[row] = line;
        }
        let kept = sheet.rows.drain(..).enumerate().filter(|(row, _)| !replaced.contains(row));
        let kept: Vec<Line> = kept.map(|(_, line)| line).collect();
        sheet.rows = kept;
        sheet.rows.extend(added);
        Some(sheet)
    }

    /// Regions that are multiplied alike, and by what each row is in them.
    fn parts<'a>(
        &'a self,
        sheet: &Sheet,
        rows: &[usize],
        kind: Kind,
        regions: RegionSet,
        used: &mut BTreeSet<u32>,
    ) -> Vec<(RegionSet, Times<'a>)> {
        let mut parts: Vec<(RegionSet, Times<'a>)> = vec![];
        for region in Region::ALL.iter().copied().filter(|region| regions.contains(*region)) {
            let times: Times<'a> = rows
                .iter()
                .map(|&row| {
                    let meant = self.lines.iter().filter(|own| {
                        own.kind == kind && own.means(sheet, &sheet.rows[row], region)
                    });
                    meant.fold((Decimal::ONE, None), |(factor, by), own| {
                        used.insert(own.line);
                        (factor * own.times, by.or(Some(own)))
                    })
                })
                .collect();
            let alike = |other: &Times<'a>| {
                other.iter().zip(&times).all(|(a, b)| a.0 == b.0 && a.1.is_some() == b.1.is_some())
            };
            match parts.iter_mut().find(|(_, other)| alike(other)) {
                Some((set, _)) => *set = set.with(region),
                None => parts.push((RegionSet::NONE.with(region), times)),
            }
        }
        parts
    }

    /// No-claim levels have no dates: changed ones make a scheme of their own, which takes over.
    fn discounts(
        &self,
        entries: &[Entry],
        files: &BTreeMap<String, Vec<u8>>,
        from: Date,
        used: &mut BTreeSet<u32>,
        errors: &mut Vec<TariffError>,
    ) -> Vec<Sheet> {
        let before = errors.len();
        let mut read = |kind: Kind| {
            let entry = entries.iter().find(|entry| entry.kind == kind)?;
            Some(Sheet::parse(&entry.file, files.get(&entry.file)?, errors))
        };
        let (Some(mut schemes), Some(mut levels)) = (read(Kind::NcdScheme), read(Kind::NcdLevel))
        else {
            return vec![];
        };
        let scopes: Vec<(Span, RegionSet)> =
            schemes.rows.iter().map(|line| scope(&schemes, line, errors)).collect();
        if errors.len() > before {
            return vec![];
        }
        let amounts = changeable(Kind::NcdLevel).map_or(&[][..], |own| own.amounts);
        let (mut ended, mut begun, mut added) = (vec![], vec![], vec![]);
        let mut done: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (row, (span, _)) in scopes.iter().enumerate() {
            if span.to.is_some_and(|to| to < from) {
                continue;
            }
            let name = schemes.text(&schemes.rows[row], "scheme").to_owned();
            let new_name = done.entry(name.clone()).or_insert_with(|| {
                let own = levels.rows.iter().filter(|line| levels.text(line, "scheme") == name);
                let mut copies = vec![];
                let mut source = None;
                let new_name = format!("{name}-{}", from.strftime("%Y%m%d"));
                for line in own {
                    let mut copy = line.clone();
                    set(&levels, &mut copy, "scheme", new_name.clone());
                    let means = |own: &&Multiplier| {
                        own.kind == Kind::NcdLevel && own.means(&levels, line, Region::ALL[0])
                    };
                    for own in self.lines.iter().filter(means) {
                        used.insert(own.line);
                        multiply(&levels, &mut copy, amounts, own.times, errors);
                        set(&levels, &mut copy, "source", own.told(own.times, &levels, line));
                        source = Some(own);
                    }
                    copies.push(copy);
                }
                source.map(|_| {
                    added.extend(copies);
                    new_name
                })
            });
            let Some(new_name) = new_name else { continue };
            let mut line = schemes.rows[row].clone();
            set(&schemes, &mut line, "scheme", new_name.clone());
            set(&schemes, &mut line, "effective_from", span.from.max(from).to_string());
            begun.push(line);
            ended.push((row, span.from < from));
        }
        let eve = from.yesterday().map_or_else(|_| from.to_string(), |day| day.to_string());
        let mut gone = BTreeSet::new();
        for (row, was_in_force) in ended {
            if was_in_force {
                let mut line = schemes.rows[row].clone();
                set(&schemes, &mut line, "effective_to", eve.clone());
                schemes.rows[row] = line;
            } else {
                gone.insert(row);
            }
        }
        let kept = schemes.rows.drain(..).enumerate().filter(|(row, _)| !gone.contains(row));
        let kept: Vec<Line> = kept.map(|(_, line)| line).collect();
        schemes.rows = kept;
        schemes.rows.extend(begun);
        levels.rows.extend(added);
        vec![schemes, levels]
    }
}

impl Multiplier {
    /// Whether a row is meant in a region.
    fn means(&self, sheet: &Sheet, line: &Line, region: Region) -> bool {
        let has = |column: &str, value: &str| match column {
            "regions" => Region::parse(value).is_ok_and(|own| own == region),
            _ => same(sheet.text(line, column), value),
        };
        self.rows.iter().all(|(column, values)| values.iter().any(|value| has(column, value)))
            && self.level.as_ref().is_none_or(|(column, value)| has(column, value))
    }

    /// What a new row says of its source.
    fn told(&self, factor: Decimal, sheet: &Sheet, old: &Line) -> String {
        format!(
            "{}; {} times line {} before ({})",
            self.source,
            half_up(factor, 6).normalize(),
            old.line,
            sheet.text(old, "source")
        )
    }
}

impl RegionSet {
    /// As a bundle writes it: a list of codes.
    fn text(self) -> String {
        let own = Region::ALL.iter().filter(|region| self.contains(**region));
        own.map(|region| region.code()).collect::<Vec<_>>().join("|")
    }
}

fn multiplier(cells: &mut Cells<'_>) -> Option<Multiplier> {
    let before = cells.errors.len();
    let name = cells.needed_text("table");
    let kind: StrDeserializer<'_, NoKind> = name.into_deserializer();
    let known = Kind::deserialize(kind).ok().and_then(|kind| changeable(kind).map(|_| kind));
    let Some(own) = known.and_then(changeable) else {
        if cells.errors.len() == before {
            let problem = format!("relativities cannot be written to a table {name:?}");
            cells.wrong("table", problem, &places());
        }
        return None;
    };
    let (column, level) = (cells.text("column"), cells.text("level"));
    let level = match (column, level) {
        ("", "") if own.carries_base => None,
        ("", "") => {
            let problem = format!("{name} holds coefficients, which no base rate applies to");
            let advice = "let the first exported factor stand in pure_risk";
            cells.wrong("table", problem, advice);
            None
        }
        (column, _) if !own.levels.contains(&column) => {
            let problem = format!("a factor by {column:?} has no place in {name}");
            cells.wrong("column", problem, &places());
            None
        }
        (column, level) => {
            if column == "regions" && Region::parse(level).is_err() {
                let problem = format!("{level:?} is not a region");
                cells.wrong("level", problem, "use the codes of province_codes.csv");
            }
            Some((column.to_owned(), level.to_owned()))
        }
    };
    let mut rows = vec![];
    for condition in cells.text("where").split(';').filter(|condition| !condition.is_empty()) {
        let known = |column: &str| {
            own.levels.contains(&column) || (own.kind == Kind::NcdLevel && column == "scheme")
        };
        match condition.split_once('=') {
            Some((column, values)) if known(column) => {
                rows.push((column.to_owned(), values.split('|').map(str::to_owned).collect()));
            }
            _ => {
                let problem = format!("{condition:?} chooses no rows of {name}");
                let advice = "write column=value|value of the columns a factor may have";
                cells.wrong("where", problem, advice);
            }
        }
    }
    let times = cells.decimal("times");
    if cells.errors.len() == before && (times <= Decimal::ZERO || times > Decimal::ONE_HUNDRED) {
        let problem = format!("{times} is not above 0 and up to 100");
        cells.wrong("times", problem, "write a factor such as 1.05");
    }
    let source = cells.needed_text("source").to_owned();
    let line = cells.line.line;
    (cells.errors.len() == before).then_some(Multiplier {
        line,
        kind: own.kind,
        level,
        rows,
        times,
        source,
    })
}

fn changeable(kind: Kind) -> Option<&'static Changeable> {
    CHANGEABLE.iter().find(|own| own.kind == kind)
}

fn table_name(kind: Kind) -> &'static str {
    changeable(kind).map_or("the table", |own| own.name)
}

/// Which factors a tariff can express.
fn places() -> String {
    let each = CHANGEABLE.iter().map(|own| format!("{} by {}", own.name, own.levels.join(", ")));
    format!(
        "a tariff takes {}; compulsory rates, taxes and ranges are set by others",
        each.collect::<Vec<_>>().join("; ")
    )
}

/// Whether a cell has a value; numbers are compared as numbers.
fn same(cell: &str, value: &str) -> bool {
    cell == value
        || matches!((cell.parse::<Decimal>(), value.parse::<Decimal>()), (Ok(a), Ok(b)) if a == b)
}

fn scope(sheet: &Sheet, line: &Line, errors: &mut Vec<TariffError>) -> (Span, RegionSet) {
    let mut cells = Cells { sheet, line, table: 0, errors };
    let regions = if sheet.column("regions").is_some() { cells.regions() } else { RegionSet::ALL };
    (cells.span(), regions)
}

fn set(sheet: &Sheet, line: &mut Line, column: &str, value: String) {
    if let Some(cell) = sheet.column(column).and_then(|at| line.cells.get_mut(at)) {
        *cell = value;
    }
}

/// Multiplies the amounts a row has, rounded half up.
fn multiply(
    sheet: &Sheet,
    line: &mut Line,
    amounts: &[(&str, u32)],
    factor: Decimal,
    errors: &mut Vec<TariffError>,
) {
    for (column, decimals) in amounts {
        let mut cells = Cells { sheet, line: &*line, table: 0, errors };
        let Some(amount) = cells.decimal_opt(column) else { continue };
        let Some(exact) = amount.checked_mul(factor) else { continue };
        let rounded = half_up(exact, *decimals);
        set(sheet, line, column, rounded.to_string());
    }
}

/// A sheet as CSV.
fn written(sheet: &Sheet) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let rows = sheet.rows.iter().map(|line| &line.cells);
    for cells in std::iter::once(&sheet.header).chain(rows) {
        writer.write_record(cells).expect("writing to memory does not fail");
    }
    writer.into_inner().expect("flushing to memory does not fail")
}
