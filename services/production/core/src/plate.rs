//! Number plates by plate type.
//!
//! The pattern follows GA 36 as far as platform messages need it: ordinary civil plates and
//! new-energy plates exactly; embassy, military, temporary and other rare plates loosely. A
//! literal such as 新车 is never a plate: a car without one has `None`.

use serde::{Deserialize, Serialize};

use crate::coded_enum;
use crate::region::Region;

coded_enum! {
    /// Plate type (号牌种类), GA/T 16.7.
    ///
    /// Source: `tariffs/plate_types.csv`.
    pub enum PlateKind ("plate type") {
        Large = "01", "大型汽车", "large vehicle";
        Small = "02", "小型汽车", "small vehicle";
        Embassy = "03", "使馆汽车", "embassy";
        Consulate = "04", "领馆汽车", "consulate";
        Overseas = "05", "境外汽车", "overseas";
        Foreign = "06", "外籍汽车", "foreign-owned";
        Motorcycle = "07", "两、三轮摩托车", "motorcycle";
        LightMotorcycle = "08", "轻便摩托车", "light motorcycle";
        EmbassyMotorcycle = "09", "使馆摩托车", "embassy motorcycle";
        ConsulateMotorcycle = "10", "领馆摩托车", "consulate motorcycle";
        OverseasMotorcycle = "11", "境外摩托车", "overseas motorcycle";
        ForeignMotorcycle = "12", "外籍摩托车", "foreign-owned motorcycle";
        Farm = "13", "农用运输车", "farm transport";
        Tractor = "14", "拖拉机", "tractor";
        Trailer = "15", "挂车", "trailer";
        Learner = "16", "教练汽车", "learner car";
        LearnerMotorcycle = "17", "教练摩托车", "learner motorcycle";
        Test = "18", "试验汽车", "test car";
        TestMotorcycle = "19", "试验摩托车", "test motorcycle";
        TemporaryEntry = "20", "临时入境汽车", "temporary entry car";
        TemporaryEntryMotorcycle = "21", "临时入境摩托车", "temporary entry motorcycle";
        Temporary = "22", "临时行驶车", "temporary plate";
        Police = "23", "公安警车", "police car";
        PoliceMotorcycle = "24", "公安民用/警用摩托", "police motorcycle";
        OldOther = "25", "其他(旧)", "other (old)";
        ArmedPolice = "31", "武警", "armed police";
        Military = "32", "军队", "military";
        LargeNewEnergy = "51", "大型新能源汽车", "large NEV";
        SmallNewEnergy = "52", "小型新能源汽车", "small NEV";
        Other = "99", "其他", "other";
    }
}

impl PlateKind {
    /// Whether only new-energy vehicles carry it.
    pub const fn is_new_energy(self) -> bool {
        matches!(self, PlateKind::LargeNewEnergy | PlateKind::SmallNewEnergy)
    }
}

/// A plate of its type: upper case, without blanks, dots or dashes.
///
/// The same text may exist under two types (京A12345 as 01 and as 02): both make the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Raw", rename_all = "camelCase")]
pub struct Plate {
    number: String,
    kind: PlateKind,
}

#[derive(Deserialize)]
struct Raw {
    number: String,
    kind: PlateKind,
}

/// Why a text is not a plate of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlateError {
    /// A word or a dummy in place of a plate.
    #[error("{0:?} stands for no plate; leave the plate empty and set the new-vehicle flag")]
    Literal(String),
    /// Right length, or a type without a fixed one, but not the type's pattern.
    #[error("{number:?} is no plate of type {} ({}); expected {expected}", kind.code(), kind.name_en())]
    Pattern {
        /// The normalised text, cut to 20 characters.
        number: String,
        /// The type it was given with.
        kind: PlateKind,
        /// The pattern of that type in words.
        expected: &'static str,
    },
    /// The length belongs to another type of plate.
    #[error("plate has {found} characters; type {} ({}) has {expected}", kind.code(), kind.name_en())]
    Length {
        /// Characters found.
        found: usize,
        /// Characters the type has.
        expected: usize,
        /// The type it was given with.
        kind: PlateKind,
    },
}

