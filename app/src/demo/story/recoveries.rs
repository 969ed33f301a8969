//! 2026: four insurers pay their own insured and recover from each other; what they owe is netted,
//! told, agreed, paid through the bank, and every position is zero.
//!
//! Each loss is one of own damage, paid in full and recovered for the other side's share: 2,000 from
//! its compulsory cover, the share of the rest from its third party cover. The first is the accident of
//! 70 to 30 of the story of A and B: PICC owes PAIC 6,200. Four of the others are the worked example of
//! netting: PICC owes PAIC 14,600, PAIC owes PICC 3,800 and CPIC 9,200, CPIC owes PICC 6,400; the last is
//! CCIC's, which bears all of a loss of 20,000, and of which both sides meet at 19,500.

use serde_json::json;

use crate::demo::market::{CCIC, CPIC, Insurer, Market, OPERATOR, PAIC, PICC};
use crate::demo::story::Pair;
use crate::demo::story::accidents::sell;
use crate::demo::story::case::{Case, documents, lost, recovery_row, seen};
use crate::demo::story::fleet::{Car, D, E, F, G};
use crate::demo::teller::Teller;

/// Why members look at each other's records here.
const PURPOSE: &str = "recovery";
/// When the cases are worked, and when money moves.
const DAY: &str = "2026-06-10";

