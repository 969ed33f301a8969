//! Confirming a set of proposals in one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use base_http::{Done, EventDraft, Notice, SetCommand};
use http::StatusCode;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, Period};
use pg::Tx;
use production_core::history::{PolicyClass, ReinsureFlag};
use production_core::number::PlatformNumber;
use production_core::quote::Amounts;
use production_core::rule::RuleId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::book::TariffBook;
use crate::confirm::PolicyNumbers;
use crate::confirm::decide::{Confirmation, decide};
use crate::error::{self, ProductionError};
use crate::lookup::{record_of, shown_record};
use crate::store::known::{self, Known};
use crate::store::policy::{self, PolicyRecord, VersionRecord};
use crate::store::tax::{self, PendingDeclaration};
use crate::store::{proposal, quote};

/// Confirms one paid proposal.
#[derive(Clone)]
pub struct ConfirmQuote {
    /// Query code.
    pub query_no: PlatformNumber,
    /// Frozen amounts as the insurer echoes them.
    pub echo: Amounts,
    /// The insurer's numbers.
    pub policy_numbers: PolicyNumbers,
    /// Confirm code for the compulsory policy.
    pub compulsory_no: PlatformNumber,
    /// Confirm code for the commercial policy.
    pub commercial_no: PlatformNumber,
    /// Sources that stayed silent when they were asked again, JSON; `None` when nobody asked.
    pub rechecked: Option<String>,
    /// What a person should see.
    pub notices: Vec<Notice>,
    /// The instant of the call.
    pub now: Timestamp,
    /// For the parameters of the quote's tariff.
    pub book: Arc<TariffBook>,
}

/// Confirmed policies.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmView {
    /// The quote they came from.
    pub query_code: String,
    /// `confirmed`.
    pub stage: &'static str,
    /// One per product, compulsory first.
    pub policies: Vec<ConfirmedPolicy>,
    /// Vehicle tax withheld and declared under the compulsory confirm code.
    pub tax: Fen,
    /// Number under which the tax office is told; its receipt shows in the policy once it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_declaration_no: Option<String>,
    /// Outside systems that never answered; checked later.
    #[schema(value_type = Vec<String>)]
    pub deferred_checks: serde_json::Value,
    /// What a person should see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
}

/// A policy as confirmed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmedPolicy {
    /// 投保确认码: the global key of the policy in every later message.
    #[schema(example = "02PICC110026123450000000000018")]
    pub confirm_code: String,
    /// `compulsory` or `commercial`.
    pub class: &'static str,
    /// The insurer's own number.
    pub policy_no: String,
    /// Period of cover.
    pub period: Period,
    /// Premium.
    pub premium: Fen,
}

impl SetCommand for ConfirmQuote {
    const NAME: &'static str = "quote.confirm";
    type Error = ProductionError;

    async fn apply_set(
        set: &[&ConfirmQuote],
        tx: &mut Tx,
    ) -> Result<Vec<Result<Done, ProductionError>>, ProductionError> {
        let numbers: Vec<PlatformNumber> = set.iter().map(|one| one.query_no).collect();
        let proposals: HashMap<PlatformNumber, _> = proposal::lock(tx, &numbers)
            .await?
            .into_iter()
            .map(|proposal| (proposal.query_no, proposal))
            .collect();
        let quotes: HashMap<PlatformNumber, _> = quote::find(tx, &numbers)
            .await?
            .into_iter()
            .map(|quote| (quote.query_no, quote))
            .collect();
        let mut outcomes: Vec<Result<Confirmation, ProductionError>> =
            Vec::with_capacity(set.len());
        for (at, command) in set.iter().enumerate() {
            let number = command.query_no;
            // Twice in one set: the first one has it.
            let taken = numbers[..at].contains(&number);
            outcomes.push(match (proposals.get(&number), quotes.get(&number)) {
                _ if taken => Err(ProductionError::breaks(
                    RuleId::S09,
                    &error::QUOTE_USED,
                    "another confirmation of this code is under way",
                )),
                (Some(proposal), Some(quote)) => {
                    let tariff = command.book.of_version(&quote.tariff_version).await?;
                    decide(command, proposal, quote, &tariff)
                }
                _ => Err(ProductionError::not_found("pre-confirmation of", number)),
            });
        }
        refuse_duplicates(tx, &mut outcomes).await?;
        refuse_used_numbers(tx, &mut outcomes).await?;
        save(tx, set, &outcomes).await?;
        Ok(set
            .iter()
            .zip(outcomes)
            .map(|(command, outcome)| outcome.map(|confirmation| done(command, &confirmation)))
            .collect())
    }
}