/// What a type's plates look like.
enum Pattern {
    /// Province, office letter, five characters.
    Ordinary,
    /// As ordinary, the last character this one.
    EndsIn(char),
    /// As ordinary, the last character freely one of these.
    MayEndIn(&'static str),
    /// Province, office letter, class letter, one character, four digits.
    SmallNewEnergy,
    /// Province, office letter, five digits, class letter.
    LargeNewEnergy,
    /// Letters, digits and Han characters, 4 to 10.
    Loose,
}

impl Plate {
    /// Reads a plate of type `kind`; blanks, dots and dashes in it and lower case are forgiven.
    pub fn parse(raw: &str, kind: PlateKind) -> Result<Plate, PlateError> {
        let mut characters = Vec::with_capacity(raw.len());
        characters.extend(
            raw.chars()
                .filter(|c| !c.is_whitespace() && !matches!(c, '·' | '•' | '.' | '-'))
                .map(|c| c.to_ascii_uppercase()),
        );
        if is_literal(&characters) {
            return Err(PlateError::Literal(raw.chars().take(20).collect()));
        }
        let pattern = Pattern::of(kind);
        if let Some(expected) = pattern.length().filter(|&length| length != characters.len()) {
            return Err(PlateError::Length { found: characters.len(), expected, kind });
        }
        if pattern.fits(&characters) {
            let mut number = String::with_capacity(raw.len());
            number.extend(characters);
            Ok(Plate { number, kind })
        } else {
            let number = characters.into_iter().take(20).collect();
            Err(PlateError::Pattern { number, kind, expected: pattern.in_words() })
        }
    }

    /// The normalised text.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The type.
    pub fn kind(&self) -> PlateKind {
        self.kind
    }

    /// The region whose office issued it; `None` for military and other plates without one.
    pub fn region(&self) -> Option<Region> {
        Region::of_plate(&self.number)
    }

    /// For the eyes of outsiders: province and office letter, the rest starred.
    pub fn masked(&self) -> String {
        let hidden = self.number.chars().count().saturating_sub(2);
        self.number.chars().take(2).chain(std::iter::repeat_n('*', hidden)).collect()
    }
}

impl TryFrom<Raw> for Plate {
    type Error = PlateError;

    fn try_from(raw: Raw) -> Result<Plate, PlateError> {
        Plate::parse(&raw.number, raw.kind)
    }
}

/// Words and dummies people type when there is no plate.
fn is_literal(plate: &[char]) -> bool {
    const WORDS: [&str; 7] = ["新车", "未上牌", "未挂牌", "无牌", "无号牌", "暂无", "待上牌"];
    let serial = plate.get(2..).unwrap_or_default();
    let all = |filler: char| serial.len() >= 5 && serial.iter().all(|&c| c == filler);
    // Every word has a Chinese character where most plates have none.
    let worded = || {
        let number: String = plate.iter().collect();
        WORDS.iter().any(|word| number.contains(word))
    };
    matches!(plate, [] | ['无'])
        || ['0', '*', 'X'].into_iter().any(all)
        || plate.windows(4).any(|four| four == ['N', 'U', 'L', 'L'])
        || plate.iter().skip(1).any(|c| !c.is_ascii()) && worded()
}

impl Pattern {
    fn of(kind: PlateKind) -> Pattern {
        match kind {
            PlateKind::Large
            | PlateKind::Small
            | PlateKind::Foreign
            | PlateKind::Motorcycle
            | PlateKind::LightMotorcycle
            | PlateKind::ForeignMotorcycle
            | PlateKind::Farm => Pattern::Ordinary,
            PlateKind::Trailer => Pattern::EndsIn('挂'),
            PlateKind::Learner | PlateKind::LearnerMotorcycle => Pattern::EndsIn('学'),
            PlateKind::Police => Pattern::EndsIn('警'),
            PlateKind::PoliceMotorcycle => Pattern::MayEndIn("警"),
            PlateKind::Overseas | PlateKind::OverseasMotorcycle => Pattern::MayEndIn("港澳"),
            PlateKind::SmallNewEnergy => Pattern::SmallNewEnergy,
            PlateKind::LargeNewEnergy => Pattern::LargeNewEnergy,
            PlateKind::Embassy
            | PlateKind::Consulate
            | PlateKind::EmbassyMotorcycle
            | PlateKind::ConsulateMotorcycle
            | PlateKind::Tractor
            | PlateKind::Test
            | PlateKind::TestMotorcycle
            | PlateKind::TemporaryEntry
            | PlateKind::TemporaryEntryMotorcycle
            | PlateKind::Temporary
            | PlateKind::OldOther
            | PlateKind::ArmedPolice
            | PlateKind::Military
            | PlateKind::Other => Pattern::Loose,
        }
    }

    fn length(&self) -> Option<usize> {
        match self {
            Pattern::SmallNewEnergy | Pattern::LargeNewEnergy => Some(8),
            Pattern::Ordinary | Pattern::EndsIn(_) | Pattern::MayEndIn(_) => Some(7),
            Pattern::Loose => None,
        }
    }

    fn in_words(&self) -> &'static str {
        match self {
            Pattern::Ordinary => "province, office letter, 5 characters without I and O",
            Pattern::EndsIn(_) => {
                "province, office letter, 4 characters without I and O, the type's own last character"
            }
            Pattern::MayEndIn(_) => {
                "province, office letter, 5 characters without I and O, the last may be the type's own"
            }
            Pattern::SmallNewEnergy => {
                "province, office letter, one of A-H J K, one character without I and O, 4 digits"
            }
            Pattern::LargeNewEnergy => "province, office letter, 5 digits, one of A-H J K",
            Pattern::Loose => "4 to 10 letters, digits and Chinese characters",
        }
    }

