//! Persons and organisations around a policy: certificates, telephones, masking.
//!
//! A certificate's number is checked when it is read; what is displayed without a right to see
//! more is masked. Nothing here implements `Display` over a full number.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::coded_enum;
use crate::region::Region;

coded_enum! {
    /// Type of certificate, in the platform's second (two digits) or third generation (three).
    ///
    /// Source: `tariffs/certificate_types.csv`.
    pub enum CertificateKind ("certificate type") {
        ResidentId = "01", "居民身份证", "resident ID";
        HouseholdRegister = "02", "户口簿", "household register";
        DrivingLicence = "03", "驾驶证", "driving licence";
        Officer = "04", "军官证", "officer card";
        Soldier = "05", "士兵证", "soldier card";
        RetiredOfficer = "06", "军官离退休证", "retired officer card";
        ChinesePassport = "07", "中国护照", "Chinese passport";
        HongKongMacaoPermit = "41", "港澳通行证", "HK/Macao travel permit";
        TaiwanPermit = "42", "台湾通行证", "Taiwan travel permit";
        ForeignPassport = "51", "外国护照", "foreign passport";
        TravelDocument = "52", "旅行证", "travel document";
        ResidencePermit = "53", "居留证件", "residence permit";
        OrganisationCode = "71", "组织机构代码证", "organisation code certificate";
        Other = "99", "其他", "other";
        ResidentId3 = "111", "居民身份证", "resident ID";
        TemporaryId3 = "112", "临时身份证", "temporary ID";
        HouseholdRegister3 = "113", "户口簿", "household register";
        Officer3 = "114", "军官证", "officer card";
        DrivingLicence3 = "335", "机动车驾驶证", "driving licence";
        Passport3 = "414", "普通护照", "ordinary passport";
        TaiwanResident3 = "511", "台湾居民来往大陆通行证", "Taiwan resident permit";
        HongKongMacaoResident3 = "516", "港澳居民来往内地通行证", "HK/Macao resident permit";
        ForeignResident3 = "553", "外国人永久居留身份证", "foreign permanent resident ID";
        OrganisationCode3 = "610", "组织机构代码证", "organisation code";
        SocialCreditCode3 = "611", "统一社会信用代码", "unified social credit code";
    }
}

/// Natural person or organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Holder {
    /// 自然人.
    Person,
    /// 单位.
    Organisation,
}

impl CertificateKind {
    /// Who may hold one; `None` for either.
    pub const fn holder(self) -> Option<Holder> {
        match self {
            CertificateKind::OrganisationCode
            | CertificateKind::OrganisationCode3
            | CertificateKind::SocialCreditCode3 => Some(Holder::Organisation),
            CertificateKind::Other => None,
            _ => Some(Holder::Person),
        }
    }

    /// Whether this is a resident ID, of either generation of codes.
    pub const fn is_resident_id(self) -> bool {
        matches!(self, CertificateKind::ResidentId | CertificateKind::ResidentId3)
    }
}

/// A certificate whose number has been checked as far as its type allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Raw", rename_all = "camelCase")]
pub struct Certificate {
    kind: CertificateKind,
    number: String,
}

#[derive(Deserialize)]
struct Raw {
    kind: CertificateKind,
    number: String,
}

/// Why a text is not the number of its certificate type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A resident ID is 17 digits and a digit or X.
    #[error("resident ID is not 17 digits followed by a digit or X")]
    ResidentIdShape,
    /// Digits 7 to 14 are no day, or lie before 1850.
    #[error("resident ID has no valid birth date in digits 7 to 14")]
    BirthDate,
    /// The first two digits name no province.
    #[error("resident ID begins with {0:?}, which is no province")]
    Province(String),
    /// GB 11643 demands another last character.
    #[error("resident ID ends in {found}; its check character should be {expected}")]
    ResidentIdCheck {
        /// The last character.
        found: char,
        /// What the rest demands.
        expected: char,
    },
    /// A unified social credit code is 18 of 0-9 A-H J-N P-R T U W-Y.
    #[error("unified social credit code is not 18 characters of 0-9 A-H J-N P-R T U W-Y")]
    SocialCreditShape,
    /// GB 32100 demands another last character.
    #[error("unified social credit code ends in {found}; its check character should be {expected}")]
    SocialCreditCheck {
        /// The last character.
        found: char,
        /// What the rest demands.
        expected: char,
    },
    /// Any other certificate: 2 to 40 letters, digits, Chinese characters, dashes, brackets.
    #[error("certificate number is not 2 to 40 letters, digits, dashes or brackets")]
    Shape,
}

