//! Walking a selection span by span, so that no read is large.
//!
//! Rows lie in the order of their time, under block ranges that find the rows of a span without a
//! tree. A span that held a full page is read on with half its length, a short one is followed by
//! one twice as long: a page costs about what it holds, in dense times as in empty ones.

use jiff::{SignedDuration, Timestamp};

use crate::export::{Key, Selection, Span};

/// Length of the first span.
const FIRST: SignedDuration = SignedDuration::from_hours(24);
/// A span is not halved below this.
const SHORTEST: SignedDuration = SignedDuration::from_secs(60);
/// Nor doubled beyond this: the next may begin where data begins.
const LONGEST: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Where the reading stands.
#[derive(Debug)]
pub(crate) struct Walk {
    from: Timestamp,
    until: Timestamp,
    length: SignedDuration,
    after: Option<Key>,
}

impl Walk {
    /// From the begin of a selection.
    pub(crate) fn over(selection: &Selection) -> Walk {
        Walk { from: selection.from, until: selection.until(), length: FIRST, after: None }
    }

    /// What is to be read next; `None` at the end.
    pub(crate) fn span(&self) -> Option<Span> {
        (self.from < self.until).then(|| Span {
            from: self.from,
            to: self.end(),
            after: self.after.clone(),
        })
    }

    /// Notes what the span held: the last row of a full page, or `None` when it was read to its
    /// end.
    pub(crate) fn read(&mut self, last_of_full: Option<Key>) {
        match last_of_full {
            Some(last) => {
                self.from = last.at;
                self.after = Some(last);
                self.length = (self.length / 2).max(SHORTEST);
            }
            None => {
                self.from = self.end();
                self.after = None;
                self.length = (self.length * 2).min(LONGEST);
            }
        }
    }

    fn end(&self) -> Timestamp {
        self.from.checked_add(self.length).unwrap_or(Timestamp::MAX).min(self.until)
    }
}

#[cfg(test)]
mod tests {
    use kernel::TenantId;

    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(hours * 3_600).unwrap()
    }

    fn walk(from: i64, to: i64) -> Walk {
        Walk::over(&Selection {
            tenant: TenantId(uuid::Uuid::nil()),
            from: at(from),
            to: Some(at(to)),
            as_of: at(100_000),
            region: None,
            class: None,
        })
    }

    #[test]
    fn spans_follow_each_other_without_gaps_and_grow_to_eight_days() {
        let mut walk = walk(0, 24 * 40);
        let (mut lengths, mut end) = (Vec::new(), at(0));
        while let Some(span) = walk.span() {
            assert_eq!((span.from, span.after.is_none()), (end, true));
            lengths.push(span.from.duration_until(span.to).as_hours() / 24);
            end = span.to;
            walk.read(None);
        }
        assert_eq!(lengths, [1, 2, 4, 8, 8, 8, 8, 1]);
        assert_eq!(end, at(24 * 40));
    }

    #[test]
    fn a_full_page_is_read_on_behind_its_last_row_with_half_the_length() {
        let mut walk = walk(0, 100);
        let last = Key { at: at(2), number: "01X".to_owned(), sequence: 0 };
        walk.read(Some(last.clone()));
        let span = walk.span().unwrap();
        assert_eq!(span, Span { from: at(2), to: at(14), after: Some(last.clone()) });
        for _ in 0..20 {
            walk.read(Some(last.clone()));
        }
        let span = walk.span().unwrap();
        assert_eq!(span.from.duration_until(span.to), SHORTEST);
    }

    #[test]
    fn rows_of_the_instant_asked_about_are_part_of_what_is_known() {
        let selection = Selection { to: None, ..selection_of(&walk(0, 10)) };
        assert_eq!(selection.until().as_microsecond(), at(100_000).as_microsecond() + 1);
        let earlier = Selection { to: Some(at(5)), ..selection };
        assert_eq!(earlier.until(), at(5));
    }

    fn selection_of(walk: &Walk) -> Selection {
        Selection {
            tenant: TenantId(uuid::Uuid::nil()),
            from: walk.from,
            to: Some(walk.until),
            as_of: at(100_000),
            region: None,
            class: None,
        }
    }
}
