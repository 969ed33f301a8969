//! 2026: three more cars and two accidents. One of 70 to 30 between two insurers, with own damage and
//! third party on both sides; one that each side settles itself. A claim is uploaded twice, and once
//! reopened.
//!
//! Losses of the first: A's car 5,000, B's car 8,000; A bears 70 percent, B 30. Each compulsory cover
//! pays the other's property up to 2,000; what is left is shared. A's loss is paid by B's insurer
//! directly; B is paid whole by its own, which recovers A's part from A's.

use serde_json::{Value, json};

use crate::demo::market::{Answer, CPIC, Insurer, Market, PAIC, PICC};
use crate::demo::story::Pair;
use crate::demo::story::buying::{Price, buy};
use crate::demo::story::case::{Case, documents, lost, recovery_row, seen};
use crate::demo::story::fleet::{A, B, C, Car};
use crate::demo::story::recoveries;
use crate::demo::teller::Teller;

/// An accident as one insurer tells it.
pub(super) struct Accident<'a> {
    pub(super) day: &'a str,
    /// 事故责任 of the insured side.
    pub(super) liability: &'a str,
    /// Loss of the insured car.
    pub(super) own: &'a str,
    /// Loss of the other one.
    pub(super) other: &'a str,
    pub(super) other_car: &'a Car,
    pub(super) mutual: bool,
    /// The insured is paid whole by its own insurer, which recovers (代位求偿).
    pub(super) subrogation: bool,
}

/// Sells the cars and tells of the accident of 70 to 30; between it and the mutual collision insurers
/// settle ([`recoveries`]). Answers the mutual collision as CPIC filed it.
pub(super) async fn walk(market: &mut Market, teller: &mut Teller) -> anyhow::Result<Case> {
    teller.chapter("理赔：三辆车，两次事故", "2026: claims, shared by every insurer")?;
    market.move_to("2026-03-02T10:00").await?;
    let a = sell(market, teller, PICC, &A).await?;
    let b = sell(market, teller, PAIC, &B).await?;
    let c = sell(market, teller, CPIC, &C).await?;
    let fleet = recoveries::sell_fleet(market, teller).await?;
    market.move_to("2026-06-08T10:00").await?;
    let (codes, of_a) = seventy_thirty(market, teller, &a, &b).await?;
    recoveries::walk(market, teller, &fleet, &codes).await?;
    netted(market, teller, &codes, &of_a).await?;
    teller.chapter("互碰自赔", "2026: a mutual collision, which each side settles itself")?;
    market.move_to("2026-08-10T10:00").await?;
    each_its_own(market, teller, &b, &c).await
}

/// Sells a car of the claims story on 2 March 2026.
pub(super) async fn sell(
    market: &mut Market,
    teller: &mut Teller,
    who: Insurer,
    car: &Car,
) -> anyhow::Result<Pair> {
    let what = format!("{} insures {} with own damage and third party", who.code, car.plate);
    teller.step("2026-03-02", "投保 sale", &what)?;
    market.load_vehicle(&car.record()).await?;
    let quoted = market.post(who, "/v1/quotes", &car.quote("2026030300")).await?;
    teller.status(&quoted, 201);
    let how = "1,882.40 own damage + 1,712.53 third party, no history";
    teller.says(
        &quoted,
        "商业险保费 commercial premium",
        "/rating/commercial/premium",
        "3594.93",
        how,
    );
    let price = Price {
        compulsory: "950.00",
        tax: "300.00",
        commercial: "3594.93",
        fee: "0.00",
        payable: "4844.93",
    };
    let query = quoted.text("/queryCode").to_owned();
    buy(market, teller, who, &query, price, &format!("2026{}", car.mark)).await
}

/// Reports an accident under one policy.
async fn report(
    market: &mut Market,
    teller: &mut Teller,
    policy: (Insurer, &str),
    report_no: &str,
    accident: &Accident<'_>,
) -> anyhow::Result<(Case, Answer, Value)> {
    let more = json!({
        "accidentAt": format!("{}0830", accident.day), "reportedAt": format!("{}0915", accident.day),
        "district": "320102", "place": "中山北路路口", "description": "路口相撞，双方车辆受损",
        "cause": "07", "handledBy": "10", "liability": "9", "mutual": accident.mutual,
        "subrogation": accident.subrogation,
        "thirdVehicles": [{ "plate": accident.other_car.plate, "plateKind": "02" }],
    });
    Case::report(market, teller, policy, report_no, more).await
}