impl Certificate {
    /// Reads a number of type `kind`; blanks around it and lower case are forgiven.
    ///
    /// An eighteen-character number under an organisation code certificate is read as a unified
    /// social credit code: the type predates it and clients kept using it.
    pub fn parse(kind: CertificateKind, raw: &str) -> Result<Certificate, CertificateError> {
        let number = raw.trim().to_uppercase();
        let credit_code = kind == CertificateKind::SocialCreditCode3
            || (kind.holder() == Some(Holder::Organisation) && number.chars().count() == 18);
        if kind.is_resident_id() {
            check_resident_id(&number)?;
        } else if credit_code {
            check_social_credit_code(&number)?;
        } else {
            let length = number.chars().count();
            let fits = |c: char| c.is_alphanumeric() || "-()（）/".contains(c);
            if !(2..=40).contains(&length) || !number.chars().all(fits) {
                return Err(CertificateError::Shape);
            }
        }
        Ok(Certificate { kind, number })
    }

    /// The type.
    pub fn kind(&self) -> CertificateKind {
        self.kind
    }

    /// The full number: personal data, for storage under encryption and for matching alone.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// Birth date in a resident ID; `None` for other types.
    pub fn born_on(&self) -> Option<Date> {
        if self.kind.is_resident_id() { birth_date(&self.number) } else { None }
    }

    /// First three and last four characters, the rest starred; six or fewer are starred whole.
    pub fn masked(&self) -> String {
        mask_number(&self.number)
    }
}

impl TryFrom<Raw> for Certificate {
    type Error = CertificateError;

    fn try_from(raw: Raw) -> Result<Certificate, CertificateError> {
        Certificate::parse(raw.kind, &raw.number)
    }
}

fn birth_date(id: &str) -> Option<Date> {
    let part = |range: std::ops::Range<usize>| id.get(range)?.parse::<i16>().ok();
    let (year, month, day) = (part(6..10)?, part(10..12)?, part(12..14)?);
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    (year >= 1850).then_some(date)
}

/// GB 11643-1999: region, birth date, order, check character by ISO 7064 MOD 11-2.
fn check_resident_id(id: &str) -> Result<(), CertificateError> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
    let bytes = id.as_bytes();
    let shape = bytes.len() == 18
        && bytes[..17].iter().all(u8::is_ascii_digit)
        && (bytes[17].is_ascii_digit() || bytes[17] == b'X');
    if !shape {
        return Err(CertificateError::ResidentIdShape);
    }
    // Hong Kong, Macao and Taiwan residents hold 81, 82 and 83; 91 is a foreign resident's.
    let province = &id[..2];
    let known = Region::ALL.iter().any(|region| region.code().starts_with(province))
        || matches!(province, "71" | "81" | "82" | "83" | "91");
    if !known {
        return Err(CertificateError::Province(province.to_owned()));
    }
    birth_date(id).ok_or(CertificateError::BirthDate)?;
    let sum: u32 =
        bytes.iter().zip(WEIGHTS).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
    let (expected, found) = (CHECKS[(sum % 11) as usize], char::from(bytes[17]));
    if found == expected {
        Ok(())
    } else {
        Err(CertificateError::ResidentIdCheck { found, expected })
    }
}

/// GB 32100-2015: 17 characters weighted 3^i modulo 31, then the check character.
fn check_social_credit_code(code: &str) -> Result<(), CertificateError> {
    const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    let values: Option<Vec<usize>> = code.chars().map(|c| ALPHABET.find(c)).collect();
    let values = values.filter(|values| values.len() == 18);
    let values = values.ok_or(CertificateError::SocialCreditShape)?;
    let mut weight = 1;
    let mut sum = 0;
    for value in &values[..17] {
        sum += value * weight;
        weight = weight * 3 % 31;
    }
    let check = (31 - sum % 31) % 31;
    if values[17] == check {
        return Ok(());
    }
    let letter = |value: usize| ALPHABET.chars().nth(value).unwrap_or('?');
    Err(CertificateError::SocialCreditCheck { found: letter(values[17]), expected: letter(check) })
}

/// A mobile number of the mainland: eleven digits from 13 to 19.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Mobile(String);

/// The text is not a mobile number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mobile number is not 11 digits beginning with 13 to 19")]
pub struct MobileError;

impl Mobile {
    /// Reads a number; blanks and dashes in it and a leading +86 are forgiven.
    pub fn parse(raw: &str) -> Result<Mobile, MobileError> {
        let mut digits = String::with_capacity(raw.len());
        digits.extend(raw.chars().filter(|c| !c.is_whitespace() && *c != '-'));
        if digits.starts_with("+86") {
            digits.drain(..3);
        }
        let fits = digits.len() == 11
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && digits.starts_with('1')
            && matches!(digits.as_bytes()[1], b'3'..=b'9');
        if fits { Ok(Mobile(digits)) } else { Err(MobileError) }
    }

