//! Rows with a period and a region, and where they stand.

use jiff::civil::Date;
use production_core::region::Region;

/// From a day to a day, both included; without end when `to` is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Date,
    pub(crate) to: Option<Date>,
}

impl Span {
    pub(crate) const ALWAYS: Span = Span { from: Date::MIN, to: None };

    pub(crate) fn contains(self, day: Date) -> bool {
        self.from <= day && self.to.is_none_or(|to| day <= to)
    }

    pub(crate) fn overlaps(self, other: Span) -> bool {
        other.to.is_none_or(|to| self.from <= to) && self.to.is_none_or(|to| other.from <= to)
    }
}

/// A set of regions, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegionSet(u64);

impl RegionSet {
    pub(crate) const NONE: RegionSet = RegionSet(0);
    pub(crate) const ALL: RegionSet = RegionSet((1 << Region::ALL.len()) - 1);

    pub(crate) fn with(self, region: Region) -> RegionSet {
        RegionSet(self.0 | 1 << region as u32)
    }

    pub(crate) fn complement(self) -> RegionSet {
        RegionSet(!self.0 & RegionSet::ALL.0)
    }

    pub(crate) fn contains(self, region: Region) -> bool {
        self.0 & 1 << region as u32 != 0
    }

    pub(crate) fn meets(self, other: RegionSet) -> bool {
        self.0 & other.0 != 0
    }
}

/// A row by table number and line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowRef {
    pub(crate) table: u16,
    pub(crate) line: u32,
}

/// A value with the period and regions it holds for, and the row it came from.
#[derive(Clone, Debug)]
pub(crate) struct Dated<T> {
    pub(crate) span: Span,
    pub(crate) regions: RegionSet,
    pub(crate) at: RowRef,
    pub(crate) value: T,
}

/// The row in force in `region` on `day`; rows of one key never overlap, so there is at most one.
pub(crate) fn in_force<T>(rows: &[Dated<T>], region: Region, day: Date) -> Option<&Dated<T>> {
    rows.iter().find(|row| row.regions.contains(region) && row.span.contains(day))
}
