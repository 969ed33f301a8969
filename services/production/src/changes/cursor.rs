//! How far the histories were read.

use std::fmt;
use std::str::FromStr;

use crate::changes::{ChangesError, SPAN};

/// How far each history was read. Its text is opaque to readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Versions of policies.
    pub policies: Place,
    /// Steps of claims.
    pub claims: Place,
    /// How far policies were read before the record knew sales channels and covers: policies it has
    /// from then stay without, to their end, so that what takes a row back is found where the row is.
    pub plain: Place,
}

/// A row of a history: everything up to it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    way: Way,
    /// The slot of its chain.
    pub slot: i32,
    /// Confirm code or claim code.
    pub number: String,
    /// Its place among those of its number.
    pub sequence: i32,
}

/// In which order a history is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Nothing was read.
    Start,
    /// By key: what transactions before this one wrote.
    InOrder(i64),
    /// By transaction: the row's.
    ByTransaction(i64),
}

/// Not a cursor that was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor of the changes")]
pub struct CursorError;

impl Cursor {
    /// Before the first row.
    pub const START: Cursor =
        Cursor { policies: Place::START, claims: Place::START, plain: Place::START };

    /// Whether settled rows may lie behind it.
    pub(crate) fn is_before(&self, horizon: i64) -> bool {
        self.policies.is_before(horizon) || self.claims.is_before(horizon)
    }
}

impl Place {
    const START: Place = Place { way: Way::Start, slot: -1, number: String::new(), sequence: -1 };

    /// Whether it goes by the key of its history.
    pub(crate) fn in_order(&self) -> bool {
        matches!(self.way, Way::InOrder(_))
    }

    /// The transaction of the row.
    pub(crate) fn written_by(&self) -> i64 {
        match self.way {
            Way::ByTransaction(written_by) => written_by,
            Way::Start | Way::InOrder(_) => 0,
        }
    }

    /// Whether a row lies before it.
    pub(crate) fn has_read(&self, written_by: i64, key: (i32, &str, i32)) -> bool {
        let here = (self.slot, self.number.as_str(), self.sequence);
        match self.way {
            Way::Start => false,
            Way::InOrder(before) => written_by < before && key <= here,
            Way::ByTransaction(by) => (written_by, key) <= (by, here),
        }
    }

    /// Where to read from, and the transaction to stop before.
    pub(crate) fn window(&self, horizon: i64) -> Result<(Place, i64), ChangesError> {
        let rewound = |cursor| Err(ChangesError::Rewound { cursor, horizon });
        match self.way {
            Way::Start => Ok((Place { way: Way::InOrder(horizon), ..self.clone() }, horizon)),
            Way::InOrder(before) if horizon < before => rewound(before),
            Way::InOrder(before) => Ok((self.clone(), before)),
            Way::ByTransaction(written_by) if horizon < written_by => rewound(written_by),
            Way::ByTransaction(written_by) => {
                Ok((self.clone(), horizon.min(written_by.saturating_add(SPAN))))
            }
        }
    }

    /// The place after a page: its last row when it was full, else the end of the window.
    pub(crate) fn behind(
        &self,
        last: Option<(i64, i32, &str, i32)>,
        full: bool,
        before: i64,
    ) -> Place {
        let Some((written_by, slot, number, sequence)) = last.filter(|_| full) else {
            return Place { way: Way::ByTransaction(before), ..Place::START };
        };
        let way = match self.way {
            Way::ByTransaction(_) => Way::ByTransaction(written_by),
            way => way,
        };
        Place { way, slot, number: number.to_owned(), sequence }
    }

