//! The traffic police (交管) about an accident: where, why, who took part and how liable they are.
//!
//! Budget: [`Settings::accident_budget`](super::Settings::accident_budget), at most two attempts of
//! 500 ms; breaker and connections are those of the vehicle look-up. Degradation: liability is
//! taken as the insurer states it, with a notice, and is to be looked at again. Nothing is kept
//! here: an answer names people, and duties change until the statement is issued. Contract:
//! `openapi/sandbox-police.json`.

use std::time::Duration;

use base_http::Notice;
use base_http::outbound::OutboundError;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::time::Period;
use production_core::claim::{Cause, HandledBy, Liability};
use production_core::frame::{FrameForm, FrameNo};
use production_core::insurer::InsurerCode;
use production_core::plate::Plate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::outside::notice;
use crate::outside::police::{self, Police};

/// Which accident the police are asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccidentQuestion {
    /// 事故编号.
    Number(String),
    /// Those a vehicle took part in.
    Of {
        /// The vehicle.
        plate: Plate,
        /// When.
        during: Period,
    },
}

/// What the police said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccidentAnswer {
    /// The accidents asked about, by time; never empty, and one when asked by number.
    Found(Vec<Accident>),
    /// The police know no such accident.
    Unknown,
    /// No answer.
    Unavailable {
        /// Kind of failure, as in [`base_http::outbound::OutboundError::kind`].
        why: &'static str,
    },
}

impl AccidentAnswer {
    /// The accidents told, by time; empty when there is no answer and when there is no accident.
    pub fn accidents(&self) -> &[Accident] {
        match self {
            AccidentAnswer::Found(accidents) => accidents,
            AccidentAnswer::Unknown | AccidentAnswer::Unavailable { .. } => &[],
        }
    }

    /// What the insurer ought to know of the answer.
    pub fn notice(&self) -> Option<Notice> {
        let (code, detail) = match self {
            AccidentAnswer::Found(accidents) if accidents.len() < 2 => return None,
            AccidentAnswer::Found(_) => (
                "N2133",
                "交管有多起事故 the traffic police know several accidents of the vehicle in these \
                 hours; none is taken: send policeAccidentNo to name the one that is meant",
            ),
            AccidentAnswer::Unavailable { .. } => (
                "N2131",
                "交管未应答事故查询 the traffic police did not answer about the accident; liability \
                 is taken as stated and to be looked at again",
            ),
            AccidentAnswer::Unknown => {
                ("N2132", "交管无此事故 the traffic police do not know this accident")
            }
        };
        Some(notice(code, detail.into()))
    }
}

/// An accident as the police recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accident {
    /// 事故编号.
    pub accident_no: String,
    /// 报案人. Personal data.
    pub reporter_name: Option<String>,
    /// 事故时间.
    pub at: Timestamp,
    /// 事故地点.
    pub place: String,
    /// 坐标.
    pub position: Option<Position>,
    /// 事故类型.
    pub kind: AccidentKind,
    /// 事故原因.
    pub cause: Cause,
    /// 处理方式.
    pub handling: HandledBy,
    /// 当事方.
    pub parties: Vec<AccidentParty>,
    /// 受伤人数.
    pub injured: u16,
    /// 死亡人数.
    pub dead: u16,
    /// 责任认定书; `None` until it is issued.
    pub statement: Option<LiabilityStatement>,
}

impl Accident {
    /// The party with that plate, or else with that frame number.
    pub fn party(&self, plate: Option<&Plate>, frame: &FrameNo) -> Option<&AccidentParty> {
        let plated = |party: &&AccidentParty| plate.is_some() && party.plate.as_ref() == plate;
        let framed = |party: &&AccidentParty| party.frame.as_ref() == Some(frame);
        self.parties.iter().find(plated).or_else(|| self.parties.iter().find(framed))
    }
}

/// Where on the map.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// Degrees east, −180 to 180.
    pub longitude: Decimal,
    /// Degrees north, −90 to 90.
    pub latitude: Decimal,
    /// 坐标系.
    pub system: CoordinateSystem,
}

