//! The cars of the claims story: alike but for their numbers, a year old, at an actual value of
//! 120,000 × (1 − 12 months × 0.6 %) = 111,360.

use sandbox::vehicle::VehicleRecord;
use serde_json::{Value, json};

use crate::demo::story::{covers, message};

/// A car of the claims story.
pub(super) struct Car {
    /// Tells its policy numbers apart.
    pub(super) mark: &'static str,
    pub(super) frame: &'static str,
    pub(super) engine: &'static str,
    pub(super) plate: &'static str,
    owner: &'static str,
}

pub(super) const A: Car = Car {
    mark: "A",
    frame: "LFV2A21K2S3100001",
    engine: "EA211S31001",
    plate: "苏A6A001",
    owner: "赵云",
};
pub(super) const B: Car = Car {
    mark: "B",
    frame: "LFV2A21K4S3100002",
    engine: "EA211S31002",
    plate: "苏A6B002",
    owner: "钱谦",
};
pub(super) const C: Car = Car {
    mark: "C",
    frame: "LFV2A21K6S3100003",
    engine: "EA211S31003",
    plate: "苏A6C003",
    owner: "孙武",
};

pub(super) const D: Car = Car {
    mark: "D",
    frame: "LFV2A21K8S3100004",
    engine: "EA211S31004",
    plate: "苏A6D004",
    owner: "李广",
};
pub(super) const E: Car = Car {
    mark: "E",
    frame: "LFV2A21KXS3100005",
    engine: "EA211S31005",
    plate: "苏A6E005",
    owner: "周瑜",
};
pub(super) const F: Car = Car {
    mark: "F",
    frame: "LFV2A21K1S3100006",
    engine: "EA211S31006",
    plate: "苏A6F006",
    owner: "吴起",
};
pub(super) const G: Car = Car {
    mark: "G",
    frame: "LFV2A21K3S3100007",
    engine: "EA211S31007",
    plate: "苏A6G007",
    owner: "郑成",
};

impl Car {
    /// The car as police, model library and tax office know it.
    pub(super) fn record(&self) -> VehicleRecord {
        let (made_on, registered_on) =
            (jiff::civil::date(2025, 1, 10), jiff::civil::date(2025, 3, 1));
        VehicleRecord::private_car(self.frame)
            .with_engine(self.engine)
            .owned_by(self.owner)
            .plated(self.plate, "02")
            .registered_on(made_on, registered_on)
    }

    /// A quote for compulsory cover, own damage at the actual value of the first year, and third
    /// party of 1,000,000.
    pub(super) fn quote(&self, start: &str) -> Value {
        self.quote_at("111360.00", start)
    }

    /// The same with own damage at another agreed value.
    pub(super) fn quote_at(&self, agreed_value: &str, start: &str) -> Value {
        let vehicle = json!({ "frameNo": self.frame, "engineNo": self.engine, "plate": self.plate,
            "plateKind": "02", "category": "11", "usage": "210", "fuel": "A", "seats": 5,
            "displacementCc": 1598, "curbWeightKg": "1280", "madeOn": "2025-01-10",
            "firstRegisteredOn": "2025-03-01", "newPrice": "120000.00",
            "modelCode": "BDZ1600FV7160" });
        let owner = json!({ "name": self.owner, "certificateKind": "01",
            "certificateNo": "11010519491231002X", "mobile": "13800001234" });
        message(vehicle, &owner, start, "1.00", covers(agreed_value, "1000000.00"))
    }
}
