//! Format rules F01 and F05 to F27: reading raw wire values.
//!
//! Every reader gives `None` and a finding, or the value and perhaps a warning.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use kernel::{Fen, time};
use rust_decimal::Decimal;

use crate::code::UnknownCode;
use crate::cover::Cover;
use crate::frame::{CheckDigit, FrameForm, FrameNo};
use crate::insurer::InsurerCode;
use crate::number::{NumberError, NumberKind, PlatformNumber};
use crate::party::{Certificate, CertificateKind, Holder, Mobile};
use crate::plate::{Plate, PlateError, PlateKind};
use crate::region::Region;
use crate::rule::{Findings, RuleId};
use crate::vehicle::{Category, Fuel, Usage};

/// F01: no replacement and no control characters in a text field.
pub fn text(raw: &str, at: &str, found: &mut Findings) {
    if let Some(odd) = raw.chars().find(|&c| c == '\u{fffd}' || c.is_control()) {
        let code = u32::from(odd);
        found.add(RuleId::F01, at, format!("contains character U+{code:04X}; send plain UTF-8"));
    }
}

/// F05 to F08: a platform number of kind `kind`, issued to `caller` when given.
pub fn platform_number(
    raw: &str,
    kind: NumberKind,
    caller: Option<InsurerCode>,
    at: &str,
    found: &mut Findings,
) -> Option<PlatformNumber> {
    let read = PlatformNumber::parse(raw).and_then(|number| number.of_kind(kind));
    let read = read.and_then(|number| match caller {
        Some(caller) => number.of_insurer(caller),
        None => Ok(number),
    });
    read.map_err(|error| found.add(number_rule(&error), at, error.to_string())).ok()
}

/// The rule a malformed platform number breaks.
pub fn number_rule(error: &NumberError) -> RuleId {
    match error {
        NumberError::WrongKind { .. } | NumberError::UnknownKind(_) => RuleId::F06,
        NumberError::WrongInsurer { .. } => RuleId::F07,
        NumberError::UnknownArea(_) => RuleId::F08,
        NumberError::Length(_)
        | NumberError::Character { .. }
        | NumberError::Slot(_)
        | NumberError::CheckDigit { .. } => RuleId::F05,
    }
}

/// F08: a six-digit area code inside one of the 36 regions.
pub fn area(raw: &str, at: &str, found: &mut Findings) -> Option<Region> {
    let unknown = |_| {
        let message = format!("area code {:?} lies in none of the 36 regions", cut(raw));
        found.add(RuleId::F08, at, message);
    };
    Region::of_area(raw).map_err(unknown).ok()
}

/// Whether hour 24 is allowed: it is the midnight that ends a day of cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// A point in time or the begin of cover.
    Start,
    /// The end of cover.
    End,
}

/// F09: a day as `yyyyMMdd` or `yyyy-MM-dd`, between 1900 and 2199.
pub fn day(raw: &str, at: &str, found: &mut Findings) -> Option<Date> {
    let digits = match raw.as_bytes() {
        [_, _, _, _, b'-', _, _, b'-', _, _] => raw.replace('-', ""),
        _ => raw.to_owned(),
    };
    let read = if digits.len() == 8 { compact(&digits, Edge::Start) } else { None };
    let message = || format!("{:?} is no day; send yyyyMMdd or yyyy-MM-dd", cut(raw));
    if read.is_none() {
        found.add(RuleId::F09, at, message());
    }
    read.map(|moment| moment.date())
}

/// F09: a time as `yyyyMMddHHmm`, `yyyyMMddHH` (civil time in China) or RFC 3339 with an offset.
pub fn instant(raw: &str, edge: Edge, at: &str, found: &mut Findings) -> Option<Timestamp> {
    let read = match raw.len() {
        10 | 12 => compact(raw, edge).and_then(time::instant_of),
        _ => raw.parse::<Timestamp>().ok().filter(|&at| is_nameable(time::day_of(at))),
    };
    if read.is_none() {
        let shapes = "send yyyyMMddHHmm, yyyyMMddHH or RFC 3339 with an offset";
        found.add(RuleId::F09, at, format!("{:?} is no time; {shapes}", cut(raw)));
    }
    read
}

