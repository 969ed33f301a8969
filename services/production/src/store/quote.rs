//! Quotes: insert-only, written as sets, read back whole.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, Period, TenantId};
use pg::Tx;
use production_core::frame::{FrameForm, FrameNo};
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use production_core::region::Region;
use uuid::Uuid;

use crate::error::ProductionError;
use crate::export::kinds::PAGE;
use crate::export::{Selection, Span};
use crate::store::export_rows;

/// One product of a quote: its period and its premium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotedProduct {
    /// Period of cover.
    pub period: Period,
    /// Premium of the period.
    pub premium: Fen,
}

/// A quote as it was answered.
#[derive(Clone, Debug)]
pub struct QuoteRecord {
    /// Query code.
    pub query_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// The user who asked.
    pub client: String,
    /// Insurer of the tenant.
    pub insurer: InsurerCode,
    /// Branch region.
    pub region: Region,
    /// The vehicle.
    pub frame: FrameNo,
    /// The instant history was looked at.
    pub quoted_at: Timestamp,
    /// First instant at which the query code is no longer good.
    pub expires_at: Timestamp,
    /// Compulsory cover, when asked for.
    pub compulsory: Option<QuotedProduct>,
    /// Commercial cover, when asked for.
    pub commercial: Option<QuotedProduct>,
    /// Vehicle tax withheld with the compulsory premium.
    pub tax: Option<Fen>,
    /// Tariff bundle it was rated with.
    pub tariff_version: String,
    /// SHA-256 of the rating as JSON.
    pub rating_digest: [u8; 32],
    /// The rating input, JSON.
    pub input: String,
    /// The vehicle's identity, JSON of [`crate::quote::VehicleIdentity`].
    pub vehicle: String,
    /// The parties, sealed JSON.
    pub parties_sealed: Vec<u8>,
    /// What was assumed of outside systems, JSON of [`crate::quote::Assumed`].
    pub outside: String,
    /// Challenge to answer before pre-confirmation, JSON.
    pub challenge: Option<String>,
}