    fn fits(&self, plate: &[char]) -> bool {
        if let Pattern::Loose = self {
            let han = |c: &char| ('\u{4e00}'..='\u{9fff}').contains(c);
            return (4..=10).contains(&plate.len())
                && plate.iter().all(|c| c.is_ascii_alphanumeric() || han(c));
        }
        let [province, office, serial @ ..] = plate else { return false };
        let issued = Region::of_plate(province.encode_utf8(&mut [0; 4])).is_some()
            && office.is_ascii_uppercase()
            && *office != 'I';
        issued && self.fits_serial(serial)
    }

    /// `serial` is what follows province and office letter, of the pattern's length.
    fn fits_serial(&self, serial: &[char]) -> bool {
        let plain = |c: &char| c.is_ascii_digit() || (c.is_ascii_uppercase() && !"IO".contains(*c));
        let digit = |c: &char| c.is_ascii_digit();
        let class = |c: &char| "ABCDEFGHJK".contains(*c);
        match (self, serial) {
            (Pattern::Ordinary, all) => all.iter().all(plain),
            (Pattern::EndsIn(own), [rest @ .., last]) => rest.iter().all(plain) && last == own,
            (Pattern::MayEndIn(own), [rest @ .., last]) => {
                rest.iter().all(plain) && (plain(last) || own.contains(*last))
            }
            (Pattern::SmallNewEnergy, [first, second, rest @ ..]) => {
                class(first) && plain(second) && rest.iter().all(digit)
            }
            (Pattern::LargeNewEnergy, [rest @ .., last]) => rest.iter().all(digit) && class(last),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn plates_of_every_type_are_read() {
        let cases = [
            ("京A12345", "02", true),
            ("京a·12345", "02", true),
            ("沪C8K21M", "01", true),
            ("京AI2345", "02", false),
            ("京AO2345", "02", false),
            ("京I12345", "02", false),
            ("甲A12345", "02", false),
            ("京A1234", "02", false),
            ("京AD12345", "02", false),
            ("京AD12345", "52", true),
            ("京AF1234A", "52", false),
            ("京AAB2345", "52", true),
            ("京AL12345", "52", false),
            ("粤B12345D", "51", true),
            ("粤B12345L", "51", false),
            ("粤BD12345", "51", false),
            ("京A12345", "52", false),
            ("冀A1234挂", "15", true),
            ("冀A12345", "15", false),
            ("川A1234学", "16", true),
            ("京A1234警", "23", true),
            ("粤Z1234港", "05", true),
            ("粤Z12345", "05", true),
            ("粤Z1234学", "05", false),
            ("使014578", "03", true),
            ("WJ京12345", "31", true),
            ("川0112345", "14", true),
        ];
        for (number, kind, ok) in cases {
            let read = Plate::parse(number, PlateKind::parse(kind).unwrap());
            assert_eq!(read.is_ok(), ok, "{number} as {kind}: {read:?}");
        }
    }

    #[test]
    fn a_word_is_no_plate() {
        for raw in [
            "新车",
            "京A新车",
            "未上牌",
            "无",
            "",
            "  ",
            "京A00000",
            "京A*****",
            "京AXXXXX",
            "null",
            "京ANULL1",
        ] {
            let read = Plate::parse(raw, PlateKind::Small);
            assert!(matches!(read, Err(PlateError::Literal(_))), "{raw}: {read:?}");
        }
    }

    #[test]
    fn a_plate_knows_its_region_and_hides_its_serial() {
        let plate = Plate::parse("粤B·D12345", PlateKind::SmallNewEnergy).unwrap();
        assert_eq!(plate.region(), Some(Region::Shenzhen));
        assert_eq!(plate.masked(), "粤B******");
        let text = serde_json::to_string(&plate).unwrap();
        assert_eq!(text, r#"{"number":"粤BD12345","kind":"52"}"#);
        assert_eq!(serde_json::from_str::<Plate>(&text).unwrap(), plate);
    }

    proptest! {
        #[test]
        fn well_formed_plates_read_back(
            number in "[京沪粤川][A-HJ-NP-Z][1-9A-HJ-NP-W][A-HJ-NP-Z0-9]{4}",
        ) {
            let plate = Plate::parse(&number, PlateKind::Small).unwrap();
            prop_assert_eq!(plate.number(), number.as_str());
            prop_assert_eq!(Plate::parse(plate.number(), plate.kind()), Ok(plate.clone()));
        }

        #[test]
        fn no_text_breaks_the_reader(
            raw in "\\PC{0,12}",
            kind in proptest::sample::select(PlateKind::ALL),
        ) {
            let _ = Plate::parse(&raw, kind);
        }
    }
}
