//! 2027: every car moves to another insurer, and what was claimed moves with it.

use crate::demo::market::{Answer, CPIC, Insurer, Market, PAIC, PICC};
use crate::demo::story::fleet::{A, B, C, Car};
use crate::demo::teller::Teller;

/// What a renewal is held against.
struct Renewal {
    who: Insurer,
    what: &'static str,
    float: &'static str,
    compulsory: [&'static str; 2],
    level: i64,
    ncd: [&'static str; 2],
    /// Verdicts over the compulsory claims.
    judged: &'static [&'static str],
}

pub(super) async fn walk(market: &mut Market, teller: &mut Teller) -> anyhow::Result<()> {
    teller
        .chapter("续保：理赔改变价格", "2027: renewals at other insurers, priced by the claims")?;
    market.move_to("2027-02-20T10:00").await?;
    renew(
        market,
        teller,
        &A,
        Renewal {
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
    renew(
        market,
        teller,
        &C,
        Renewal {
            who: PAIC,
            what: "C moves from CPIC to PAIC: the mutual collision alone",
            float: "E4",
            compulsory: ["950.00", "one at-fault accident"],
            level: -1,
            ncd: ["0.80", "one insured year without a commercial claim"],
            judged: &["counted"],
        },
    )
    .await?;
    Ok(())
}

async fn renew(
    market: &mut Market,
    teller: &mut Teller,
    car: &Car,
    renewal: Renewal,
) -> anyhow::Result<Answer> {
    teller.step("2027-02-20", "转保查询 quote", renewal.what)?;
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