    /// The eleven digits: personal data.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `138****1234`.
    pub fn masked(&self) -> String {
        mask_number(&self.0)
    }
}

impl TryFrom<String> for Mobile {
    type Error = MobileError;

    fn try_from(text: String) -> Result<Mobile, MobileError> {
        Mobile::parse(&text)
    }
}

/// What a party is to the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// 车主.
    Owner,
    /// 投保人.
    Applicant,
    /// 被保险人.
    Insured,
    /// 驾驶人.
    Driver,
}

impl Role {
    /// The word used in storage and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Applicant => "applicant",
            Role::Insured => "insured",
            Role::Driver => "driver",
        }
    }
}

/// A person or organisation in its role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Party {
    /// What the party is to the policy.
    pub role: Role,
    /// Natural person or organisation.
    pub holder: Holder,
    /// Full name: personal data.
    pub name: String,
    /// Proof of identity.
    #[serde(default)]
    pub certificate: Option<Certificate>,
    /// Mobile number.
    #[serde(default)]
    pub mobile: Option<Mobile>,
}

impl Party {
    /// The name for display without a right to see more: a person's first character and stars, an
    /// organisation's name in full, which is public.
    pub fn masked_name(&self) -> String {
        match self.holder {
            Holder::Person => mask_name(&self.name),
            Holder::Organisation => self.name.clone(),
        }
    }
}

/// First character of a person's name, the rest starred: `张**`.
pub fn mask_name(name: &str) -> String {
    mask(name, 1, 0)
}

/// First three and last four characters of a number, the rest starred: `138****1234`.
pub fn mask_number(number: &str) -> String {
    mask(number, 3, 4)
}

/// Keeps `head` and `tail` characters and stars the rest; stars all when nothing would be hidden.
fn mask(text: &str, head: usize, tail: usize) -> String {
    let length = text.chars().count();
    if length <= head + tail {
        return "*".repeat(length);
    }
    let hidden = head..length - tail;
    text.chars().enumerate().map(|(at, c)| if hidden.contains(&at) { '*' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn resident_ids_are_checked() {
        let read = |number| Certificate::parse(CertificateKind::ResidentId3, number);
        let valid = read("11010519491231002x").unwrap();
        assert_eq!(valid.born_on(), Some(date(1949, 12, 31)));
        assert!(read("440524188001010014").is_ok());
        let cases = [
            ("110105194912310021", CertificateError::ResidentIdCheck { found: '1', expected: 'X' }),
            ("110105194913310020", CertificateError::BirthDate),
            ("110105194902300020", CertificateError::BirthDate),
            ("990105194912310020", CertificateError::Province("99".into())),
            ("11010519491231002", CertificateError::ResidentIdShape),
            ("1101051949123100ＸX", CertificateError::ResidentIdShape),
        ];
        for (number, error) in cases {
            assert_eq!(read(number), Err(error), "{number}");
        }
    }

    #[test]
    fn social_credit_codes_are_checked() {
        let read = |number| Certificate::parse(CertificateKind::SocialCreditCode3, number);
        assert!(read("91350100M000100Y43").is_ok());
        assert!(matches!(
            read("91350100M000100Y44"),
            Err(CertificateError::SocialCreditCheck { found: '4', expected: '3' })
        ));
        assert_eq!(read("91350100I000100Y43"), Err(CertificateError::SocialCreditShape));
        let old = Certificate::parse(CertificateKind::OrganisationCode, "91350100M000100Y44");
        assert!(old.is_err());
        assert!(Certificate::parse(CertificateKind::OrganisationCode, "12345678-9").is_ok());
    }

    #[test]
    fn personal_data_is_masked() {
        let id = Certificate::parse(CertificateKind::ResidentId, "11010519491231002X").unwrap();
        assert_eq!(id.masked(), "110***********002X");
        assert_eq!(Mobile::parse("138 0000-1234").unwrap().masked(), "138****1234");
        assert_eq!(["张三丰", "张", ""].map(mask_name), ["张**", "*", ""]);
    }

    #[test]
    fn mobiles_are_eleven_digits_from_13_to_19() {
        let judged = ["13800001234", "+8619912345678", "12800001234", "1380000123", "95518"]
            .map(|raw| Mobile::parse(raw).is_ok());
        assert_eq!(judged, [true, true, false, false, false]);
    }
}
