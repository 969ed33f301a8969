//! 投保确认: from registered money to policies. The hot set command.
//!
//! Each product becomes a policy with a confirm code of its own. Duplicates and used policy
//! numbers are looked for first, so that a refusal names what stands in the way; the constraints
//! behind it catch what raced past, and then the set runs one by one.

mod decide;
mod set;

use base_http::{Call, Problem, Reply};
use production_core::number::{NumberKind, PlatformNumber};
use production_core::quote::Amounts;
use production_core::rule::{Findings, RuleId};
use production_core::rules::format::{self, Sign};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Production;
use crate::error::{self, ProductionError};
use crate::numbering::NumberFor;
use crate::pre_confirm::number;
use crate::quote::{checks, read};

pub use set::{ConfirmQuote, ConfirmView};

/// 投保确认: the policy numbers, and the frozen amounts echoed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConfirmRequest)]
pub struct ConfirmBody {
    /// The compulsory policy, when the quote has one.
    pub compulsory: Option<ConfirmProduct>,
    /// The commercial policy, when the quote has one.
    pub commercial: Option<ConfirmProduct>,
    /// Vehicle tax as frozen.
    #[schema(example = "420.00")]
    pub tax: Option<String>,
    /// Commission as frozen.
    #[schema(example = "0.00")]
    pub fee: Option<String>,
}

/// One policy to confirm.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmProduct {
    /// The insurer's own number, used once per class.
    #[schema(example = "PDAA202611010000000017")]
    pub policy_no: Option<String>,
    /// Premium as frozen.
    #[schema(example = "665.00")]
    pub premium: Option<String>,
}

/// The insurer's numbers of the policies to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyNumbers {
    /// Of the compulsory policy.
    pub compulsory: Option<String>,
    /// Of the commercial policy.
    pub commercial: Option<String>,
}

impl Production {
    /// Confirms a paid proposal.
    pub async fn confirm(
        &self,
        call: Call,
        query_code: &str,
        body: ConfirmBody,
    ) -> Result<Reply, Problem> {
        let query_no = number(self, &call, query_code, NumberKind::Query)?;
        let (echo, policy_numbers) = read_confirm(&body)?;
        let now = call.received_at;
        let of = NumberFor {
            insurer: query_no.insurer(),
            region: query_no.area(),
            slot: query_no.slot(),
        };
        let command = ConfirmQuote {
            query_no,
            echo,
            policy_numbers,
            compulsory_no: self.numbering.next(NumberKind::Confirm, of, now).await?,
            commercial_no: self.numbering.next(NumberKind::Confirm, of, now).await?,
            rechecked: None,
            notices: checks::unknown(&call.unknown).collect(),
            now,
            book: self.book.clone(),
        };
        match self.confirms.run(call.clone(), command.clone()).await {
            // The quote rests on assumptions: look again, then once more with what was found.
            Err(problem) if problem.code == &error::RECHECK => {
                let deferred = self.recheck(&call, query_no).await?;
                self.confirms.run(call, ConfirmQuote { rechecked: Some(deferred), ..command }).await
            }
            settled => settled,
        }
    }

    /// Asks outside once more; answers which sources still did not, as JSON.
    async fn recheck(&self, call: &Call, query_no: PlatformNumber) -> Result<String, Problem> {
        let record = self.own_quote(call, query_no).await?;
        let (assumed, _) = self.second_look(&record, call.received_at).await?;
        let sources = serde_json::to_string(&assumed.sources);
        Ok(sources.map_err(|_| ProductionError::Corrupt("assumptions"))?)
    }
}

fn read_confirm(body: &ConfirmBody) -> Result<(Amounts, PolicyNumbers), Problem> {
    let mut found = Findings::new();
    let mut product = |product: &Option<ConfirmProduct>, at: &str| {
        let Some(product) = product else { return (None, None) };
        let policy_no = read::text(&product.policy_no, &format!("{at}/policyNo"), &mut found)
            .map(str::to_owned);
        if policy_no.as_ref().is_some_and(|number| number.chars().count() > 50) {
            found.add(
                RuleId::S09,
                format!("{at}/policyNo"),
                "a policy number has at most 50 characters",
            );
        }
        let premium = match product.premium.as_deref() {
            Some(raw) => format::money(raw, Sign::Unsigned, &format!("{at}/premium"), &mut found),
            None => read::missing(&format!("{at}/premium"), &mut found),
        };
        (policy_no, premium)
    };
    let (compulsory_no, compulsory) = product(&body.compulsory, "/compulsory");
    let (commercial_no, commercial) = product(&body.commercial, "/commercial");
    if body.compulsory.is_none() && body.commercial.is_none() {
        found.add(RuleId::S02, "", "name the policies to confirm: compulsory, commercial or both");
    }
    let tax = read::amount(&body.tax, "/tax", &mut found).unwrap_or_default();
    let fee = read::amount(&body.fee, "/fee", &mut found).unwrap_or_default();
    if found.rejects() {
        return Err(Problem::invalid(read::errors(found.split().0)));
    }
    let numbers = PolicyNumbers { compulsory: compulsory_no, commercial: commercial_no };
    Ok((Amounts { compulsory, commercial, tax, fee }, numbers))
}
