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
    Level { code: "production.claim", title_zh: "理赔", title_en: "Claims" },
    Level { code: "production.export", title_zh: "数据导出", title_en: "Exports" },
    Level {
        code: "production.referral",
        title_zh: "欺诈调查",
        title_en: "Referrals to investigators",
    },
    Level { code: "production.fee", title_zh: "费用登记", title_en: "Fees" },
    Level { code: "clearing", title_zh: "清算支付云", title_en: "Clearing and payment" },
    Level {
        code: "clearing.recovery",
        title_zh: "代位求偿",
        title_en: "Recovery between insurers",
    },
    Level { code: "clearing.ledger", title_zh: "账务", title_en: "Ledger" },
    Level { code: "clearing.settlement", title_zh: "轧差结算", title_en: "Settlement" },
    Level { code: "clearing.payment", title_zh: "支付", title_en: "Payments" },
    Level { code: "clearing.advance", title_zh: "垫付", title_en: "Advances" },
    Level { code: "actuarial", title_zh: "数据精算云", title_en: "Actuarial data" },
    Level { code: "actuarial.data", title_zh: "数据集", title_en: "Datasets" },
    Level { code: "actuarial.run", title_zh: "计算任务", title_en: "Runs" },
    Level { code: "actuarial.pricing", title_zh: "定价", title_en: "Pricing" },
    Level { code: "actuarial.reserving", title_zh: "准备金", title_en: "Reserving" },
    Level { code: "actuarial.warning", title_zh: "超赔预警", title_en: "Early warning" },
    Level { code: "actuarial.claims", title_zh: "理赔分析", title_en: "Analysis of claims" },
    Level { code: "actuarial.fraud", title_zh: "反欺诈", title_en: "Fraud" },
    Level { code: "actuarial.model", title_zh: "模型发布", title_en: "Published models" },
    Level { code: "actuarial.customer", title_zh: "客户分析", title_en: "Customers" },
    Level { code: "actuarial.market", title_zh: "市场数据", title_en: "Data of the market" },
    Level { code: "actuarial.own", title_zh: "自有数据", title_en: "Own data" },
    Level { code: "actuarial.forecast", title_zh: "保费预测", title_en: "Forecasts" },
    Level { code: "operator", title_zh: "平台运营", title_en: "Operation of the platform" },
    Level {
        code: "operator.recovery",
        title_zh: "代位求偿运营",
        title_en: "Operation of recoveries",
    },
    Level {
        code: "operator.ledger", title_zh: "账务运营", title_en: "Operation of the ledger"
    },
    Level {
        code: "operator.settlement",
        title_zh: "清算运营",
        title_en: "Operation of settlement",
    },
    Level { code: "operator.payment", title_zh: "支付运营", title_en: "Operation of payments" },
    Level { code: "platform", title_zh: "云开放平台", title_en: "Open platform" },
    Level { code: "platform.evidence", title_zh: "存证与审计", title_en: "Evidence" },
];

/// What an insurer subscribes to, and what its clients may call, unless somebody says otherwise.
pub(crate) const OF_INSURERS: [&str; 4] =
    ["production.*", "clearing.*", "actuarial.*", "platform.*"];
/// The same for a regulator.
pub(crate) const OF_REGULATORS: [&str; 2] = ["actuarial.market.*", "platform.*"];

/// The same for the operator of the platform.
pub(crate) const OF_OPERATORS: [&str; 3] = ["operator.*", "clearing.*", "platform.*"];

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
    /// `None` for those of the regulator and the operator.
    pub(crate) insurer: Option<&'static str>,
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

/// A market to play in: insurers with branches and clients, subscribed to everything, a regulator
/// of the whole country, and the tariff of `tariffs` in force. Safe to repeat; secrets stay the same for the same master key.
pub(crate) async fn sandbox_market(
    base: &Base,
    tariffs: &Path,
) -> anyhow::Result<Vec<SandboxClient>> {
    const INSURERS: [(&str, &str, &str); 4] = [
        ("PICC", "人保财险（沙箱）", "PICC P&C (sandbox)"),
        ("PAIC", "平安产险（沙箱）", "Ping An P&C (sandbox)"),
        ("CPIC", "太保产险（沙箱）", "CPIC P&C (sandbox)"),
        ("CCIC", "大地保险（沙箱）", "China Continent (sandbox)"),
    ];
    const REGIONS: [(&str, &str); 3] =
        [("110000", "北京分公司"), ("320000", "江苏分公司"), ("440300", "深圳分公司")];
    tariff(base, tariffs).await?;
    let mut clients = Vec::new();
    for (code, name_zh, name_en) in INSURERS {
        let tenant = insurer(base, code, (name_zh, name_en)).await?;
        for (region, branch) in REGIONS {
            let insurer = Some(code);
            let desk = Desk { tenant, name: code, insurer, region, branch, rights: &OF_INSURERS };
            clients.push(desk.client(base).await?);
        }
    }
    let (insurer, region) = (None, "000000");
    let tenant = regulator(base).await?;
    let rights = &OF_REGULATORS;
    let desk = Desk { tenant, name: "regulator", insurer, region, branch: "总局", rights };
    clients.push(desk.client(base).await?);
    let tenant = operator(base).await?;
    subscribe(base, tenant, OF_OPERATORS).await?;
    let rights = &OF_OPERATORS;
    let desk = Desk { tenant, name: "operator", insurer, region, branch: "运营中心", rights };
    clients.push(desk.client(base).await?);
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
    member(base, Kind::Insurer(code), names, OF_INSURERS).await
}

