//! `commonwheel member`: registering members of the market, their branches, clients and
//! subscriptions. Identifiers are what people know: insurer codes and client ids. A member without
//! an insurer code, such as a regulator, is named by its tenant identifier.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use crypto::Secret;
use iam::{ClientId, NewClient, RegisterClient, RotateSecret, SetClientStatus};
use jiff::SignedDuration;
use kernel::TenantId;
use pg::Scope;
use tenancy::{
    InsurerCode, Kind, OpenBranch, ParameterScope, SetParameter, SetStanding, Standing, Tenant,
};

use crate::bootstrap::{self, OF_INSURERS, OF_REGULATORS};
use crate::wiring::Base;

/// Which member.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Who {
    /// Insurer code
    #[arg(long)]
    insurer: Option<String>,
    /// Tenant identifier, for a member without an insurer code
    #[arg(long)]
    tenant: Option<uuid::Uuid>,
}

/// What to do with members.
#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// Register an insurer or a regulator and subscribe it to functions
    Register {
        /// Four-letter code of the market, for example PICC
        #[arg(long, required_unless_present = "regulator")]
        insurer: Option<String>,
        /// The insurance regulator or one of its offices; reads who looked at what
        #[arg(long, conflicts_with = "insurer")]
        regulator: bool,
        /// Chinese name
        #[arg(long)]
        name_zh: String,
        /// English name
        #[arg(long)]
        name_en: String,
        /// Functions it subscribes to: codes, prefixes ending in .*, or *; when left out
        /// those of the production, clearing and actuarial clouds and platform.* for an insurer,
        /// actuarial.market.* and platform.* for a regulator
        #[arg(long)]
        functions: Vec<String>,
    },
    /// Suspend a member: its tokens are refused within five seconds
    Suspend {
        #[command(flatten)]
        who: Who,
    },
    /// Readmit a suspended member
    Readmit {
        #[command(flatten)]
        who: Who,
    },
    /// Open a branch in a region
    Branch {
        #[command(flatten)]
        who: Who,
        /// Region, six digits
        #[arg(long)]
        region: String,
        /// Name of the branch
        #[arg(long)]
        name: String,
    },
    /// Register an API client of a branch and print its secret, once
    Client {
        #[command(flatten)]
        who: Who,
        /// Name of the client
        #[arg(long)]
        id: String,
        /// Branch region, six digits; 000000 for the whole country
        #[arg(long)]
        region: String,
        /// Whom the insurer means by it
        #[arg(long)]
        label: String,
        /// Function codes and patterns it may call; the functions members of its kind subscribe to
        /// when left out
        #[arg(long)]
        rights: Vec<String>,
        /// Networks it may call from, such as 203.0.113.0/24; anywhere when left out
        #[arg(long)]
        source: Vec<String>,
    },
    /// Give a client a new secret and print it, once; the old one works for a while
    Secret {
        #[command(flatten)]
        who: Who,
        /// Name of the client
        #[arg(long)]
        id: String,
        /// Hours the old secret still works
        #[arg(long, default_value_t = 24)]
        overlap_hours: u32,
    },
    /// Disable a client, or with --enable let it call again
    Disable {
        #[command(flatten)]
        who: Who,
        /// Name of the client
        #[arg(long)]
        id: String,
        /// Let it call again
        #[arg(long)]
        enable: bool,
    },
    /// Set a figure of the market, of a region or of a member, from now on
    Parameter {
        /// Its name, for example production.quote_challenge
        name: String,
        /// Its value
        value: String,
        /// For one member alone
        #[arg(long)]
        insurer: Option<String>,
        /// For one region alone
        #[arg(long)]
        region: Option<String>,
    },
    /// List the members
    List,
}

