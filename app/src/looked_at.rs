//! What insurers recorded of a vehicle, told to the access log by the rooms that keep it.

use base_http::Problem;
use evidence::{RecordOnVehicle, Records, VehicleRecords};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use production::Production;

/// Records of vehicles over the production cloud.
pub(crate) struct OnVehicles {
    pub(crate) production: Production,
}

impl Records for OnVehicles {
    fn on_vehicle<'a>(
        &'a self,
        frame_no: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<VehicleRecords, Problem>> {
        async move {
            let (frame, policies) = self.production.policies_on(frame_no, now).await?;
            let records = policies.into_iter().map(|policy| RecordOnVehicle {
                owner: policy.confirm_no.insurer().as_str().to_owned(),
                region: policy.confirm_no.area().code().to_owned(),
                subject: policy.confirm_no.to_string(),
                shown_from: policy.issued_at,
                shown_to: policy.revoked_at,
            });
            Ok(VehicleRecords {
                slot: frame.slot().0,
                digest: frame.digest(),
                masked: frame.masked(),
                records: records.collect(),
            })
        }
        .boxed()
    }
}
