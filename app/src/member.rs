//! `commonwheel member`: registering members of the market, their branches, clients and
//! subscriptions. Identifiers are what people know: insurer codes and client ids.

use anyhow::{Context, bail};
use catalogue::{MEMBER_PLAN, Subscribe, Subscription};
use clap::Subcommand;
use crypto::Secret;
use iam::{ClientId, NewClient, RegisterClient, RotateSecret, SetClientStatus};
use jiff::SignedDuration;
use kernel::TenantId;
use pg::Scope;
use tenancy::{
    InsurerCode, Kind, OpenBranch, ParameterScope, RegisterTenant, SetParameter, SetStanding,
    Standing,
};

use crate::wiring::Base;

/// What to do with members.
#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// Register an insurer and subscribe it to functions
    Register {
        /// Four-letter code of the market, for example PICC
        #[arg(long)]
        insurer: String,
        /// Chinese name
        #[arg(long)]
        name_zh: String,
        /// English name
        #[arg(long)]
        name_en: String,
        /// Functions it subscribes to: codes, prefixes ending in .*, or *
        #[arg(long, default_value = "production.*")]
        functions: Vec<String>,
    },
    /// Suspend a member: its tokens are refused within five seconds
    Suspend {
        /// Its insurer code
        #[arg(long)]
        insurer: String,
    },
    /// Readmit a suspended member
    Readmit {
        /// Its insurer code
        #[arg(long)]
        insurer: String,
    },
    /// Open a branch in a region
    Branch {
        /// Insurer code
        #[arg(long)]
        insurer: String,
        /// Region, six digits
        #[arg(long)]
        region: String,
        /// Name of the branch
        #[arg(long)]
        name: String,
    },
    /// Register an API client of a branch and print its secret, once
    Client {
        /// Insurer code
        #[arg(long)]
        insurer: String,
        /// Name of the client
        #[arg(long)]
        id: String,
        /// Branch region, six digits; 000000 for the whole country
        #[arg(long)]
        region: String,
        /// Whom the insurer means by it
        #[arg(long)]
        label: String,
        /// Function codes and patterns it may call
        #[arg(long, default_value = "production.*")]
        rights: Vec<String>,
        /// Networks it may call from, such as 203.0.113.0/24; anywhere when left out
        #[arg(long)]
        source: Vec<String>,
    },
    /// Give a client a new secret and print it, once; the old one works for a while
    Secret {
        /// Insurer code
        #[arg(long)]
        insurer: String,
        /// Name of the client
        #[arg(long)]
        id: String,
        /// Hours the old secret still works
        #[arg(long, default_value_t = 24)]
        overlap_hours: u32,
    },
    /// Disable a client, or with --enable let it call again
    Disable {
        /// Insurer code
        #[arg(long)]
        insurer: String,
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
            MemberCommand::Register { insurer, name_zh, name_en, functions } => {
                let kind = Kind::Insurer(InsurerCode::parse(&insurer)?);
                let names = (name_zh.as_str(), name_en.as_str());
                let register = RegisterTenant::new(kind, names, &base.ids, &base.master, now)?;
                let tenant = base.db.run(register.scope(), &register).await?.tenant_id;
                for function_pattern in functions {
                    let subscription = Subscription {
                        subscription_id: base.ids.next(now),
                        function_pattern,
                        plan_code: MEMBER_PLAN.to_owned(),
                        valid_from: now,
                        valid_to: None,
                        daily_quota_per_user: None,
                    };
                    base.db
                        .run(Scope::of(tenant), &Subscribe { tenant, subscription, now })
                        .await?;
                }
                println!("registered {insurer}: tenant {tenant}");
            }
            MemberCommand::Suspend { insurer } => {
                stand(base, &insurer, Standing::Suspended).await?;
                println!("{insurer} is suspended");
            }
            MemberCommand::Readmit { insurer } => {
                stand(base, &insurer, Standing::Active).await?;
                println!("{insurer} may call again");
            }
            MemberCommand::Branch { insurer, region, name } => {
                let tenant = tenant_of(base, &insurer).await?;
                let open = OpenBranch { tenant, region: region.clone(), name, now };
                base.db.run(Scope::of(tenant), &open).await?;
                println!("{insurer} has a branch in {region}");
            }
            MemberCommand::Client { insurer, id, region, label, rights, source } => {
                let secret = Secret::generate()?;
                let new = NewClient {
                    tenant: tenant_of(base, &insurer).await?,
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
            MemberCommand::Secret { insurer, id, overlap_hours } => {
                let tenant = tenant_of(base, &insurer).await?;
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
            MemberCommand::Disable { insurer, id, enable } => {
                let tenant = tenant_of(base, &insurer).await?;
                let client_id = ClientId::parse(&id)?;
                let disabled_at = (!enable).then_some(now);
                let set = SetClientStatus { tenant, client_id, disabled_at };
                base.db.run(Scope::of(tenant), &set).await?;
                println!("{id} {}", if enable { "may call again" } else { "is disabled" });
            }
            MemberCommand::Parameter { name, value, insurer, region } => {
                let tenant = match &insurer {
                    Some(insurer) => Some(tenant_of(base, insurer).await?),
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

async fn tenant_of(base: &Base, insurer: &str) -> anyhow::Result<TenantId> {
    let code = InsurerCode::parse(insurer)?;
    let mut tx = base.db.begin(Scope::nobody()).await?;
    match tenancy::find_by_insurer_code(&mut tx, &code).await.context("cannot read members")? {
        Some(tenant) => Ok(tenant.tenant_id),
        None => bail!("no member {insurer}; `commonwheel member list` shows them"),
    }
}

async fn stand(base: &Base, insurer: &str, standing: Standing) -> anyhow::Result<()> {
    let tenant = tenant_of(base, insurer).await?;
    base.db.run(Scope::of(tenant), &SetStanding { tenant, standing }).await?;
    Ok(())
}
