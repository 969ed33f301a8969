//! 批改查询: prices an endorsement and opens it.

use base_http::{Call, Problem, Reply};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use kernel::{Fen, time};
use pg::{Command, Scope, Tx};
use production_core::endorsement::{self, Difference, EndorsementError, Kind, Stage, Terms};
use production_core::number::{NumberKind, PlatformNumber};
use production_core::rule::{Findings, RuleId};
use production_rating::{Parameter, Tariff};
use rust_decimal::prelude::ToPrimitive;

use crate::Production;
use crate::endorsement::confirm::{carry_out, runs_free};
use crate::endorsement::plan::{Priced, Standing, evolve, price};
use crate::endorsement::read::{self as message, Asked};
use crate::endorsement::view::EndorsementView;
use crate::endorsement::wire::EndorsementBody;
use crate::endorsement::{HOLD, refused};
use crate::error::{self, ProductionError};
use crate::numbering::NumberFor;
use crate::pre_confirm::number;
use crate::quote::answer::{hex_index, rating_notices};
use crate::quote::flow::json;
use crate::quote::{checks, read};
use crate::sealed;
use crate::store::endorsement::{self as store, Change, EndorsementRecord};
use crate::store::policy::{self, PolicyRecord};

impl Production {
    /// Prices an endorsement and opens it; a direct one is confirmed at once.
    pub async fn query_endorsement(
        &self,
        call: Call,
        confirm_code: &str,
        body: EndorsementBody,
        unknown: Vec<String>,
    ) -> Result<Reply, Problem> {
        let now = call.received_at;
        let confirm_no = number(self, &call, confirm_code, NumberKind::Confirm)?;
        let standing = self.standing(&call, confirm_no).await?;
        let mut found = Findings::new();
        let asked = message::message(&body, &standing, now, &mut found);
        let Some(mut asked) = asked.filter(|_| !found.rejects()) else {
            return Err(Problem::invalid(read::errors(found.split().0)));
        };
        if let Some(parties) = &asked.parties {
            let index = self.sealer.owner_index(parties.owner_mark(), now).await?;
            asked.identity.owner_index = hex_index(&index);
        }
        let tariff = self.book.of_version(&standing.version.tariff_version).await?;
        let priced = price(&standing, &asked, &tariff, now)?;
        let direct = body.direct.unwrap_or(false);
        if direct {
            may_be_direct(&priced)?;
        }
        let record = self.record(&standing, &asked, &priced, &tariff, now).await?;
        let at_once = match direct {
            true => Some(self.amend_number(&standing, NumberKind::AmendConfirm, now).await?),
            false => None,
        };
        let mut notices = read::notices(found.split().1);
        notices.extend(checks::unknown(&unknown));
        notices.extend(priced.rating.iter().flat_map(rating_notices));
        let command = QueryEndorsement { record, at_once, now };
        let event = match direct {
            true => "production.endorsement.confirmed",
            false => "production.endorsement.queried",
        };
        self.spine
            .run(call, &command, |(record, policy)| {
                let mut view = EndorsementView::of(&record, &record.stage, now);
                if direct {
                    view = view.with(&policy, now);
                }
                view.rating = priced.rating.clone();
                view.notices = notices.clone();
                view.done(StatusCode::CREATED, confirm_no.slot().0, event)
            })
            .await
    }

    /// An own policy as it stands, with its latest version opened.
    pub(crate) async fn standing(
        &self,
        call: &Call,
        confirm_no: PlatformNumber,
    ) -> Result<Standing, ProductionError> {
        let mut tx = self.spine.db().begin(Scope::of(call.caller.tenant)).await?;
        let policy = policy::find(&mut tx, confirm_no).await?;
        let versions = policy::versions(&mut tx, confirm_no, None).await?;
        let rated = store::rated_premium(&mut tx, confirm_no).await?;
        tx.rollback().await?;
        let corrupt = || ProductionError::Corrupt("policy version");
        let first = versions.first().map_or(Fen::ZERO, |version| version.premium);
        let version = versions.into_iter().next_back().ok_or_else(corrupt)?;
        let sealed = &version.parties_sealed;
        Ok(Standing {
            identity: serde_json::from_str(&version.vehicle).map_err(|_| corrupt())?,
            input: serde_json::from_str(&version.input).map_err(|_| corrupt())?,
            parties: self.sealer.open(policy.tenant, sealed::PARTIES, sealed).await?,
            rated_premium: rated.unwrap_or(first),
            policy,
            version,
        })
    }

