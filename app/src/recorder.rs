//! What commits with every served call: usage, daily counts, evidence, events.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base_http::{Admission, Call, Recorder, Served};
use futures::FutureExt;
use futures::future::BoxFuture;
use kernel::{Ids, time};
use metering::{CountKey, MeteringError, Seen, Usage};
use pg::{Tx, failure};

/// Records over metering, evidence and events.
pub(crate) struct SideRows {
    pub(crate) ids: Arc<Ids>,
    pub(crate) seen: Seen,
}

fn count_key(call: &Call) -> CountKey {
    CountKey {
        tenant: call.caller.tenant,
        client: call.caller.client.clone(),
        function_code: call.function.code,
        day: time::day_of(call.received_at),
    }
}

impl Recorder for SideRows {
    fn admit<'a>(
        &'a self,
        tx: &'a mut Tx,
        calls: &'a [&'a Call],
    ) -> BoxFuture<'a, Result<Vec<Admission>, sqlx::Error>> {
        async move {
            let keys: Vec<CountKey> = calls.iter().map(|call| count_key(call)).collect();
            let ample = calls.iter().zip(&keys).all(|(call, key)| {
                call.daily_quota.is_none_or(|quota| self.seen.is_far_from(key, quota))
            });
            if ample {
                return Ok(vec![Admission::Admitted; calls.len()]);
            }
            let used = metering::lock_counts(tx, &keys).await.map_err(metered)?;
            // Members of one set that share a counter are judged one after the other.
            let mut ahead: HashMap<&CountKey, u32> = HashMap::new();
            let judged = calls.iter().zip(&keys).zip(used).map(|((call, key), used)| {
                let ahead = ahead.entry(key).or_default();
                let quota = call.daily_quota.unwrap_or(u32::MAX);
                if used.saturating_add(*ahead) < quota {
                    *ahead += 1;
                    Admission::Admitted
                } else {
                    Admission::Exhausted
                }
            });
            Ok(judged.collect())
        }
        .boxed()
    }

    fn record<'a>(
        &'a self,
        tx: &'a mut Tx,
        served: &'a [Served<'a>],
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        async move {
            let traces = traces(served);
            let entries = entries(served, &traces);
            evidence::record_shown(tx, &entries).await.map_err(proven)?;
            let events = self.events(served, &traces);
            let usage = usage(served);
            let counts = counts(served);
            let added = counts.iter().map(|(key, (count, _))| (key, *count));
            let columns = metering::Columns::of(&usage, added);
            let used = write(tx, &entries, &events, &columns).await?;
            let mut overrun = false;
            for (key, used) in columns.counted(used) {
                overrun |= counts.get(key).is_some_and(|(_, quota)| *quota < used);
                self.seen.note(key.clone(), used);
            }
            // Admitted far from the end and counted past it: judged again, now under the lock.
            if overrun { Err(failure::start_over()) } else { Ok(()) }
        }
        .boxed()
    }

    fn witness<'a>(
        &'a self,
        tx: &'a mut Tx,
        refused: &'a Served<'a>,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        async move {
            let refused = std::slice::from_ref(refused);
            let traces = traces(refused);
            evidence::record(tx, &entries(refused, &traces)).await.map_err(proven)
        }
        .boxed()
    }
}

impl SideRows {
    pub(crate) fn events<'a>(
        &self,
        served: &'a [Served<'a>],
        traces: &'a [String],
    ) -> Vec<events::NewEvent<'a>> {
        let told = served.iter().zip(traces).flat_map(|(served, trace)| {
            served.done.events.iter().map(move |draft| events::NewEvent {
                slot: served.done.slot,
                event_id: self.ids.next(served.served_at),
                tenant: served.call.caller.tenant,
                kind: draft.kind,
                subject: &draft.subject,
                occurred_at: served.served_at,
                trace_id: trace,
                data: &draft.data,
            })
        });
        told.collect()
    }
}

/// Writes messages, events, usage and counts in one statement: each round trip of a set keeps all its
/// members waiting. Counters come last, so that whoever counts for the same user waits from here to
/// our commit and not longer. How often each counter was used, in their order.
async fn write(
    tx: &mut Tx,
    entries: &[evidence::Entry<'_>],
    events: &[events::NewEvent<'_>],
    counted: &metering::Columns<'_>,
) -> Result<Vec<i32>, sqlx::Error> {
    let logged = evidence::Columns::of(entries);
    let told = events::Columns::of(events);
    let written = sqlx::query!(
        r#"select evidence.log($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13),
                  events.append($14, $15, $16, $17, $18, $19, $20, $21),
                  metering.record($22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33)
                      as "used!""#,
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
        &counted.added
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(written.used)
}

pub(crate) fn traces(served: &[Served<'_>]) -> Vec<String> {
    served.iter().map(|served| served.call.trace.to_string()).collect()
}

pub(crate) fn usage<'a>(served: &'a [Served<'a>]) -> Vec<Usage<'a>> {
    let usage = served.iter().map(|served| Usage {
        slot: served.done.slot,
        call_id: served.call.call_id,
        tenant: served.call.caller.tenant,
        function_code: served.call.function.code,
        client: &served.call.caller.client,
        served_at: served.served_at,
        quantity: 1,
    });
    usage.collect()
}

/// How many of the calls count towards each quota, and the quota.
pub(crate) fn counts(served: &[Served<'_>]) -> BTreeMap<CountKey, (u32, u32)> {
    let mut counts: BTreeMap<CountKey, (u32, u32)> = BTreeMap::new();
    for served in served {
        if let Some(quota) = served.call.daily_quota {
            counts.entry(count_key(served.call)).or_insert((0, quota)).0 += 1;
        }
    }
    counts
}

pub(crate) fn entries<'a>(
    served: &'a [Served<'a>],
    traces: &'a [String],
) -> Vec<evidence::Entry<'a>> {
    let entries = served.iter().zip(traces).map(|(served, trace)| evidence::Entry {
        slot: served.done.slot,
        call_id: served.call.call_id,
        tenant: served.call.caller.tenant,
        client: &served.call.caller.client,
        function_code: served.call.function.code,
        purpose: served.call.purpose.as_deref().unwrap_or(served.call.function.product()),
        subject: &served.done.subject,
        vehicle: served.done.vehicle,
        insurer: served.call.caller.insurer.as_deref(),
        shown: &served.done.shown,
        request_digest: served.call.request_digest,
        reply_digest: crypto::sha256(&served.done.body).0,
        status: served.done.status.as_u16(),
        served_at: served.served_at,
        trace_id: trace,
    });
    entries.collect()
}

fn proven(error: evidence::EvidenceError) -> sqlx::Error {
    match error {
        evidence::EvidenceError::Store(error) => error,
        other => sqlx::Error::Encode(Box::new(other)),
    }
}

fn metered(error: MeteringError) -> sqlx::Error {
    match error {
        MeteringError::Store(error) => error,
    }
}
