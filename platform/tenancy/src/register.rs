//! Tenants and branches: registering them, changing their standing.

use std::fmt;

use crypto::{Context, MasterKey, Secret};
use jiff::Timestamp;
use kernel::{Ids, TenantId};
use pg::{Command, Scope, Tx};

use crate::keys::{KeyUse, wrapping_purpose};
use crate::{TenancyError, store};

/// The four capital letters by which the market knows an insurer; part of every platform number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InsurerCode(String);

impl InsurerCode {
    /// Reads a code; lower case is taken as capitals.
    pub fn parse(text: &str) -> Result<InsurerCode, TenancyError> {
        let code = text.trim().to_ascii_uppercase();
        if code.len() == 4 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            Ok(InsurerCode(code))
        } else {
            Err(TenancyError::MalformedInsurerCode(text.chars().take(20).collect()))
        }
    }

    /// The four letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InsurerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a tenant is in the market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An insurer, with its code.
    Insurer(InsurerCode),
    /// The insurance regulator or one of its offices.
    Regulator,
    /// Police, tax, transport, courts, health.
    Agency,
    /// A channel or service company that calls in its own name.
    Partner,
    /// Who runs the platform.
    Operator,
}

impl Kind {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Insurer(_) => "insurer",
            Kind::Regulator => "regulator",
            Kind::Agency => "agency",
            Kind::Partner => "partner",
            Kind::Operator => "operator",
        }
    }

    /// The code, when it is an insurer.
    pub fn insurer_code(&self) -> Option<&InsurerCode> {
        match self {
            Kind::Insurer(code) => Some(code),
            Kind::Regulator | Kind::Agency | Kind::Partner | Kind::Operator => None,
        }
    }
}

/// Whether a tenant may use the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// May.
    Active,
    /// May not for the time being: its tokens are refused.
    Suspended,
    /// Has left the market; its data stays.
    Closed,
}

impl Standing {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Standing::Active => "active",
            Standing::Suspended => "suspended",
            Standing::Closed => "closed",
        }
    }
}

/// One participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Names it everywhere.
    pub tenant_id: TenantId,
    /// What it is.
    pub kind: Kind,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
    /// Whether it may use the platform.
    pub standing: Standing,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// Registers a tenant and gives it its keys. Run it with [`RegisterTenant::scope`].
#[derive(Debug)]
pub struct RegisterTenant {
    pub(crate) tenant: Tenant,
    pub(crate) data_key: Vec<u8>,
    pub(crate) index_key: Vec<u8>,
}

impl RegisterTenant {
    /// Prepares a tenant with a fresh identifier and fresh keys, wrapped by `master`.
    pub fn new(
        kind: Kind,
        (name_zh, name_en): (&str, &str),
        ids: &Ids,
        master: &MasterKey,
        now: Timestamp,
    ) -> Result<RegisterTenant, TenancyError> {
        let tenant_id = TenantId(ids.next(now));
        let wrap = |key_use| {
            let context =
                Context { owner: tenant_id.0.as_bytes(), purpose: wrapping_purpose(key_use) };
            master.wrap(context, &Secret::generate()?)
        };
        Ok(RegisterTenant {
            data_key: wrap(KeyUse::Data)?,
            index_key: wrap(KeyUse::Index)?,
            tenant: Tenant {
                tenant_id,
                kind,
                name_zh: name_zh.to_owned(),
                name_en: name_en.to_owned(),
                standing: Standing::Active,
                created_at: now,
            },
        })
    }

    /// The new tenant alone: its row may be written by nobody else.
    pub fn scope(&self) -> Scope {
        Scope::of(self.tenant.tenant_id)
    }
}

impl Command for RegisterTenant {
    const NAME: &'static str = "tenant.register";
    type Out = Tenant;
    type Error = TenancyError;

    async fn apply(&self, tx: &mut Tx) -> Result<Tenant, TenancyError> {
        store::insert_tenant(tx, &self.tenant).await?;
        let (tenant, now) = (self.tenant.tenant_id, self.tenant.created_at);
        store::insert_key(tx, tenant, (KeyUse::Data, 1), &self.data_key, now).await?;
        store::insert_key(tx, tenant, (KeyUse::Index, 1), &self.index_key, now).await?;
        Ok(self.tenant.clone())
    }
}

/// Suspends, closes or readmits a tenant. Servers refuse its tokens within five seconds.
#[derive(Debug)]
pub struct SetStanding {
    /// Which tenant; run with `Scope::of` it.
    pub tenant: TenantId,
    /// Its standing from now on.
    pub standing: Standing,
}

impl Command for SetStanding {
    const NAME: &'static str = "tenant.set_standing";
    type Out = ();
    type Error = TenancyError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), TenancyError> {
        store::update_standing(tx, self.tenant, self.standing).await
    }
}

/// Opens a branch of a tenant for a region.
#[derive(Debug)]
pub struct OpenBranch {
    /// Whose branch; run with `Scope::of` it.
    pub tenant: TenantId,
    /// GB/T 2260 division, six digits; `000000` for the whole country.
    pub region: String,
    /// The branch's name.
    pub name: String,
    /// When.
    pub now: Timestamp,
}

impl Command for OpenBranch {
    const NAME: &'static str = "tenant.open_branch";
    type Out = ();
    type Error = TenancyError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), TenancyError> {
        if self.region.len() != 6 || !self.region.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TenancyError::MalformedRegion(self.region.chars().take(20).collect()));
        }
        store::insert_branch(tx, self).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_insurer_code_is_four_letters() {
        assert_eq!(InsurerCode::parse(" picc ").unwrap().as_str(), "PICC");
        for text in ["", "PIC", "PICCX", "PIC1", "人保财险"] {
            assert!(InsurerCode::parse(text).is_err(), "{text:?}");
        }
    }
}