async fn regulator(base: &Base) -> anyhow::Result<TenantId> {
    let mut tx = base.db.begin(Scope::nobody()).await?;
    let members = tenancy::list(&mut tx, None, 500).await?;
    drop(tx);
    if let Some(known) = members.iter().find(|tenant| tenant.kind == Kind::Regulator) {
        return Ok(known.tenant_id);
    }
    let names = ("保险监管机构（沙箱）", "Insurance regulator (sandbox)");
    member(base, Kind::Regulator, names, OF_REGULATORS).await
}

/// Registers a member and subscribes it to `functions`.
pub(crate) async fn member(
    base: &Base,
    kind: Kind,
    names: (&str, &str),
    functions: impl IntoIterator<Item = impl Into<String>>,
) -> anyhow::Result<TenantId> {
    let now = base.clock.now();
    let register = RegisterTenant::new(kind, names, &base.ids, &base.master, now)?;
    let tenant = base.db.run(register.scope(), &register).await?.tenant_id;
    subscribe(base, tenant, functions).await?;
    Ok(tenant)
}

/// Subscribes a member to `functions`, except what it subscribed to before.
async fn subscribe(
    base: &Base,
    tenant: TenantId,
    functions: impl IntoIterator<Item = impl Into<String>>,
) -> anyhow::Result<()> {
    let now = base.clock.now();
    let mut tx = base.db.begin(Scope::of(tenant)).await?;
    let known = catalogue::subscriptions(&mut tx, tenant).await?;
    drop(tx);
    for function_pattern in functions {
        let function_pattern = function_pattern.into();
        if known.iter().any(|known| known.function_pattern == function_pattern) {
            continue;
        }
        let subscription = Subscription {
            subscription_id: base.ids.next(now),
            function_pattern,
            plan_code: MEMBER_PLAN.to_owned(),
            valid_from: now,
            valid_to: None,
            daily_quota_per_user: None,
        };
        base.db.run(Scope::of(tenant), &Subscribe { tenant, subscription, now }).await?;
    }
    Ok(())
}

/// Where a client of the sandbox sits.
struct Desk {
    tenant: TenantId,
    name: &'static str,
    insurer: Option<&'static str>,
    region: &'static str,
    branch: &'static str,
    rights: &'static [&'static str],
}

impl Desk {
    /// Its client, registered at the first start.
    async fn client(&self, base: &Base) -> anyhow::Result<SandboxClient> {
        let Desk { tenant, name, region, .. } = *self;
        let client_id = format!("{}-{region}", name.to_lowercase());
        let secret: Secret = base.master.derive(&format!("sandbox.client.{client_id}"));
        let shown = SandboxClient {
            client_id: client_id.clone(),
            secret: secret.to_base64url().to_string(),
            insurer: self.insurer,
            region,
        };
        let mut tx = base.db.begin(Scope::of(tenant)).await?;
        let known = iam::clients(&mut tx, tenant, None, 500).await?;
        drop(tx);
        if known.iter().any(|known| known.client_id.as_str() == client_id) {
            return Ok(shown);
        }
        let now = base.clock.now();
        let branch = self.branch.to_owned();
        let open = OpenBranch { tenant, region: region.to_owned(), name: branch, now };
        base.db.run(Scope::of(tenant), &open).await?;
        let new = NewClient {
            tenant,
            client_id: ClientId::parse(&client_id)?,
            region: region.to_owned(),
            user_label: format!("{name} core system, {}", self.branch),
            rights: self.rights.iter().map(|&right| right.to_owned()).collect(),
            sources: Vec::new(),
        };
        let register = RegisterClient::new(new, &secret, &base.master, &base.ids, now)?;
        base.db.run(register.scope(), &register).await?;
        Ok(shown)
    }
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
