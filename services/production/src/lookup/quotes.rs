//! Own quotes, one and many.

use std::collections::HashMap;

use base_http::paging::{Page, Paged, cut};
use base_http::{Call, Done, Problem, Reply};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use kernel::{Fen, Period};
use pg::Scope;
use production_core::claim::corrected;
use production_core::number::{NumberKind, PlatformNumber};
use production_rating::{Rating, RatingInput};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Production;
use crate::error::ProductionError;
use crate::lookup::ask::{self, View};
use crate::lookup::party::{self, PartyView};
use crate::lookup::replay::Replay;
use crate::lookup::stage::stage_at;
use crate::lookup::{Shown, shown_record};
use crate::pre_confirm::number;
use crate::quote::claims::{self, QuotedClaim};
use crate::quote::{Assumed, Parties, VehicleIdentity};
use crate::sealed;
use crate::store::proposal::{self, ProposalRecord};
use crate::store::quote::{self, QuoteFilter, QuoteRecord, QuotedProduct};
use crate::store::{claim, identity, known, lookup};

/// Days a list reaches back when neither its begin nor a vehicle is named.
const LIST_DAYS: i64 = 7;

/// How one quote is read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QuoteQuery {
    /// Show personal data whole; needs `production.personal_data.read` and an X-Purpose header.
    pub unmask: Option<bool>,
}

/// Which own quotes to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QuoteListQuery {
    /// Of one vehicle, by its frame number.
    pub frame_no: Option<String>,
    /// Asked by one user.
    pub client: Option<String>,
    /// Quoted at or after: an instant or a day. Seven days before the end when neither this nor
    /// `frameNo` is there.
    pub from: Option<String>,
    /// Quoted before.
    pub to: Option<String>,
    /// As known, and standing as it did, at this instant.
    pub as_of: Option<String>,
    /// Rows wanted, 1 to 500; 50 when absent.
    pub limit: Option<u16>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// One product of a stored quote.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotedView {
    /// Period of cover.
    pub period: Period,
    /// Premium of the period.
    pub premium: Fen,
}

impl From<QuotedProduct> for QuotedView {
    fn from(product: QuotedProduct) -> QuotedView {
        QuotedView { period: product.period, premium: product.premium }
    }
}

/// A quote in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuoteLine {
    /// 投保查询码.
    pub query_code: String,
    /// `quoted`, `superseded`, `expired`, `pre_confirmed`, `paid`, `confirmed` or
    /// `pre_confirm_cancelled`.
    pub stage: &'static str,
    /// The user who asked.
    pub client: String,
    /// Region of the policy.
    pub region: String,
    /// The vehicle.
    pub frame_no: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub quoted_at: Timestamp,
    /// First instant at which the query code is no longer good.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Compulsory cover. Amounts are not shown while a challenge is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compulsory: Option<QuotedView>,
    /// Commercial cover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commercial: Option<QuotedView>,
    /// Vehicle tax.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Fen>)]
    pub tax: Option<Fen>,
    /// The image challenge is not answered.
    pub challenge_open: bool,
    /// Stale since: a claim it counted was corrected, or reopened and closed anew. Quote again; it
    /// cannot be pre-confirmed. Told of open quotes alone: what was frozen stays frozen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub stale_since: Option<Timestamp>,
}

/// A stored quote.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredQuote {
    /// What a list shows of it.
    #[serde(flatten)]
    pub line: QuoteLine,
    /// Four-letter insurer code.
    pub insurer: String,
    /// Everything the insured pays.
    #[schema(value_type = Fen)]
    pub payable: Fen,
    /// Plate, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<String>,
    /// 号牌种类.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate_kind: Option<&'static str>,
    /// Engine number.
    pub engine_no: String,
    /// Owner, applicant, insured and drivers.
    pub parties: Vec<PartyView>,
    /// Tariff bundle it was rated with.
    pub tariff_version: String,
    /// Computed again from the stored input and that tariff.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub rating: Option<Rating>,
    /// Claims of the vehicle, of all insurers, that were judged: each with its verdict, to be disputed
    /// where it is wrong (CLAIM_DATA).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<QuotedClaim>,
    /// Whether that is what was answered.
    pub replay: Replay,
    /// Outside systems that did not answer.
    pub assumed: Vec<&'static str>,
    /// Terms of sale agreed with the pre-confirmation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub fee: Option<serde_json::Value>,
    /// Checks of identity passed, with their reference numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub identity: Vec<serde_json::Value>,
}

