//! Rules about who sold the policy and for how much: L29 and L30.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::coded_enum;
use crate::region::Region;
use crate::rule::{Findings, RuleId};

coded_enum! {
    /// Sales channel (销售渠道). The codes are the platform's.
    pub enum Channel ("sales channel") {
        Direct = "01", "直销", "direct";
        IndividualAgent = "02", "个人代理", "individual agent";
        ProfessionalAgency = "03", "专业代理", "professional agency";
        PartTimeAgency = "04", "兼业代理", "part-time agency";
        Broker = "05", "经纪", "broker";
        Telephone = "06", "电销", "telephone";
        Online = "07", "网销", "online";
        CrossSelling = "08", "交叉销售", "cross-selling";
    }
}

impl Channel {
    /// Whether an intermediary with a licence sells through it.
    pub const fn is_intermediated(self) -> bool {
        self.licence().is_some()
    }

    /// The licence it needs; `None` where the insurer sells itself.
    pub const fn licence(self) -> Option<LicenceKind> {
        match self {
            Channel::IndividualAgent => Some(LicenceKind::Practice),
            Channel::ProfessionalAgency => Some(LicenceKind::Agency),
            Channel::PartTimeAgency => Some(LicenceKind::PartTimeAgency),
            Channel::Broker => Some(LicenceKind::Broker),
            Channel::Direct | Channel::Telephone | Channel::Online | Channel::CrossSelling => None,
        }
    }

    /// Whether its commission may be changed after registration (Z08).
    pub const fn allows_change(self) -> bool {
        self.is_intermediated()
    }
}

coded_enum! {
    /// Kind of intermediary licence. The codes are the platform's.
    pub enum LicenceKind ("licence kind") {
        Practice = "1", "执业证", "practice certificate of an individual agent";
        Agency = "2", "专业代理许可证", "professional agency licence";
        PartTimeAgency = "3", "兼业代理许可证", "part-time agency licence";
        Broker = "4", "经纪许可证", "broker licence";
    }
}

/// An intermediary's licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Licence {
    /// What it allows.
    pub kind: LicenceKind,
    /// Its number.
    pub number: String,
    /// First day it holds.
    pub from: Date,
    /// Last day it holds.
    pub to: Date,
}

/// L29: the commission is in `[0, 1)`, within the legal cap and within what was registered.
///
/// `registered` is the ratio on file for the policy, when there is one.
pub fn commission(
    ratio: Decimal,
    cap: Decimal,
    registered: Option<Decimal>,
    at: &str,
    found: &mut Findings,
) {
    let message = if !(Decimal::ZERO..Decimal::ONE).contains(&ratio) {
        format!("commission ratio {ratio} is not in [0, 1)")
    } else if ratio > cap {
        format!("commission ratio {ratio} exceeds the cap {cap}")
    } else if let Some(registered) = registered.filter(|&registered| ratio > registered) {
        format!("commission ratio {ratio} exceeds the registered {registered}; register it first")
    } else {
        return;
    };
    found.add(RuleId::L29, at, message);
}

/// L29 (Z08): the ratio changes only for intermediaries, and not in Shenzhen or Xiamen.
pub fn commission_change(channel: Channel, region: Region, at: &str, found: &mut Findings) {
    if !channel.allows_change() {
        let message = format!(
            "commission of channel {channel} ({}) cannot change; only agents' and brokers' can",
            channel.name_en()
        );
        found.add(RuleId::L29, at, message);
    }
    if matches!(region, Region::Shenzhen | Region::Xiamen) {
        let message = format!("commission cannot change in {}", region.name_en());
        found.add(RuleId::L29, at, message);
    }
}

/// L30: an intermediary's licence holds on the day of issue and is of the channel's kind.
pub fn licence(
    channel: Channel,
    licence: Option<&Licence>,
    issued_on: Date,
    at: &str,
    found: &mut Findings,
) {
    let message = match (channel.licence(), licence) {
        (None, _) => return,
        (Some(needed), None) => format!("channel {channel} needs a {}", needed.name_en()),
        (Some(needed), Some(given)) if given.kind != needed => format!(
            "channel {channel} needs a {}, not a {}",
            needed.name_en(),
            given.kind.name_en()
        ),
        (Some(_), Some(given)) if !(given.from..=given.to).contains(&issued_on) => {
            format!("licence holds from {} to {}, not on {issued_on}", given.from, given.to)
        }
        (Some(_), Some(given)) if given.number.trim().is_empty() => {
            "licence has no number".to_owned()
        }
        (Some(_), Some(_)) => return,
    };
    found.add(RuleId::L30, at, message);
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::rules::probe::broken;

    #[test]
    fn l29_commission_is_within_cap_and_registration() {
        let judge = |ratio: &str, registered: Option<&str>| {
            let decimal = |text: &str| text.parse::<Decimal>().unwrap();
            let cap = decimal("0.15");
            broken(|found| commission(decimal(ratio), cap, registered.map(decimal), "", found))
        };
        assert!(judge("0", None).is_empty() && judge("0.15", Some("0.15")).is_empty());
        for bad in ["-0.01", "1", "0.1501"] {
            assert_eq!(judge(bad, None), ["L29"], "{bad}");
        }
        assert_eq!(judge("0.12", Some("0.10")), ["L29"]);
    }

    #[test]
    fn l29_commission_changes_only_for_intermediaries_and_not_everywhere() {
        let judge = |channel, region| broken(|found| commission_change(channel, region, "", found));
        for channel in [
            Channel::IndividualAgent,
            Channel::ProfessionalAgency,
            Channel::PartTimeAgency,
            Channel::Broker,
        ] {
            assert!(judge(channel, Region::Guangdong).is_empty());
            assert_eq!(judge(channel, Region::Shenzhen), ["L29"]);
        }
        assert_eq!(judge(Channel::Online, Region::Beijing), ["L29"]);
        assert_eq!(judge(Channel::Direct, Region::Xiamen), ["L29", "L29"]);
    }

    #[test]
    fn l30_licences_hold_on_the_day_and_fit_the_channel() {
        let paper = |kind| Licence {
            kind,
            number: "260000000000800".into(),
            from: date(2024, 1, 1),
            to: date(2026, 12, 31),
        };
        let judge = |channel, paper: Option<&Licence>, on| {
            broken(|found| licence(channel, paper, on, "", found))
        };
        let (agency, today) = (paper(LicenceKind::Agency), date(2026, 12, 31));
        assert!(judge(Channel::ProfessionalAgency, Some(&agency), today).is_empty());
        assert!(judge(Channel::Direct, None, today).is_empty());
        assert_eq!(judge(Channel::ProfessionalAgency, None, today), ["L30"]);
        assert_eq!(judge(Channel::Broker, Some(&agency), today), ["L30"]);
        assert_eq!(judge(Channel::ProfessionalAgency, Some(&agency), date(2027, 1, 1)), ["L30"]);
        let nameless = Licence { number: " ".into(), ..agency };
        assert_eq!(judge(Channel::ProfessionalAgency, Some(&nameless), today), ["L30"]);
    }
}
