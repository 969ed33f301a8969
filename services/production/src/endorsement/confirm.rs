//! 批改确认: an endorsement becomes part of its policy.

use base_http::{Call, Naming, Notice, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::Fen;
use pg::{Command, Tx};
use production_core::endorsement::{self, Difference, EndorsementError, Kind, Stage};
use production_core::history::PolicyClass;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::policy::{Ending, PolicyFacts};
use production_core::rule::{Findings, RuleId};
use production_core::rules::format::{self, Sign};

use crate::Production;
use crate::endorsement::plan::evolve;
use crate::endorsement::refused;
use crate::endorsement::view::EndorsementView;
use crate::endorsement::wire::EndorsementConfirmBody;
use crate::error::{self, ProductionError};
use crate::lookup::shown_record;
use crate::numbering::NumberFor;
use crate::pre_confirm::number;
use crate::quote::{VehicleIdentity, checks, read};
use crate::store::endorsement::{self as store, EndorsementRecord};
use crate::store::known;
use crate::store::policy::{self, PolicyRecord, VersionRecord};
use crate::store::tax::{self, PendingDeclaration};

impl Production {
    /// Confirms a frozen endorsement whose money, if any is owed, is registered.
    pub async fn confirm_endorsement(
        &self,
        call: Call,
        amend_code: &str,
        body: EndorsementConfirmBody,
    ) -> Result<Reply, Problem> {
        let amend_no = number(self, &call, amend_code, NumberKind::AmendQuery)?;
        let (echo, endorsement_no) = read_echo(&body)?;
        let now = call.received_at;
        let of = NumberFor {
            insurer: amend_no.insurer(),
            region: amend_no.area(),
            slot: amend_no.slot(),
        };
        let amend_confirm_no = self.numbering.next(NumberKind::AmendConfirm, of, now).await?;
        let command = ConfirmEndorsement { amend_no, amend_confirm_no, echo, endorsement_no, now };
        let notices: Vec<Notice> = checks::unknown(&call.unknown).collect();
        self.spine
            .run(call, &command, |(record, policy)| {
                let mut view = EndorsementView::of(&record, &record.stage, now).with(&policy, now);
                view.notices = notices.clone();
                let event = "production.endorsement.confirmed";
                view.done(StatusCode::CREATED, amend_no.slot().0, event)
            })
            .await
    }
}

fn read_echo(body: &EndorsementConfirmBody) -> Result<(Difference, Option<String>), Problem> {
    let mut found = Findings::new();
    let premium = match body.premium_difference.as_deref() {
        Some(raw) => format::money(raw, Sign::Signed, "/premiumDifference", &mut found),
        None => read::missing("/premiumDifference", &mut found),
    };
    let tax = match body.tax_difference.as_deref() {
        Some(raw) => format::money(raw, Sign::Signed, "/taxDifference", &mut found),
        None => Some(kernel::Fen::ZERO),
    };
    let endorsement_no = body.endorsement_no.clone().filter(|text| !text.trim().is_empty());
    if let Some(number) = &endorsement_no {
        format::text(number, "/endorsementNo", &mut found);
        if number.chars().count() > 50 {
            let text = "an endorsement number has at most 50 characters";
            found.add(RuleId::S02, "/endorsementNo", text);
        }
    }
    match (premium, tax) {
        (Some(premium), Some(tax)) if !found.rejects() => {
            Ok((Difference { premium, tax }, endorsement_no))
        }
        _ => Err(Problem::invalid(read::errors(found.split().0))),
    }
}

struct ConfirmEndorsement {
    amend_no: PlatformNumber,
    amend_confirm_no: PlatformNumber,
    echo: Difference,
    endorsement_no: Option<String>,
    now: Timestamp,
}

impl Command for ConfirmEndorsement {
    const NAME: &'static str = "endorsement.confirm";
    type Out = (EndorsementRecord, PolicyRecord);
    type Error = ProductionError;

    async fn apply(
        &self,
        tx: &mut Tx,
    ) -> Result<(EndorsementRecord, PolicyRecord), ProductionError> {
        // The policy first, as a query does, so that the two never wait for each other.
        let confirm_no = store::find(tx, self.amend_no).await?.confirm_no;
        let policy = policy::lock(tx, confirm_no).await?;
        let mut record = store::lock(tx, self.amend_no).await?;
        let stage = record.stage.clone().confirm(self.echo, self.now).map_err(refused)?;
        record.stage = stage;
        record.amend_confirm_no = Some(self.amend_confirm_no);
        record.endorsement_no = self.endorsement_no.clone();
        carry_out(tx, policy, record, self.now).await
    }
}

/// Writes a confirmed endorsement, the policy as it stands now, and the version that says how it
/// came so. `policy` is held by this transaction.
pub(crate) async fn carry_out(
    tx: &mut Tx,
    policy: PolicyRecord,
    mut record: EndorsementRecord,
    now: Timestamp,
) -> Result<(EndorsementRecord, PolicyRecord), ProductionError> {
    let Stage::Confirmed { terms, .. } = record.stage else {
        return Err(ProductionError::Corrupt("endorsement"));
    };
    record.terms = terms;
    let numbered = Some(terms.endorse_times);
    endorsement::may_open(&policy.facts, false, terms.kind, terms.effective, numbered, now)
        .map_err(refused)?;
    let facts = evolve(&policy.facts, terms.kind, terms.effective, record.ending, now)
        .map_err(|error| refused(EndorsementError::Policy(error)))?;
    let corrupt = || ProductionError::Corrupt("endorsement");
    let identity: VehicleIdentity =
        serde_json::from_str(&record.change.vehicle).map_err(|_| corrupt())?;
    let facts = PolicyFacts { plated: identity.plate.is_some(), ..facts };
    if terms.kind == Kind::Resume {
        runs_free(tx, &policy, &facts).await?;
    }
    let declared = declare_anew(tx, &policy, &record, now).await?;
    let policy = PolicyRecord {
        tax_declaration_no: declared,
        plate: identity.plate,
        engine_no: identity.engine_no,
        owner_index: hex::decode(&identity.owner_index).map_err(|_| corrupt())?,
        premium: record.after.premium,
        tax: record.after.tax,
        facts,
        ..policy
    };
    let version = VersionRecord {
        confirm_no: policy.confirm_no,
        tenant: policy.tenant,
        amend_no: record.amend_confirm_no,
        effective_at: terms.effective,
        recorded_at: now,
        facts: policy.facts.clone(),
        premium: policy.premium,
        tax: policy.tax,
        vehicle: record.change.vehicle.clone(),
        input: record.change.input.clone(),
        tariff_version: record.change.tariff_version.clone(),
        parties_sealed: record.change.parties_sealed.clone(),
    };
    policy::update(tx, &policy).await.map_err(|error| raced(error, terms.kind, &policy))?;
    policy::insert_versions(tx, &[&version]).await?;
    store::save(tx, &record).await?;
    Ok((record, policy))
}

/// Tells the tax office of tax that changed: the declaration as it stands is taken back, and what
/// is left of the tax is declared under the amend confirm code. Answers the number in use.
async fn declare_anew(
    tx: &mut Tx,
    policy: &PolicyRecord,
    record: &EndorsementRecord,
    now: Timestamp,
) -> Result<Option<String>, ProductionError> {
    if record.after.tax == policy.tax {
        return Ok(policy.tax_declaration_no.clone());
    }
    if let Some(number) = &policy.tax_declaration_no {
        let number = PlatformNumber::parse(number);
        let number = number.map_err(|_| ProductionError::Corrupt("policy"))?;
        tax::withdraw(tx, number, now).await?;
    }
    if record.after.tax <= Fen::ZERO {
        return Ok(None);
    }
    let declaration_no = record.amend_confirm_no.ok_or(ProductionError::Corrupt("endorsement"))?;
    let declaration = PendingDeclaration {
        declaration_no,
        confirm_no: policy.confirm_no,
        tenant: policy.tenant,
        total: record.after.tax,
    };
    tax::insert(tx, &[declaration], now).await?;
    Ok(Some(declaration_no.to_string()))
}

/// L34 against L03: the end pushed back must not reach into compulsory cover sold in the meantime.
pub(crate) async fn runs_free(
    tx: &mut Tx,
    policy: &PolicyRecord,
    facts: &PolicyFacts,
) -> Result<(), ProductionError> {
    if facts.class != PolicyClass::Compulsory {
        return Ok(());
    }
    let known = known::read_policies(tx.conn(), &[&policy.frame]).await?;
    let renewal = known
        .iter()
        .flat_map(|known| checks::overlapping(known, facts.class, facts.period))
        .find(|other| other.prior.confirm_no != policy.confirm_no);
    match renewal {
        None => Ok(()),
        Some(renewal) => {
            let (other, from) = (renewal.prior.confirm_no, renewal.prior.period.from());
            Err(ProductionError::Names {
                code: &error::RESUME_BLOCKED,
                rule: Some(RuleId::L34),
                detail: into(policy, facts, "another policy"),
                naming: Box::new(Naming {
                    records: vec![shown_record(&policy.frame, other)],
                    detail: into(
                        policy,
                        facts,
                        &format!("{other} of {}, from {from}", other.insurer()),
                    ),
                    more: None,
                }),
            })
        }
    }
}

/// A constraint that stopped a resumption says what a look before would have said.
fn raced(error: ProductionError, kind: Kind, policy: &PolicyRecord) -> ProductionError {
    match error {
        ProductionError::Refused { code, .. }
            if kind == Kind::Resume && code == &error::DUPLICATE_COVER =>
        {
            let detail = into(policy, &policy.facts, "a policy confirmed this moment");
            ProductionError::breaks(RuleId::L34, &error::RESUME_BLOCKED, detail)
        }
        other => other,
    }
}

/// The end of a policy pushed back runs into `by`.
fn into(policy: &PolicyRecord, facts: &PolicyFacts, by: &str) -> String {
    format!(
        "the days off the road would push the end of {} back to {}, into {by}; have \
         that policy revoked and begin at the new end, or surrender this one (reason 02) and have \
         the days left refunded",
        policy.confirm_no,
        facts.period.to()
    )
}

/// How the ending of a policy is told.
pub(crate) fn ending_event(policy: &PolicyRecord) -> &'static str {
    match policy.facts.ending {
        Some(Ending::Revoked { .. }) => "production.policy.revoked",
        _ => "production.policy.surrendered",
    }
}