/// From the survey to the papers.
async fn assess(
    market: &mut Market,
    teller: &mut Teller,
    case: &Case,
    accident: &Accident<'_>,
) -> anyhow::Result<()> {
    let at = |hour: &str| format!("{}{hour}", accident.day);
    let mut kinds = vec!["claimApplication", "liabilityStatement"];
    if accident.subrogation {
        kinds.push("subrogationApplication");
    }
    let steps = [
        (
            "surveys",
            json!({ "surveyedAt": at("1100"), "liability": accident.liability,
            "liabilityDocument": "1", "mutual": accident.mutual,
            "vehicles": [seen(1), seen(2)] }),
        ),
        ("registration", json!({ "registeredAt": at("1200"), "estimate": accident.other })),
        (
            "assessments",
            json!({ "approvedAt": at("1500"),
            "vehicles": [lost(1, accident.own), lost(2, accident.other)] }),
        ),
        (
            "documents",
            json!({ "listedAt": at("1000"), "completeAt": at("1600"),
                    "documents": documents(&kinds) }),
        ),
    ];
    for (step, more) in steps {
        case.step(market, teller, step, &case.message("1", more)).await?;
    }
    Ok(())
}

/// From the adjustment to the money; `rows` add up to `amount`.
async fn settle(
    market: &mut Market,
    teller: &mut Teller,
    case: &Case,
    accident: &Accident<'_>,
    amount: &str,
    rows: Value,
) -> anyhow::Result<()> {
    close(market, teller, case, accident, amount, adjustment(accident, amount, rows, json!([])))
        .await?;
    let money = payment(amount, &format!("{}1900", accident.day));
    let paid = case.step(market, teller, "payments", &case.message("1", money)).await?;
    teller.says(&paid, "赔付 paid", "/stage", "PAID", amount);
    Ok(())
}

/// An adjustment whose `rows` add up to `amount`; what of it is recovered, or paid to an insurer that
/// recovers, stands in `recoveries`.
fn adjustment(accident: &Accident<'_>, amount: &str, rows: Value, recoveries: Value) -> Value {
    let at = format!("{}1700", accident.day);
    json!({ "agreedAt": at, "adjustments": [{ "code": "A1", "opinion": "同意", "amount": amount,
            "approvedAt": at, "covers": rows, "recoveries": recoveries }] })
}

/// The adjustment and the closing.
async fn close(
    market: &mut Market,
    teller: &mut Teller,
    case: &Case,
    accident: &Accident<'_>,
    amount: &str,
    adjusted: Value,
) -> anyhow::Result<()> {
    case.step(market, teller, "adjustments", &case.message("1", adjusted)).await?;
    let at = format!("{}1800", accident.day);
    let closing = json!({ "closedAt": at, "total": amount, "insured": true,
        "liability": accident.liability, "mutual": accident.mutual });
    let closed = case.step(market, teller, "closings", &case.message("1", closing)).await?;
    teller.says(&closed, "结案应付 due", "/due", amount, "");
    let check = closed.text("/closingCheckCode").to_owned();
    teller.holds("结案校验码 check code", check.len() == 30 && check.starts_with("06"), &check);
    Ok(())
}

/// A payment to one payee.
pub(super) fn payment(amount: &str, at: &str) -> Value {
    json!({ "paidAt": at, "total": amount, "payees": [{ "kind": "victim", "name": "王强",
        "certificateKind": "01", "certificateNo": "440524188001010014",
        "account": "6217001234567890123", "amount": amount }] })
}

fn property(item: u8, loss: &str, amount: &str) -> Value {
    json!([{ "coverageCode": "A02", "feeKind": "3", "item": item, "loss": loss, "amount": amount }])
}

fn shared(cover: &str, item: u8, share: &str, loss: &str, amount: &str) -> Value {
    json!({ "coverageCode": cover, "feeKind": "1", "item": item, "liabilityRate": share,
            "loss": loss, "compulsoryPaid": "2000.00", "amount": amount })
}