    /// A priced endorsement as it is stored: queried, good for the days of the tariff.
    pub(crate) async fn record(
        &self,
        standing: &Standing,
        asked: &Asked,
        priced: &Priced,
        tariff: &Tariff,
        now: Timestamp,
    ) -> Result<EndorsementRecord, ProductionError> {
        let policy = &standing.policy;
        let parties_sealed = match &asked.parties {
            Some(parties) => self.sealer.seal(policy.tenant, sealed::PARTIES, parties).await?,
            None => standing.version.parties_sealed.clone(),
        };
        let until = expiry(standing, tariff, now);
        Ok(EndorsementRecord {
            amend_no: self.amend_number(standing, NumberKind::AmendQuery, now).await?,
            tenant: policy.tenant,
            confirm_no: policy.confirm_no,
            terms: priced.terms,
            stage: Stage::queried(priced.terms, until),
            reason: asked.reason.clone(),
            ending: asked.ending,
            after: priced.after,
            formula: priced.formula.clone(),
            change: Change {
                vehicle: json(&asked.identity)?,
                input: json(&asked.input)?,
                tariff_version: standing.version.tariff_version.clone(),
                parties_sealed,
            },
            queried_at: now,
            query_expires_at: until,
            pre_confirmed_at: None,
            money: None,
            amend_confirm_no: None,
            endorsement_no: None,
        })
    }

    pub(crate) async fn amend_number(
        &self,
        standing: &Standing,
        kind: NumberKind,
        now: Timestamp,
    ) -> Result<PlatformNumber, ProductionError> {
        let policy = &standing.policy;
        let slot = policy.confirm_no.slot();
        let of = NumberFor { insurer: policy.insurer, region: policy.region, slot };
        self.numbering.next(kind, of, now).await
    }
}

/// 直接批改 is for what costs and returns nothing.
fn may_be_direct(priced: &Priced) -> Result<(), ProductionError> {
    let Terms { kind, difference, .. } = priced.terms;
    if kind.bears_premium() || difference != Difference::default() {
        let detail = format!(
            "{} ({}) may bear premium or tax; query it, then pre-confirm and confirm",
            kind.name_en(),
            kind.code()
        );
        return Err(ProductionError::refused(&error::NOT_DIRECT, detail));
    }
    Ok(())
}

fn expiry(standing: &Standing, tariff: &Tariff, now: Timestamp) -> Timestamp {
    let new_energy = standing.input.vehicle.is_new_energy();
    let days = tariff
        .parameter(
            Parameter::QueryCodeValidDays,
            standing.policy.region,
            new_energy,
            time::day_of(now),
        )
        .and_then(|row| row.value.or(row.max))
        .and_then(|value| value.to_i64())
        .unwrap_or(7);
    now.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX)
}

/// Opens a priced endorsement on a policy that still stands as it was priced.
pub(crate) struct QueryEndorsement {
    pub(crate) record: EndorsementRecord,
    /// Amend confirm code, when it is confirmed in the same step.
    pub(crate) at_once: Option<PlatformNumber>,
    pub(crate) now: Timestamp,
}

impl Command for QueryEndorsement {
    const NAME: &'static str = "endorsement.query";
    type Out = (EndorsementRecord, PolicyRecord);
    type Error = ProductionError;

    async fn apply(
        &self,
        tx: &mut Tx,
    ) -> Result<(EndorsementRecord, PolicyRecord), ProductionError> {
        let policy = policy::lock(tx, self.record.confirm_no).await?;
        if let Some(mut open) = store::lock_open(tx, policy.confirm_no).await? {
            let amend_no = open.amend_no;
            open.stage = open.stage.at(self.now);
            if open.stage.is_open(self.now) {
                return Err(ProductionError::breaks(
                    RuleId::S12,
                    &error::ENDORSEMENT_OPEN,
                    format!("{}: {amend_no}", EndorsementError::AnotherOpen),
                ));
            }
            store::save(tx, &open).await?;
        }
        let terms = self.record.terms;
        let numbered = Some(terms.endorse_times);
        endorsement::may_open(
            &policy.facts,
            false,
            terms.kind,
            terms.effective,
            numbered,
            self.now,
        )
        .map_err(refused)?;
        if terms.kind == Kind::Resume {
            let facts = evolve(&policy.facts, terms.kind, terms.effective, None, self.now)
                .map_err(|error| refused(error.into()))?;
            runs_free(tx, &policy, &facts).await?;
        }
        store::insert(tx, &self.record).await?;
        let Some(amend_confirm_no) = self.at_once else {
            return Ok((self.record.clone(), policy));
        };
        let frozen = self.record.stage.clone().pre_confirm(HOLD, self.now).map_err(refused)?;
        let confirmed = frozen.confirm(terms.difference, self.now).map_err(refused)?;
        let mut record = self.record.clone();
        record.pre_confirmed_at = Some(self.now);
        record.amend_confirm_no = Some(amend_confirm_no);
        record.stage = confirmed;
        carry_out(tx, policy, record, self.now).await
    }
}
