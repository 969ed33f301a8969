//! How an adjusted amount came about: named steps with the numbers, for a person to follow.

use std::borrow::Cow;

use kernel::Fen;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::adjustment::Share;

/// The steps of one adjustment, in the order they were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Derivation(pub Vec<DerivationStep>);

/// One step: an amount, a share or a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DerivationStep {
    /// What it is, for example `limit` or `ownShare`.
    pub name: Cow<'static, str>,
    /// Who pays or bears it, when there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Whose loss it is about, when there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The number.
    pub value: Quantity,
    /// Why, or by which formula.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
}

/// Value of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Quantity {
    /// Money in yuan, to the fen.
    Amount(Fen),
    /// Money in yuan before it is rounded.
    Exact(Decimal),
    /// A share of a whole.
    Share(Decimal),
    /// A count.
    Count(u32),
}

impl Derivation {
    /// The last step of that name.
    pub fn step(&self, name: &str) -> Option<&DerivationStep> {
        self.0.iter().rev().find(|step| step.name == name)
    }

    pub(super) fn amount(&mut self, name: &'static str, value: Fen) -> &mut DerivationStep {
        self.push(name, Quantity::Amount(value))
    }

    pub(super) fn exact(&mut self, name: &'static str, yuan: Decimal) -> &mut DerivationStep {
        self.push(name, Quantity::Exact(yuan.normalize()))
    }

    pub(super) fn share(&mut self, name: &'static str, share: Share) -> &mut DerivationStep {
        self.push(name, Quantity::Share(share.get()))
    }

    pub(super) fn count(&mut self, name: &'static str, count: usize) -> &mut DerivationStep {
        self.push(name, Quantity::Count(u32::try_from(count).unwrap_or(u32::MAX)))
    }

    fn push(&mut self, name: &'static str, value: Quantity) -> &mut DerivationStep {
        let name = Cow::Borrowed(name);
        let at = self.0.len();
        self.0.push(DerivationStep { name, by: None, to: None, value, reason: None });
        &mut self.0[at]
    }
}

impl DerivationStep {
    pub(super) fn by(&mut self, party: &str) -> &mut DerivationStep {
        self.by = Some(party.to_owned());
        self
    }

    pub(super) fn to(&mut self, party: &str) -> &mut DerivationStep {
        self.to = Some(party.to_owned());
        self
    }

    pub(super) fn because(&mut self, reason: impl Into<Cow<'static, str>>) -> &mut DerivationStep {
        self.reason = Some(reason.into());
        self
    }
}
