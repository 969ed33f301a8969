//! What the three counterparties know, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::Strangers;
use crate::invent;
use crate::models::{self, Model};
use crate::tax::Declared;
use crate::vehicle::{Plate, VehicleRecord};

/// Records by key. Locks are held for a look-up, never across an await.
#[derive(Debug)]
pub(crate) struct World {
    strangers: Strangers,
    state: RwLock<State>,
}

/// The records themselves; the tax authority's rules are in `tax`.
#[derive(Debug)]
pub(crate) struct State {
    vehicles: HashMap<String, VehicleRecord>,
    plates: HashMap<Plate, String>,
    models: Vec<Model>,
    /// By declaration number.
    pub(crate) declarations: BTreeMap<String, Declared>,
    /// Declarations by VIN, so that evidence does not walk them all.
    pub(crate) declared_for: HashMap<String, Vec<String>>,
}

impl World {
    pub(crate) fn new(strangers: Strangers) -> World {
        let state = State {
            vehicles: HashMap::new(),
            plates: HashMap::new(),
            models: models::catalogue(),
            declarations: BTreeMap::new(),
            declared_for: HashMap::new(),
        };
        World { strangers, state: RwLock::new(state) }
    }

    pub(crate) fn load(&self, vehicle: VehicleRecord) {
        let mut state = self.write();
        state.forget(&vehicle.vin);
        if let Some(plate) = vehicle.plate.clone() {
            state.plates.insert(plate, vehicle.vin.clone());
        }
        state.vehicles.insert(vehicle.vin.clone(), vehicle);
    }

    pub(crate) fn forget(&self, vin: &str) {
        self.write().forget(vin);
    }

    pub(crate) fn load_model(&self, model: Model) {
        let mut state = self.write();
        state.models.retain(|known| known.code != model.code);
        state.models.push(model);
    }

    /// The vehicle with that VIN, if it was loaded.
    pub(crate) fn loaded(&self, vin: &str) -> Option<VehicleRecord> {
        self.read().loaded(vin).cloned()
    }

    /// The vehicle with that VIN: loaded, or invented wearing `plate`.
    pub(crate) fn by_vin(&self, vin: &str, plate: Option<&Plate>) -> Option<VehicleRecord> {
        let state = self.read();
        if let Some(loaded) = state.vehicles.get(vin) {
            return Some(loaded.clone());
        }
        let invented = || invent::vehicle(vin, plate, &state.models);
        (self.strangers == Strangers::Invented).then(invented)
    }

    /// The vehicle wearing that plate: loaded, or invented.
    pub(crate) fn by_plate(&self, plate: &Plate) -> Option<VehicleRecord> {
        let vin = self.read().plates.get(plate).cloned();
        let vin = vin.unwrap_or_else(|| invent::vin_behind(plate));
        self.by_vin(&vin, Some(plate))
    }

    pub(crate) fn model(&self, code: &str) -> Option<Model> {
        self.read().models.iter().find(|model| model.code == code).cloned()
    }

    /// Likeliest first. A loaded vehicle has its own model; a stranger those its VIN suggests.
    pub(crate) fn candidates(&self, vin: &str) -> Vec<Model> {
        let state = self.read();
        let loaded = state.vehicles.get(vin).map(|vehicle| vehicle.model_code.as_str());
        match (loaded, self.strangers) {
            (Some(code), _) => {
                state.models.iter().filter(|model| model.code == code).cloned().collect()
            }
            (None, Strangers::Invented) => {
                invent::candidates(vin, &state.models).into_iter().cloned().collect()
            }
            (None, Strangers::Unknown) => Vec::new(),
        }
    }

    pub(crate) fn declared(&self) -> Vec<Declared> {
        self.read().declarations.values().cloned().collect()
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        // A holder that panicked left whole records behind: each is written in one insert.
        self.state.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    pub(crate) fn loaded(&self, vin: &str) -> Option<&VehicleRecord> {
        self.vehicles.get(vin)
    }

    fn forget(&mut self, vin: &str) {
        let plate = self.vehicles.remove(vin).and_then(|vehicle| vehicle.plate);
        // The plate may have passed to another vehicle since.
        if let Some(plate) =
            plate.filter(|plate| self.plates.get(plate).is_some_and(|known| known == vin))
        {
            self.plates.remove(&plate);
        }
    }
}