/// Reads `yyyyMMdd`, `yyyyMMddHH` or `yyyyMMddHHmm`.
fn compact(digits: &str, edge: Edge) -> Option<DateTime> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |range| digits.get(range).map_or(Some(0), |text: &str| text.parse::<i8>().ok());
    let date = Date::new(digits.get(..4)?.parse().ok()?, part(4..6)?, part(6..8)?).ok()?;
    let (hour, minute) = (part(8..10)?, part(10..12)?);
    if !is_nameable(date) {
        return None;
    }
    if hour == 24 && minute == 0 && edge == Edge::End {
        return date.tomorrow().ok().map(|next| next.to_datetime(Time::midnight()));
    }
    Time::new(hour, minute, 0, 0).ok().map(|time| date.to_datetime(time))
}

/// F09: whether a message may name `day`: 1900 to 2199. PostgreSQL keeps no day before 4714 BC, so one
/// that is put into a statement unlooked at fails there.
pub fn is_nameable(day: Date) -> bool {
    (1900..2200).contains(&day.year())
}

/// Whether an amount may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Zero or more.
    Unsigned,
    /// A change: negative gives back.
    Signed,
}

/// F10: an amount in yuan with at most 12 digits and 2 decimals.
pub fn money(raw: &str, sign: Sign, at: &str, found: &mut Findings) -> Option<Fen> {
    match raw.parse::<Fen>() {
        Ok(amount) if amount < Fen::ZERO && sign == Sign::Unsigned => {
            found.add(RuleId::F10, at, format!("amount {amount} is negative; send zero or more"));
            None
        }
        Ok(amount) => Some(amount),
        Err(error) => {
            found.add(RuleId::F10, at, error.to_string());
            None
        }
    }
}

/// F11: a rate or ratio in `[0, 1)` with at most 5 decimals.
pub fn rate(value: Decimal, at: &str, found: &mut Findings) {
    let range = Decimal::ZERO..Decimal::ONE;
    if !range.contains(&value) || value.normalize().scale() > 5 {
        let message = format!("rate {value} is not in [0, 1) with at most 5 decimals");
        found.add(RuleId::F11, at, message);
    }
}

/// F11: a coefficient in `(0, 9.99]` with at most 4 decimals.
pub fn coefficient(value: Decimal, at: &str, found: &mut Findings) {
    let fits = Decimal::ZERO < value && value <= Decimal::new(999, 2);
    if !fits || value.normalize().scale() > 4 {
        let message = format!("coefficient {value} is not in (0, 9.99] with at most 4 decimals");
        found.add(RuleId::F11, at, message);
    }
}

/// F12 to F14: a frame number, and a warning when a VIN's check digit is wrong.
pub fn frame_no(raw: &str, form: FrameForm, at: &str, found: &mut Findings) -> Option<FrameNo> {
    use crate::frame::FrameError;
    let frame = FrameNo::parse(raw, form).map_err(|error| {
        let rule = match error {
            FrameError::Character(_) => RuleId::F12,
            FrameError::Length(0) => RuleId::F12,
            FrameError::Length(17..) => RuleId::F12,
            FrameError::Length(_) | FrameError::ShortLength(_) => RuleId::F14,
        };
        found.add(rule, at, error.to_string());
    });
    let frame = frame.ok()?;
    if let CheckDigit::Wrong { expected } = frame.check_digit() {
        let message =
            format!("check digit at position 9 should be {expected}; compare with the certificate");
        found.add(RuleId::F13, at, message);
    }
    Some(frame)
}

