//! The market's validation rules as pure functions.
//!
//! Readers take raw wire values and give the parsed one, checks take parsed values; both add every
//! fault to the caller's [`Findings`](crate::rule::Findings) and stop at none. `at` is always the
//! JSON pointer of the thing judged; checks over a struct append the field's name to it.
//!
//! Rules that compare with a tariff, or with what is stored, live where those are known:
//! [`Enforced`] tells for each.

pub mod claim;
pub mod covers;
pub mod distribution;
pub mod format;
pub mod message;
pub mod period;
pub mod vehicle;

use crate::rule::{Enforced, RuleId, Severity};

/// One line of the catalogue of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// The rule.
    pub id: RuleId,
    /// What breaking it does.
    pub severity: Severity,
    /// Where it is enforced.
    pub enforced: Enforced,
    /// The rule in words.
    pub text: &'static str,
}

/// Every rule messages are held to, in the order of the table.
pub fn catalogue() -> Vec<RuleInfo> {
    let info = |&id: &RuleId| RuleInfo {
        id,
        severity: id.severity(),
        enforced: id.enforced(),
        text: id.text(),
    };
    RuleId::ALL.iter().map(info).collect()
}

#[cfg(test)]
pub(crate) mod probe {
    //! Runs one check and tells which rules it found broken.

    use crate::rule::Findings;

    /// Ids of the rules `check` finds broken, in the order found.
    pub(crate) fn broken(check: impl FnOnce(&mut Findings)) -> Vec<&'static str> {
        let mut found = Findings::new();
        check(&mut found);
        found.as_slice().iter().map(|finding| finding.rule.code()).collect()
    }

    /// Ids of the rules that reject the message.
    pub(crate) fn rejected(check: impl FnOnce(&mut Findings)) -> Vec<&'static str> {
        let mut found = Findings::new();
        check(&mut found);
        found.split().0.iter().map(|finding| finding.rule.code()).collect()
    }
}