/// L03: refuses members whose vehicle is covered already, naming the policy; by frame number
/// first, then by plate, plate kind and engine number.
async fn refuse_duplicates(
    tx: &mut Tx,
    outcomes: &mut [Result<Confirmation, ProductionError>],
) -> Result<(), ProductionError> {
    let wanted: Vec<(usize, PolicyRecord)> = outcomes
        .iter()
        .enumerate()
        .filter_map(|(at, outcome)| Some((at, outcome.as_ref().ok()?)))
        .flat_map(|(at, confirmation)| {
            confirmation.policies.iter().map(move |(policy, _)| (at, policy))
        })
        .filter(|(_, policy)| policy.facts.class == PolicyClass::Compulsory)
        .map(|(at, policy)| (at, policy.clone()))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let frames: Vec<_> = wanted.iter().map(|(_, policy)| &policy.frame).collect();
    let known = known::read_policies(tx.conn(), &frames).await?;
    let mut by_plate = plate_covers(tx, &wanted).await?;
    for (place, ((at, policy), known)) in wanted.iter().zip(known).enumerate() {
        let by_frame = covering(&known, policy.facts.period);
        let by_frame = by_frame.map(|number| (number, shown_record(&policy.frame, number)));
        // Found by its plate, it may be of a vehicle under another frame number.
        let by_plate = by_plate.remove(&place).map(|number| (number, record_of(number)));
        if let Some((confirm_no, record)) = by_frame.or(by_plate) {
            let details = serde_json::json!({
                "class": "compulsory",
                "confirmCode": confirm_no,
                "insurer": confirm_no.insurer(),
                "reinsureFlag": ReinsureFlag::held_by(confirm_no.insurer(), policy.insurer),
            });
            outcomes[*at] = Err(ProductionError::duplicate(record, details));
        }
    }
    Ok(())
}

fn covering(known: &Known, period: Period) -> Option<PlatformNumber> {
    crate::quote::checks::overlapping(known, PolicyClass::Compulsory, period)
        .first()
        .map(|policy| policy.prior.confirm_no)
}

/// Live compulsory cover by plate and engine, by place in `wanted`.
async fn plate_covers(
    tx: &mut Tx,
    wanted: &[(usize, PolicyRecord)],
) -> Result<HashMap<usize, PlatformNumber>, ProductionError> {
    let plated: Vec<(usize, &PolicyRecord)> = wanted
        .iter()
        .enumerate()
        .map(|(place, (_, policy))| (place, policy))
        .filter(|(_, policy)| policy.plate.is_some())
        .collect();
    macro_rules! column {
        (|$policy:ident| $value:expr) => {
            &plated.iter().map(|(_, $policy)| $value).collect::<Vec<_>>()
        };
    }
    let plate = |policy: &PolicyRecord| {
        policy.plate.as_ref().map(|plate| plate.number().to_owned()).unwrap_or_default()
    };
    let kind = |policy: &PolicyRecord| {
        policy.plate.as_ref().map(|plate| plate.kind().code().to_owned()).unwrap_or_default()
    };
    let rows = sqlx::query!(
        r#"select place as "place!", confirm_no as "confirm_no!"
           from production.plate_covers($1, $2, $3, $4, $5)"#,
        column!(|policy| plate(policy)),
        column!(|policy| kind(policy)),
        column!(|policy| policy.engine_no.clone()),
        column!(|policy| policy.facts.period.from().to_sqlx()) as _,
        column!(|policy| policy.facts.period.to().to_sqlx()) as _,
    );
    let mut covers = HashMap::new();
    for row in rows.fetch_all(tx.conn()).await? {
        let at = usize::try_from(row.place - 1).ok().and_then(|at| plated.get(at));
        let number = PlatformNumber::parse(&row.confirm_no);
        if let (Some((place, _)), Ok(number)) = (at, number) {
            covers.insert(*place, number);
        }
    }
    Ok(covers)
}

