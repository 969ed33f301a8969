//! Figures that differ by tenant or region and change from an instant on.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::{Command, Db, Tx, failure};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::TenancyError;
use crate::rest_days::{self, Lists, REST_DAYS};

/// Quotes one user may ask for on a day in China (rule L35).
pub const DAILY_QUOTE_QUOTA: &str = "daily_quote_quota";

/// How often servers read the parameters again.
const REFRESH_EVERY: Duration = Duration::from_secs(3);

/// Whom a value is for. The most specific wins: both, tenant, region, everyone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ParameterScope {
    /// One tenant; `None` for all.
    pub tenant: Option<TenantId>,
    /// One region of six digits; `None` for all.
    pub region: Option<Arc<str>>,
}

#[derive(Debug)]
struct Value {
    text: String,
    from: Timestamp,
    to: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Table {
    values: HashMap<String, HashMap<ParameterScope, Vec<Value>>>,
    /// Values of [`REST_DAYS`], read. What a tenant would rest on is no law, so those of one are not.
    rest_days: Lists,
}

/// All parameters in memory, at most a few seconds old. Cheap to share; one per process.
#[derive(Debug, Default)]
pub struct Parameters(RwLock<Arc<Table>>);

impl Parameters {
    /// Reads all parameters.
    pub async fn load(db: &Db) -> Result<Parameters, TenancyError> {
        let parameters = Parameters::default();
        parameters.refresh(db).await?;
        let unread = &parameters.table().rest_days.unread;
        if !unread.is_empty() {
            tracing::warn!(parameter = REST_DAYS, ?unread, "days of rest cannot be read");
        }
        Ok(parameters)
    }

    /// The value of `name` at `now` for a tenant in a region; `None` when nobody set one.
    pub fn text(
        &self,
        name: &str,
        tenant: TenantId,
        region: &str,
        now: Timestamp,
    ) -> Option<String> {
        let table = self.table();
        let values = table.values.get(name)?;
        let region: Option<Arc<str>> = Some(region.into());
        let scopes = [
            ParameterScope { tenant: Some(tenant), region: region.clone() },
            ParameterScope { tenant: Some(tenant), region: None },
            ParameterScope { tenant: None, region },
            ParameterScope::default(),
        ];
        scopes.iter().find_map(|scope| {
            let holds = |value: &&Value| value.from <= now && value.to.is_none_or(|to| now < to);
            values.get(scope)?.iter().find(holds).map(|value| value.text.clone())
        })
    }

    /// The value as a whole number; `None` when unset or not a whole number.
    pub fn number(
        &self,
        name: &str,
        tenant: TenantId,
        region: &str,
        now: Timestamp,
    ) -> Option<u32> {
        self.text(name, tenant, region, now)?.trim().parse().ok()
    }

    /// Public holidays of a region as they are known at an instant, by [`REST_DAYS`]: of days to come
    /// those that the list in force names, of days that have begun those that any list has named since.
    pub fn rest_days(&self, region: &str, known_at: Timestamp) -> BTreeSet<Date> {
        self.table().rest_days.known(region, known_at)
    }

    fn table(&self) -> Arc<Table> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Reads all parameters again.
    pub async fn refresh(&self, db: &Db) -> Result<(), TenancyError> {
        let rows = sqlx::query!(
            r#"select name as "name!", tenant_id, region, value as "value!",
                      valid_from as "valid_from!", valid_to
               from tenancy.all_parameters()"#
        );
        let mut table = Table::default();
        for row in rows.fetch_all(db.pool()).await? {
            let scope = ParameterScope {
                tenant: row.tenant_id.map(TenantId),
                region: row.region.map(Arc::from),
            };
            let value = Value {
                text: row.value,
                from: row.valid_from.to_jiff(),
                to: row.valid_to.map(|to| to.to_jiff()),
            };
            if row.name == REST_DAYS && scope.tenant.is_none() {
                table.rest_days.add(scope.region.clone(), &value.text, value.from, value.to);
            }
            table.values.entry(row.name).or_default().entry(scope).or_default().push(value);
        }
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Arc::new(table);
        Ok(())
    }

    /// Keeps the parameters fresh until `stop`. What was read last serves on while the database is
    /// out of reach.
    pub async fn keep_fresh(self: Arc<Parameters>, db: Db, stop: CancellationToken) {
        let mut ticks = interval(REFRESH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = self.refresh(&db).await {
                tracing::warn!(%error, "cannot read parameters again, using the last ones");
            }
        }
    }
}

/// Sets a parameter from an instant on; the value before it ends there. A list of days of rest that
/// cannot be read whole is refused.
#[derive(Debug)]
pub struct SetParameter {
    /// Names the new row.
    pub parameter_id: Uuid,
    /// Which figure, for example [`DAILY_QUOTE_QUOTA`].
    pub name: String,
    /// For whom.
    pub scope: ParameterScope,
    /// The value as text.
    pub value: String,
    /// From when.
    pub from: Timestamp,
}

impl Command for SetParameter {
    const NAME: &'static str = "tenancy.set_parameter";
    type Out = ();
    type Error = TenancyError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), TenancyError> {
        if self.name == REST_DAYS && !rest_days::read(&self.value).1.is_empty() {
            return Err(TenancyError::MalformedParameter(self.name.clone()));
        }
        let tenant = self.scope.tenant.map(|tenant| tenant.0);
        let region = self.scope.region.as_deref();
        sqlx::query!(
            "update tenancy.parameter set valid_to = $4
             where name = $1 and tenant_id is not distinct from $2
               and region is not distinct from $3 and valid_from < $4 and valid_to is null",
            self.name,
            tenant,
            region,
            self.from.to_sqlx()
        )
        .execute(tx.conn())
        .await?;
        let inserted = sqlx::query!(
            "insert into tenancy.parameter
                 (parameter_id, tenant_id, region, name, value, valid_from)
             values ($1, $2, $3, $4, $5, $6)",
            self.parameter_id,
            tenant,
            region,
            self.name,
            self.value,
            self.from.to_sqlx()
        );
        match inserted.execute(tx.conn()).await {
            Err(error) => Err(match failure::constraint(&error) {
                Some("parameter_holds_one_value_at_a_time") => {
                    TenancyError::ParameterSetLater(self.name.clone())
                }
                Some("parameter_name_check" | "parameter_value_check") => {
                    TenancyError::MalformedParameter(self.name.clone())
                }
                Some("parameter_region_form") => {
                    TenancyError::MalformedRegion(region.unwrap_or_default().to_owned())
                }
                _ => error.into(),
            }),
            Ok(_) => Ok(()),
        }
    }
}
