//! One quote from message to answer.

use base_http::{Call, Done, Notice, Problem, Reply};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp, ToSpan};
use kernel::{Fen, time};
use production_core::history::{PolicyClass, VehicleHistory};
use production_core::insurer::InsurerCode;
use production_core::number::NumberKind;
use production_core::region::Region;
use production_core::rule::Findings;
use production_rating::Parameter;
use production_rating::{Rating, RatingInput, RatingRefusal, Tariff, rate};
use rust_decimal::prelude::ToPrimitive;

use crate::Production;
use crate::error::ProductionError;
use crate::lookup::shown_record;
use crate::numbering::NumberFor;
use crate::outside::{Ask, Consulted, Snapshots};
use crate::quote::Assumed;
use crate::quote::answer::{self, Code, QuoteView};
use crate::quote::checks::{self, Duplicate};
use crate::quote::claims;
use crate::quote::read::{self, QuoteRequest};
use crate::quote::record::RecordQuote;
use crate::quote::wire::QuoteBody;
use crate::sealed;
use crate::store::known::{FreshAnswers, KeptAnswers, Known};
use crate::store::quote::{QuoteRecord, QuotedProduct};

/// Years of violations the police are asked for: the longest look-back of the float.
const VIOLATION_YEARS: i64 = 3;

/// A rating input as JSON is rarely longer.
const INPUT_BYTES: usize = 3 << 10;

impl Production {
    /// Answers a quote message.
    pub async fn quote(
        &self,
        call: Call,
        body: &QuoteBody,
        unknown: Vec<String>,
    ) -> Result<Reply, Problem> {
        let insurer = self.insurer_of(&call)?;
        let branch = Region::parse(&call.caller.region).ok();
        let now = call.received_at;
        let (mut request, mut found) = asked(body, branch)?;
        let index = self.sealer.owner_index(request.parties.owner_mark(), now).await?;
        request.identity.owner_index = answer::hex_index(&index);
        let tariff = self.book.active()?;
        checks::periods(&request, &tariff, now, &mut found);
        let known = self.history.of(&request.frame).await?;
        if let Some(duplicate) = self.duplicate(&request, &known, insurer) {
            return Err(self.spine.refuse(&call, duplicate.into()).await);
        }
        let ask = ask(&request, now);
        let consulted = self.outside.consult(&ask, self.opened(&known.kept).await).await;
        let starts_on = time::day_of(starts_at(&request));
        checks::against_record(&request, &known, &consulted, starts_on, &mut found);
        if found.rejects() {
            return Err(Problem::invalid(read::errors(found.split().0)));
        }
        let input = rating_input(&request, &known, &consulted, now);
        let rating = rate(&tariff, &input)
            .map_err(|refusals| Problem::invalid(refusals.iter().map(refused).collect()))?;
        let query_no = {
            let of = NumberFor { insurer, region: request.region, slot: request.frame.slot() };
            self.numbering.next(NumberKind::Query, of, now).await?
        };
        let expires_at = expiry(&request, &tariff, now);
        let challenge = self.challenges.open_for(&call, request.region, query_no, now)?;
        let code = Code { query_no, quoted_at: now, expires_at };
        let mut view = self.view(&request, &known, &consulted, insurer, code, &rating);
        view.claims = claims::judged(&input, &rating);
        view.notices.extend(read::notices(found.split().1));
        view.notices.extend(checks::unknown(&unknown));
        let stored = challenge.as_ref().map(|challenge| challenge.stored.to_string());
        let (body, rating_digest) = match challenge {
            None => answer::write(&view, &rating)?,
            Some(challenge) => {
                // Until a person has answered, nothing of other insurers is shown.
                view.payable = None;
                view.duplicates.clear();
                view.claims.clear();
                view.previous_policies.clear();
                view.registered = None;
                view.challenge = Some(challenge.shown);
                (json(&view)?.into_bytes(), answer::rating_digest(&rating)?)
            }
        };
        let record = QuoteRecord {
            query_no,
            tenant: call.caller.tenant,
            client: call.caller.client.to_string(),
            insurer,
            region: request.region,
            frame: request.frame.clone(),
            quoted_at: now,
            expires_at,
            compulsory: request.compulsory.as_ref().zip(rating.compulsory.as_ref()).map(
                |(asked, rated)| QuotedProduct { period: asked.period, premium: rated.premium },
            ),
            commercial: request.commercial.as_ref().zip(rating.commercial.as_ref()).map(
                |(asked, rated)| QuotedProduct { period: asked.period, premium: rated.premium },
            ),
            tax: rating.tax.as_ref().map(|tax| tax.total),
            tariff_version: tariff.version().to_owned(),
            rating_digest,
            input: json_with_room(&input, INPUT_BYTES)?,
            vehicle: json(&request.identity)?,
            parties_sealed: self
                .sealer
                .seal(call.caller.tenant, sealed::PARTIES, &request.parties)
                .await?,
            outside: json(&Assumed {
                sources: consulted.assumed(),
                violations_since: ask.violations_since,
                tax_year: ask.tax_year,
            })?,
            challenge: stored,
        };
        let fresh = self.fresh(&consulted).await?.map(|fresh| (request.frame.clone(), fresh));
        let slot = request.frame.slot().0;
        let done = Done::written(StatusCode::CREATED, body, slot, query_no.to_string())
            .about_vehicle(request.frame.digest())
            .telling(base_http::EventDraft {
                kind: "production.quote.made",
                subject: query_no.to_string(),
                data: serde_json::json!({ "insurer": insurer, "region": request.region.code() }),
            });
        self.quotes.run(call, RecordQuote { record, fresh, done }).await
    }