/// Quotes as the arrays `production.record_quotes` takes, in its order.
#[derive(Debug)]
pub struct Columns<'a> {
    /// Slots of the vehicle chain.
    pub slots: Vec<i32>,
    /// Query codes.
    pub query_nos: Vec<String>,
    /// Whose they are.
    pub tenants: Vec<Uuid>,
    /// The users who asked.
    pub clients: Vec<&'a str>,
    /// Insurers of the tenants.
    pub insurers: Vec<&'a str>,
    /// Branch regions.
    pub regions: Vec<&'a str>,
    /// The vehicles.
    pub frames: Vec<&'a str>,
    /// When history was looked at.
    pub quoted_at: Vec<jiff_sqlx::Timestamp>,
    /// When the query codes are no longer good.
    pub expires_at: Vec<jiff_sqlx::Timestamp>,
    /// Begin of compulsory cover.
    pub compulsory_from: Vec<Option<jiff_sqlx::Timestamp>>,
    /// End of compulsory cover.
    pub compulsory_to: Vec<Option<jiff_sqlx::Timestamp>>,
    /// Its premium, fen.
    pub compulsory_premiums: Vec<Option<i64>>,
    /// Begin of commercial cover.
    pub commercial_from: Vec<Option<jiff_sqlx::Timestamp>>,
    /// End of commercial cover.
    pub commercial_to: Vec<Option<jiff_sqlx::Timestamp>>,
    /// Its premium, fen.
    pub commercial_premiums: Vec<Option<i64>>,
    /// Vehicle tax, fen.
    pub taxes: Vec<Option<i64>>,
    /// Tariff bundles they were rated with.
    pub tariff_versions: Vec<&'a str>,
    /// SHA-256 of the ratings.
    pub rating_digests: Vec<&'a [u8]>,
    /// The rating inputs, JSON.
    pub inputs: Vec<&'a str>,
    /// The vehicles' identities, JSON.
    pub vehicles: Vec<&'a str>,
    /// The parties, sealed.
    pub parties: Vec<&'a [u8]>,
    /// What was assumed of outside systems, JSON.
    pub outside: Vec<&'a str>,
    /// Challenges to answer, JSON.
    pub challenges: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    /// The columns of a set of quotes.
    pub fn of(quotes: &[&'a QuoteRecord]) -> Columns<'a> {
        let start = |product: &Option<QuotedProduct>| {
            product.map(|product| product.period.from().to_sqlx())
        };
        let end =
            |product: &Option<QuotedProduct>| product.map(|product| product.period.to().to_sqlx());
        let premium = |product: &Option<QuotedProduct>| product.map(|product| product.premium.0);
        Columns {
            slots: quotes.iter().map(|quote| i32::from(quote.frame.slot().0)).collect(),
            query_nos: quotes.iter().map(|quote| quote.query_no.to_string()).collect(),
            tenants: quotes.iter().map(|quote| quote.tenant.0).collect(),
            clients: quotes.iter().map(|quote| quote.client.as_str()).collect(),
            insurers: quotes.iter().map(|quote| quote.insurer.as_str()).collect(),
            regions: quotes.iter().map(|quote| quote.region.code()).collect(),
            frames: quotes.iter().map(|quote| quote.frame.as_str()).collect(),
            quoted_at: quotes.iter().map(|quote| quote.quoted_at.to_sqlx()).collect(),
            expires_at: quotes.iter().map(|quote| quote.expires_at.to_sqlx()).collect(),
            compulsory_from: quotes.iter().map(|quote| start(&quote.compulsory)).collect(),
            compulsory_to: quotes.iter().map(|quote| end(&quote.compulsory)).collect(),
            compulsory_premiums: quotes.iter().map(|quote| premium(&quote.compulsory)).collect(),
            commercial_from: quotes.iter().map(|quote| start(&quote.commercial)).collect(),
            commercial_to: quotes.iter().map(|quote| end(&quote.commercial)).collect(),
            commercial_premiums: quotes.iter().map(|quote| premium(&quote.commercial)).collect(),
            taxes: quotes.iter().map(|quote| quote.tax.map(|tax| tax.0)).collect(),
            tariff_versions: quotes.iter().map(|quote| quote.tariff_version.as_str()).collect(),
            rating_digests: quotes.iter().map(|quote| &quote.rating_digest[..]).collect(),
            inputs: quotes.iter().map(|quote| quote.input.as_str()).collect(),
            vehicles: quotes.iter().map(|quote| quote.vehicle.as_str()).collect(),
            parties: quotes.iter().map(|quote| quote.parties_sealed.as_slice()).collect(),
            outside: quotes.iter().map(|quote| quote.outside.as_str()).collect(),
            challenges: quotes.iter().map(|quote| quote.challenge.as_deref()).collect(),
        }
    }
}

/// Writes a set of quotes in one statement.
pub async fn insert(tx: &mut Tx, quotes: &[&QuoteRecord]) -> Result<(), ProductionError> {
    let columns = Columns::of(quotes);
    sqlx::query!(
        "select production.record_quotes($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                                         $15, $16, $17, $18, $19, $20, $21, $22, $23)",
        &columns.slots,
        &columns.query_nos,
        &columns.tenants,
        &columns.clients as _,
        &columns.insurers as _,
        &columns.regions as _,
        &columns.frames as _,
        &columns.quoted_at as _,
        &columns.expires_at as _,
        &columns.compulsory_from as _,
        &columns.compulsory_to as _,
        &columns.compulsory_premiums as &[Option<i64>],
        &columns.commercial_from as _,
        &columns.commercial_to as _,
        &columns.commercial_premiums as &[Option<i64>],
        &columns.taxes as &[Option<i64>],
        &columns.tariff_versions as _,
        &columns.rating_digests as _,
        &columns.inputs as _,
        &columns.vehicles as _,
        &columns.parties as _,
        &columns.outside as _,
        &columns.challenges as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Own quotes by number, in no particular order; what is not there or not own is left out.
pub async fn find(
    tx: &mut Tx,
    numbers: &[PlatformNumber],
) -> Result<Vec<QuoteRecord>, ProductionError> {
    let slots: Vec<i32> = numbers.iter().map(|number| i32::from(number.slot().0)).collect();
    let numbers: Vec<String> = numbers.iter().map(|number| number.to_string()).collect();
    let rows = sqlx::query_as!(
        QuoteRow,
        r#"select q.query_no, q.tenant_id, q.client, q.insurer, q.region, q.frame_no, q.quoted_at,
                  q.expires_at, q.compulsory_from, q.compulsory_to, q.compulsory_premium_fen,
                  q.commercial_from, q.commercial_to, q.commercial_premium_fen, q.tax_fen,
                  q.tariff_version, q.rating_digest, q.input::text as "input!",
                  q.vehicle::text as "vehicle!", q.parties_sealed,
                  q.outside::text as "outside!", q.challenge::text as "challenge?"
           from unnest($1::integer[], $2::text[]) as wanted (slot, query_no)
           join production.quote q on q.slot = wanted.slot and q.query_no = wanted.query_no"#,
        &slots,
        &numbers
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(QuoteRecord::try_from).collect()
}

/// Which own quotes to list.
#[derive(Clone, Debug, Default)]
pub struct QuoteFilter {
    /// Of one vehicle.
    pub frame: Option<FrameNo>,
    /// Asked by one user.
    pub client: Option<String>,
    /// Quoted at or after.
    pub from: Option<Timestamp>,
    /// Quoted before.
    pub to: Option<Timestamp>,
    /// Known at this instant: later quotes are left out.
    pub as_of: Option<Timestamp>,
    /// Rows before this one, latest first.
    pub after: Option<(Timestamp, String)>,
}

/// Own quotes, latest first, one page.
pub async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    filter: &QuoteFilter,
    limit: i64,
) -> Result<Vec<QuoteRecord>, ProductionError> {
    let (after_at, after_no) = filter.after.clone().unzip();
    tx.plan_by_values().await?;
    let rows = sqlx::query_as!(
        QuoteRow,
        r#"select query_no, tenant_id, client, insurer, region, frame_no, quoted_at,
                  expires_at, compulsory_from, compulsory_to, compulsory_premium_fen,
                  commercial_from, commercial_to, commercial_premium_fen, tax_fen,
                  tariff_version, rating_digest, input::text as "input!",
                  vehicle::text as "vehicle!", parties_sealed,
                  outside::text as "outside!", challenge::text as "challenge?"
           from production.quote
           where tenant_id = $1
             and ($2::integer is null or slot = $2)
             and ($3::text is null or frame_no = $3)
             and ($4::text is null or client = $4)
             and ($5::timestamptz is null or quoted_at >= $5)
             and ($6::timestamptz is null or quoted_at < $6)
             and ($7::timestamptz is null or quoted_at <= $7)
             and ($8::timestamptz is null or (quoted_at, query_no) < ($8, $9))
           order by quoted_at desc, query_no desc
           limit $10"#,
        tenant.0,
        filter.frame.as_ref().map(|frame| i32::from(frame.slot().0)),
        filter.frame.as_ref().map(|frame| frame.as_str()),
        filter.client.as_deref(),
        filter.from.map(|at| at.to_sqlx()) as _,
        filter.to.map(|at| at.to_sqlx()) as _,
        filter.as_of.map(|at| at.to_sqlx()) as _,
        after_at.map(|at| at.to_sqlx()) as _,
        after_no,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(QuoteRecord::try_from).collect()
}

/// A page of own quotes for an export, in the order they were made.
pub async fn page(
    tx: &mut Tx,
    selection: &Selection,
    span: &Span,
) -> Result<Vec<QuoteRecord>, ProductionError> {
    let (after_at, after_no, _) = export_rows::behind(span);
    let rows = sqlx::query_as!(
        QuoteRow,
        r#"select query_no, tenant_id, client, insurer, region, frame_no, quoted_at,
                  expires_at, compulsory_from, compulsory_to, compulsory_premium_fen,
                  commercial_from, commercial_to, commercial_premium_fen, tax_fen,
                  tariff_version, rating_digest, input::text as "input!",
                  vehicle::text as "vehicle!", parties_sealed,
                  outside::text as "outside!", challenge::text as "challenge?"
           from production.quote
           where tenant_id = $1 and quoted_at >= $2 and quoted_at < $3
             and ($4::text is null or region = $4)
             and ($5::text is null or $5 = 'compulsory' and compulsory_from is not null
                  or $5 = 'commercial' and commercial_from is not null)
             and ($6::timestamptz is null or (quoted_at, query_no) > ($6, $7))
           order by quoted_at, query_no
           limit $8"#,
        selection.tenant.0,
        span.from.to_sqlx() as _,
        span.to.to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name()),
        after_at.map(|at| at.to_sqlx()) as _,
        after_no,
        PAGE
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(QuoteRecord::try_from).collect()
}

/// Which of the own quotes named are superseded: a newer quote of the same tenant and region asks
/// for a product of theirs. The two lines are two conversations; one does not end the other.
pub async fn superseded(
    tx: &mut Tx,
    quotes: &[&QuoteRecord],
) -> Result<Vec<PlatformNumber>, ProductionError> {
    let slots: Vec<i32> = quotes.iter().map(|quote| i32::from(quote.frame.slot().0)).collect();
    let numbers: Vec<String> = quotes.iter().map(|quote| quote.query_no.to_string()).collect();
    let rows = sqlx::query_scalar!(
        r#"select q.query_no
           from unnest($1::integer[], $2::text[]) as wanted (slot, query_no)
           join production.quote q on q.slot = wanted.slot and q.query_no = wanted.query_no
           where exists (
               select 1 from production.quote newer
               where newer.slot = q.slot and newer.frame_no = q.frame_no
                 and newer.tenant_id = q.tenant_id and newer.region = q.region
                 and newer.quoted_at > q.quoted_at
                 and (newer.compulsory_from is not null and q.compulsory_from is not null
                      or newer.commercial_from is not null and q.commercial_from is not null))"#,
        &slots,
        &numbers
    );
    rows.fetch_all(tx.conn())
        .await?
        .iter()
        .map(|number| PlatformNumber::parse(number).map_err(|_| ProductionError::Corrupt("quote")))
        .collect()
}

struct QuoteRow {
    query_no: String,
    tenant_id: Uuid,
    client: String,
    insurer: String,
    region: String,
    frame_no: String,
    quoted_at: jiff_sqlx::Timestamp,
    expires_at: jiff_sqlx::Timestamp,
    compulsory_from: Option<jiff_sqlx::Timestamp>,
    compulsory_to: Option<jiff_sqlx::Timestamp>,
    compulsory_premium_fen: Option<i64>,
    commercial_from: Option<jiff_sqlx::Timestamp>,
    commercial_to: Option<jiff_sqlx::Timestamp>,
    commercial_premium_fen: Option<i64>,
    tax_fen: Option<i64>,
    tariff_version: String,
    rating_digest: Vec<u8>,
    input: String,
    vehicle: String,
    parties_sealed: Vec<u8>,
    outside: String,
    challenge: Option<String>,
}

impl TryFrom<QuoteRow> for QuoteRecord {
    type Error = ProductionError;

    fn try_from(row: QuoteRow) -> Result<QuoteRecord, ProductionError> {
        let corrupt = || ProductionError::Corrupt("quote");
        let product = |from: Option<jiff_sqlx::Timestamp>,
                       to: Option<jiff_sqlx::Timestamp>,
                       premium: Option<i64>| {
            let period = match (from, to) {
                (Some(from), Some(to)) => {
                    Some(Period::new(from.to_jiff(), to.to_jiff()).ok_or_else(corrupt)?)
                }
                _ => None,
            };
            Ok::<_, ProductionError>(
                period
                    .zip(premium)
                    .map(|(period, premium)| QuotedProduct { period, premium: Fen(premium) }),
            )
        };
        Ok(QuoteRecord {
            query_no: PlatformNumber::parse(&row.query_no).map_err(|_| corrupt())?,
            tenant: TenantId(row.tenant_id),
            client: row.client,
            insurer: InsurerCode::parse(&row.insurer).map_err(|_| corrupt())?,
            region: Region::parse(&row.region).map_err(|_| corrupt())?,
            frame: stored_frame(&row.frame_no)?,
            quoted_at: row.quoted_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
            compulsory: product(
                row.compulsory_from,
                row.compulsory_to,
                row.compulsory_premium_fen,
            )?,
            commercial: product(
                row.commercial_from,
                row.commercial_to,
                row.commercial_premium_fen,
            )?,
            tax: row.tax_fen.map(Fen),
            tariff_version: row.tariff_version,
            rating_digest: row.rating_digest.try_into().map_err(|_| corrupt())?,
            input: row.input,
            vehicle: row.vehicle,
            parties_sealed: row.parties_sealed,
            outside: row.outside,
            challenge: row.challenge,
        })
    }
}

/// A frame number as stored: already normalised, of either form.
pub fn stored_frame(text: &str) -> Result<FrameNo, ProductionError> {
    FrameNo::parse(text, FrameForm::VinOnly)
        .or_else(|_| FrameNo::parse(text, FrameForm::ShortAllowed))
        .map_err(|_| ProductionError::Corrupt("frame number"))
}

/// Whether the challenge of an own quote was answered.
pub async fn is_answered(tx: &mut Tx, query_no: PlatformNumber) -> Result<bool, ProductionError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select 1 from production.quote_check
                          where slot = $1 and query_no = $2) as "found!""#,
        i32::from(query_no.slot().0),
        query_no.to_string()
    );
    Ok(found.fetch_one(tx.conn()).await?)
}

/// Notes that the challenge of an own quote was answered; once is enough.
pub async fn mark_answered(
    tx: &mut Tx,
    query_no: PlatformNumber,
    tenant: TenantId,
    client: &str,
    now: Timestamp,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"insert into production.quote_check (slot, query_no, tenant_id, client, answered_at)
           values ($1, $2, $3, $4, $5) on conflict do nothing"#,
        i32::from(query_no.slot().0),
        query_no.to_string(),
        tenant.0,
        client,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
