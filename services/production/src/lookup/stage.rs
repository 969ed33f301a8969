//! Where a quote stood at an instant, told from its rows. Pure.

use jiff::Timestamp;
use kernel::Fen;
use production_core::quote::{Amounts, QuoteStage};

use crate::fee::FeeTerms;
use crate::pre_confirm::HOLD;
use crate::quote::flow::quoted_tax;
use crate::store::proposal::ProposalRecord;
use crate::store::quote::QuoteRecord;

/// The stage at `at`; `superseded_at` is when a newer quote took its place, if one did by then.
pub(crate) fn stage_at(
    quote: &QuoteRecord,
    proposal: Option<&ProposalRecord>,
    superseded_at: Option<Timestamp>,
    at: Timestamp,
) -> QuoteStage {
    let Some(proposal) = proposal.filter(|proposal| proposal.pre_confirmed_at <= at) else {
        let quoted = QuoteStage::quoted(quote.expires_at);
        // A code that had ended before the newer quote came is expired, not superseded.
        let gave_way = superseded_at.filter(|newer| *newer <= at && *newer < quote.expires_at);
        return match gave_way {
            Some(newer) => QuoteStage::Superseded { at: newer },
            None => quoted.at(at),
        };
    };
    before(quote, proposal, at).at(at)
}

/// The stored stage, or the one it came from when it was reached only after `at`.
fn before(quote: &QuoteRecord, proposal: &ProposalRecord, at: Timestamp) -> QuoteStage {
    let until = proposal
        .pre_confirmed_at
        .checked_add(HOLD)
        .map_or(quote.expires_at, |held| held.min(quote.expires_at));
    let frozen = || Amounts {
        compulsory: quote.compulsory.map(|part| part.premium),
        commercial: quote.commercial.map(|part| part.premium),
        tax: quoted_tax(quote),
        fee: serde_json::from_str::<FeeTerms>(&proposal.fee)
            .ok()
            .and_then(|terms| terms.amount())
            .unwrap_or(Fen::ZERO),
    };
    let paid_by = |payment: Option<&production_core::quote::Payment>| match payment {
        Some(payment) if payment.paid_at <= at => {
            QuoteStage::Paid { amounts: frozen(), payment: payment.clone(), until }
        }
        _ => QuoteStage::PreConfirmed { amounts: frozen(), until },
    };
    match &proposal.stage {
        QuoteStage::Confirmed { payment, at: confirmed_at, .. } if at < *confirmed_at => {
            paid_by(Some(payment))
        }
        QuoteStage::PreConfirmCancelled { at: cancelled_at, refund, .. } if at < *cancelled_at => {
            paid_by(refund.as_ref())
        }
        QuoteStage::Paid { payment, .. } => paid_by(Some(payment)),
        stands => stands.clone(),
    }
}
