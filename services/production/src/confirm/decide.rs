//! What a confirmation makes of a paid proposal. Pure: no store, no outside.

use jiff::Timestamp;
use kernel::{Fen, Period, time};
use production_core::history::PolicyClass;
use production_core::policy::PolicyFacts;
use production_core::quote::{QuoteError, QuoteStage};
use production_core::rule::Findings;
use production_core::rules::period;
use production_rating::Parameter;
use production_rating::{RatingInput, Tariff};

use crate::confirm::ConfirmQuote;
use crate::error::{self, ProductionError};
use crate::pre_confirm::refused;
use crate::quote::checks;
use crate::quote::{Assumed, VehicleIdentity};
use crate::store::policy::{PolicyRecord, VersionRecord};
use crate::store::proposal::ProposalRecord;
use crate::store::quote::QuoteRecord;

/// The policies a confirmation writes, each with its first version.
#[derive(Debug)]
pub(crate) struct Confirmation {
    /// Compulsory first.
    pub(crate) policies: Vec<(PolicyRecord, VersionRecord)>,
    /// Vehicle tax withheld, of the calendar year of the confirmation.
    pub(crate) tax: Fen,
}

/// Applies the guards and puts the policies together.
pub(crate) fn decide(
    command: &ConfirmQuote,
    proposal: &ProposalRecord,
    quote: &QuoteRecord,
    tariff: &Tariff,
) -> Result<Confirmation, ProductionError> {
    let stage = proposal.stage.clone().confirm(&command.echo, command.now).map_err(refused)?;
    let QuoteStage::Confirmed { amounts, .. } = stage else {
        return Err(refused(QuoteError::Overflow));
    };
    let assumed: Assumed = serde_json::from_str(&proposal.recheck)
        .map_err(|_| ProductionError::Corrupt("proposal"))?;
    let deferred = match &command.rechecked {
        Some(deferred) => deferred.clone(),
        None if assumed.sources.is_empty() => "[]".to_owned(),
        None => return Err(ProductionError::refused(&error::RECHECK, "look outside again")),
    };
    let identity: VehicleIdentity =
        serde_json::from_str(&quote.vehicle).map_err(|_| ProductionError::Corrupt("quote"))?;
    let input: RatingInput =
        serde_json::from_str(&quote.input).map_err(|_| ProductionError::Corrupt("quote"))?;
    let owner_index =
        hex::decode(&identity.owner_index).map_err(|_| ProductionError::Corrupt("quote"))?;
    let products = [
        (
            PolicyClass::Compulsory,
            quote.compulsory,
            &command.policy_numbers.compulsory,
            command.compulsory_no,
        ),
        (
            PolicyClass::Commercial,
            quote.commercial,
            &command.policy_numbers.commercial,
            command.commercial_no,
        ),
    ];
    let mut policies = Vec::with_capacity(2);
    for (class, product, policy_no, confirm_no) in products {
        let (product, policy_no) = match (product, policy_no) {
            (Some(product), Some(policy_no)) => (product, policy_no),
            (None, None) => continue,
            // Amounts were compared before, so a product and its echo stand or fall together.
            _ => return Err(refused(QuoteError::Echo { field: class.name() })),
        };
        in_time(class, product.period, &input, quote, tariff, command.now)?;
        let tax = if class == PolicyClass::Compulsory { amounts.tax } else { Fen::ZERO };
        let facts = PolicyFacts::confirmed(class, product.period, identity.plate.is_some());
        let short_term = match class {
            PolicyClass::Compulsory => {
                input.compulsory.as_ref().is_some_and(|part| part.short_term.is_some())
            }
            PolicyClass::Commercial => crate::quote::read::a_year_after(product.period.from())
                .is_some_and(|whole| product.period.to() < whole),
        };
        let record = PolicyRecord {
            confirm_no,
            tenant: quote.tenant,
            insurer: quote.insurer,
            region: quote.region,
            policy_no: policy_no.clone(),
            query_no: quote.query_no,
            frame: quote.frame.clone(),
            plate: identity.plate.clone(),
            engine_no: identity.engine_no.clone(),
            owner_index: owner_index.clone(),
            quoted_at: quote.quoted_at,
            issued_at: command.now,
            short_term,
            premium: product.premium,
            tax,
            facts: facts.clone(),
            deferred_checks: deferred.clone(),
            tax_declaration_no: (tax > Fen::ZERO).then(|| confirm_no.to_string()),
        };
        let version = VersionRecord {
            confirm_no,
            tenant: quote.tenant,
            amend_no: None,
            effective_at: product.period.from(),
            recorded_at: command.now,
            facts,
            premium: product.premium,
            tax,
            vehicle: quote.vehicle.clone(),
            input: quote.input.clone(),
            tariff_version: quote.tariff_version.clone(),
            parties_sealed: quote.parties_sealed.clone(),
        };
        policies.push((record, version));
    }
    Ok(Confirmation { policies, tax: amounts.tax })
}

/// L32: confirmed before cover starts, by the hour, unless the tariff allows back-dating.
fn in_time(
    class: PolicyClass,
    period: Period,
    input: &RatingInput,
    quote: &QuoteRecord,
    tariff: &Tariff,
    now: Timestamp,
) -> Result<(), ProductionError> {
    let back = match class {
        PolicyClass::Compulsory => Parameter::CompulsoryRetroactiveDays,
        PolicyClass::Commercial => Parameter::CommercialRetroactiveDays,
    };
    let window = checks::window(tariff, quote.region, input.vehicle.is_new_energy(), back, now);
    // Cover asked for from the running hour on stays good on that day (即时生效).
    if time::day_of(now) <= time::day_of(period.from()) {
        return Ok(());
    }
    let mut found = Findings::new();
    period::confirm(Timestamp::MAX, period.from(), window, now, "/", &mut found);
    match found.split().0.first() {
        None => Ok(()),
        Some(finding) => Err(ProductionError::breaks(
            finding.rule,
            &error::QUOTE_EXPIRED,
            finding.message.clone(),
        )),
    }
}
