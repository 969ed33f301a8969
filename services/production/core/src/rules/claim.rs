//! Rules about the messages of a claim, value by value: F28 to F31, S14 to S16.

use kernel::Fen;
use rust_decimal::Decimal;

use crate::claim::{Liability, PersonHarm};
use crate::rule::{Findings, RuleId};

/// Longest description of an accident, in characters.
pub const DESCRIPTION: usize = 2_000;
/// Longest place.
pub const PLACE: usize = 300;
/// Longest opinion, reason or remark.
pub const OPINION: usize = 500;

/// F30: a text of at most `most` characters without markup.
pub fn text(raw: &str, most: usize, at: &str, found: &mut Findings) {
    let length = raw.chars().count();
    if length > most {
        found.add(RuleId::F30, at, format!("text has {length} characters; at most {most}"));
    }
    if has_markup(raw) {
        found.add(RuleId::F30, at, "text holds HTML or script; send plain text");
    }
}

/// Whether a text opens a tag or a script; a lone `<` between numbers is none.
fn has_markup(raw: &str) -> bool {
    let opens =
        |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
    raw.match_indices('<').any(|(at, _)| opens(&raw[at + 1..]))
        || raw.to_ascii_lowercase().contains("javascript:")
}

/// F28: a liability code of the list, with the share customary for it unless a document sets one.
///
/// `documented` says whether a finding of police or court is there, which may set any share.
pub fn liability_share(
    share: Decimal,
    liability: Liability,
    documented: bool,
    at: &str,
    found: &mut Findings,
) {
    if share < Decimal::ZERO || share > Decimal::ONE_HUNDRED {
        found.add(RuleId::F28, at, format!("{share} is no share; send 0 to 100 percent"));
    } else if let Some(customary) = liability.share_pct()
        && share != Decimal::from(customary)
        && !documented
    {
        let message = format!(
            "liability {} ({}) customarily bears {customary} percent, not {share}; name the document that sets another share",
            liability.code(),
            liability.name_en()
        );
        found.add(RuleId::F28, at, message);
    }
}

/// F29: a bank account of 10 to 30 digits.
pub fn account(raw: &str, at: &str, found: &mut Findings) {
    let digits = raw.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !(10..=30).contains(&raw.len()) {
        found.add(RuleId::F29, at, "bank account must be 10 to 30 digits");
    }
}

/// F29: a payee's name or number is there and whole, not masked.
pub fn unmasked(raw: Option<&str>, what: &str, at: &str, found: &mut Findings) {
    match raw.map(str::trim) {
        None | Some("") => {
            found.add(RuleId::F29, at, format!("payee's {what} is missing; send it"))
        }
        Some(raw) if raw.contains(['*', '＊', '×']) => {
            found.add(RuleId::F29, at, format!("payee's {what} is masked; send it whole"));
        }
        Some(_) => {}
    }
}

/// A place on a map as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Coordinates<'a> {
    /// Degrees east.
    pub longitude: Option<&'a str>,
    /// Degrees north.
    pub latitude: Option<&'a str>,
    /// Coordinate system.
    pub system: Option<&'a str>,
    /// Version of the address library.
    pub address_version: Option<&'a str>,
}

/// F31: coordinates come with their system and address version, and lie inside China.
///
/// Inside means within 73 to 136 degrees east and 3 to 54 north, the box around the country.
pub fn coordinates(sent: Coordinates<'_>, at: &str, found: &mut Findings) {
    let number = |raw: Option<&str>| raw.and_then(|raw| raw.trim().parse::<Decimal>().ok());
    let named = |raw: Option<&str>| raw.is_some_and(|raw| !raw.trim().is_empty());
    if !named(sent.system) || !named(sent.address_version) {
        let message = "coordinates need their system and the version of the address library";
        found.add(RuleId::F31, at, message);
    }
    let inside = |value: Option<Decimal>, from: i64, to: i64| {
        value.is_some_and(|value| Decimal::from(from) <= value && value <= Decimal::from(to))
    };
    if !inside(number(sent.longitude), 73, 136) || !inside(number(sent.latitude), 3, 54) {
        found.add(RuleId::F31, at, "coordinates are no point inside China; check their order");
    }
}

/// S14: an assessor or approver is named with code and certificate.
pub fn officer(
    name: Option<&str>,
    code: Option<&str>,
    certificate: Option<&str>,
    at: &str,
    found: &mut Findings,
) {
    for (value, field) in [(name, "name"), (code, "code"), (certificate, "certificateNo")] {
        if value.is_none_or(|value| value.trim().is_empty()) {
            let message = format!("assessor and approver need a {field}; send it");
            found.add(RuleId::S14, format!("{at}/{field}"), message);
        }
    }
}

/// A part as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct PartRow {
    /// How many.
    pub count: u32,
    /// Price of one.
    pub price: Fen,
    /// Hours to fit it, when told.
    pub hours: Option<Decimal>,
}

/// S15: parts are counted from one, cost and take no less than nothing, and add up to the total.
pub fn parts(rows: &[PartRow], total: Option<Fen>, at: &str, found: &mut Findings) {
    for (place, row) in rows.iter().enumerate() {
        let negative = row.hours.is_some_and(|hours| hours < Decimal::ZERO);
        if row.count == 0 || row.price < Fen::ZERO || negative {
            let message = "a part is counted from 1, its price and hours are not negative";
            found.add(RuleId::S15, format!("{at}/parts/{place}"), message);
        }
    }
    let prices = rows.iter().map(|row| row.price.0.checked_mul(i64::from(row.count)).map(Fen));
    let sum = prices.collect::<Option<Vec<_>>>().and_then(Fen::sum);
    sums_to(sum, total, "parts", "partsTotal", at, found);
}