    /// The insurer a call speaks for; others cannot quote.
    pub(crate) fn insurer_of(&self, call: &Call) -> Result<InsurerCode, Problem> {
        let code = call.caller.insurer.as_deref().and_then(|code| InsurerCode::parse(code).ok());
        code.ok_or_else(|| {
            let detail = "only an insurer's client may call this";
            Problem::new(&base_http::problem::FORBIDDEN, detail)
        })
    }

    fn duplicate(
        &self,
        request: &QuoteRequest,
        known: &Known,
        insurer: InsurerCode,
    ) -> Option<ProductionError> {
        let period = request.compulsory.as_ref()?.period;
        let policy = *checks::overlapping(known, PolicyClass::Compulsory, period).first()?;
        let details = serde_json::to_value(Duplicate::of(policy, &request.frame, insurer)).ok()?;
        let record = shown_record(&request.frame, policy.prior.confirm_no);
        Some(ProductionError::duplicate(record, details))
    }

    /// Kept outside answers, opened. One that cannot be read is as good as none.
    pub(crate) async fn opened(&self, kept: &KeptAnswers) -> Snapshots {
        let police = match &kept.police {
            Some((sealed, _)) => self.sealer.open_own(sealed).await.ok(),
            None => None,
        };
        let tax = match &kept.tax {
            Some((sealed, _)) => self.sealer.open_own(sealed).await.ok(),
            None => None,
        };
        let model = kept.model.as_ref().and_then(|(text, _)| serde_json::from_str(text).ok());
        Snapshots { police, model, tax }
    }

    /// What was answered just now, sealed for keeping; `None` when every answer was kept already.
    pub(crate) async fn fresh(
        &self,
        consulted: &Consulted,
    ) -> Result<Option<FreshAnswers>, ProductionError> {
        let keep = consulted.to_keep();
        if keep == Snapshots::default() {
            return Ok(None);
        }
        let police = match &keep.police {
            Some(snapshot) => Some(self.sealer.seal_own(snapshot).await?),
            None => None,
        };
        let tax = match &keep.tax {
            Some(snapshot) => Some(self.sealer.seal_own(snapshot).await?),
            None => None,
        };
        let model = keep.model.as_ref().map(json).transpose()?;
        Ok(Some(FreshAnswers { police, model, tax }))
    }

    fn view(
        &self,
        request: &QuoteRequest,
        known: &Known,
        consulted: &Consulted,
        insurer: InsurerCode,
        code: Code,
        rating: &Rating,
    ) -> QuoteView {
        let duplicates: Vec<Duplicate> = request
            .commercial
            .iter()
            .flat_map(|part| checks::overlapping(known, PolicyClass::Commercial, part.period))
            .map(|policy| Duplicate::of(policy, &request.frame, insurer))
            .collect();
        let mut notices: Vec<Notice> = consulted.notices.clone();
        notices.extend(answer::rating_notices(rating));
        notices.extend(duplicates.iter().map(|one| answer::duplicate_notice(one, &request.frame)));
        QuoteView {
            query_code: code.query_no,
            quoted_at: code.quoted_at,
            expires_at: code.expires_at,
            payable: answer::payable(rating),
            reinsure_flag: answer::reinsure_flag(&duplicates),
            duplicates,
            claims: Vec::new(),
            previous_policies: answer::previous(known),
            changes_insurer: answer::changes_insurer(known, insurer),
            registered: answer::registered(consulted),
            assumed: consulted.assumed().iter().map(|source| source.name()).collect(),
            notices,
            challenge: None,
            rating: None,
        }
    }
}