/// Answers the settlement codes under which PAIC recovers B's loss, of A's compulsory and commercial
/// cover, and PICC's cases under the two.
async fn seventy_thirty(
    market: &mut Market,
    teller: &mut Teller,
    a: &Pair,
    b: &Pair,
) -> anyhow::Result<([String; 2], [Case; 2])> {
    let of_a = Accident {
        day: "20260601",
        liability: "2",
        own: "5000.00",
        other: "8000.00",
        other_car: &B,
        mutual: false,
        subrogation: false,
    };
    let of_b = Accident {
        day: "20260601",
        liability: "4",
        own: "8000.00",
        other: "5000.00",
        other_car: &A,
        mutual: false,
        subrogation: false,
    };
    teller.step(
        "2026-06-01",
        "报案 notify",
        "A hits B at a crossing; PICC reports it under A's compulsory policy",
    )?;
    let (of_cover, told, message) =
        report(market, teller, (PICC, &a.compulsory), "RA1", &of_a).await?;
    teller.holds("理赔编号 claim code", of_cover.code.starts_with("05PICC3200"), &of_cover.code);
    let nobody = "nobody else told of it yet";
    teller.says(&told, "风险提示 risk hints", "/riskHints", json!([]), nobody);

    teller.step(
        "2026-06-01",
        "重复上传 upload again",
        "PICC's queue sends the report once more",
    )?;
    let again = market.post(PICC, "/v1/claims", &message).await?;
    let code = of_cover.code.as_str();
    teller.says(&again, "同一案件 the same case", "/claimCode", code, "answered as before");
    let mut changed = message.clone();
    changed["place"] = json!("中央路路口");
    let refused = market.post(PICC, "/v1/claims", &changed).await?;
    teller.refused(&refused, 409, "E2043");
    teller.says(&refused, "首次上传 the first", "/first/claimCode", code, "");

    teller.step(
        "2026-06-01",
        "对方理赔 the other side",
        "PAIC tells of the same accident under B's policies, and pays for A's car",
    )?;
    let (case, told, _) = report(market, teller, (PAIC, &b.compulsory), "RB1", &of_b).await?;
    let hints = told.body["riskHints"].as_array().map_or(&[][..], Vec::as_slice);
    let plates = hints.iter().filter(|hint| hint["rule"] == "H01" && hint["insurer"] == "PICC");
    let count = plates.count();
    teller.holds("风险提示 hints", count > 0, "the same plates in PICC's claims (H01)");
    assess(market, teller, &case, &of_b).await?;
    settle(market, teller, &case, &of_b, "2000.00", property(2, "5000.00", "2000.00")).await?;

    teller.step(
        "2026-06-01",
        "代位求偿锁定 lock",
        "B's owner wants its 8,000 from PAIC, which asks who is liable and locks both covers of A",
    )?;
    let of_b = Accident { subrogation: true, ..of_b };
    let (hull, _, _) = report(market, teller, (PAIC, &b.commercial), "RB2", &of_b).await?;
    assess(market, teller, &hull, &of_b).await?;
    let codes = recoveries::lock(market, teller, (PAIC, &hull.code), (&A, PICC)).await?;

    teller.step(
        "2026-06-01",
        "交强险理赔 compulsory",
        "A's compulsory cover bears B's damage up to its limit, for PAIC to recover",
    )?;
    assess(market, teller, &of_cover, &of_a).await?;
    let over = json!({ "adjustments": [{ "amount": "2000.01", "approvedAt": "202606011700",
        "covers": property(2, "8000.00", "2000.01") }] });
    let path = format!("/v1/claims/{}/adjustments", of_cover.code);
    let refused = market.post(PICC, &path, &of_cover.message("0", over)).await?;
    teller.refused(&refused, 422, "E1001");
    teller.says(&refused, "规则 rule", "/errors/0/rule", "L43", "the property limit of 2,000");
    let rows = property(2, "8000.00", "2000.00");
    let direct = adjustment(&of_a, "2000.00", rows.clone(), json!([]));
    let refused = market.post(PICC, &path, &of_cover.message("0", direct)).await?;
    teller.refused(&refused, 409, "E2054");
    let at = "/settledBy/recoveryCode";
    teller.says(&refused, "已锁定 under a code", at, codes[0].as_str(), "not paid past PAIC");
    let paid = json!([recovery_row("2", "1", &codes[0], "2000.00")]);
    let adjusted = adjustment(&of_a, "2000.00", rows, paid);
    close(market, teller, &of_cover, &of_a, "2000.00", adjusted).await?;

    teller.step(
        "2026-06-01",
        "商业险理赔 commercial",
        "A's third party bears its share of what is left, its own damage the own part",
    )?;
    let (case, _, _) = report(market, teller, (PICC, &a.commercial), "RA2", &of_a).await?;
    assess(market, teller, &case, &of_a).await?;
    teller.remark("三者险 third party: (8,000 − 2,000) × 70 % = 4,200.00");
    teller.remark("车损险 own damage: (5,000 − 2,000) × 70 % = 2,100.00");
    let rows = json!([
        shared("M02", 2, "70", "8000.00", "4200.00"),
        shared("M01", 1, "70", "5000.00", "2100.00")
    ]);
    let paid = json!([recovery_row("2", "2", &codes[1], "4200.00")]);
    let adjusted = adjustment(&of_a, "6300.00", rows, paid);
    close(market, teller, &case, &of_a, "6300.00", adjusted).await?;
    let own = payment("2100.00", "202606011900");
    let paid = case.step(market, teller, "payments", &case.message("1", own)).await?;
    teller.says(&paid, "赔付 paid", "/stage", "CLOSED", "2,100; 4,200 go to PAIC under the code");

    teller.step(
        "2026-06-01",
        "车损险代位赔付 own damage",
        "PAIC pays B's whole loss, and A's share of third party beside it",
    )?;
    teller.remark("三者险 third party: (5,000 − 2,000) × 30 % = 900.00");
    let whole = json!({ "coverageCode": "M01", "feeKind": "1", "item": 1, "liabilityRate": "30",
                        "loss": "8000.00", "amount": "8000.00" });
    let to_recover = json!([
        recovery_row("1", "1", &codes[0], "2000.00"),
        recovery_row("1", "2", &codes[1], "4200.00")
    ]);
    let rows = json!([whole, shared("M02", 2, "30", "5000.00", "900.00")]);
    let adjusted = adjustment(&of_b, "8900.00", rows, to_recover.clone());
    close(market, teller, &hull, &of_b, "8900.00", adjusted).await?;
    let money = payment("8900.00", "202606011900");
    let paid = hull.step(market, teller, "payments", &hull.message("1", money)).await?;
    teller.says(&paid, "赔付 paid", "/stage", "PAID", "8,000 + 900");

    teller.step(
        "2026-06-08",
        "重开 reopen",
        "more damage is found on A's car: 6,000 instead of 5,000",
    )?;
    let why = json!({ "reopenedAt": "202606080900", "cause": "补充定损" });
    hull.step(market, teller, "reopenings", &hull.message("2", why)).await?;
    let assessed = json!({ "approvedAt": "202606080915",
        "vehicles": [lost(1, "8000.00"), lost(2, "6000.00")] });
    hull.step(market, teller, "assessments", &hull.message("2", assessed)).await?;
    teller.remark("三者险 third party: (6,000 − 2,000) × 30 % = 1,200.00");
    let anew = json!({ "adjustments": [{ "amount": "9200.00", "approvedAt": "202606080930",
        "covers": [whole, shared("M02", 2, "30", "6000.00", "1200.00")],
        "recoveries": to_recover }] });
    hull.step(market, teller, "adjustments", &hull.message("2", anew)).await?;
    let closing = json!({ "closedAt": "202606080940", "total": "9200.00", "insured": true,
        "liability": "4" });
    let closed = hull.step(market, teller, "closings", &hull.message("2", closing)).await?;
    teller.says(&closed, "补付 still due", "/due", "300.00", "9,200 − 8,900 paid before");
    let paid = payment("300.00", "202606080950");
    let paid = hull.step(market, teller, "payments", &hull.message("2", paid)).await?;
    teller.says(&paid, "赔付 paid", "/stage", "PAID", "8,900 + 300");
    Ok((codes, [of_cover, case]))
}