/// Four insured cars, one of each insurer.
pub(super) struct Fleet([(&'static Car, Pair); 4]);

/// One recovery of the story, and what comes of it.
struct Recovery {
    /// Sets it apart from the others.
    mark: &'static str,
    /// Whose car is damaged, and whose side is liable: places in the fleet.
    damaged: usize,
    liable: usize,
    /// 事故责任 of the damaged car's side, and its share in percent.
    liability: (&'static str, &'static str),
    loss: &'static str,
    /// From the liable side's compulsory and third party cover.
    recovers: [&'static str; 2],
    /// What the liable side offers of the second, and where both meet.
    meets: Option<[&'static str; 2]>,
}

const RECOVERIES: [Recovery; 5] = [
    Recovery {
        mark: "1",
        damaged: 1,
        liable: 0,
        liability: ("4", "30"),
        loss: "20000.00",
        recovers: ["2000.00", "12600.00"],
        meets: None,
    },
    Recovery {
        mark: "2",
        damaged: 0,
        liable: 1,
        liability: ("2", "70"),
        loss: "8000.00",
        recovers: ["2000.00", "1800.00"],
        meets: None,
    },
    Recovery {
        mark: "3",
        damaged: 2,
        liable: 1,
        liability: ("3", "50"),
        loss: "16400.00",
        recovers: ["2000.00", "7200.00"],
        meets: None,
    },
    Recovery {
        mark: "4",
        damaged: 0,
        liable: 2,
        liability: ("3", "50"),
        loss: "10800.00",
        recovers: ["2000.00", "4400.00"],
        meets: None,
    },
    Recovery {
        mark: "5",
        damaged: 0,
        liable: 3,
        liability: ("5", "0"),
        loss: "20000.00",
        recovers: ["2000.00", "18000.00"],
        meets: Some(["17000.00", "17500.00"]),
    },
];

/// What each gets from all others together, negative for what it pays: they add up to zero. With what
/// PICC owes PAIC for the first accident.
const NETS: [(Insurer, &str); 4] =
    [(PICC, "8900.00"), (PAIC, "7800.00"), (CPIC, "2800.00"), (CCIC, "-19500.00")];

pub(super) async fn sell_fleet(market: &mut Market, teller: &mut Teller) -> anyhow::Result<Fleet> {
    Ok(Fleet([
        (&D, sell(market, teller, PICC, &D).await?),
        (&E, sell(market, teller, PAIC, &E).await?),
        (&F, sell(market, teller, CPIC, &F).await?),
        (&G, sell(market, teller, CCIC, &G).await?),
    ]))
}

pub(super) async fn walk(
    market: &mut Market,
    teller: &mut Teller,
    fleet: &Fleet,
    first: &[String; 2],
) -> anyhow::Result<()> {
    teller.chapter(
        "代位求偿与清算：从保险杠到结清",
        "2026: from a lost bumper to settled money between four insurers",
    )?;
    market.move_to("2026-06-10T20:00").await?;
    bargained(market, teller, first).await?;
    for recovery in &RECOVERIES {
        recover(market, teller, fleet, recovery).await?;
    }
    settle(market, teller, first).await
}

/// The recovery of B's loss from A's insurer, which offers less at first.
async fn bargained(
    market: &mut Market,
    teller: &mut Teller,
    [compulsory, commercial]: &[String; 2],
) -> anyhow::Result<()> {
    teller.step(DAY, "追偿与互审 recovery, mutual review", "PAIC recovers B's loss from PICC")?;
    let at = |code: &str, act: &str| format!("/v1/recoveries/{code}/{act}");
    let amounts = [(compulsory, "2000.00"), (commercial, "4200.00")];
    for (code, amount) in amounts {
        let started = market.post_because(PAIC, &at(code, "start"), PURPOSE, &json!({})).await?;
        teller.says(&started, "追偿金额 claimed", "/review/claimed", amount, "computed, not typed");
    }
    let whole = json!({ "amount": "2000.00" });
    let agreed = market.post_because(PICC, &at(compulsory, "reviews"), PURPOSE, &whole).await?;
    teller.says(&agreed, "待结算 agreed", "/agreed", "2000.00", "A's compulsory cover");
    let less = json!({ "amount": "4000.00",
        "cuts": [{ "reason": "loss", "amount": "200.00", "remark": "工时费偏高" }] });
    let offered = market.post_because(PICC, &at(commercial, "reviews"), PURPOSE, &less).await?;
    teller.says(&offered, "互审中 in review", "/status", "3", "PICC offers 4,000: labour too dear");
    let path = at(commercial, "opposing");
    let seen = market.get_because(PICC, &path, PURPOSE).await?;
    let loss = "/claims/0/case/assessment/vehicles/0/loss";
    teller.says(&seen, "对方定损 their assessment", loss, "8000.00", "no person is shown");
    let whole = json!({ "amount": "4200.00" });
    let agreed = market.post_because(PICC, &at(commercial, "reviews"), PURPOSE, &whole).await?;
    teller.says(&agreed, "待结算 agreed", "/agreed", "4200.00", "(8,000 − 2,000) × 70 %");
    Ok(())
}

/// 锁定: who is liable for the damage to the insured car of a claim, and a code for each cover of it,
/// compulsory and third party.
pub(super) async fn lock(
    market: &mut Market,
    teller: &mut Teller,
    (who, claim_code): (Insurer, &str),
    (other, liable): (&Car, Insurer),
) -> anyhow::Result<[String; 2]> {
    let vehicle = json!({ "plate": other.plate });
    let asked = json!({ "claimCode": claim_code, "vehicle": vehicle });
    let found = market.post_because(who, "/v1/recoveries/lock-queries", PURPOSE, &asked).await?;
    teller.status(&found, 200);
    teller.says(&found, "对方保险公司 liable insurer", "/policies/0/insurer", liable.code, "");
    let mut codes = [String::new(), String::new()];
    for (code, from) in codes.iter_mut().zip(["1", "2"]) {
        let lock = json!({ "claimCode": claim_code, "vehicle": vehicle, "from": from });
        let locked = market.post_because(who, "/v1/recoveries", PURPOSE, &lock).await?;
        teller.status(&locked, 201);
        locked.text("/recoveryCode").clone_into(code);
        teller.says(&locked, "结算码状态 status", "/status", "1", code.as_str());
    }
    Ok(codes)
}

/// A hull claim from its report to the amount both insurers stand by.
async fn recover(
    market: &mut Market,
    teller: &mut Teller,
    fleet: &Fleet,
    recovery: &Recovery,
) -> anyhow::Result<()> {
    let (own, pair) = &fleet.0[recovery.damaged];
    let (other, theirs) = &fleet.0[recovery.liable];
    let (who, liable) = (pair.who, theirs.who);
    let what =
        format!("{}'s {} and {}'s {} collide", who.code, own.plate, liable.code, other.plate);
    teller.step(DAY, "车损理赔 hull claim", &what)?;
    let case = report(market, teller, pair, other, recovery.mark).await?;
    assess(market, teller, &case, recovery).await?;

    let what = format!("{} asks who is liable; nobody types a company code", who.code);
    teller.step(DAY, "锁定 lock", &what)?;
    let codes = lock(market, teller, (who, &case.code), (other, liable)).await?;
    close(market, teller, &case, recovery, &codes).await?;

    let what = format!("{} starts both, {} reviews and agrees", who.code, liable.code);
    teller.step(DAY, "追偿与互审 recovery, mutual review", &what)?;
    for (code, amount) in codes.iter().zip(recovery.recovers) {
        let at = |act: &str| format!("/v1/recoveries/{code}/{act}");
        let started = market.post_because(who, &at("start"), PURPOSE, &json!({})).await?;
        teller.says(&started, "追偿金额 claimed", "/review/claimed", amount, "computed, not typed");
        let mut agreed = amount;
        if let Some([offer, meet]) = recovery.meets.filter(|_| amount == recovery.recovers[1]) {
            let less = json!({ "amount": offer,
                "cuts": [{ "reason": "loss", "amount": "1000.00", "remark": "配件可修复" }] });
            let offered = market.post_because(liable, &at("reviews"), PURPOSE, &less).await?;
            let how = "less, with its reasons";
            teller.says(&offered, "报价 offer", "/review/paying", offer, how);
            let counter = json!({ "amount": meet, "opinion": "已重新核对配件" });
            let countered = market.post_because(who, &at("reviews"), PURPOSE, &counter).await?;
            let how = "halfway, as a counter-offer";
            teller.says(&countered, "还价 counter-offer", "/review/recovering", meet, how);
            agreed = meet;
        }
        let body = json!({ "amount": agreed });
        let stands = market.post_because(liable, &at("reviews"), PURPOSE, &body).await?;
        teller.says(&stands, "待结算 agreed", "/agreed", agreed, "in the open cycle");
    }
    Ok(())
}

/// Reports a loss of own damage, to be recovered.
async fn report(
    market: &mut Market,
    teller: &mut Teller,
    pair: &Pair,
    other: &Car,
    mark: &str,
) -> anyhow::Result<Case> {
    let more = json!({
        "accidentAt": format!("2026061008{mark}0"), "reportedAt": "202606100915",
        "district": "320102", "place": format!("中山北路{mark}号"),
        "description": "路口相撞", "handledBy": "12", "subrogation": true, "mutual": false,
        "thirdVehicles": [{ "plate": other.plate, "plateKind": "02" }],
    });
    let (policy, report_no) = ((pair.who, pair.commercial.as_str()), format!("RH{mark}"));
    let (case, ..) = Case::report(market, teller, policy, &report_no, more).await?;
    Ok(case)
}

/// From the survey to the papers.
async fn assess(
    market: &mut Market,
    teller: &mut Teller,
    case: &Case,
    recovery: &Recovery,
) -> anyhow::Result<()> {
    let kinds = ["claimApplication", "subrogationApplication", "liabilityStatement"];
    let steps = [
        (
            "surveys",
            json!({ "surveyedAt": "202606101100", "liability": recovery.liability.0,
                    "liabilityDocument": "1", "vehicles": [seen(1), seen(2)] }),
        ),
        ("registration", json!({ "registeredAt": "202606101200", "estimate": recovery.loss })),
        (
            "assessments",
            json!({ "approvedAt": "202606101300",
                    "vehicles": [lost(1, recovery.loss), lost(2, "3000.00")] }),
        ),
        ("documents", json!({ "completeAt": "202606101400", "documents": documents(&kinds) })),
    ];
    for (step, more) in steps {
        case.step(market, teller, step, &case.message("1", more)).await?;
    }
    Ok(())
}

/// The adjustment with its recoveries, and the closing.
async fn close(
    market: &mut Market,
    teller: &mut Teller,
    case: &Case,
    recovery: &Recovery,
    codes: &[String; 2],
) -> anyhow::Result<()> {
    let [compulsory, third_party] = recovery.recovers;
    let recoveries = json!([
        recovery_row("1", "1", &codes[0], compulsory),
        recovery_row("1", "2", &codes[1], third_party)
    ]);
    let covers = json!([{ "coverageCode": "M01", "feeKind": "1", "item": 1,
        "liabilityRate": recovery.liability.1, "loss": recovery.loss, "amount": recovery.loss }]);
    let adjusted = json!({ "agreedAt": "202606101500", "adjustments": [{ "code": "A1",
        "opinion": "同意", "amount": recovery.loss, "approvedAt": "202606101500",
        "covers": covers, "recoveries": recoveries }] });
    case.step(market, teller, "adjustments", &case.message("1", adjusted)).await?;
    let closing = json!({ "closedAt": "202606101600", "total": recovery.loss,
                          "liability": recovery.liability.0 });
    let closed = case.step(market, teller, "closings", &case.message("1", closing)).await?;
    let whole = "the whole loss, to the insured";
    teller.says(&closed, "结案应付 due", "/due", recovery.loss, whole);
    Ok(())
}

/// Closes the cycle, has everybody agree, lets the bank move the money, and looks at the books.
async fn settle(market: &mut Market, teller: &mut Teller, first: &[String]) -> anyhow::Result<()> {
    teller.step(DAY, "清算批次截止 close", "the cycle is closed and netted among four insurers")?;
    for (at, (who, _)) in NETS.iter().enumerate() {
        let account = json!({ "bank": "102301000028", "account": format!("32000000000000{at}"),
                              "name": format!("{}江苏分公司", who.code) });
        teller.status(&market.put(*who, "/v1/payments/account", &account).await?, 200);
    }
    let cycles = market.get(OPERATOR, "/v1/operator/settlement/cycles").await?;
    let cycle = cycles.text("/items/0/cycleId").to_owned();
    let of_cycle = format!("/v1/operator/settlement/cycles/{cycle}");
    let closed = market.post(OPERATOR, &format!("{of_cycle}/close"), &json!({})).await?;
    teller.status(&closed, 200);
    for (who, net) in NETS {
        let path = format!("/v1/settlement/cycles/{cycle}/position");
        let position = market.get(who, &path).await?;
        teller.says(&position, &format!("净头寸 net of {}", who.code), "/net", net, "");
    }
    teller.remark("8,900 + 7,800 + 2,800 − 19,500 = 0");

    why(market, teller, &of_cycle, first).await?;

    teller.step(DAY, "对账单 statements", "signed statements; all four agree")?;
    for (who, net) in NETS {
        let path = format!("/v1/settlement/cycles/{cycle}/statement");
        let statement = market.get_until(who, &path, ("/net", net)).await?;
        teller.says(
            &statement,
            &format!("对账单 statement of {}", who.code),
            "/net",
            net,
            "signed",
        );
        let digest = json!({ "digest": statement.text("/digest") });
        let agreed = market.post(who, &format!("{path}/confirm"), &digest).await?;
        teller.status(&agreed, 200);
    }

    teller.step(DAY, "资金划付 funds", "the bank collects from one and pays three")?;
    let reconciled = market.get_until(OPERATOR, &of_cycle, ("/cycle/stage", "reconciled")).await?;
    teller.says(
        &reconciled,
        "批次 cycle",
        "/cycle/stage",
        "reconciled",
        "ordered, settled, paid out",
    );
    for (who, _) in NETS {
        let path = format!("/v1/settlement/cycles/{cycle}/position");
        let position = market.get(who, &path).await?;
        teller.says(&position, &format!("未清 open of {}", who.code), "/open", "0.00", "");
    }
    let path = format!("/v1/operator/payments/statements/{DAY}");
    let statement = market.post(OPERATOR, &path, &json!({})).await?;
    teller.says(
        &statement,
        "银行对账 bank statement",
        "/breaks",
        json!([]),
        "every line is booked",
    );

    teller.step(DAY, "账务平衡 proof", "the ledger proves that it balances")?;
    let proof = market.get(OPERATOR, "/v1/operator/ledger/proof").await?;
    teller.says(&proof, "借贷平衡 holds", "/holds", true, "worked out anew from every transfer");
    let path = format!("/v1/recoveries/{}", first[1]);
    let finished = market.get(PAIC, &path).await?;
    teller.says(&finished, "结算码 code", "/agreed", "4200.00", finished.text("/statusName"));
    Ok(())
}

/// The operator asks why a position is what it is, down to the message of the claim; its insurer finds
/// the look.
async fn why(
    market: &mut Market,
    teller: &mut Teller,
    of_cycle: &str,
    first: &[String],
) -> anyhow::Result<()> {
    let what = "the operator asks why PAIC gets 7,800, down to the message of the claim";
    teller.step(DAY, "头寸溯源 why?", what)?;
    let position = market.get(OPERATOR, &format!("{of_cycle}/positions/PAIC")).await?;
    teller.says(&position, "净头寸 net of PAIC", "/net", "7800.00", "");
    let items = format!("{of_cycle}/positions/PAIC/items?counterparty=PICC");
    let items = market.get(OPERATOR, &items).await?;
    let listed = items.body["items"].as_array().into_iter().flatten();
    let item = listed.clone().find(|item| item["reference"] == first[1].as_str());
    let item = item.cloned().unwrap_or_default();
    teller.holds("结算码 settlement code", item["amount"] == "4200.00", &first[1]);
    let item = item["itemId"].as_str().unwrap_or_default();
    let origin = format!("/v1/operator/settlement/items/{item}/origin");
    let origin = market.get_because(OPERATOR, &origin, "question of PAIC").await?;
    teller.says(&origin, "追偿 recovery", "/recovery/recoveryCode", &*first[1], "");
    let acts = origin.body["recovery"]["steps"].as_array().map_or(0, Vec::len);
    let told = "lock, start, offer, agreement";
    teller.holds("步骤 acts under the code", acts == 4, told);
    teller.says(&origin, "理赔 claim of", "/claims/0/insurer", "PAIC", "");
    let report = "/claims/0/steps/0/message";
    let message = format!("{report}/reportNo");
    teller.says(&origin, "报案信息 message of the report", &message, "RB2", "as it was filed");
    let place = format!("{report}/place");
    teller.says(&origin, "出险地点 place", &place, "***", "hidden from other houses");
    let looks = "/v1/accesses?function=operator.settlement.origin_read";
    let looks = market.get(PAIC, looks).await?;
    let client = "operator-000000";
    teller.says(&looks, "查询留痕 look by", "/items/0/client", client, "PAIC finds it");
    teller.says(&looks, "查询目的 purpose", "/items/0/purpose", "question of PAIC", "");
    Ok(())
}
