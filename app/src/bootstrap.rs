//! What an installation starts with: the operator everywhere; in a sandbox also a small market
//! with its tariff.

use std::path::Path;

use anyhow::{Context, bail};
use catalogue::{Level, MEMBER_PLAN, Subscribe, Subscription};
use crypto::Secret;
use iam::{ClientId, NewClient, RegisterClient};
use kernel::TenantId;
use pg::Scope;
use production::book;
use production_rating::Tariff;
use tenancy::{InsurerCode, Kind, OpenBranch, RegisterTenant, Tenant};

use crate::wiring::Base;

/// Names of the clouds and products the functions belong to.
pub(crate) const LEVELS: &[Level] = &[
    Level { code: "production", title_zh: "车险业务生产云", title_en: "Production" },
    Level { code: "production.underwriting", title_zh: "承保", title_en: "Underwriting" },
    Level { code: "production.endorsement", title_zh: "批改与退保", title_en: "Endorsement" },
    Level { code: "production.export", title_zh: "数据导出", title_en: "Exports" },
    Level { code: "production.fee", title_zh: "费用登记", title_en: "Fees" },
];

/// Who loads and who publishes the sandbox's tariff.
const MAKER: &str = "sandbox-maker";
const CHECKER: &str = "sandbox-checker";

/// How versions begin that the sandbox loads itself.
const OWN_VERSIONS: &str = "sandbox-";

/// One client of the sandbox, to be shown to the person who started it.
#[derive(Clone, Debug)]
pub(crate) struct SandboxClient {
    pub(crate) client_id: String,
    pub(crate) secret: String,
    pub(crate) insurer: String,
    pub(crate) region: &'static str,
}

/// The operator's tenant, registered at the first start. Its keys seal what belongs to no insurer.
pub(crate) async fn operator(base: &Base) -> anyhow::Result<TenantId> {
    let find = async || -> anyhow::Result<Option<TenantId>> {
        let mut tx = base.db.begin(Scope::nobody()).await?;
        Ok(tenancy::operator(&mut tx).await?.map(|tenant| tenant.tenant_id))
    };
    if let Some(operator) = find().await? {
        return Ok(operator);
    }
    let now = base.clock.now();
    let names = ("平台运营方", "Platform operator");
    let register = RegisterTenant::new(Kind::Operator, names, &base.ids, &base.master, now)?;
    match base.db.run(register.scope(), &register).await {
        Ok(tenant) => Ok(tenant.tenant_id),
        // Another server was faster.
        Err(error) => match find().await? {
            Some(operator) => Ok(operator),
            None => Err(error).context("cannot register the operator"),
        },
    }
}

/// A market to play in: insurers with branches and clients, subscribed to everything, and the
/// tariff of `tariffs` in force. Safe to repeat; secrets stay the same for the same master key.
pub(crate) async fn sandbox_market(
    base: &Base,
    tariffs: &Path,
) -> anyhow::Result<Vec<SandboxClient>> {
    const INSURERS: [(&str, &str, &str); 3] = [
        ("PICC", "人保财险（沙箱）", "PICC P&C (sandbox)"),
        ("PAIC", "平安产险（沙箱）", "Ping An P&C (sandbox)"),
        ("CPIC", "太保产险（沙箱）", "CPIC P&C (sandbox)"),
    ];
    const REGIONS: [(&str, &str); 3] =
        [("110000", "北京分公司"), ("320000", "江苏分公司"), ("440300", "深圳分公司")];
    tariff(base, tariffs).await?;
    let mut clients = Vec::new();
    for (code, name_zh, name_en) in INSURERS {
        let tenant = insurer(base, code, (name_zh, name_en)).await?;
        for (region, branch) in REGIONS {
            clients.push(client(base, &tenant, code, region, branch).await?);
        }
    }
    Ok(clients)
}

async fn insurer(base: &Base, code: &str, names: (&str, &str)) -> anyhow::Result<TenantId> {
    let code = InsurerCode::parse(code)?;
    let mut tx = base.db.begin(Scope::nobody()).await?;
    let found = tenancy::find_by_insurer_code(&mut tx, &code).await?;
    drop(tx);
    if let Some(Tenant { tenant_id, .. }) = found {
        return Ok(tenant_id);
    }
    let now = base.clock.now();
    let register = RegisterTenant::new(Kind::Insurer(code), names, &base.ids, &base.master, now)?;
    let tenant = base.db.run(register.scope(), &register).await?.tenant_id;
    let subscribe = Subscribe {
        tenant,
        subscription: Subscription {
            subscription_id: base.ids.next(now),
            function_pattern: "production.*".to_owned(),
            plan_code: MEMBER_PLAN.to_owned(),
            valid_from: now,
            valid_to: None,
            daily_quota_per_user: None,
        },
        now,
    };
    base.db.run(Scope::of(tenant), &subscribe).await?;
    Ok(tenant)
}

async fn client(
    base: &Base,
    tenant: &TenantId,
    insurer: &str,
    region: &'static str,
    branch: &str,
) -> anyhow::Result<SandboxClient> {
    let client_id = format!("{}-{region}", insurer.to_lowercase());
    let secret: Secret = base.master.derive(&format!("sandbox.client.{client_id}"));
    let shown = SandboxClient {
        client_id: client_id.clone(),
        secret: secret.to_base64url().to_string(),
        insurer: insurer.to_owned(),
        region,
    };
    let mut tx = base.db.begin(Scope::of(*tenant)).await?;
    let known = iam::clients(&mut tx, *tenant, None, 500).await?;
    drop(tx);
    if known.iter().any(|known| known.client_id.as_str() == client_id) {
        return Ok(shown);
    }
    let now = base.clock.now();
    let open =
        OpenBranch { tenant: *tenant, region: region.to_owned(), name: branch.to_owned(), now };
    base.db.run(Scope::of(*tenant), &open).await?;
    let new = NewClient {
        tenant: *tenant,
        client_id: ClientId::parse(&client_id)?,
        region: region.to_owned(),
        user_label: format!("{insurer} core system, {branch}"),
        rights: vec!["production.*".to_owned()],
        sources: Vec::new(),
    };
    let register = RegisterClient::new(new, &secret, &base.master, &base.ids, now)?;
    base.db.run(register.scope(), &register).await?;
    Ok(shown)
}

async fn tariff(base: &Base, dir: &Path) -> anyhow::Result<()> {
    let files = Tariff::read_files(dir).map_err(crate::tariff::faults)?;
    let digest = Tariff::from_files(files.clone()).map_err(crate::tariff::faults)?;
    let version = format!("{OWN_VERSIONS}{}", &digest.digest()[..12]);
    let now = base.clock.now();
    let book = book::TariffBook::open(base.db.clone()).await?;
    // A version somebody published by hand stays in force.
    if let Ok(active) = book.active()
        && (active.version() == version || !active.version().starts_with(OWN_VERSIONS))
    {
        return Ok(());
    }
    if let Err(error) = book::load(&base.db, &version, files, MAKER, now).await {
        bail!("cannot load the tariff: {error}");
    }
    book::publish(&base.db, &version, CHECKER, now).await?;
    Ok(())
}