/// What coordinates are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub enum CoordinateSystem {
    /// That of satellite navigation.
    #[serde(rename = "WGS84")]
    Wgs84,
    /// 国测局坐标, that of Chinese maps.
    #[serde(rename = "GCJ02")]
    Gcj02,
    /// 百度坐标.
    #[serde(rename = "BD09")]
    Bd09,
    /// 2000国家大地坐标系.
    #[serde(rename = "CGCS2000")]
    Cgcs2000,
}

/// 事故类型.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AccidentKind {
    /// 车辆间事故.
    BetweenVehicles,
    /// 车辆与人事故.
    VehicleAndPerson,
    /// 单车事故.
    SingleVehicle,
    /// 其他.
    Other,
}

/// One who took part: a vehicle with its driver, or a person on foot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccidentParty {
    /// 号牌; `None` for somebody on foot and for a vehicle without one.
    pub plate: Option<Plate>,
    /// 车架号, where known.
    pub frame: Option<FrameNo>,
    /// 驾驶人, or the person on foot. Personal data.
    pub driver_name: Option<String>,
    /// 责任.
    pub duty: Liability,
    /// 责任比例, 0 to 1; `None` when the police name none.
    pub proportion: Option<Decimal>,
    /// 交强险承保公司, where told.
    pub compulsory_insurer: Option<InsurerCode>,
    /// 交强险保单号, where told.
    pub compulsory_policy_no: Option<String>,
}

/// 责任认定书.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiabilityStatement {
    /// 责任认定书编号.
    pub number: String,
    /// Day it was issued.
    pub issued_on: Date,
}

/// The accidents asked about, by time; empty when the police know none.
pub(crate) async fn ask(
    police: &Police,
    question: &AccidentQuestion,
    budget: Duration,
) -> Result<Vec<Accident>, OutboundError> {
    let data = match question {
        AccidentQuestion::Number(number) => {
            wire::Query { accident_no: Some(number), ..wire::Query::default() }
        }
        AccidentQuestion::Of { plate, during } => wire::Query {
            plate: Some(police::wire::Plate::of(plate)),
            from: Some(during.from()),
            to: Some(during.to()),
            ..wire::Query::default()
        },
    };
    let answer = police.call("/police/accident", "accident.query", data, budget).await?;
    let told = answer.map_or_else(Vec::new, |wire::Accidents { accidents }| accidents);
    let read = told.into_iter().map(|told| {
        accident(told).and_then(|accident| {
            answers(&accident, question).then_some(accident).ok_or("an accident not asked about")
        })
    });
    let mut accidents =
        read.collect::<Result<Vec<_>, _>>().map_err(|reason| police.departs(reason))?;
    accidents.sort_by_key(|accident| accident.at);
    Ok(accidents)
}

/// Whether the accident is one asked about; another would tell a stranger's affairs.
fn answers(accident: &Accident, question: &AccidentQuestion) -> bool {
    match question {
        AccidentQuestion::Number(number) => accident.accident_no == *number,
        AccidentQuestion::Of { plate, during } => {
            let took_part =
                accident.parties.iter().any(|party| party.plate.as_ref() == Some(plate));
            took_part && during.from() <= accident.at && accident.at < during.to()
        }
    }
}

/// Reads an accident into our own words; the error names the field that cannot be read.
fn accident(told: wire::Accident) -> Result<Accident, &'static str> {
    Ok(Accident {
        accident_no: told.accident_no,
        reporter_name: told.reporter_name,
        at: told.at,
        place: told.place,
        position: told.position.map(position).transpose()?,
        kind: told.kind,
        cause: told.cause,
        handling: told.handling,
        parties: told.parties.into_iter().map(party).collect::<Result<_, _>>()?,
        injured: told.injured,
        dead: told.dead,
        statement: told.statement,
    })
}

fn position(position: Position) -> Result<Position, &'static str> {
    let within = |value: Decimal, most: i64| value.abs() <= Decimal::from(most);
    let on_earth = within(position.longitude, 180) && within(position.latitude, 90);
    on_earth.then_some(position).ok_or("position outside the globe")
}

