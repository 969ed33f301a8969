//! 2024: a third discount, then the car is sold in the middle of the year.

use serde_json::{Value, json};

use crate::demo::market::{Market, PAIC};
use crate::demo::story::buying::{Price, Rated, buy, carry_out, tell_quote};
use crate::demo::story::{Pair, car, covers, first_owner, message, registered, second_owner};
use crate::demo::teller::Teller;

const PRICE: Price = Price {
    compulsory: "665.00",
    tax: "300.00",
    commercial: "1510.81",
    fee: "0.00",
    payable: "2475.81",
};

pub(super) async fn walk(
    market: &mut Market,
    teller: &mut Teller,
    third: &Pair,
) -> anyhow::Result<Pair> {
    teller.chapter("第四年：续保与过户", "2024: renewal at PAIC, then a new owner")?;
    market.move_to("2024-04-01T10:00").await?;
    teller.step(
        "2024-04-01",
        "重复投保 duplicate cover",
        "from 11 March the old cover still runs",
    )?;
    let early =
        message(car(), &first_owner(), "2024042400", "0.60", covers("93360.00", "3000000.00"));
    let refused = market.post(PAIC, "/v1/quotes", &early).await?;
    teller.refused(&refused, 409, "E2005");
    let at = "/duplicate/confirmCode";
    let note = "suspended days were added to it";
    teller.says(&refused, "已有保单 its confirm code", at, third.compulsory.as_str(), note);

    teller.step("2024-04-01", "投保查询 quote", "PAIC renews from 25 April on")?;
    let body =
        message(car(), &first_owner(), "2024042500", "0.60", covers("93360.00", "3000000.00"));
    let quoted = market.post(PAIC, "/v1/quotes", &body).await?;
    tell_quote(
        teller,
        &quoted,
        &Rated {
            float: Value::from("E3"),
            no_float: &[],
            compulsory: ["665.00", "950.00 × (1 − 30 %)"],
            fund: ["6.65", "665.00 × 1 %"],
            tax: ["300.00", "a whole year"],
            actual: ["93360.00", "120,000 × (1 − 37 months × 0.6 %)"],
            level: -3,
            ncd: ["0.60", "three insured years, no claim"],
            hull: [
                ["1867.67", "(363.35 + 120,000 × 0.8645 %) / 0.75, age 3"],
                ["672.36", "1,867.67 × 0.6 × 0.60"],
            ],
            third_party: [["2329.04", "1,746.78 / 0.75"], ["838.45", "2,329.04 × 0.6 × 0.60"]],
            commercial: PRICE.commercial,
            payable: PRICE.payable,
        },
    );
    teller.remark("0.60 was refused in 2021; since June 2023 the range is 0.5 to 1.5");
    let query = quoted.text("/queryCode").to_owned();
    teller.step("2024-04-01", "预确认、缴费、确认 to policy", "PAIC issues the fourth year")?;
    let pair = buy(market, teller, PAIC, &query, PRICE, "2024").await?;
    transferred(market, teller, &pair).await?;
    Ok(pair)
}

async fn transferred(market: &mut Market, teller: &mut Teller, pair: &Pair) -> anyhow::Result<()> {
    let sold_on = jiff::civil::date(2024, 9, 12);
    market.load_vehicle(&registered().transferred_on(sold_on, "李清照")).await?;
    market.move_to("2024-09-12T10:00").await?;
    let sold = json!({ "kind": "03", "endorseTimes": 1, "effectiveAt": "2024091200",
        "reason": "车辆过户", "owner": second_owner(), "applicant": second_owner(),
        "insured": second_owner() });
    teller.step(
        "2024-09-12",
        "批改 endorsement: 过户 transfer",
        "the old owner's discounts stay with the old owner, from this day on",
    )?;
    let rows = [
        (&pair.compulsory, "175.68", "(950.00 − 665.00) × 225/365 = 175.68", "840.68"),
        // Own damage 1,867.67 × 1.0 × 0.60 = 1,120.60, third party 2,329.04 × 0.60 = 1,397.42.
        (&pair.commercial, "620.88", "(2,518.02 − 1,510.81) × 225/365 = 620.88", "2131.69"),
    ];
    for (code, difference, formula, in_all) in rows {
        let path = format!("/v1/policies/{code}/endorsements");
        let queried = market.post(PAIC, &path, &sold).await?;
        teller.status(&queried, 201);
        let at = "/premiumDifference";
        teller.says(&queried, "保费差额 premium difference", at, difference, "");
        teller.says(&queried, "公式 formula", "/formula/premium", formula, "");
        let at = "/taxDifference";
        teller.says(&queried, "税差额 tax difference", at, "0.00", "a year is taxed once");
        let confirmed = carry_out(market, teller, PAIC, &queried, difference).await?;
        teller.says(&confirmed, "累计保费 paid in all", "/premium", in_all, "");
    }
    Ok(())
}