impl Production {
    /// One own quote.
    pub async fn read_quote(
        &self,
        call: Call,
        query_code: &str,
        asked: QuoteQuery,
    ) -> Result<Reply, Problem> {
        let query_no = number(self, &call, query_code, NumberKind::Query)?;
        let shown = Shown::to(&call, asked.unmask)?;
        let record = self.own_quote(&call, query_no).await?;
        let now = call.received_at;
        let mut tx = self.begin(&call).await?;
        let rows = std::slice::from_ref(&record);
        let standings = standings(&mut tx, rows, now).await?;
        let passed = identity::find(&mut tx, query_no).await?;
        drop(tx);
        let corrupt = |_| ProductionError::Corrupt("quote");
        let vehicle: VehicleIdentity = serde_json::from_str(&record.vehicle).map_err(corrupt)?;
        let assumed: Assumed = serde_json::from_str(&record.outside).map_err(corrupt)?;
        let parties: Parties =
            self.sealer.open(record.tenant, sealed::PARTIES, &record.parties_sealed).await?;
        let replayed = self.replay(&record).await?;
        let fee = standings.proposal(query_no).map(|proposal| serde_json::from_str(&proposal.fee));
        let amounts = [
            record.compulsory.map(|part| part.premium),
            record.commercial.map(|part| part.premium),
            record.tax,
        ];
        let view = StoredQuote {
            line: standings.line(&record, now),
            insurer: record.insurer.as_str().to_owned(),
            payable: Fen::sum(amounts.into_iter().flatten()).unwrap_or_default(),
            plate: vehicle.plate.as_ref().map(|plate| plate.number().to_owned()),
            plate_kind: vehicle.plate.as_ref().map(|plate| plate.kind().code()),
            engine_no: vehicle.engine_no,
            parties: party::views(&parties, shown),
            tariff_version: record.tariff_version.clone(),
            claims: {
                let rating = replayed.rating.iter();
                rating.flat_map(|rating| claims::judged(&replayed.input, rating)).collect()
            },
            rating: replayed.rating,
            replay: replayed.replay,
            assumed: assumed.sources.iter().map(|source| source.name()).collect(),
            fee: fee.transpose().map_err(corrupt)?,
            identity: passed
                .into_iter()
                .map(|check| serde_json::json!({ "check": check.kind, "reference": check.reference }))
                .collect(),
        };
        let slot = query_no.slot().0;
        let rated_on = replayed.input.history.policies.iter();
        let rated_on = rated_on.map(|policy| shown_record(&record.frame, policy.confirm_no));
        let done = Done::json(StatusCode::OK, &view, slot, query_no.to_string()).showing(rated_on);
        self.answer(call, shown, done).await
    }

    /// Own quotes, latest first.
    pub async fn list_quotes(&self, call: Call, asked: QuoteListQuery) -> Result<Reply, Problem> {
        let page = Page { limit: asked.limit, after: asked.after };
        let limit = page.limit()?;
        let view = View::read(asked.as_of.as_deref(), call.received_at)?;
        let frame = asked.frame_no.as_deref().map(|raw| ask::frame("frameNo", raw)).transpose()?;
        let to = ask::instant("to", asked.to.as_deref())?;
        let from = match ask::instant("from", asked.from.as_deref())? {
            None if frame.is_none() => {
                Some(ask::days_before(to.unwrap_or(view.at).min(view.at), LIST_DAYS))
            }
            from => from,
        };
        let filter = QuoteFilter {
            frame: frame.clone(),
            client: asked.client,
            from,
            to,
            as_of: view.as_of,
            after: ask::cursor(page.after.as_deref())?,
        };
        let mut tx = self.begin(&call).await?;
        let mut rows = quote::list(&mut tx, call.caller.tenant, &filter, limit + 1).await?;
        let next = cut(&mut rows, limit, |last| ask::behind(last.quoted_at, last.query_no));
        let standings = standings(&mut tx, &rows, view.at).await?;
        drop(tx);
        let items = rows.iter().map(|row| standings.line(row, view.at)).collect();
        let page = Paged { items, next };
        let slot = frame.as_ref().map_or(0, |frame| frame.slot().0);
        let subject = frame.map_or_else(|| "quotes".to_owned(), |frame| frame.masked());
        self.answer(call, Shown::Masked, Done::json(StatusCode::OK, &page, slot, subject)).await
    }

