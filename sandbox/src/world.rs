//! What the counterparties know, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::Timestamp;

use crate::Strangers;
use crate::accident::Accident;
use crate::bank::Till;
use crate::invent;
use crate::models::{self, Model};
use crate::parts::{self, Part};
use crate::tax::Declared;
use crate::vehicle::{Plate, VehicleRecord};

/// Records by key. Locks are held for a look-up, never across an await.
#[derive(Debug)]
pub(crate) struct World {
    strangers: Strangers,
    state: RwLock<State>,
    pub(crate) bank: Arc<Till>,
}

/// The records themselves; the tax authority's rules are in `tax`.
#[derive(Debug)]
pub(crate) struct State {
    vehicles: HashMap<String, VehicleRecord>,
    plates: HashMap<Plate, String>,
    models: Vec<Model>,
    /// By code of the maker.
    parts: HashMap<String, Part>,
    /// By accident number.
    accidents: BTreeMap<String, Accident>,
    /// Numbers of accidents by the plates that took part.
    accidents_of: HashMap<Plate, BTreeSet<String>>,
    /// By declaration number.
    pub(crate) declarations: BTreeMap<String, Declared>,
    /// Declarations by VIN, so that evidence does not walk them all.
    pub(crate) declared_for: HashMap<String, Vec<String>>,
}

impl World {
    pub(crate) fn new(strangers: Strangers, bank: Arc<Till>) -> World {
        let state = State {
            vehicles: HashMap::new(),
            plates: HashMap::new(),
            models: models::catalogue(),
            parts: by_code(parts::catalogue()),
            accidents: BTreeMap::new(),
            accidents_of: HashMap::new(),
            declarations: BTreeMap::new(),
            declared_for: HashMap::new(),
        };
        World { strangers, state: RwLock::new(state), bank }
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

    pub(crate) fn load_part(&self, part: Part) {
        self.write().parts.insert(part.code.clone(), part);
    }

    pub(crate) fn load_accident(&self, accident: Accident) {
        let mut state = self.write();
        state.forget_accident(&accident.accident_no);
        for plate in accident.parties.iter().filter_map(|party| party.plate.clone()) {
            state.accidents_of.entry(plate).or_default().insert(accident.accident_no.clone());
        }
        state.accidents.insert(accident.accident_no.clone(), accident);
    }

    pub(crate) fn forget_accident(&self, accident_no: &str) {
        self.write().forget_accident(accident_no);
    }

    pub(crate) fn accident(&self, accident_no: &str) -> Option<Accident> {
        self.read().accidents.get(accident_no).cloned()
    }

    /// Those the plate took part in from `from` up to, and without, `to`; by time.
    pub(crate) fn accidents(&self, plate: &Plate, from: Timestamp, to: Timestamp) -> Vec<Accident> {
        let state = self.read();
        let numbers = state.accidents_of.get(plate).into_iter().flatten();
        let mut accidents: Vec<Accident> = numbers
            .filter_map(|number| state.accidents.get(number))
            .filter(|accident| from <= accident.at && accident.at < to)
            .cloned()
            .collect();
        accidents.sort_by_key(|accident| accident.at);
        accidents
    }

    /// The part with that code, if it fits the model.
    pub(crate) fn part(&self, code: &str, model_code: Option<&str>) -> Option<Part> {
        let fits = |part: &&Part| {
            part.model_codes.is_empty()
                || model_code.is_none_or(|model| part.model_codes.iter().any(|fit| fit == model))
        };
        self.read().parts.get(code).filter(fits).cloned()
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

    fn forget_accident(&mut self, accident_no: &str) {
        let Some(accident) = self.accidents.remove(accident_no) else { return };
        for plate in accident.parties.into_iter().filter_map(|party| party.plate) {
            if let Some(numbers) = self.accidents_of.get_mut(&plate) {
                numbers.remove(accident_no);
            }
        }
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

fn by_code(parts: Vec<Part>) -> HashMap<String, Part> {
    parts.into_iter().map(|part| (part.code.clone(), part)).collect()
}
