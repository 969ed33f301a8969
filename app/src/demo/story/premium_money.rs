//! 2027: a premium that the platform collects itself is shared out, part of it goes back, and the tax
//! office's share is paid on to it.

use sandbox::vehicle::VehicleRecord;
use serde_json::{Value, json};

use crate::demo::market::{Answer, CCIC, Market, OPERATOR};
use crate::demo::teller::Teller;

const FRAME: &str = "LFV2A21K5S3100008";
const ENGINE: &str = "EA211S31008";
const PLATE: &str = "苏A6H008";
const DAY: &str = "2027-03-01";
/// Names of the payment orders.
pub(super) const COLLECTION: &str = "0195f000-0000-7000-8000-000000000001";
const REFUND: &str = "0195f000-0000-7000-8000-000000000002";
/// The sandbox's agency.
const LICENCE: &str = "201320000000800";

/// Ends with the confirm code of the commercial policy.
pub(super) async fn walk(market: &mut Market, teller: &mut Teller) -> anyhow::Result<String> {
    teller.chapter(
        "保费归集、退费与上缴",
        "2027: a premium is collected, shared out, given back in part and paid on",
    )?;
    market.move_to("2027-03-01T10:00").await?;
    let query = sold_through_an_agency(market, teller).await?;
    let commercial = collected(market, teller, &query).await?;
    given_back(market, teller).await?;
    paid_on(market, teller).await?;
    Ok(commercial)
}

async fn sold_through_an_agency(
    market: &mut Market,
    teller: &mut Teller,
) -> anyhow::Result<String> {
    let made_on = jiff::civil::date(2025, 1, 20);
    let record = VehicleRecord::private_car(FRAME)
        .with_engine(ENGINE)
        .owned_by("陆游")
        .plated(PLATE, "02")
        .registered_on(made_on, jiff::civil::date(2025, 3, 3));
    market.load_vehicle(&record).await?;
    teller.step(DAY, "投保查询 quote", "CCIC quotes through an agency, which gets 10 %")?;
    let owner =
        json!({ "name": "陆游", "certificateKind": "01", "certificateNo": "11010519491231002X" });
    let body = json!({
        "vehicle": { "frameNo": FRAME, "engineNo": ENGINE, "plate": PLATE, "plateKind": "02",
            "category": "11", "usage": "210", "fuel": "A", "seats": 5, "displacementCc": 1598,
            "firstRegisteredOn": "2025-03-03" },
        "owner": owner, "applicant": owner, "insured": owner,
        "compulsory": { "start": "2027030200" },
        "commercial": { "start": "2027030200", "autonomousCoefficient": "0.85",
            "covers": [ { "coverageCode": "M02", "limitAmount": "1000000.00" } ] },
    });
    let quoted = market.post(CCIC, "/v1/quotes", &body).await?;
    teller.status(&quoted, 201);
    let at = "/rating/commercial/premium";
    teller.says(&quoted, "商业险保费 commercial premium", at, "1455.65", "1,284.40 / 0.75 × 0.85");
    let sum = "950.00 + tax 300.00 + 1,455.65";
    teller.says(&quoted, "应缴 payable", "/payable", "2705.65", sum);
    let query = quoted.text("/queryCode").to_owned();
    let sale = json!({ "fee": { "channel": "03", "intermediary": "某某保险代理有限公司",
        "licenceKind": "2", "licenceNo": LICENCE, "licenceFrom": "2026-01-01",
        "licenceTo": "2028-12-31", "commercialRatio": "0.10" } });
    let frozen = market.post(CCIC, &format!("/v1/quotes/{query}/pre-confirm"), &sale).await?;
    teller.status(&frozen, 200);
    Ok(query)
}

async fn collected(
    market: &mut Market,
    teller: &mut Teller,
    query: &str,
) -> anyhow::Result<String> {
    teller.step(DAY, "保费代收 collection", "the platform collects it in one amount")?;
    let wish = json!({ "queryCode": query, "payer": payer() });
    let ordered = market.put(CCIC, &format!("/v1/payments/premiums/{COLLECTION}"), &wish).await?;
    teller.status(&ordered, 202);
    let shares = [
        ("tax", "车船税 tax office", "300.00", ""),
        ("fund", "救助基金 assistance fund", "9.50", "950.00 × 1 %"),
        ("commission", "手续费 agency", "145.57", "1,455.65 × 10 %"),
        ("premium", "保费 insurer", "2250.58", "the rest of 2,705.65"),
    ];
    tell_entries(teller, &ordered, ("/shares", "shareOf", "/amount"), &shares);
    settled(market, teller, COLLECTION, "the bank moved all of it").await?;
    let path = format!("/v1/quotes/{query}");
    let paid = market.get_until(CCIC, &path, ("/stage", "paid")).await?;
    teller.says(&paid, "到账 quote", "/stage", "paid", "registered without anybody's call");
    let echo = json!({ "compulsory": { "policyNo": "2027HC", "premium": "950.00" },
        "commercial": { "policyNo": "2027HB", "premium": "1455.65" },
        "tax": "300.00", "fee": "145.57" });
    let confirmed = market.post(CCIC, &format!("{path}/confirm"), &echo).await?;
    teller.status(&confirmed, 201);
    let policy = entry(&confirmed, "/policies", "class", "commercial");
    Ok(confirmed.text(&(policy + "/confirmCode")).to_owned())
}

