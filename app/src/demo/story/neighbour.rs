//! 2025: a neighbour's car whose tax of last year was never paid.

use kernel::Fen;
use sandbox::vehicle::{Arrears, VehicleRecord};
use serde_json::json;

use crate::demo::market::{CPIC, Market};
use crate::demo::story::first_owner;
use crate::demo::teller::Teller;

const FRAME: &str = "LFV2A21K3J3008846";

pub(super) async fn walk(market: &mut Market, teller: &mut Teller) -> anyhow::Result<()> {
    teller.chapter("插曲：补税", "2025: a neighbour's car with tax in arrears")?;
    let registered_on = jiff::civil::date(2018, 5, 10);
    let owed = Arrears { year: 2024, unpaid: Fen(30_000), due_on: jiff::civil::date(2024, 12, 31) };
    let record = VehicleRecord::private_car(FRAME)
        .with_engine("EA211J30088")
        .owned_by("张三丰")
        .plated("苏A6T215", "02")
        .registered_on(jiff::civil::date(2018, 3, 2), registered_on)
        .with_arrears(owed);
    market.load_vehicle(&record).await?;
    market.move_to("2025-03-20T10:00").await?;
    teller.step(
        "2025-03-20",
        "投保查询 quote",
        "CPIC asks for compulsory cover; the tax office answers",
    )?;
    let body = json!({
        "vehicle": { "frameNo": FRAME, "engineNo": "EA211J30088", "plate": "苏A6T215",
            "plateKind": "02", "category": "11", "usage": "210", "fuel": "A", "seats": 5,
            "displacementCc": 1598, "firstRegisteredOn": "2018-05-10" },
        "owner": first_owner(), "applicant": first_owner(), "insured": first_owner(),
        "compulsory": { "start": "2025032100" },
    });
    let quoted = market.post(CPIC, "/v1/quotes", &body).await?;
    teller.status(&quoted, 201);
    teller.says(&quoted, "纳税状态 tax condition", "/rating/tax/condition", "B", "补税 arrears");
    let rows = [
        ("当年 this year", "/rating/tax/current/due", "300.00", "a whole year"),
        ("往年 2024", "/rating/tax/arrears/0/due", "300.00", ""),
        (
            "滞纳金 late fee",
            "/rating/tax/lateFee",
            "11.85",
            "300.00 × 0.05 % × 79 days after 31 December",
        ),
        ("合计 in all", "/rating/tax/total", "611.85", ""),
        ("应缴 payable", "/payable", "1561.85", "950.00 + 611.85, no float: reason 04"),
    ];
    for (label, at, expected, how) in rows {
        teller.says(&quoted, label, at, expected, how);
    }
    Ok(())
}