/// F15: an engine number, normalised to upper case without blanks around it.
pub fn engine_no(raw: &str, at: &str, found: &mut Findings) -> String {
    let engine = raw.trim().to_uppercase();
    let length = engine.chars().count();
    let repeated = engine.chars().next().is_some_and(|first| engine.chars().all(|c| c == first));
    let placeholder = matches!(engine.as_str(), "无" | "无号" | "NONE" | "NULL" | "N/A")
        || (length >= 3 && repeated);
    if !(1..=30).contains(&length) || engine.chars().any(char::is_whitespace) || placeholder {
        let message = "engine number is not 1 to 30 characters without blanks, or a placeholder; \
                       copy it from the registration certificate";
        found.add(RuleId::F15, at, message);
    }
    engine
}

/// F16 to F18: a plate, or none for a new car. `raw` may be absent or empty.
pub fn plate(
    raw: Option<&str>,
    kind: Option<PlateKind>,
    new_vehicle: bool,
    at: &str,
    found: &mut Findings,
) -> Option<Plate> {
    let Some(raw) = raw.filter(|raw| !raw.trim().is_empty()) else {
        if !new_vehicle {
            let message =
                "plate is empty; send it, or set the new-vehicle flag for a car without one";
            found.add(RuleId::F18, at, message);
        }
        return None;
    };
    let Some(kind) = kind else {
        found.add(RuleId::F17, at, "plate comes without a plate type; send both");
        return None;
    };
    let refuse = |error: PlateError| {
        let rule = match error {
            PlateError::Literal(_) => RuleId::F18,
            PlateError::Length { .. } => RuleId::F17,
            PlateError::Pattern { .. } => RuleId::F16,
        };
        found.add(rule, at, error.to_string());
    };
    Plate::parse(raw, kind).map_err(refuse).ok()
}

/// F17: a plate type by its code.
pub fn plate_kind(raw: &str, at: &str, found: &mut Findings) -> Option<PlateKind> {
    coded(PlateKind::parse(raw), RuleId::F17, at, found)
}

/// F19: a vehicle category by its code.
pub fn category(raw: &str, at: &str, found: &mut Findings) -> Option<Category> {
    coded(Category::parse(raw), RuleId::F19, at, found)
}

/// F20: a use by its code.
pub fn usage(raw: &str, at: &str, found: &mut Findings) -> Option<Usage> {
    coded(Usage::parse(raw), RuleId::F20, at, found)
}

/// A fuel by its code; an unknown one is a missing mandatory field (S02).
pub fn fuel(raw: &str, at: &str, found: &mut Findings) -> Option<Fuel> {
    coded(Fuel::parse(raw), RuleId::S02, at, found)
}

/// F26: a cover by its code in the list of this message's code system.
pub fn cover(raw: &str, at: &str, found: &mut Findings) -> Option<Cover> {
    coded(Cover::parse(raw), RuleId::F26, at, found)
}

fn coded<T>(
    read: Result<T, UnknownCode>,
    rule: RuleId,
    at: &str,
    found: &mut Findings,
) -> Option<T> {
    read.map_err(|error| found.add(rule, at, error.to_string())).ok()
}

/// F22 and F23: a certificate, its number checked, held by whom its type is for.
pub fn certificate(
    kind: &str,
    number: &str,
    holder: Holder,
    at: &str,
    found: &mut Findings,
) -> Option<Certificate> {
    let kind = coded(CertificateKind::parse(kind), RuleId::F22, &field(at, "kind"), found)?;
    let of_organisation = kind.holder() == Some(Holder::Organisation);
    let rule = if of_organisation { RuleId::F23 } else { RuleId::F22 };
    if kind.holder().is_some_and(|expected| expected != holder) {
        let message = format!(
            "certificate type {} ({}) belongs to {}; change the type or the holder",
            kind.code(),
            kind.name_en(),
            if of_organisation { "an organisation" } else { "a natural person" },
        );
        found.add(RuleId::F23, field(at, "kind"), message);
        return None;
    }
    let refuse = |error: crate::party::CertificateError| {
        found.add(rule, field(at, "number"), error.to_string());
    };
    Certificate::parse(kind, number).map_err(refuse).ok()
}

