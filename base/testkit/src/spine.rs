//! The spine without its door and its records: who calls, what they call, what was served.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base_http::trace::TraceId;
use base_http::{
    Admission, Call, Caller, Function, Problem, Recorder, Reply, Served, ShownRecord, WritesAtOnce,
};
use futures::future::BoxFuture;
use kernel::{Clock, Ids, TenantId};
use pg::{AtOnce, Tx};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A client of `tenant` in `region` that may call `rights`; an insurer's, or `operator`'s.
pub fn caller(
    tenant: TenantId,
    insurer: Option<&str>,
    region: &str,
    rights: &[&str],
) -> Arc<Caller> {
    let name = insurer.unwrap_or("operator").to_lowercase();
    Arc::new(Caller {
        tenant,
        client: format!("{name}-{region}").into(),
        insurer: insurer.map(Arc::from),
        region: region.into(),
        rights: rights.iter().map(|right| (*right).to_owned()).collect(),
        token_id: "token".into(),
    })
}

/// A call as the door would let it in: with a key of its own and without a purpose.
pub fn call(
    clock: &impl Clock,
    ids: &Ids,
    caller: &Arc<Caller>,
    function: &'static Function,
) -> Call {
    let now = clock.now();
    let call_id = ids.next(now);
    Call {
        call_id,
        caller: caller.clone(),
        function,
        purpose: None,
        key: Some(call_id.to_string().into()),
        request_digest: Sha256::digest(call_id.as_bytes()).into(),
        trace: TraceId(ids.bytes()),
        received_at: now,
        daily_quota: None,
        unknown: Vec::new(),
    }
}

/// The JSON of an answer.
pub fn view(reply: Result<Reply, Problem>) -> Result<Value, Problem> {
    reply.map(|reply| serde_json::from_slice(&reply.body).expect("an answer is JSON"))
}

/// What was recorded of one served call.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Code of the function.
    pub function: &'static str,
    /// Who called.
    pub client: String,
    /// Why.
    pub purpose: Option<String>,
    /// Where its evidence goes.
    pub slot: u16,
    /// Status of the answer.
    pub status: u16,
    /// What it was about.
    pub subject: String,
    /// Digest of the vehicle it was about.
    pub vehicle: Option<[u8; 16]>,
    /// Records of others it showed.
    pub shown: Vec<ShownRecord>,
    /// Kinds of the events it told.
    pub events: Vec<&'static str>,
    /// The answer; null where it is no JSON.
    pub answer: Value,
}

impl Recorded {
    fn of(served: &Served<'_>) -> Recorded {
        let (call, done) = (served.call, served.done);
        Recorded {
            function: call.function.code,
            client: call.caller.client.to_string(),
            purpose: call.purpose.as_deref().map(str::to_owned),
            slot: done.slot,
            status: done.status.as_u16(),
            subject: done.subject.clone(),
            vehicle: done.vehicle,
            shown: done.shown.clone(),
            events: done.events.iter().map(|event| event.kind).collect(),
            answer: serde_json::from_slice(&done.body).unwrap_or_default(),
        }
    }
}

/// Admits everybody and keeps in memory what was served, whether or not it was committed.
#[derive(Debug, Default)]
pub struct Memory {
    served: Mutex<Vec<Recorded>>,
    /// Looks of refused calls cannot be recorded.
    blind: AtomicBool,
}

impl Memory {
    /// Calls served so far, oldest first.
    pub fn all(&self) -> Vec<Recorded> {
        self.served.lock().expect("no test panics while it holds this").clone()
    }

    /// The call served last.
    pub fn last(&self) -> Recorded {
        self.all().pop().expect("a call was served")
    }

    /// From now on the looks of refused calls cannot be recorded.
    pub fn blind(&self) {
        self.blind.store(true, Ordering::Relaxed);
    }

    fn note(&self, served: &[Served<'_>]) {
        let mut kept = self.served.lock().expect("no test panics while it holds this");
        kept.extend(served.iter().map(Recorded::of));
    }
}

impl Recorder for Memory {
    fn admit<'a>(
        &'a self,
        _tx: &'a mut Tx,
        calls: &'a [&'a Call],
    ) -> BoxFuture<'a, Result<Vec<Admission>, sqlx::Error>> {
        Box::pin(async move { Ok(vec![Admission::Admitted; calls.len()]) })
    }

    fn record<'a>(
        &'a self,
        _tx: &'a mut Tx,
        served: &'a [Served<'a>],
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            self.note(served);
            Ok(())
        })
    }

    fn witness<'a>(
        &'a self,
        _tx: &'a mut Tx,
        refused: &'a Served<'a>,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            if self.blind.load(Ordering::Relaxed) {
                return Err(sqlx::Error::PoolTimedOut);
            }
            self.note(std::slice::from_ref(refused));
            Ok(())
        })
    }
}

/// Nothing is written at once: what goes beside a set is not in the database.
impl<C: Sync> WritesAtOnce<C> for Memory {
    fn write<'a>(
        &'a self,
        _at_once: &'a mut AtOnce,
        _set: &'a [&'a C],
        _served: &'a [Served<'a>],
    ) -> BoxFuture<'a, Result<bool, sqlx::Error>> {
        Box::pin(async { Ok(false) })
    }
}