/// PICC's cases are paid once what they bear of B's loss went through settlement.
async fn netted(
    market: &mut Market,
    teller: &mut Teller,
    codes: &[String; 2],
    of_a: &[Case; 2],
) -> anyhow::Result<()> {
    teller.step("2026-06-10", "赔付 payment", "PICC records what PAIC got through settlement")?;
    for ((case, code), amount) in of_a.iter().zip(codes).zip(["2000.00", "4200.00"]) {
        let money = json!({ "paidAt": "202606102000", "total": amount, "payees": [{
            "kind": "insurer", "name": "PAIC江苏分公司", "certificateNo": "913200001347708801",
            "account": "320000000000001", "amount": amount, "recoveryCode": code }] });
        let paid = case.step(market, teller, "payments", &case.message("2", money)).await?;
        teller.says(&paid, "赔付 paid", "/stage", "PAID", amount);
    }
    Ok(())
}

/// 互碰自赔: B and C, equal fault, each loss at most 2,000.
async fn each_its_own(
    market: &mut Market,
    teller: &mut Teller,
    b: &Pair,
    c: &Pair,
) -> anyhow::Result<Case> {
    teller.step(
        "2026-08-01",
        "互碰自赔 mutual collision",
        "B and C collide, equal fault; each insurer pays its own car",
    )?;
    let of_b = Accident {
        day: "20260801",
        liability: "3",
        own: "1800.00",
        other: "1500.00",
        other_car: &C,
        mutual: true,
        subrogation: false,
    };
    let (case, _, _) = report(market, teller, (PAIC, &b.compulsory), "RB3", &of_b).await?;
    assess(market, teller, &case, &of_b).await?;
    settle(market, teller, &case, &of_b, "1800.00", property(1, "1800.00", "1800.00")).await?;
    let of_c = Accident { own: "1500.00", other: "1800.00", other_car: &B, ..of_b };
    let (case, _, _) = report(market, teller, (CPIC, &c.compulsory), "RC1", &of_c).await?;
    assess(market, teller, &case, &of_c).await?;
    settle(market, teller, &case, &of_c, "1500.00", property(1, "1500.00", "1500.00")).await?;
    Ok(case)
}