/// S09: an insurer uses a policy number once per class.
async fn refuse_used_numbers(
    tx: &mut Tx,
    outcomes: &mut [Result<Confirmation, ProductionError>],
) -> Result<(), ProductionError> {
    let wanted: Vec<_> = outcomes
        .iter()
        .flatten()
        .flat_map(|confirmation| &confirmation.policies)
        .map(|(policy, _)| (policy.tenant, policy.facts.class, policy.policy_no.clone()))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let asked: Vec<_> =
        wanted.iter().map(|(tenant, class, number)| (*tenant, *class, number.as_str())).collect();
    let used = policy::used_numbers(tx, &asked).await?;
    if used.is_empty() {
        return Ok(());
    }
    for outcome in outcomes.iter_mut() {
        let taken = outcome.as_ref().ok().and_then(|confirmation| {
            confirmation
                .policies
                .iter()
                .map(|(policy, _)| policy)
                .find(|policy| {
                    used.iter().any(|(tenant, class, number)| {
                        *tenant == policy.tenant
                            && class == policy.facts.class.name()
                            && *number == policy.policy_no
                    })
                })
                .map(|policy| policy.policy_no.clone())
        });
        if let Some(number) = taken {
            let detail = format!("policy number {number} is used already; send another");
            let code = &error::POLICY_NUMBER_USED;
            *outcome = Err(ProductionError::breaks(RuleId::S09, code, detail));
        }
    }
    Ok(())
}

async fn save(
    tx: &mut Tx,
    set: &[&ConfirmQuote],
    outcomes: &[Result<Confirmation, ProductionError>],
) -> Result<(), ProductionError> {
    let good: Vec<(&ConfirmQuote, &Confirmation)> = set
        .iter()
        .zip(outcomes)
        .filter_map(|(command, outcome)| Some((*command, outcome.as_ref().ok()?)))
        .collect();
    let Some((first, _)) = good.first() else { return Ok(()) };
    let rows = || good.iter().flat_map(|(_, confirmation)| &confirmation.policies);
    let policies: Vec<&PolicyRecord> = rows().map(|(policy, _)| policy).collect();
    let versions: Vec<&VersionRecord> = rows().map(|(_, version)| version).collect();
    policy::insert(tx, &policies).await?;
    policy::insert_versions(tx, &versions).await?;
    let numbers: Vec<PlatformNumber> = good.iter().map(|(command, _)| command.query_no).collect();
    proposal::set_confirmed(tx, &numbers, first.now).await?;
    let declarations: Vec<PendingDeclaration> = good
        .iter()
        .filter(|(_, confirmation)| confirmation.tax > Fen::ZERO)
        .filter_map(|(_, confirmation)| {
            let (policy, _) = confirmation.policies.first()?;
            Some(PendingDeclaration {
                declaration_no: policy.confirm_no,
                confirm_no: policy.confirm_no,
                tenant: policy.tenant,
                total: confirmation.tax,
            })
        })
        .collect();
    tax::insert(tx, &declarations, first.now).await
}

fn done(command: &ConfirmQuote, confirmation: &Confirmation) -> Done {
    let policies: Vec<ConfirmedPolicy> = confirmation
        .policies
        .iter()
        .map(|(policy, _)| ConfirmedPolicy {
            confirm_code: policy.confirm_no.to_string(),
            class: policy.facts.class.name(),
            policy_no: policy.policy_no.clone(),
            period: policy.facts.period,
            premium: policy.premium,
        })
        .collect();
    let first = confirmation.policies.first().map(|(policy, _)| policy);
    let view = ConfirmView {
        query_code: command.query_no.to_string(),
        stage: "confirmed",
        tax: confirmation.tax,
        tax_declaration_no: first.and_then(|policy| policy.tax_declaration_no.clone()),
        deferred_checks: first
            .and_then(|policy| serde_json::from_str(&policy.deferred_checks).ok())
            .unwrap_or_else(|| serde_json::json!([])),
        policies,
        notices: command.notices.clone(),
    };
    let slot = command.query_no.slot().0;
    let mut done = Done::json(StatusCode::CREATED, &view, slot, command.query_no.to_string());
    for policy in &view.policies {
        done = done.telling(EventDraft {
            kind: "production.policy.confirmed",
            subject: policy.confirm_code.clone(),
            data: serde_json::json!({
                "class": policy.class,
                "period": policy.period,
                "premium": policy.premium,
                "queryCode": view.query_code,
            }),
        });
    }
    done
}