    fn is_before(&self, horizon: i64) -> bool {
        match self.way {
            Way::Start | Way::InOrder(_) => true,
            Way::ByTransaction(written_by) => written_by < horizon,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (way, at) = match self.way {
            Way::Start => ('s', 0),
            Way::InOrder(before) => ('o', before),
            Way::ByTransaction(written_by) => ('t', written_by),
        };
        write!(f, "{way}:{at}:{}:{}:{}", self.slot, self.number, self.sequence)
    }
}

impl FromStr for Place {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Place, CursorError> {
        let parts: Vec<&str> = text.split(':').collect();
        let [way, at, slot, number, sequence] = parts[..] else { return Err(CursorError) };
        let at = at.parse().map_err(|_| CursorError)?;
        let way = match way {
            "s" => Way::Start,
            "o" => Way::InOrder(at),
            "t" => Way::ByTransaction(at),
            _ => return Err(CursorError),
        };
        Ok(Place {
            way,
            slot: slot.parse().map_err(|_| CursorError)?,
            number: number.to_owned(),
            sequence: sequence.parse().map_err(|_| CursorError)?,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{};{}", self.policies, self.claims, self.plain)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Cursor, CursorError> {
        let places: Vec<&str> = text.split(';').collect();
        // Two are of a release whose record knew neither channels nor covers.
        let (policies, claims, plain) = match places[..] {
            [policies, claims] => (policies, claims, policies),
            [policies, claims, plain] => (policies, claims, plain),
            _ => return Err(CursorError),
        };
        Ok(Cursor { policies: policies.parse()?, claims: claims.parse()?, plain: plain.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_as_it_was_given_out() {
        let place = Place { way: Way::InOrder(77), slot: 9, number: "02X".to_owned(), sequence: 3 };
        let cursor = Cursor { policies: place, ..Cursor::START };
        assert_eq!(cursor.to_string(), "o:77:9:02X:3;s:0:-1::-1;s:0:-1::-1");
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_eq!(Cursor::START.to_string().parse(), Ok(Cursor::START));
        for text in ["", ";", "t:1:2:3", "x:1:2:a:3;x:1:2:a:3", "t:1:2:a:3", "t:a:2:a:3;t:1:2:a:3"]
        {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text:?}");
        }
    }

    #[test]
    fn a_cursor_of_two_places_is_of_a_record_without_channels_and_covers() {
        let cursor: Cursor = "t:612:3:02Z:1;s:0:-1::-1".parse().unwrap();
        assert_eq!((&cursor.plain, cursor.claims), (&cursor.policies, Place::START));
        let read = |place: &str, written_by, key| {
            place.parse::<Place>().unwrap().has_read(written_by, key)
        };
        for (written_by, key, expected) in [
            (611, (9, "02Z", 0), true),
            (612, (3, "02Z", 1), true),
            (612, (3, "02Z", 2), false),
            (612, (4, "02A", 0), false),
            (613, (1, "02A", 0), false),
        ] {
            assert_eq!(read("t:612:3:02Z:1", written_by, key), expected, "{written_by} {key:?}");
        }
        // In order of keys, of what transactions before 77 wrote.
        for (written_by, key, expected) in
            [(76, (3, "02Z", 1), true), (76, (3, "02Z", 2), false), (77, (1, "02A", 0), false)]
        {
            assert_eq!(read("o:77:3:02Z:1", written_by, key), expected, "{written_by} {key:?}");
        }
        assert!(!read("s:0:-1::-1", 0, (0, "", 0)));
    }

    #[test]
    fn a_history_is_walked_by_key_first_and_by_transaction_then() {
        let (place, before) = Place::START.window(500).unwrap();
        assert_eq!((place.in_order(), before), (true, 500));
        // A full page: on behind its last row, up to the same transaction whatever has settled since.
        let place = place.behind(Some((3, 9, "02X", 0)), true, before);
        assert_eq!(place.window(900).unwrap(), (place.clone(), 500));
        // The last one: all before 500 was read.
        let place = place.behind(Some((400, 9, "02Y", 0)), false, 500);
        assert_eq!((place.in_order(), place.written_by(), place.slot), (false, 500, -1));
        assert_eq!(place.window(900).unwrap().1, 900);
        assert_eq!(place.window(1_000_000).unwrap().1, 500 + SPAN);
        let place = place.behind(Some((612, 3, "02Z", 1)), true, 900);
        assert_eq!((place.written_by(), place.slot), (612, 3));
        assert!(place.is_before(900) && !place.is_before(612));
    }

    #[test]
    fn a_database_that_went_back_is_noticed() {
        let place = Place { way: Way::ByTransaction(900), ..Place::START };
        let refused = place.window(899);
        assert!(matches!(refused, Err(ChangesError::Rewound { cursor: 900, horizon: 899 })));
        assert!(place.window(900).is_ok());
    }
}