async fn given_back(market: &mut Market, teller: &mut Teller) -> anyhow::Result<()> {
    teller.step(DAY, "退费 refund", "620.75 go back, each share in its measure")?;
    let wish = json!({ "of": COLLECTION, "amount": "620.75" });
    let refund = market.put(CCIC, &format!("/v1/payments/refunds/{REFUND}"), &wish).await?;
    teller.status(&refund, 202);
    settled(market, teller, REFUND, "back where it came from").await?;
    let payees = market.get(OPERATOR, "/v1/operator/payments/payees").await?;
    let gathered = [
        ("tax", "车船税 for the tax office", "231.17", "300.00 − 68.83"),
        ("fund", "救助基金 for the fund", "7.32", "9.50 − 2.18"),
        ("commission", "手续费 for the agency", "112.17", "145.57 − 33.40"),
    ];
    tell_entries(teller, &payees, ("/items", "shareOf", "/gathered"), &gathered);
    Ok(())
}

async fn paid_on(market: &mut Market, teller: &mut Teller) -> anyhow::Result<()> {
    teller.step(DAY, "收款人登记 payee", "the operator says where the tax goes, and how often")?;
    let account =
        json!({ "bank": "102301000028", "account": "3200000001", "name": "江苏省税务局" });
    let payee = json!({ "name": "江苏省税务局", "period": "day", "account": account });
    let path = "/v1/operator/payments/payees/tax/320000";
    let registered = market.put(OPERATOR, path, &payee).await?;
    teller.status(&registered, 200);

    market.move_to("2027-03-02T10:00").await?;
    teller.step("2027-03-02", "上缴 remittance", "the day is over, and its tax is paid on")?;
    let wish = json!({ "shareOf": "tax", "payee": "320000", "through": DAY });
    let made = market.post(OPERATOR, "/v1/operator/payments/remittances", &wish).await?;
    teller.holds(
        "一日一次 one a day",
        [200, 201, 202].contains(&made.status),
        "by clock or by word",
    );
    let path = format!("/v1/operator/payments/remittances/{}", made.text("/remittanceId"));
    let paid = market.get_until(OPERATOR, &path, ("/stage", "settled")).await?;
    teller.says(&paid, "上缴 remittance", "/stage", "settled", "");
    teller.says(&paid, "已缴 paid", "/paid", "231.17", "300.00 − 68.83");
    let sources = market.get(OPERATOR, &format!("{path}/sources")).await?;
    let parts = [
        ("premium", "收 from the premium", "300.00", ""),
        ("refund", "退 less the refund", "-68.83", ""),
    ];
    tell_entries(teller, &sources, ("/items", "purpose", "/amount"), &parts);
    let collected = market.get(CCIC, &order(COLLECTION)).await?;
    let carried =
        collected.text(&(entry(&collected, "/remittances", "shareOf", "tax") + "/remittanceId"));
    let is_it = !carried.is_empty() && carried == made.text("/remittanceId");
    teller.holds("可追溯 traced", is_it, "the insurer sees where its customer's tax went");
    let proof = market.get(OPERATOR, "/v1/operator/ledger/proof").await?;
    teller.says(&proof, "借贷平衡 holds", "/holds", true, "worked out anew from every transfer");
    Ok(())
}

/// The customer's account.
pub(super) fn payer() -> Value {
    json!({ "bank": "102301000028", "account": "6222021301001234567", "name": "陆游" })
}

fn order(id: &str) -> String {
    format!("/v1/payments/orders/{id}")
}

/// Waits for the bank to carry out an order.
pub(super) async fn settled(
    market: &mut Market,
    teller: &mut Teller,
    id: &str,
    note: &str,
) -> anyhow::Result<()> {
    let settled = market.get_until(CCIC, &order(id), ("/stage", "settled")).await?;
    teller.says(&settled, "指令 order", "/stage", "settled", note);
    Ok(())
}

/// Holds entries of a list against what their member says, label, amount and how it comes about.
pub(super) fn tell_entries(
    teller: &mut Teller,
    answer: &Answer,
    (list, member, amount): (&str, &str, &str),
    wanted: &[(&str, &str, &str, &str)],
) {
    for (says, label, sum, how) in wanted {
        let at = entry(answer, list, member, says) + amount;
        teller.says(answer, label, &at, *sum, how);
    }
}

/// Where the entry of a list stands whose member says something; nowhere when there is none.
fn entry(answer: &Answer, list: &str, member: &str, says: &str) -> String {
    let entries = answer.body.pointer(list).and_then(Value::as_array);
    let place = entries.and_then(|all| all.iter().position(|entry| entry[member] == says));
    place.map_or_else(|| format!("{list}/{says}"), |place| format!("{list}/{place}"))
}
