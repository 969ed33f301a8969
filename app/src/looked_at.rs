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
            let (frame, records) = self.production.records_on(frame_no, now).await?;
            let records = records.into_iter().map(|record| RecordOnVehicle {
                owner: record.number.insurer().as_str().to_owned(),
                region: record.number.area().code().to_owned(),
                subject: record.number.to_string(),
                shown_from: record.shown_from,
                shown_to: record.shown_to,
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
