//! Notices of the bank: signed, heard once, and safe to be sent again.
//!
//! The bank signs as Standard Webhooks do with an asymmetric key (`v1a`): Ed25519 over
//! `id.timestamp.body`, where the timestamp is the second it is sent. What was sent long ago is refused, so
//! that a notice somebody kept cannot be played back; a bank that comes back later signs anew. Within
//! that window a notice is heard once, by its id.

use base_http::Problem;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use kernel::Ids;
use pg::{Command, Scope, Tx};

use super::bank::Wire;
use super::order::{OrderId, Report};
use super::{Hearing, Source, hear};
use crate::error::{ClearingError, NOT_THE_BANK};
use crate::{Clearing, HOUSE};

/// How far a notice's timestamp may lie from our clock.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// A notice as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// Names it; repeated with each repetition.
    pub id: &'a str,
    /// As signed.
    pub timestamp: &'a str,
    /// `v1a,` and the signature in base64; several are parted by spaces.
    pub signature: &'a str,
    /// As signed.
    pub body: &'a [u8],
}

impl Notice<'_> {
    /// Whether the holder of `key` signed it.
    pub fn is_signed_by(&self, key: &[u8; 32]) -> bool {
        let mut signed = format!("{}.{}.", self.id, self.timestamp).into_bytes();
        signed.extend_from_slice(self.body);
        self.signature
            .split(' ')
            .filter_map(|one| STANDARD.decode(one.strip_prefix("v1a,")?).ok())
            .any(|signature| crypto::verify_signature(key, &signed, &signature))
    }

    /// Whether it was sent about now.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let sent =
            self.timestamp.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
        sent.is_some_and(|sent| now.duration_since(sent).abs() <= WINDOW)
    }
}

impl Clearing {
    /// Hears a notice; what came of it. Refuses what the bank has not signed.
    pub async fn hear_notice(&self, notice: Notice<'_>) -> Result<Hearing, Problem> {
        if !notice.is_signed_by(&self.bank_key) {
            return Err(Problem::new(&NOT_THE_BANK, "no signature holds"));
        }
        if !notice.is_fresh(self.spine.now()) {
            let detail = "the timestamp lies more than 5 minutes from now: sign it anew";
            return Err(Problem::new(&NOT_THE_BANK, detail));
        }
        let unreadable = |detail: String| Problem::new(&base_http::problem::MALFORMED, detail);
        if !(1..=128).contains(&notice.id.len()) {
            return Err(unreadable("a notice is named by 1 to 128 characters".to_owned()));
        }
        let wire: Wire = serde_json::from_slice(notice.body)
            .map_err(|error| unreadable(format!("not a notice at column {}", error.column())))?;
        let order = wire.order().map_err(|error| unreadable(error.to_string()))?;
        let report = wire.report(order).map_err(|error| unreadable(error.to_string()))?;
        let name = (Source::Notice, notice.id);
        Ok(self.hear(order, name, &report).await?)
    }

    /// Hears a word under the name of a notice whose signature was checked elsewhere.
    pub async fn hear_word(
        &self,
        order: OrderId,
        notice_id: &str,
        report: &Report,
    ) -> Result<Hearing, ClearingError> {
        self.hear(order, (Source::Notice, notice_id), report).await
    }

    /// Hears a word of the bank in a transaction of its own.
    pub(crate) async fn hear(
        &self,
        order: OrderId,
        name: (Source, &str),
        report: &Report,
    ) -> Result<Hearing, ClearingError> {
        let (ids, now) = (self.spine.ids(), self.spine.now());
        let command = Hear { order, name, report, now, ids };
        let hearing = self.spine.db().run(Scope::of(HOUSE), &command).await?;
        Ok(hearing)
    }
}

struct Hear<'a> {
    order: OrderId,
    name: (Source, &'a str),
    report: &'a Report,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Hear<'_> {
    const NAME: &'static str = "payment.hear";
    type Out = Hearing;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Hearing, ClearingError> {
        hear(tx, self.order, self.name, self.report, self.now, self.ids).await
    }
}