impl MemberCommand {
    /// Runs the command.
    pub(crate) async fn run(self, base: &Base) -> anyhow::Result<()> {
        let now = base.clock.now();
        match self {
            MemberCommand::Register { insurer, regulator: _, name_zh, name_en, functions } => {
                let kind = match &insurer {
                    Some(code) => Kind::Insurer(InsurerCode::parse(code)?),
                    None => Kind::Regulator,
                };
                let functions = given_or_usual(functions, &kind);
                let names = (name_zh.as_str(), name_en.as_str());
                let tenant = bootstrap::member(base, kind, names, functions).await?;
                println!("registered {}: tenant {tenant}", insurer.as_deref().unwrap_or(&name_en));
            }
            MemberCommand::Suspend { who } => {
                let name = stand(base, &who, Standing::Suspended).await?;
                println!("{name} is suspended");
            }
            MemberCommand::Readmit { who } => {
                let name = stand(base, &who, Standing::Active).await?;
                println!("{name} may call again");
            }
            MemberCommand::Branch { who, region, name } => {
                let member = who.find(base).await?;
                let tenant = member.tenant_id;
                let open = OpenBranch { tenant, region: region.clone(), name, now };
                base.db.run(Scope::of(tenant), &open).await?;
                println!("{} has a branch in {region}", called(&member));
            }
            MemberCommand::Client { who, id, region, label, rights, source } => {
                let secret = Secret::generate()?;
                let member = who.find(base).await?;
                let rights = given_or_usual(rights, &member.kind);
                let new = NewClient {
                    tenant: member.tenant_id,
                    client_id: ClientId::parse(&id)?,
                    region,
                    user_label: label,
                    rights,
                    sources: source,
                };
                let register = RegisterClient::new(new, &secret, &base.master, &base.ids, now)?;
                base.db.run(register.scope(), &register).await?;
                println!("client id      {id}\nclient secret  {}", *secret.to_base64url());
                println!("The secret is not stored and not shown again.");
            }
            MemberCommand::Secret { who, id, overlap_hours } => {
                let tenant = who.find(base).await?.tenant_id;
                let secret = Secret::generate()?;
                let rotate = RotateSecret::new(
                    (tenant, ClientId::parse(&id)?),
                    &secret,
                    SignedDuration::from_hours(i64::from(overlap_hours)),
                    (&base.master, &base.ids),
                    now,
                )?;
                base.db.run(Scope::of(tenant), &rotate).await?;
                println!("client secret  {}", *secret.to_base64url());
                println!("The old secret works for {overlap_hours} hours more.");
            }
            MemberCommand::Disable { who, id, enable } => {
                let tenant = who.find(base).await?.tenant_id;
                let client_id = ClientId::parse(&id)?;
                let disabled_at = (!enable).then_some(now);
                let set = SetClientStatus { tenant, client_id, disabled_at };
                base.db.run(Scope::of(tenant), &set).await?;
                println!("{id} {}", if enable { "may call again" } else { "is disabled" });
            }
            MemberCommand::Parameter { name, value, insurer, region } => {
                let tenant = match &insurer {
                    Some(insurer) => Some(insurer_of(base, insurer).await?.tenant_id),
                    None => None,
                };
                let set = SetParameter {
                    parameter_id: base.ids.next(now),
                    name: name.clone(),
                    scope: ParameterScope { tenant, region: region.map(Into::into) },
                    value: value.clone(),
                    from: now,
                };
                let scope = tenant.map_or_else(Scope::nobody, Scope::of);
                base.db.run(scope, &set).await?;
                println!("{name} = {value}; servers follow within seconds");
            }
            MemberCommand::List => {
                let mut tx = base.db.begin(Scope::nobody()).await?;
                for tenant in tenancy::list(&mut tx, None, 500).await? {
                    let code = tenant.kind.insurer_code().map_or("-", InsurerCode::as_str);
                    println!(
                        "{code:<5} {}  {:?}  {} ({})",
                        tenant.tenant_id, tenant.standing, tenant.name_en, tenant.name_zh
                    );
                }
            }
        }
        Ok(())
    }
}

impl Who {
    async fn find(&self, base: &Base) -> anyhow::Result<Tenant> {
        if let Some(insurer) = &self.insurer {
            return insurer_of(base, insurer).await;
        }
        let tenant = TenantId(self.tenant.context("say --insurer or --tenant")?);
        let mut tx = base.db.begin(Scope::nobody()).await?;
        match tenancy::find(&mut tx, tenant).await.context("cannot read members")? {
            Some(tenant) => Ok(tenant),
            None => bail!("no member {tenant}; `commonwheel member list` shows them"),
        }
    }
}

async fn insurer_of(base: &Base, insurer: &str) -> anyhow::Result<Tenant> {
    let code = InsurerCode::parse(insurer)?;
    let mut tx = base.db.begin(Scope::nobody()).await?;
    match tenancy::find_by_insurer_code(&mut tx, &code).await.context("cannot read members")? {
        Some(tenant) => Ok(tenant),
        None => bail!("no member {insurer}; `commonwheel member list` shows them"),
    }
}

/// The patterns given on the command line, or those members of this kind usually have.
fn given_or_usual(given: Vec<String>, kind: &Kind) -> Vec<String> {
    let usual: &[&str] = match kind {
        Kind::Insurer(_) => &OF_INSURERS,
        Kind::Regulator => &OF_REGULATORS,
        Kind::Agency | Kind::Partner | Kind::Operator => &[],
    };
    if given.is_empty() { usual.iter().map(|&one| one.to_owned()).collect() } else { given }
}

fn called(member: &Tenant) -> &str {
    member.kind.insurer_code().map_or(&member.name_en, InsurerCode::as_str)
}

/// Changes a member's standing; answers what it is called.
async fn stand(base: &Base, who: &Who, standing: Standing) -> anyhow::Result<String> {
    let member = who.find(base).await?;
    let tenant = member.tenant_id;
    base.db.run(Scope::of(tenant), &SetStanding { tenant, standing }).await?;
    Ok(called(&member).to_owned())
}
