//! 2022: the same insurer, a year without a claim.

use serde_json::Value;

use crate::demo::market::{Market, PICC};
use crate::demo::story::buying::{Price, Rated, buy, tell_quote};
use crate::demo::story::{car, covers, first_owner, message};
use crate::demo::teller::Teller;

const PRICE: Price = Price {
    compulsory: "855.00",
    tax: "300.00",
    commercial: "2511.14",
    fee: "0.00",
    payable: "3666.14",
};

pub(super) async fn walk(market: &mut Market, teller: &mut Teller) -> anyhow::Result<()> {
    teller.chapter("第二年：续保", "2022: renewal at PICC with a discount")?;
    market.move_to("2022-02-20T10:00").await?;

    teller.step("2022-02-20", "投保查询 quote", "PICC renews from 11 March on")?;
    let body =
        message(car(), &first_owner(), "2022031100", "0.85", covers("112080.00", "1000000.00"));
    let quoted = market.post(PICC, "/v1/quotes", &body).await?;
    tell_quote(
        teller,
        &quoted,
        &Rated {
            float: Value::from("E1"),
            no_float: &[],
            compulsory: ["855.00", "950.00 × (1 − 10 %)"],
            fund: ["8.55", "855.00 × 1 %, the rate since 2022"],
            tax: ["300.00", "a whole year"],
            actual: ["112080.00", "120,000 × (1 − 11 months × 0.6 %)"],
            level: -1,
            ncd: ["0.80", "one insured year, no claim"],
            // Registered on 18 March: not yet a year old on 11 March.
            hull: [
                ["1980.33", "(385.45 + 120,000 × 0.9165 %) / 0.75, age 0"],
                ["1346.62", "1,980.33 × 0.8 × 0.85"],
            ],
            third_party: [["1712.53", "1,284.40 / 0.75"], ["1164.52", "1,712.53 × 0.8 × 0.85"]],
            commercial: PRICE.commercial,
            payable: PRICE.payable,
        },
    );
    teller.says(&quoted, "转保 changes insurer", "/changesInsurer", false, "");
    let query = quoted.text("/queryCode").to_owned();

    teller.step("2022-02-20", "预确认、缴费、确认 to policy", "PICC issues the second year")?;
    buy(market, teller, PICC, &query, PRICE, "2022").await?;
    Ok(())
}
