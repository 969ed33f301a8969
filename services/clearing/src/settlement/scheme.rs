//! How a region settles: data, dated, and fixed for a cycle when it opens. Pure.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use kernel::time::{day_of, start_of};
use production_core::coded_enum;
use production_core::cover::Cover;

/// The whole country, where a region has no scheme of its own.
pub(super) const NATION: &str = "000000";

coded_enum! {
    /// Which items share a cycle.
    pub enum Division ("division of cycles") {
        Overall = "overall", "综合轧差", "all covers together";
        ByCover = "by_cover", "分险种轧差", "each cover by itself";
    }
}

coded_enum! {
    /// When a cycle is closed.
    pub enum Period ("period of a cycle") {
        Day = "day", "按日", "every midnight of China";
        Week = "week", "按周", "every Monday at midnight";
        Month = "month", "按月", "on the first of a month at midnight";
        ByHand = "by_hand", "手工", "when the operator closes it";
    }
}

coded_enum! {
    /// What silence until the deadline means.
    pub enum OnSilence ("rule of silence") {
        Deem = "deem", "逾期视同确认", "agreement";
        Hold = "hold", "逾期挂起", "nothing: the cycle waits and is listed as overdue";
    }
}

coded_enum! {
    /// What happens when a participant does not pay.
    pub enum OnFailure ("rule of failure") {
        Collateral = "collateral", "先用保证金", "its collateral pays when it suffices, else its items leave";
        Unwind = "unwind", "直接撤出", "its items leave the cycle at once";
    }
}

/// How a region, or the nation, settles from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// A region of the platform, or `000000`.
    pub region: String,
    /// From when cycles open under it.
    pub since: Timestamp,
    /// Which items share a cycle.
    pub division: Division,
    /// When a cycle is closed.
    pub period: Period,
    /// Calendar days from the statement to the end of the time to confirm, which ends on no day of
    /// rest.
    pub confirm_days: i32,
    /// Calendar days from the order of funds until they must be there, on no day of rest.
    pub funds_days: i32,
    /// What silence means.
    pub on_silence: OnSilence,
    /// What happens when a participant does not pay.
    pub on_failure: OnFailure,
    /// Confirmed by no rule of the market: a proposal.
    pub proposed: bool,
    /// Who set it.
    pub set_by: String,
}

impl Scheme {
    /// The cover an item's cycle is for; empty when it is for all.
    pub fn division_of(&self, cover: Cover) -> &'static str {
        match self.division {
            Division::Overall => "",
            Division::ByCover => cover.code(),
        }
    }

    /// When a cycle opened at `opened_at` is to be closed; always later. `None` by hand.
    pub fn due_at(&self, opened_at: Timestamp) -> Option<Timestamp> {
        let today = day_of(opened_at);
        let next: Option<Date> = match self.period {
            Period::Day => today.checked_add(1.day()).ok(),
            Period::Week => {
                let left = 7 - i64::from(today.weekday().to_monday_zero_offset());
                today.checked_add(left.days()).ok()
            }
            Period::Month => today.first_of_month().checked_add(1.month()).ok(),
            Period::ByHand => None,
        };
        next.and_then(start_of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme(period: Period) -> Scheme {
        Scheme {
            region: NATION.into(),
            since: Timestamp::UNIX_EPOCH,
            division: Division::ByCover,
            period,
            confirm_days: 15,
            funds_days: 5,
            on_silence: OnSilence::Deem,
            on_failure: OnFailure::Collateral,
            proposed: true,
            set_by: "test".into(),
        }
    }

    #[test]
    fn a_cycle_ends_at_the_next_midnight_of_china_its_period_names() {
        // 2025-03-05 is a Wednesday; 16:30 UTC is half past midnight of the 6th in China.
        let cases = [
            (Period::Day, "2025-03-05T15:00:00Z", Some("2025-03-05T16:00:00Z")),
            (Period::Day, "2025-03-05T16:00:00Z", Some("2025-03-06T16:00:00Z")),
            (Period::Week, "2025-03-05T16:30:00Z", Some("2025-03-09T16:00:00Z")),
            (Period::Week, "2025-03-09T16:00:00Z", Some("2025-03-16T16:00:00Z")),
            (Period::Month, "2025-03-05T16:30:00Z", Some("2025-03-31T16:00:00Z")),
            (Period::Month, "2025-12-31T16:00:00Z", Some("2026-01-31T16:00:00Z")),
            (Period::ByHand, "2025-03-05T16:30:00Z", None),
        ];
        for (period, opened_at, due_at) in cases {
            let due_at = due_at.map(|at| at.parse().unwrap());
            let opened_at = opened_at.parse().unwrap();
            assert_eq!(scheme(period).due_at(opened_at), due_at, "{period} {opened_at}");
        }
    }

    #[test]
    fn items_share_a_cycle_as_the_division_says() {
        let by_cover = scheme(Period::Day);
        assert_eq!(by_cover.division_of(Cover::ThirdParty), "M02");
        let overall = Scheme { division: Division::Overall, ..by_cover };
        assert_eq!(overall.division_of(Cover::ThirdParty), "");
    }
}
