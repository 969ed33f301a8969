//! The market's register as a test fills it: claims, policies, plates and their times.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base_http::Caller;
use clearing::ClearingError;
use clearing::recovery::{
    AccidentClaim, ClaimFacts, CoverFacts, FiledClaim, FiledStep, Market, VehicleAsked,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kernel::{Fen, Period};
use pg::Tx;
use production_core::adjustment::compulsory::{ByItem, CompulsoryLimits};
use production_core::claim::{
    AdjustFacts, AssessFacts, Case, CoverRow, DocumentKind, DocumentsFacts, Liability, LossVehicle,
    NotifyFacts, Promise, SurveyFacts,
};
use production_core::cover::{Cover, CoverRequest};
use production_core::frame::{FrameForm, FrameNo};
use production_core::history::PolicyClass;
use production_core::insurer::InsurerCode;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::plate::{Plate, PlateKind};
use production_core::region::Region;

/// When the accidents of these tests happen: before [`testkit::START`].
pub(crate) fn accident_at() -> Timestamp {
    testkit::start().checked_sub(jiff::SignedDuration::from_hours(48)).unwrap()
}

/// What the market knows.
#[derive(Default)]
pub(crate) struct Register {
    claims: Mutex<BTreeMap<PlatformNumber, ClaimFacts>>,
    covers: Mutex<Vec<CoverFacts>>,
}

pub(crate) fn yuan(text: &str) -> Fen {
    text.parse().unwrap()
}

pub(crate) fn frame(vin: &str) -> FrameNo {
    FrameNo::parse(vin, FrameForm::VinOnly).unwrap()
}

pub(crate) fn number(
    kind: NumberKind,
    caller: &Caller,
    frame: &FrameNo,
    sequence: u64,
) -> PlatformNumber {
    let insurer = InsurerCode::parse(caller.insurer.as_deref().unwrap()).unwrap();
    PlatformNumber::new(kind, insurer, Region::Jiangsu, 2026, frame.slot(), sequence).unwrap()
}

fn covers(of: &[(Cover, &str)]) -> Vec<CoverRequest> {
    let cover = |(cover, limit): &(Cover, &str)| CoverRequest {
        limit: Some(yuan(limit)),
        ..CoverRequest::of(*cover)
    };
    of.iter().map(cover).collect()
}

fn promise(class: PolicyClass, covers: Vec<CoverRequest>) -> Promise {
    let property = |text| ByItem {
        death_disability: Fen::ZERO,
        medical: yuan("18000.00"),
        property: yuan(text),
    };
    let limits = CompulsoryLimits { at_fault: property("2000.00"), no_fault: property("100.00") };
    Promise { class, covers, hull_deductible: Fen::ZERO, limits: Some(limits) }
}

impl Register {
    /// A policy in force around the accident. `plate` is what the vehicle carried then.
    pub(crate) fn insure(
        &self,
        caller: &Caller,
        vin: &str,
        plate: &str,
        third_party: Option<&str>,
    ) -> PlatformNumber {
        let mut known = self.covers.lock().unwrap();
        let frame = frame(vin);
        let sequence = u64::try_from(known.len()).unwrap() + 1;
        let confirm_no = number(NumberKind::Confirm, caller, &frame, sequence);
        let (class, held) = match third_party {
            None => (PolicyClass::Compulsory, Vec::new()),
            Some(limit) => (PolicyClass::Commercial, covers(&[(Cover::ThirdParty, limit)])),
        };
        let day = jiff::SignedDuration::from_hours(24);
        let period = Period::new(accident_at() - day * 100, accident_at() + day * 265).unwrap();
        known.push(CoverFacts {
            confirm_no,
            tenant: caller.tenant,
            insurer: confirm_no.insurer(),
            region: Region::Jiangsu,
            policy_no: format!("P{sequence}"),
            frame,
            plate: Some(Plate::parse(plate, PlateKind::parse("02").unwrap()).unwrap()),
            period,
            endorse_times: 0,
            promise: promise(class, held),
        });
        confirm_no
    }

    /// A hull claim fit to recover: surveyed with a third vehicle and `liability`, 20,000 assessed,
    /// documents there, not adjusted.
    pub(crate) fn claim(&self, caller: &Caller, vin: &str, liability: Liability) -> PlatformNumber {
        let sequence = self.next();
        let claim_no = number(NumberKind::Claim, caller, &frame(vin), sequence);
        self.claim_numbered(claim_no, caller, vin, liability);
        claim_no
    }

    fn next(&self) -> u64 {
        u64::try_from(self.claims.lock().unwrap().len()).unwrap() + 1
    }

    /// The same under this number.
    pub(crate) fn claim_numbered(
        &self,
        claim_no: PlatformNumber,
        caller: &Caller,
        vin: &str,
        liability: Liability,
    ) {
        let (frame, sequence) = (frame(vin), self.next());
        let at = accident_at();
        let notify: NotifyFacts = serde_json::from_value(serde_json::json!({
            "accidentAt": at, "reportedAt": at, "district": "320102", "subrogation": true }))
        .unwrap();
        let survey: SurveyFacts = serde_json::from_value(serde_json::json!({
            "at": at, "liability": liability.code(), "vehicles": 2, "thirdVehicles": 1 }))
        .unwrap();
        let mut case = Case::notified(PolicyClass::Commercial, notify);
        case.survey = Some(survey);
        case.assessment = Some(assessed("20000.00"));
        case.documents = Some(DocumentsFacts {
            complete_at: at,
            listed_at: None,
            kinds: vec![DocumentKind::SubrogationApplication, DocumentKind::LiabilityStatement],
        });
        let held = covers(&[(Cover::Hull, "100000.00"), (Cover::ThirdParty, "1000000.00")]);
        let facts = ClaimFacts {
            claim_no,
            tenant: caller.tenant,
            insurer: claim_no.insurer(),
            region: Region::Jiangsu,
            confirm_no: number(NumberKind::Confirm, caller, &frame, 900 + sequence),
            policy_no: format!("H{sequence}"),
            frame,
            plate: None,
            case,
            promise: promise(PolicyClass::Commercial, held),
        };
        self.claims.lock().unwrap().insert(claim_no, facts);
    }

    /// The plate the insured vehicle of a claim carried at the accident.
    pub(crate) fn carry(&self, claim_no: PlatformNumber, plate: &str) {
        let plate = Plate::parse(plate, PlateKind::Small).unwrap();
        self.claims.lock().unwrap().get_mut(&claim_no).unwrap().plate = Some(plate);
    }

    /// Own damage adjusted: all of `loss` is paid, the own share is `share` percent.
    pub(crate) fn adjust(&self, claim_no: PlatformNumber, loss: &str, share: u8) {
        let mut known = self.claims.lock().unwrap();
        let case = &mut known.get_mut(&claim_no).unwrap().case;
        case.assessment = Some(assessed(loss));
        let row = CoverRow {
            cover: Cover::Hull,
            fee: "1".to_owned(),
            amount: yuan(loss),
            item: Some(1),
            share_pct: Some(share.into()),
            loss: yuan(loss),
            salvage: Fen::ZERO,
            compulsory_paid: Fen::ZERO,
            deductions: Fen::ZERO,
        };
        case.adjustments = vec![AdjustFacts {
            at: accident_at(),
            agreed_at: None,
            total: yuan(loss),
            covers: vec![row],
            recoveries: vec![],
            litigation: false,
        }];
    }

    /// Changes a case by hand.
    pub(crate) fn change(&self, claim_no: PlatformNumber, change: impl FnOnce(&mut Case)) {
        change(&mut self.claims.lock().unwrap().get_mut(&claim_no).unwrap().case);
    }

    fn find(&self, tx: &Tx, claim_no: PlatformNumber) -> Result<ClaimFacts, ClearingError> {
        let known = self.claims.lock().unwrap();
        let scope = tx.scope().to_string();
        let found = known.get(&claim_no).filter(|one| scope.contains(&one.tenant.to_string()));
        found.cloned().ok_or_else(|| ClearingError::not_found("claim", claim_no))
    }
}

fn assessed(loss: &str) -> AssessFacts {
    let own = LossVehicle {
        item: 1,
        own: true,
        loss: yuan(loss),
        salvage: Fen::ZERO,
        total_loss: false,
        residual: Fen::ZERO,
        no_third_party: false,
        marks: Vec::new(),
    };
    AssessFacts { at: accident_at(), vehicles: vec![own], properties: vec![], persons: vec![] }
}

/// The register of one test, shared with its cloud.
pub(crate) struct Asked(pub(crate) Arc<Register>);

impl Market for Asked {
    fn hold_claim<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
    ) -> BoxFuture<'a, Result<ClaimFacts, ClearingError>> {
        async move { self.0.find(tx, claim_no) }.boxed()
    }

    fn claim<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
    ) -> BoxFuture<'a, Result<ClaimFacts, ClearingError>> {
        async move { self.0.find(tx, claim_no) }.boxed()
    }

    fn filed<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
    ) -> BoxFuture<'a, Result<FiledClaim, ClearingError>> {
        async move {
            let claim = self.0.find(tx, claim_no)?;
            let report_no = format!("R-{}", claim.policy_no);
            let step = |(at, step): (usize, &'static str)| FiledStep {
                sequence: i32::try_from(at).unwrap() + 1,
                step,
                business_no: report_no.clone(),
                round: 0,
                occurred_at: accident_at(),
                recorded_at: accident_at(),
                message: serde_json::json!({ "reportNo": report_no, "reporterName": "李*" }),
            };
            let steps = ["notify", "survey"].into_iter().enumerate().map(step).collect();
            Ok(FiledClaim { claim, report_no, steps })
        }
        .boxed()
    }

    fn covers<'a>(
        &'a self,
        _tx: &'a mut Tx,
        vehicle: &'a VehicleAsked,
        at: Timestamp,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<CoverFacts>, ClearingError>> {
        async move {
            let plate = vehicle.plate.as_ref().map(|(plate, _)| plate.as_str());
            let fits = |cover: &&CoverFacts| {
                let carried = cover.plate.as_ref().map(Plate::number);
                cover.period.contains(at)
                    && (plate.is_none() || carried == plate)
                    && vehicle.frame.as_ref().is_none_or(|frame| *frame == cover.frame)
            };
            Ok(self.0.covers.lock().unwrap().iter().filter(fits).cloned().collect())
        }
        .boxed()
    }

    fn accident<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<AccidentClaim>, ClearingError>> {
        async move {
            self.0.find(tx, claim_no)?;
            let known = self.0.claims.lock().unwrap();
            let claim = |one: &ClaimFacts| AccidentClaim {
                claim_no: one.claim_no,
                insurer: one.insurer,
                class: one.case.class,
                frame: one.frame.clone(),
                accident_at: one.case.notify.accident_at,
            };
            Ok(known.values().map(claim).collect())
        }
        .boxed()
    }
}
