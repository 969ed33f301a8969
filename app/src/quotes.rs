//! Quotes with all that is recorded beside them, in one statement.

use base_http::{Served, WritesAtOnce, idempotency};
use futures::FutureExt;
use futures::future::BoxFuture;
use pg::AtOnce;
use production::quote::RecordQuote;
use production::store::{known, quote};

use crate::recorder::{self, SideRows};

impl WritesAtOnce<RecordQuote> for SideRows {
    fn write<'a>(
        &'a self,
        at_once: &'a mut AtOnce,
        set: &'a [&'a RecordQuote],
        served: &'a [Served<'a>],
    ) -> BoxFuture<'a, Result<bool, sqlx::Error>> {
        async move {
            // Looks at single records are rows of their own.
            if served.iter().any(|served| !served.done.shown.is_empty()) {
                return Ok(false);
            }
            let counts = recorder::counts(served);
            if !counts.iter().all(|(key, (n, quota))| self.seen.has_room(key, *n, *quota)) {
                return Ok(false);
            }
            let traces = recorder::traces(served);
            let entries = recorder::entries(served, &traces);
            let events = self.events(served, &traces);
            let usage = recorder::usage(served);
            let beside = Beside {
                kept: idempotency::Columns::of(served),
                logged: evidence::Columns::of(&entries),
                told: events::Columns::of(&events),
                counted: metering::Columns::of(
                    &usage,
                    counts.iter().map(|(key, (n, _))| (key, *n)),
                ),
                // In the order of the counters.
                quotas: counts
                    .values()
                    .map(|(_, quota)| i32::try_from(*quota).unwrap_or(i32::MAX))
                    .collect(),
            };
            let used = insert(at_once, set, &beside).await?;
            for (key, used) in beside.counted.counted(used) {
                self.seen.note(key.clone(), used);
            }
            Ok(true)
        }
        .boxed()
    }
}

/// What is recorded beside a set of quotes.
struct Beside<'a> {
    kept: idempotency::Columns<'a>,
    logged: evidence::Columns<'a>,
    told: events::Columns<'a>,
    counted: metering::Columns<'a>,
    quotas: Vec<i32>,
}

/// How often each counter was used, in their order. Counters come last, as everywhere.
async fn insert(
    at_once: &mut AtOnce,
    set: &[&RecordQuote],
    beside: &Beside<'_>,
) -> Result<Vec<i32>, sqlx::Error> {
    let records: Vec<_> = set.iter().map(|member| &member.record).collect();
    let quotes = quote::Columns::of(&records);
    let fresh = set.iter().filter_map(|member| member.fresh.as_ref());
    let fresh = known::FreshColumns::of(fresh.map(|(frame, answers)| (frame, answers)));
    let Beside { kept, logged, told, counted, quotas } = beside;
    let (conn, tenants) = at_once.parts();
    let written = sqlx::query!(
        r#"select set_config('commonwheel.tenants', $1, true) as bound,
                  http.keep_keys($2, $3, $4, $5, $6, $7, $8, $9, $10),
                  production.keep_answers($11, $12, $13, $14, $15, $16),
                  production.record_quotes($17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28,
                                           $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39),
                  evidence.log($40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51, $52),
                  events.append($53, $54, $55, $56, $57, $58, $59, $60),
                  metering.record_within($61, $62, $63, $64, $65, $66, $67, $68, $69, $70, $71, $72,
                                         $73) as "used!""#,
        tenants,
        &kept.locks,
        &kept.tenants,
        &kept.clients as _,
        &kept.keys as _,
        &kept.functions as _,
        &kept.requests as _,
        &kept.statuses,
        &kept.replies as _,
        &kept.served_at as _,
        &fresh.slots,
        &fresh.frames as _,
        &fresh.police as _,
        &fresh.models as _,
        &fresh.taxes as _,
        quotes.quoted_at.first() as _,
        &quotes.slots,
        &quotes.query_nos,
        &quotes.tenants,
        &quotes.clients as _,
        &quotes.insurers as _,
        &quotes.regions as _,
        &quotes.frames as _,
        &quotes.quoted_at as _,
        &quotes.expires_at as _,
        &quotes.compulsory_from as _,
        &quotes.compulsory_to as _,
        &quotes.compulsory_premiums as &[Option<i64>],
        &quotes.commercial_from as _,
        &quotes.commercial_to as _,
        &quotes.commercial_premiums as &[Option<i64>],
        &quotes.taxes as &[Option<i64>],
        &quotes.tariff_versions as _,
        &quotes.rating_digests as _,
        &quotes.inputs as _,
        &quotes.vehicles as _,
        &quotes.parties as _,
        &quotes.outside as _,
        &quotes.challenges as _,
        &logged.slots,
        &logged.calls,
        &logged.tenants,
        &logged.clients as _,
        &logged.functions as _,
        &logged.purposes as _,
        &logged.subjects as _,
        &logged.vehicles as _,
        &logged.requests as _,
        &logged.replies as _,
        &logged.statuses,
        &logged.served_at as _,
        &logged.traces as _,
        &told.slots,
        &told.names,
        &told.tenants,
        &told.kinds as _,
        &told.subjects as _,
        &told.occurred_at as _,
        &told.traces as _,
        &told.data,
        &counted.slots,
        &counted.calls,
        &counted.tenants,
        &counted.functions as _,
        &counted.clients as _,
        &counted.served_at as _,
        &counted.quantities,
        &counted.counted_tenants,
        &counted.counted_clients as _,
        &counted.counted_functions as _,
        &counted.counted_days as _,
        &counted.added,
        quotas
    );
    Ok(written.fetch_one(conn).await?.used)
}