/// F24: a name of 2 to 60 characters; a person's without digits; no test words.
pub fn name(raw: &str, holder: Holder, at: &str, found: &mut Findings) {
    const WORDS: [&str; 8] = ["测试", "TEST", "某某", "先生", "女士", "未知", "NULL", "XXX"];
    let length = raw.trim().chars().count();
    let upper = raw.to_uppercase();
    let message = if !(2..=60).contains(&length) {
        "name is not 2 to 60 characters"
    } else if holder == Holder::Person && raw.chars().any(char::is_numeric) {
        "name of a natural person contains a digit"
    } else if WORDS.iter().any(|word| upper.contains(word)) {
        "name contains a test word or placeholder"
    } else {
        return;
    };
    found.add(RuleId::F24, at, format!("{message}; send it as on the certificate"));
}

/// F25: a mobile number, unless it is one of the insurer's own service numbers.
pub fn mobile(raw: &str, own: &[&str], at: &str, found: &mut Findings) -> Option<Mobile> {
    match Mobile::parse(raw) {
        Ok(mobile) if own.contains(&mobile.as_str()) => {
            let message = "mobile is the insurer's own service number; send the customer's";
            found.add(RuleId::F25, at, message);
            None
        }
        Ok(mobile) => Some(mobile),
        Err(error) => {
            found.add(RuleId::F25, at, error.to_string());
            None
        }
    }
}

/// F25: a landline with its area code, for example 010-62345678.
pub fn landline(raw: &str, at: &str, found: &mut Findings) {
    let digits: String = raw.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let fits = (10..=12).contains(&digits.len())
        && digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !fits {
        found.add(RuleId::F25, at, "landline is not an area code from 0 and 7 or 8 digits");
    }
}

/// `at` with one more field; the names used here need no escaping.
pub(crate) fn field(at: &str, name: &str) -> String {
    format!("{at}/{name}")
}

