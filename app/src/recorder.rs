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
            let usage: Vec<Usage<'_>> = served
                .iter()
                .map(|served| Usage {
                    slot: served.done.slot,
                    call_id: served.call.call_id,
                    tenant: served.call.caller.tenant,
                    function_code: served.call.function.code,
                    client: &served.call.caller.client,
                    served_at: served.served_at,
                    quantity: 1,
                })
                .collect();
            let traces: Vec<String> =
                served.iter().map(|served| served.call.trace.to_string()).collect();
            prove(tx, served, &traces).await?;
            self.tell(tx, served, &traces).await?;
            self.count(tx, served, &usage).await
        }
        .boxed()
    }

    fn witness<'a>(
        &'a self,
        tx: &'a mut Tx,
        refused: &'a Served<'a>,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        async move {
            let traces = [refused.call.trace.to_string()];
            prove(tx, std::slice::from_ref(refused), &traces).await
        }
        .boxed()
    }
}

impl SideRows {
    /// Counts last: whoever counts for the same user waits from here to our commit, not longer.
    async fn count(
        &self,
        tx: &mut Tx,
        served: &[Served<'_>],
        usage: &[Usage<'_>],
    ) -> Result<(), sqlx::Error> {
        let mut counts: BTreeMap<CountKey, (u32, u32)> = BTreeMap::new();
        for served in served {
            if let Some(quota) = served.call.daily_quota {
                counts.entry(count_key(served.call)).or_insert((0, quota)).0 += 1;
            }
        }
        let added: Vec<(CountKey, u32)> =
            counts.iter().map(|(key, (count, _))| (key.clone(), *count)).collect();
        let mut overrun = false;
        for (key, used) in metering::record(tx, usage, &added).await.map_err(metered)? {
            overrun |= counts.get(&key).is_some_and(|(_, quota)| *quota < used);
            self.seen.note(key, used);
        }
        // Admitted far from the end and counted past it: judged again, now under the lock.
        if overrun { Err(failure::start_over()) } else { Ok(()) }
    }

    async fn tell(
        &self,
        tx: &mut Tx,
        served: &[Served<'_>],
        traces: &[String],
    ) -> Result<(), sqlx::Error> {
        let drafts: Vec<events::NewEvent<'_>> = served
            .iter()
            .zip(traces)
            .flat_map(|(served, trace)| {
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
            })
            .collect();
        if drafts.is_empty() {
            return Ok(());
        }
        events::append(tx, &drafts).await.map_err(|error| match error {
            events::EventsError::Store(error) => error,
            other => sqlx::Error::Encode(Box::new(other)),
        })
    }
}

async fn prove(tx: &mut Tx, served: &[Served<'_>], traces: &[String]) -> Result<(), sqlx::Error> {
    let entries: Vec<evidence::Entry<'_>> = served
        .iter()
        .zip(traces)
        .map(|(served, trace)| evidence::Entry {
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
        })
        .collect();
    evidence::record(tx, &entries).await.map_err(|error| match error {
        evidence::EvidenceError::Store(error) => error,
        other => sqlx::Error::Encode(Box::new(other)),
    })
}

fn metered(error: MeteringError) -> sqlx::Error {
    match error {
        MeteringError::Store(error) => error,
    }
}
