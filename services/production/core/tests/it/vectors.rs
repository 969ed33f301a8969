use production_core::frame::{CheckDigit, FrameError, FrameForm, FrameNo};
use production_core::region::Region;
use serde_json::Value;

fn frame(text: &str) -> Result<FrameNo, FrameError> {
    FrameNo::parse(text, FrameForm::VinOnly)
}

#[test]
fn vins_are_judged_as_the_vectors_say() {
    let Some(text) = super::text_of("../../../../shared/data/vectors/vin.json") else { return };
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let cases = |group: &str| vectors[group].as_array().unwrap().clone();
    let text_in = |case: &Value, field: &str| case[field].as_str().unwrap().to_owned();
    for case in cases("valid") {
        let vin = text_in(&case, "vin");
        assert_eq!(frame(&vin).unwrap().check_digit(), CheckDigit::Right, "{vin}");
    }
    for case in cases("invalid") {
        let vin = text_in(&case, "vin");
        let (read, reason) = (frame(&vin), text_in(&case, "reason"));
        let agrees = match reason.as_str() {
            "check_digit" => {
                matches!(read.as_ref().map(FrameNo::check_digit), Ok(CheckDigit::Wrong { .. }))
            }
            "forbidden_letter" => matches!(read, Err(FrameError::Character(_))),
            // Blanks around a number are forgiven; what is left is then too short.
            "forbidden_character" => read.is_err(),
            "length" => matches!(read, Err(FrameError::Length(_))),
            other => panic!("unknown reason {other}"),
        };
        assert!(agrees, "{vin} is {reason}: {read:?}");
    }
    for case in cases("known_and_sample") {
        let vin = text_in(&case, "vin");
        let expected = text_in(&case, "check_digit_expected").chars().next().unwrap();
        let verdict = if case["check_digit_ok"] == true {
            CheckDigit::Right
        } else {
            CheckDigit::Wrong { expected }
        };
        assert_eq!(frame(&vin).unwrap().check_digit(), verdict, "{vin}");
    }
}

#[test]
fn every_county_lies_in_a_region() {
    for table in ["gb2260_mca_201904.tsv", "gb2260_stats_201810.tsv", "gb2260_mca_200712.tsv"] {
        let path = format!("../../../../shared/data/reference/regions/{table}");
        let Some(text) = super::text_of(&path) else { return };
        let codes = text.lines().skip(1).filter_map(|line| line.split('\t').nth(2));
        for code in codes {
            let covered = !["71", "81", "82"].contains(&&code[..2]);
            assert_eq!(Region::of_area(code).is_ok(), covered, "{code} of {table}");
        }
    }
}