fn ask(request: &QuoteRequest, now: Timestamp) -> Ask {
    let today = time::day_of(now);
    Ask {
        frame: request.frame.clone(),
        plate: request.identity.plate.clone(),
        violations_since: Some(today.saturating_sub(VIOLATION_YEARS.years())),
        model_code: request.facts.model_code.clone(),
        tax_year: request.compulsory.as_ref().map(|_| today.year()),
    }
}

/// What the rating depends on, completed from the model library and the tax office.
fn rating_input(
    request: &QuoteRequest,
    known: &Known,
    consulted: &Consulted,
    now: Timestamp,
) -> RatingInput {
    let vehicle = match consulted.model() {
        Some(model) => model.complete(&request.facts),
        None => request.facts.clone(),
    };
    let tax = request.compulsory.as_ref().map(|_| match consulted.tax_evidence() {
        Some(evidence) => evidence.complete(&request.tax),
        None => request.tax.clone(),
    });
    let commercial = request.commercial.clone().map(|mut commercial| {
        let model_pure_risk = consulted.model().and_then(|model| model.hull_pure_risk);
        commercial.model_pure_risk = model_pure_risk;
        commercial
    });
    let registered = consulted.registered();
    // The register's word on a transfer counts even when the message is silent.
    let transferred_on = [
        request.transferred_on.filter(|_| request.transferred),
        registered.and_then(|vehicle| vehicle.transferred_on),
    ]
    .into_iter()
    .flatten()
    .max();
    RatingInput {
        region: request.region,
        vehicle,
        quoted_at: now,
        issued_on: time::day_of(now),
        transferred_on,
        compulsory: request.compulsory.clone(),
        commercial,
        tax,
        history: VehicleHistory {
            policies: known
                .policies
                .iter()
                .filter(|policy| !policy.revoked)
                .map(|policy| policy.prior.clone())
                .collect(),
            claims: known.claims.clone(),
            violations: registered.map(|vehicle| vehicle.violations.clone()),
        },
        declared: request.declared.clone(),
    }
}

/// A query code is good for the days of the tariff, and never past the start of cover's day.
fn expiry(request: &QuoteRequest, tariff: &Tariff, now: Timestamp) -> Timestamp {
    let days = tariff
        .parameter(
            Parameter::QueryCodeValidDays,
            request.region,
            request.facts.is_new_energy(),
            time::day_of(now),
        )
        .and_then(|row| row.value.or(row.max))
        .and_then(|value| value.to_i64())
        .unwrap_or(7);
    now.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX)
}

/// The first instant of cover asked for.
fn starts_at(request: &QuoteRequest) -> Timestamp {
    let compulsory = request.compulsory.as_ref().map(|part| part.period.from());
    let commercial = request.commercial.as_ref().map(|part| part.period.from());
    compulsory.into_iter().chain(commercial).min().unwrap_or(Timestamp::MIN)
}

fn refused(refusal: &RatingRefusal) -> base_http::FieldError {
    base_http::FieldError {
        pointer: in_message(&refusal.pointer).to_owned(),
        rule: Some(refusal.rule.into()),
        detail: refusal.text.clone(),
    }
}

/// What a message asks for, with what there is to say about it; refused when that is against it.
fn asked(body: &QuoteBody, branch: Option<Region>) -> Result<(QuoteRequest, Findings), Problem> {
    let mut found = Findings::new();
    let request = read::message(body, branch, &mut found);
    if let Some(request) = &request {
        checks::own_region(request.region, branch, &mut found);
    }
    match request {
        Some(request) if !found.rejects() => Ok((request, found)),
        _ => Err(Problem::invalid(read::errors(found.split().0))),
    }
}

/// Where the message says what a pointer into the rating input names.
fn in_message(pointer: &str) -> &str {
    match pointer {
        "/commercial/autonomous" => "/commercial/autonomousCoefficient",
        "/commercial/period" => "/commercial/end",
        "/compulsory/period" => "/compulsory/end",
        "/tax/derate" | "/tax/derate/code" => "/tax/derateCode",
        "/tax/paid" => "/tax/receiptNo",
        "/tax/paid/year" => "/tax/receiptYear",
        same => same,
    }
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, ProductionError> {
    json_with_room(value, 256)
}

fn json_with_room(value: &impl serde::Serialize, room: usize) -> Result<String, ProductionError> {
    base_http::json::text(value, room).map_err(|_| ProductionError::Corrupt("value"))
}

/// What is frozen by a pre-confirmation: nothing a quote left open is zero by accident.
pub(crate) fn quoted_tax(record: &QuoteRecord) -> Fen {
    record.tax.unwrap_or(Fen::ZERO)
}