fn cut(raw: &str) -> String {
    raw.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Slot;
    use crate::rules::probe::{broken, rejected};

    #[test]
    fn f01_control_characters_are_refused() {
        let judge = |raw: &str| broken(|found| text(raw, "/name", found));
        assert!(judge("张三 Ltd.").is_empty());
        assert_eq!(judge("张\u{0}三"), ["F01"]);
        assert_eq!(judge("张\u{fffd}"), ["F01"]);
    }

    #[test]
    fn a_message_names_days_of_the_years_1900_to_2199() {
        use jiff::civil::date;
        let days = [date(-9000, 1, 1), date(1899, 12, 31), date(1900, 1, 1), date(2199, 12, 31)];
        assert_eq!(days.map(is_nameable), [false, false, true, true]);
        assert!(!is_nameable(date(2200, 1, 1)));
    }

    #[test]
    fn f05_to_f08_platform_numbers() {
        let insurer = |code| InsurerCode::parse(code).unwrap();
        let number = |kind| {
            PlatformNumber::new(kind, insurer("PICC"), Region::Beijing, 2026, Slot(1), 1).unwrap()
        };
        let judge = |raw: &str| {
            broken(|found| {
                platform_number(raw, NumberKind::Confirm, Some(insurer("PICC")), "/no", found);
            })
        };
        let good = number(NumberKind::Confirm).to_string();
        assert!(judge(&good).is_empty());
        assert_eq!(judge(&good[..29]), ["F05"]);
        assert_eq!(judge(&good.replace("PICC", "P1CC")), ["F05"]);
        assert_eq!(judge(&number(NumberKind::Query).to_string()), ["F06"]);
        assert_eq!(judge(&good.replacen("02", "09", 1)), ["F06"]);
        assert_eq!(judge(&good.replacen("1100", "9900", 1)), ["F08"]);
        let other = broken(|found| {
            platform_number(&good, NumberKind::Confirm, Some(insurer("PAIC")), "/no", found);
        });
        assert_eq!(other, ["F07"]);
        assert_eq!(broken(|found| _ = area("110105", "/area", found)), [""; 0]);
        assert_eq!(broken(|found| _ = area("820000", "/area", found)), ["F08"]);
    }

    #[test]
    fn f09_days_and_times_exist() {
        let day_of = |raw| broken(|found| _ = day(raw, "/at", found));
        for good in ["20240229", "2024-02-29"] {
            assert!(day_of(good).is_empty(), "{good}");
        }
        for bad in
            ["20230229", "2024022", "20241301", "2024-2-29", "00010101", "99991231", "二〇二四"]
        {
            assert_eq!(day_of(bad), ["F09"], "{bad}");
        }
        let time_of = |raw, edge| {
            let mut found = Findings::new();
            (instant(raw, edge, "/at", &mut found).map(|at| at.to_string()), found.is_empty())
        };
        let midnight = Some("2024-02-29T16:00:00Z".to_owned());
        assert_eq!(time_of("2024030100", Edge::Start), (midnight.clone(), true));
        assert_eq!(time_of("2024022924", Edge::End), (midnight.clone(), true));
        assert_eq!(time_of("2024-03-01T00:00:00+08:00", Edge::Start), (midnight, true));
        assert_eq!(time_of("2024022924", Edge::Start), (None, false));
        assert_eq!(time_of("202402291260", Edge::Start), (None, false));
        assert_eq!(time_of("2024022925", Edge::End), (None, false));
        assert_eq!(time_of("-009999-01-01T00:00:00Z", Edge::Start), (None, false));
    }

    #[test]
    fn f10_amounts() {
        let judge = |raw, sign| broken(|found| _ = money(raw, sign, "/amount", found));
        assert!(judge("999999999999.99", Sign::Unsigned).is_empty());
        assert!(judge("-1", Sign::Signed).is_empty());
        for bad in ["-1", "1.001", "1234567890123", "1e3", ""] {
            assert_eq!(judge(bad, Sign::Unsigned), ["F10"], "{bad}");
        }
    }

    #[test]
    fn f11_rates_and_coefficients() {
        let decimal = |text: &str| text.parse::<Decimal>().unwrap();
        let judge_rate = |text| broken(|found| rate(decimal(text), "/rate", found));
        assert!(judge_rate("0").is_empty() && judge_rate("0.99999000").is_empty());
        for bad in ["1", "-0.1", "0.000001"] {
            assert_eq!(judge_rate(bad), ["F11"], "{bad}");
        }
        let judge = |text| broken(|found| coefficient(decimal(text), "/coefficient", found));
        assert!(judge("9.99").is_empty() && judge("0.6500").is_empty());
        for bad in ["0", "10", "0.12345", "-1"] {
            assert_eq!(judge(bad), ["F11"], "{bad}");
        }
    }

    #[test]
    fn f12_to_f14_frame_numbers() {
        let judge = |raw, form| broken(|found| _ = frame_no(raw, form, "/frameNo", found));
        assert!(judge("LSVAM4187C2184847", FrameForm::VinOnly).is_empty());
        assert_eq!(judge("LSVAM4187C218484O", FrameForm::VinOnly), ["F12"]);
        assert_eq!(judge("LSVAM4187C2184847X", FrameForm::VinOnly), ["F12"]);
        assert_eq!(judge("LFV2A21K6A3000001", FrameForm::VinOnly), ["F13"]);
        assert_eq!(judge("BJ2120931", FrameForm::VinOnly), ["F14"]);
        assert!(judge("BJ2120931", FrameForm::ShortAllowed).is_empty());
        assert_eq!(judge("B1", FrameForm::ShortAllowed), ["F14"]);
        let mut found = Findings::new();
        frame_no("LFV2A21K6A3000001", FrameForm::VinOnly, "/frameNo", &mut found);
        assert!(!found.rejects(), "a wrong check digit warns");
    }

    #[test]
    fn f15_engine_numbers() {
        let judge = |raw| broken(|found| _ = engine_no(raw, "/engineNo", found));
        assert!(judge("ea888-123456").is_empty());
        for bad in ["", "0000", "无", "EA 888", &"1".repeat(31)] {
            assert_eq!(judge(bad), ["F15"], "{bad}");
        }
    }

    #[test]
    fn f16_to_f18_plates() {
        let judge = |raw: Option<&str>, kind: &str, new| {
            let kind = PlateKind::parse(kind).ok();
            broken(|found| _ = plate(raw, kind, new, "/plate", found))
        };
        assert!(judge(Some("京A12345"), "02", false).is_empty());
        assert!(judge(None, "", true).is_empty() && judge(Some(" "), "02", true).is_empty());
        assert_eq!(judge(Some("京AO2345"), "02", false), ["F16"]);
        assert_eq!(judge(Some("京AD12345"), "02", false), ["F17"]);
        assert_eq!(judge(Some("京A12345"), "52", false), ["F17"]);
        assert_eq!(judge(Some("京A12345"), "", false), ["F17"]);
        assert_eq!(judge(Some("新车"), "02", true), ["F18"]);
        assert_eq!(judge(None, "02", false), ["F18"]);
        assert_eq!(broken(|found| _ = plate_kind("77", "/plateKind", found)), ["F17"]);
    }

    #[test]
    fn f19_f20_f26_codes() {
        assert_eq!(broken(|found| _ = category("11", "", found)), [""; 0]);
        assert_eq!(broken(|found| _ = category("19", "", found)), ["F19"]);
        assert_eq!(broken(|found| _ = usage("101N", "", found)), [""; 0]);
        assert_eq!(broken(|found| _ = usage("999", "", found)), ["F20"]);
        assert_eq!(broken(|found| _ = fuel("?", "", found)), ["S02"]);
        assert_eq!(broken(|found| _ = cover("M01", "", found)), [""; 0]);
        assert_eq!(broken(|found| _ = cover("C100121", "", found)), ["F26"]);
    }

    #[test]
    fn f22_f23_certificates() {
        let judge =
            |kind, number, holder| broken(|found| _ = certificate(kind, number, holder, "", found));
        assert!(judge("01", "11010519491231002X", Holder::Person).is_empty());
        assert!(judge("611", "91350100M000100Y43", Holder::Organisation).is_empty());
        assert_eq!(judge("88", "1", Holder::Person), ["F22"]);
        assert_eq!(judge("111", "110105194912310021", Holder::Person), ["F22"]);
        assert_eq!(judge("611", "91350100M000100Y44", Holder::Organisation), ["F23"]);
        assert_eq!(judge("611", "91350100M000100Y43", Holder::Person), ["F23"]);
        assert_eq!(judge("01", "11010519491231002X", Holder::Organisation), ["F23"]);
    }

    #[test]
    fn f24_f25_names_and_telephones_only_warn() {
        let judge_name = |raw, holder| broken(|found| name(raw, holder, "", found));
        assert!(judge_name("张三", Holder::Person).is_empty());
        assert!(judge_name("北京一二三4S店", Holder::Organisation).is_empty());
        for bad in ["张", "张3", "测试员"] {
            assert_eq!(judge_name(bad, Holder::Person), ["F24"], "{bad}");
        }
        let judge = |raw| broken(|found| _ = mobile(raw, &["13895518000"], "", found));
        assert!(judge("13800001234").is_empty());
        assert_eq!(judge("95518"), ["F25"]);
        assert_eq!(judge("13895518000"), ["F25"]);
        assert!(broken(|found| landline("010-62345678", "", found)).is_empty());
        assert_eq!(broken(|found| landline("62345678", "", found)), ["F25"]);
        let rejects = rejected(|found| {
            name("张", Holder::Person, "", found);
            mobile("1", &[], "", found);
        });
        assert!(rejects.is_empty());
    }
}