    /// A transaction over the caller's own rows, for reading.
    pub(crate) async fn begin(&self, call: &Call) -> Result<pg::Tx, ProductionError> {
        Ok(self.spine.db().begin(Scope::of(call.caller.tenant)).await?)
    }
}

/// How long a correction may be under way: noted with the instant it arrived at, it may be committed
/// after a quote of a later instant looked.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(60);

/// What moves quotes, read for a page at once.
pub(crate) struct Standings {
    proposals: HashMap<PlatformNumber, ProposalRecord>,
    superseded: HashMap<PlatformNumber, Timestamp>,
    answered: std::collections::HashSet<PlatformNumber>,
    stale: HashMap<PlatformNumber, Timestamp>,
}

/// What moves `rows`, as of `at`.
pub(crate) async fn standings(
    tx: &mut pg::Tx,
    rows: &[QuoteRecord],
    at: Timestamp,
) -> Result<Standings, ProductionError> {
    let numbers: Vec<PlatformNumber> = rows.iter().map(|row| row.query_no).collect();
    let proposals = proposal::find(tx, &numbers).await?;
    let since = |row: &QuoteRecord| row.quoted_at.checked_sub(ON_ITS_WAY).unwrap_or(row.quoted_at);
    let seen: Vec<_> = rows.iter().map(|row| (&row.frame, since(row))).collect();
    let mut stale = HashMap::new();
    for (row, at) in rows.iter().zip(claim::corrected_since(tx, &seen).await?) {
        match at {
            Some(at) if row.quoted_at < at => {
                stale.insert(row.query_no, at);
            }
            // The quote looked at about the instant of the correction: what it saw decides, as it
            // does at the pre-confirmation.
            Some(_) if saw_otherwise(tx, row).await? => {
                stale.insert(row.query_no, row.quoted_at);
            }
            _ => {}
        }
    }
    Ok(Standings {
        stale,
        proposals: proposals.into_iter().map(|row| (row.query_no, row)).collect(),
        superseded: lookup::superseded_at(tx, rows, at).await?,
        answered: lookup::answered(tx, numbers).await?,
    })
}

/// Whether a claim the quote counted is something else by what is known now.
async fn saw_otherwise(tx: &mut pg::Tx, row: &QuoteRecord) -> Result<bool, ProductionError> {
    let input: RatingInput =
        serde_json::from_str(&row.input).map_err(|_| ProductionError::Corrupt("quote"))?;
    let known = known::claims(tx.conn(), &row.frame).await?;
    Ok(corrected(&input.history.claims, &known).is_some())
}

impl Standings {
    fn proposal(&self, query_no: PlatformNumber) -> Option<&ProposalRecord> {
        self.proposals.get(&query_no)
    }

    /// The quote as a list shows it.
    pub(crate) fn line(&self, row: &QuoteRecord, at: Timestamp) -> QuoteLine {
        let superseded = self.superseded.get(&row.query_no).copied();
        let challenge_open = row.challenge.is_some() && !self.answered.contains(&row.query_no);
        // Premiums carry the no-claim discount, which other insurers' records made.
        let shown = |product: Option<QuotedProduct>| {
            product.filter(|_| !challenge_open).map(QuotedView::from)
        };
        let stage = stage_at(row, self.proposal(row.query_no), superseded, at).name();
        let stale_since = self.stale.get(&row.query_no).copied();
        QuoteLine {
            query_code: row.query_no.to_string(),
            stage,
            stale_since: stale_since.filter(|stale| stage == "quoted" && *stale <= at),
            client: row.client.clone(),
            region: row.region.code().to_owned(),
            frame_no: row.frame.as_str().to_owned(),
            quoted_at: row.quoted_at,
            expires_at: row.expires_at,
            compulsory: shown(row.compulsory),
            commercial: shown(row.commercial),
            tax: row.tax.filter(|_| !challenge_open),
            challenge_open,
        }
    }
}