fn party(party: wire::Party) -> Result<AccidentParty, &'static str> {
    let read_frame = |vin: String| {
        FrameNo::parse(&vin, FrameForm::ShortAllowed).map_err(|_| "unreadable VIN of a party")
    };
    let read_insurer = |code: String| InsurerCode::parse(&code).map_err(|_| "unreadable insurer");
    if party.proportion.is_some_and(|share| share < Decimal::ZERO || Decimal::ONE < share) {
        return Err("proportion outside 0 to 1");
    }
    Ok(AccidentParty {
        plate: party.plate.map(police::plate).transpose()?,
        frame: party.vin.map(read_frame).transpose()?,
        driver_name: party.driver_name,
        duty: party.duty,
        proportion: party.proportion,
        compulsory_insurer: party.compulsory_insurer.map(read_insurer).transpose()?,
        compulsory_policy_no: party.compulsory_policy_no,
    })
}

/// The contract's own words.
mod wire {
    use super::police::wire::Plate;
    use super::{
        AccidentKind, Cause, Decimal, Deserialize, HandledBy, Liability, LiabilityStatement,
        Position, Serialize, Timestamp,
    };

    /// The police's word for a [`Cause`].
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", remote = "Cause")]
    enum CauseWord {
        RearEnd,
        WrongWay,
        Reversing,
        Rolling,
        DoorOpening,
        Signal,
        FailureToYield,
        SingleVehicle,
        Other,
    }

    /// Their word for who handled it; what an insurer handles alone they never hear of.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", remote = "HandledBy")]
    enum HandledByWord {
        Parties,
        Police,
        Simplified,
        Court,
        Other,
    }

    /// Their word for a [`Liability`].
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", remote = "Liability")]
    enum LiabilityWord {
        Full,
        Main,
        Equal,
        Minor,
        None,
        Undetermined,
    }

    #[derive(Default, Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Query<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) accident_no: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) plate: Option<Plate>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) from: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) to: Option<Timestamp>,
    }

    #[derive(Deserialize)]
    pub(super) struct Accidents {
        pub(super) accidents: Vec<Accident>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Accident {
        pub(super) accident_no: String,
        pub(super) reporter_name: Option<String>,
        pub(super) at: Timestamp,
        pub(super) place: String,
        pub(super) position: Option<Position>,
        pub(super) kind: AccidentKind,
        #[serde(with = "CauseWord")]
        pub(super) cause: Cause,
        #[serde(with = "HandledByWord")]
        pub(super) handling: HandledBy,
        pub(super) parties: Vec<Party>,
        pub(super) injured: u16,
        pub(super) dead: u16,
        pub(super) statement: Option<LiabilityStatement>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Party {
        pub(super) plate: Option<Plate>,
        pub(super) vin: Option<String>,
        pub(super) driver_name: Option<String>,
        #[serde(with = "LiabilityWord")]
        pub(super) duty: Liability,
        pub(super) proportion: Option<Decimal>,
        pub(super) compulsory_insurer: Option<String>,
        pub(super) compulsory_policy_no: Option<String>,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The codes of a published list.
    fn published(list: &str) -> BTreeSet<String> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tariffs/platform_code_lists.csv");
        let text = std::fs::read_to_string(path).unwrap();
        let rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        rows.filter(|row| row[0] == list).map(|row| row[1].to_owned()).collect()
    }

    #[test]
    fn duties_and_causes_are_the_published_lists_and_handling_is_of_one() {
        use HandledBy as H;
        let codes: BTreeSet<String> =
            Liability::ALL.iter().map(|duty| duty.code().to_owned()).collect();
        assert_eq!(codes, published("accident_liability"));
        let codes: BTreeSet<String> =
            Cause::ALL.iter().map(|cause| cause.code().to_owned()).collect();
        assert_eq!(codes, published("accident_cause"));
        let handled = published("manage_type");
        for handling in [H::Parties, H::Police, H::Simplified, H::Court, H::Other] {
            assert!(handled.contains(handling.code()), "{handling:?}");
        }
    }
}
