//! The control API every server has beside its contract: faults, counts, records.
//!
//! Control is never spoiled: a counterparty that is down can still be made well again.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Extension, Json, Router, middleware};
use serde::Serialize;

use crate::Counterparty;
use crate::accident::Accident;
use crate::bank;
use crate::fault::{self, Desk, Faults};
use crate::models::Model;
use crate::parts::Part;
use crate::tax::Declared;
use crate::vehicle::VehicleRecord;
use crate::world::World;

/// What a counterparty was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// Calls of the contract; control calls do not count.
    pub total: u64,
    /// Those that were spoiled by faults.
    pub spoiled: u64,
    /// Calls by method and path of the contract.
    pub by_operation: BTreeMap<String, u64>,
}

impl Calls {
    pub(crate) fn count(&mut self, operation: String, spoiled: bool) {
        self.total += 1;
        self.spoiled += u64::from(spoiled);
        *self.by_operation.entry(operation).or_default() += 1;
    }
}

/// `contract` with faults in front of it, and the control API beside it.
pub(crate) fn with_control(
    contract: Router<Arc<World>>,
    counterparty: Counterparty,
    world: &Arc<World>,
    desk: &Arc<Desk>,
) -> Router {
    let spoiled = contract
        .route_layer(middleware::from_fn_with_state(Arc::clone(desk), fault::spoil))
        .with_state(Arc::clone(world));
    let mut control = Router::new()
        .route("/sandbox/faults", get(read_faults).put(set_faults).delete(clear_faults))
        .route("/sandbox/calls", get(read_calls).delete(forget_calls))
        .route(
            "/sandbox/vehicles/{vin}",
            get(read_vehicle).put(load_vehicle).delete(forget_vehicle),
        );
    control = match counterparty {
        Counterparty::Police => control.route(
            "/sandbox/accidents/{accident_no}",
            get(read_accident).put(load_accident).delete(forget_accident),
        ),
        Counterparty::Models => control
            .route("/sandbox/models/{code}", put(load_model))
            .route("/sandbox/parts/{code}", put(load_part)),
        Counterparty::Tax => control.route("/sandbox/declarations", get(read_declarations)),
        Counterparty::Bank => control.merge(bank::control()),
    };
    let control = control.layer(Extension(Arc::clone(desk))).with_state(Arc::clone(world));
    spoiled.merge(control)
}

async fn read_faults(Extension(desk): Extension<Arc<Desk>>) -> Json<Faults> {
    Json(desk.faults())
}

async fn set_faults(
    Extension(desk): Extension<Arc<Desk>>,
    Json(faults): Json<Faults>,
) -> Json<Faults> {
    desk.set(faults);
    Json(desk.faults())
}

async fn clear_faults(Extension(desk): Extension<Arc<Desk>>) -> StatusCode {
    desk.set(Faults::default());
    StatusCode::NO_CONTENT
}

async fn read_calls(Extension(desk): Extension<Arc<Desk>>) -> Json<Calls> {
    Json(desk.calls())
}

async fn forget_calls(Extension(desk): Extension<Arc<Desk>>) -> StatusCode {
    desk.forget_calls();
    StatusCode::NO_CONTENT
}

async fn read_vehicle(
    State(world): State<Arc<World>>,
    Path(vin): Path<String>,
) -> Result<Json<VehicleRecord>, StatusCode> {
    world.by_vin(&vin, None).map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn load_vehicle(
    State(world): State<Arc<World>>,
    Path(vin): Path<String>,
    Json(record): Json<VehicleRecord>,
) -> Result<StatusCode, (StatusCode, String)> {
    if record.vin != vin {
        return Err((StatusCode::BAD_REQUEST, "the VIN of path and body differ".into()));
    }
    world.load(record);
    Ok(StatusCode::NO_CONTENT)
}

async fn forget_vehicle(State(world): State<Arc<World>>, Path(vin): Path<String>) -> StatusCode {
    world.forget(&vin);
    StatusCode::NO_CONTENT
}

async fn load_model(
    State(world): State<Arc<World>>,
    Path(code): Path<String>,
    Json(model): Json<Model>,
) -> Result<StatusCode, (StatusCode, String)> {
    if model.code != code {
        return Err((StatusCode::BAD_REQUEST, "the code of path and body differ".into()));
    }
    world.load_model(model);
    Ok(StatusCode::NO_CONTENT)
}

async fn load_part(
    State(world): State<Arc<World>>,
    Path(code): Path<String>,
    Json(part): Json<Part>,
) -> Result<StatusCode, (StatusCode, String)> {
    if part.code != code {
        return Err((StatusCode::BAD_REQUEST, "the code of path and body differ".into()));
    }
    world.load_part(part);
    Ok(StatusCode::NO_CONTENT)
}

async fn read_accident(
    State(world): State<Arc<World>>,
    Path(accident_no): Path<String>,
) -> Result<Json<Accident>, StatusCode> {
    world.accident(&accident_no).map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn load_accident(
    State(world): State<Arc<World>>,
    Path(accident_no): Path<String>,
    Json(accident): Json<Accident>,
) -> Result<StatusCode, (StatusCode, String)> {
    if accident.accident_no != accident_no {
        return Err((StatusCode::BAD_REQUEST, "the number of path and body differ".into()));
    }
    world.load_accident(accident);
    Ok(StatusCode::NO_CONTENT)
}

async fn forget_accident(
    State(world): State<Arc<World>>,
    Path(accident_no): Path<String>,
) -> StatusCode {
    world.forget_accident(&accident_no);
    StatusCode::NO_CONTENT
}

async fn read_declarations(State(world): State<Arc<World>>) -> Json<Vec<Declared>> {
    Json(world.declared())
}
