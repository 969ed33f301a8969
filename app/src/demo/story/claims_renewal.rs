//! 2027: every car moves to another insurer, and what was claimed moves with it.

use serde_json::json;

use crate::demo::market::{Answer, CPIC, Insurer, Market, PAIC, PICC};
use crate::demo::story::case::Case;
use crate::demo::story::fleet::{A, B, C, Car};
use crate::demo::teller::Teller;

/// What a renewal is held against.
struct Renewal {
    day: &'static str,
    who: Insurer,
    what: &'static str,
    float: &'static str,
    compulsory: [&'static str; 2],
    level: i64,
    ncd: [&'static str; 2],
    /// Verdicts over the compulsory claims.
    judged: &'static [&'static str],
}

pub(super) async fn walk(
    market: &mut Market,
    teller: &mut Teller,
    mutual: &Case,
) -> anyhow::Result<()> {
    teller
        .chapter("续保：理赔改变价格", "2027: renewals at other insurers, priced by the claims")?;
    market.move_to("2027-02-20T10:00").await?;
    renew(
        market,
        teller,
        &A,
        Renewal {
            day: "2027-02-20",
            who: CPIC,
            what: "A moves from PICC to CPIC: one accident with fault, one commercial claim",
            float: "E4",
            compulsory: ["950.00", "one at-fault accident: no discount, no surcharge"],
            level: 0,
            ncd: ["1.0", "one insured year, one claim: 1 − 1 = 0"],
            judged: &["counted"],
        },
    )
    .await?;
    renew(
        market,
        teller,
        &B,
        Renewal {
            day: "2027-02-20",
            who: PICC,
            what: "B moves from PAIC to PICC: two accidents with fault, one commercial claim",
            float: "E5",
            compulsory: ["1045.00", "950.00 × (1 + 10 %), two at-fault accidents"],
            level: 0,
            ncd: ["1.0", "the reopened claim counts once: 1 − 1 = 0"],
            judged: &["counted", "counted"],
        },
    )
    .await?;
    let seen = of_c("C moves from CPIC to PAIC: the mutual collision alone");
    let quoted = renew(market, teller, &C, seen).await?;
    disputed(market, teller, mutual, quoted.text("/queryCode")).await?;
    let freed = Renewal {
        day: "2027-02-22",
        float: "E1",
        compulsory: ["855.00", "950.00 × (1 − 10 %), one year without fault"],
        judged: &["noFault"],
        ..of_c("C once more: the claim no longer counts")
    };
    renew(market, teller, &C, freed).await?;
    Ok(())
}

/// C's renewal as long as its collision counts.
fn of_c(what: &'static str) -> Renewal {
    Renewal {
        day: "2027-02-20",
        who: PAIC,
        what,
        float: "E4",
        compulsory: ["950.00", "one at-fault accident"],
        level: -1,
        ncd: ["0.80", "one insured year without a commercial claim"],
        judged: &["counted"],
    }
}

/// The customer says that the other side alone was at fault, and CPIC finds that it was.
async fn disputed(
    market: &mut Market,
    teller: &mut Teller,
    mutual: &Case,
    query: &str,
) -> anyhow::Result<()> {
    teller.step("2027-02-20", "争议 dispute", "C's owner disputes the fault through PAIC")?;
    let path = format!("/v1/claims/{}/disputes", mutual.code);
    let ground = json!({ "queryCode": query, "ground": "not_at_fault",
        "statement": "对方全责", "documents": ["责任认定书"] });
    let opened = market.post(PAIC, &path, &ground).await?;
    teller.status(&opened, 201);
    teller.says(&opened, "状态 state", "/state", "open", "");
    let number = opened.text("/disputeNo").to_owned();
    teller.holds("争议编号 dispute number", number.starts_with("08PAIC3200"), &number);

    market.move_to("2027-02-22T10:00").await?;
    teller.step("2027-02-22", "争议处理 decision", "CPIC upholds it: no fault of C's driver")?;
    let path = format!("/v1/disputes/{number}/decision");
    let upheld =
        json!({ "decision": "upheld", "atFault": false, "reason": "责任认定书载明对方全责" });
    let decided = market.post(mutual.who, &path, &upheld).await?;
    teller.status(&decided, 200);
    teller.says(&decided, "结论 state", "/state", "upheld", "");
    let stale = market.get(PAIC, &format!("/v1/quotes/{query}")).await?;
    let since = stale.text("/staleSince").to_owned();
    teller.holds("原查询失效 the quote is stale", since.starts_with("2027-02-22"), &since);
    let path = format!("/v1/quotes/{query}/pre-confirm");
    let refused = market.post(PAIC, &path, &json!({})).await?;
    teller.refused(&refused, 409, "E2012");
    Ok(())
}

async fn renew(
    market: &mut Market,
    teller: &mut Teller,
    car: &Car,
    renewal: Renewal,
) -> anyhow::Result<Answer> {
    teller.step(renewal.day, "转保查询 quote", renewal.what)?;
    // 120,000 × (1 − 24 months × 0.6 %)
    let quoted =
        market.post(renewal.who, "/v1/quotes", &car.quote_at("102720.00", "2027030300")).await?;
    teller.status(&quoted, 201);
    teller.says(&quoted, "转保 changes insurer", "/changesInsurer", true, "");
    let at = "/rating/compulsory/accident/code";
    teller.says(&quoted, "浮动等级 float", at, renewal.float, "");
    let [wanted, how] = renewal.compulsory;
    let at = "/rating/compulsory/premium";
    teller.says(&quoted, "交强险保费 compulsory premium", at, wanted, how);
    let judged = quoted.body["rating"]["compulsory"]["claims"].as_array();
    let verdicts: Vec<&str> =
        judged.into_iter().flatten().filter_map(|claim| claim["verdict"].as_str()).collect();
    teller.holds("赔案判定 claims judged", verdicts == renewal.judged, &verdicts.join(" "));
    let at = "/rating/commercial/ncd/level";
    teller.says(&quoted, "无赔款优待等级 NCD level", at, renewal.level, "");
    let [wanted, how] = renewal.ncd;
    let at = "/rating/commercial/ncd/coefficient";
    teller.says(&quoted, "无赔款优待系数 NCD", at, wanted, how);
    Ok(quoted)
}