/// S15: labour adds up to its total.
pub fn labour(amounts: &[Fen], total: Option<Fen>, at: &str, found: &mut Findings) {
    sums_to(Fen::sum(amounts.iter().copied()), total, "labour", "labourTotal", at, found);
}

fn sums_to(
    sum: Option<Fen>,
    total: Option<Fen>,
    what: &str,
    field: &str,
    at: &str,
    found: &mut Findings,
) {
    if let (Some(total), Some(sum)) = (total, sum)
        && sum != total
    {
        let message = format!("{what} add up to {sum}, not to {total}");
        found.add(RuleId::S15, format!("{at}/{field}"), message);
    }
}

/// S16: the dead have a time of death, the injured an injury, everybody a fee.
pub fn person(
    harm: PersonHarm,
    died: bool,
    injury: Option<&str>,
    fees: usize,
    at: &str,
    found: &mut Findings,
) {
    match harm {
        PersonHarm::Dead if !died => {
            found.add(RuleId::S16, format!("{at}/diedAt"), "the dead need a time of death");
        }
        PersonHarm::Injured if injury.is_none_or(|injury| injury.trim().is_empty()) => {
            found.add(RuleId::S16, format!("{at}/injuryKind"), "the injured need a kind of injury");
        }
        PersonHarm::Dead | PersonHarm::Injured => {}
    }
    if fees == 0 {
        found.add(RuleId::S16, format!("{at}/fees"), "a person needs at least one fee");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(check: impl FnOnce(&mut Findings)) -> Vec<RuleId> {
        let mut found = Findings::new();
        check(&mut found);
        found.as_slice().iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn f30_refuses_long_texts_and_markup() {
        for bad in ["<script>x</script>", "a <b>", "</p>", "see JavaScript:alert(1)", "<!-- -->"] {
            assert_eq!(rules(|found| text(bad, 100, "/", found)), [RuleId::F30], "{bad}");
        }
        for good in ["5 < 6", "速度<40", "追尾", ""] {
            assert_eq!(rules(|found| text(good, 100, "/", found)), [], "{good}");
        }
        assert_eq!(rules(|found| text(&"车".repeat(301), PLACE, "/", found)), [RuleId::F30]);
        assert_eq!(rules(|found| text(&"车".repeat(300), PLACE, "/", found)), []);
    }

    #[test]
    fn f28_warns_of_uncustomary_shares_without_a_document() {
        let share = |pct: i64, liability, documented| {
            rules(|found| liability_share(pct.into(), liability, documented, "/", found))
        };
        assert_eq!(share(70, Liability::Main, false), []);
        assert_eq!(share(60, Liability::Main, false), [RuleId::F28]);
        assert_eq!(share(60, Liability::Main, true), []);
        assert_eq!(share(101, Liability::Full, true), [RuleId::F28]);
        assert_eq!(share(45, Liability::Undetermined, false), []);
    }

    #[test]
    fn f29_wants_whole_names_and_numeric_accounts() {
        for (raw, good) in
            [("6222020200112345678", true), ("622", false), ("62220202001123456X", false)]
        {
            assert_eq!(rules(|found| account(raw, "/", found)).is_empty(), good, "{raw}");
        }
        for (raw, good) in
            [(Some("张三"), true), (Some("张*"), false), (Some(" "), false), (None, false)]
        {
            assert_eq!(
                rules(|found| unmasked(raw, "name", "/", found)).is_empty(),
                good,
                "{raw:?}"
            );
        }
    }

    #[test]
    fn f31_warns_of_points_outside_china_or_without_their_system() {
        let point = |longitude, latitude, system| {
            rules(|found| {
                let sent = Coordinates {
                    longitude: Some(longitude),
                    latitude: Some(latitude),
                    system,
                    address_version: Some("2026"),
                };
                coordinates(sent, "/", found);
            })
        };
        assert_eq!(point("118.79", "32.06", Some("GCJ-02")), []);
        assert_eq!(point("32.06", "118.79", Some("GCJ-02")), [RuleId::F31]);
        assert_eq!(point("118.79", "32.06", None), [RuleId::F31]);
    }

    #[test]
    fn s14_to_s16_want_officers_sums_and_persons_whole() {
        let named = rules(|found| officer(Some("李四"), Some("A1"), Some("C1"), "/", found));
        assert_eq!(named, []);
        assert_eq!(rules(|found| officer(Some("李四"), None, None, "/", found)), [RuleId::S14; 2]);
        let part = PartRow { count: 2, price: Fen(10_050), hours: None };
        assert_eq!(rules(|found| parts(&[part], Some(Fen(20_100)), "/", found)), []);
        assert_eq!(rules(|found| parts(&[part], Some(Fen(20_000)), "/", found)), [RuleId::S15]);
        let none = PartRow { count: 0, ..part };
        assert_eq!(rules(|found| parts(&[none], None, "/", found)), [RuleId::S15]);
        assert_eq!(rules(|found| labour(&[Fen(5)], Some(Fen(6)), "/", found)), [RuleId::S15]);
        let dead = rules(|found| person(PersonHarm::Dead, false, None, 1, "/", found));
        assert_eq!(dead, [RuleId::S16]);
        let hurt = rules(|found| person(PersonHarm::Injured, false, Some("1"), 1, "/", found));
        assert_eq!(hurt, []);
        let free = rules(|found| person(PersonHarm::Injured, false, Some("1"), 0, "/", found));
        assert_eq!(free, [RuleId::S16]);
    }
}
