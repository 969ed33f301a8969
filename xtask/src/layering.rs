//! Which crate may depend on which.
//!
//! ```text
//! app → services → platform → base      app → cloud → base      services, platform → cloud/api
//! ```
//!
//! A service never depends on another service, except on its pure crates. Pure crates need neither
//! axum nor sqlx. The sandbox stands outside: only `app` and tests know it. Dependencies of tests
//! follow the same rules, with the base, the pure crates and the sandbox open to all.

use anyhow::ensure;
use cargo_metadata::DependencyKind;

use crate::workspace::{Room, Workspace};

/// Crates that only compute.
const PURE: [&str; 6] = [
    "kernel",
    "actuarial-models",
    "analytics-api",
    "clearing-ledger",
    "production-core",
    "production-rating",
];

/// What a pure crate must not need: a web server, a database, a runtime.
const HEAVY: [&str; 5] = ["axum", "sqlx", "tokio", "reqwest", "hyper"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    /// `app`, `tests`, `benches`: sees everything.
    Top,
    Service,
    Platform,
    CloudApi,
    Cloud,
    Base,
    Sandbox,
    /// Tools of the repository, which nothing depends on.
    Tool,
}

impl Layer {
    fn of(place: &str) -> Option<Layer> {
        let first = place.split('/').next().unwrap_or_default();
        match first {
            "app" | "tests" | "benches" => Some(Layer::Top),
            "services" => Some(Layer::Service),
            "platform" => Some(Layer::Platform),
            "cloud" if place == "cloud/api" => Some(Layer::CloudApi),
            "cloud" => Some(Layer::Cloud),
            "base" => Some(Layer::Base),
            "sandbox" => Some(Layer::Sandbox),
            "xtask" => Some(Layer::Tool),
            _ => None,
        }
    }

    fn may_use(self, other: Layer) -> bool {
        use Layer::{Base, Cloud, CloudApi, Platform, Sandbox, Service, Tool, Top};
        match (self, other) {
            (_, Tool) | (Base | Sandbox, Top | Service | Platform | Cloud | CloudApi) => false,
            (Top, _) | (_, Base) => true,
            (Service, Service | Platform | CloudApi) => true,
            (Platform, Platform | CloudApi) => true,
            (Cloud, Cloud | CloudApi) => true,
            (CloudApi, CloudApi) | (Sandbox, Sandbox) => true,
            _ => false,
        }
    }
}

/// Fails with every forbidden edge by name.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let faults = faults(&workspace.rooms);
    ensure!(faults.is_empty(), "layering is broken:\n  {}", faults.join("\n  "));
    println!("layering holds over {} crates", workspace.rooms.len());
    Ok(())
}

fn faults(rooms: &[Room]) -> Vec<String> {
    let mut faults = Vec::new();
    for room in rooms {
        let Some(layer) = Layer::of(&room.place) else {
            faults.push(format!("{} lies in {}, which is no layer", room.name, room.place));
            continue;
        };
        for (name, kind) in &room.dependencies {
            if PURE.contains(&room.name.as_str()) && needs_heavy(room, name, *kind) {
                faults.push(format!("{} → {name}: a pure crate only computes", room.name));
            }
            let Some(other) = rooms.iter().find(|other| other.name == *name) else { continue };
            if let Some(why) = forbidden(room, layer, other, *kind) {
                faults.push(format!("{} → {name}: {why}", room.name));
            }
        }
    }
    faults
}

/// The kernel may carry column types behind a feature for the crates that have a store.
fn needs_heavy(room: &Room, dependency: &str, kind: DependencyKind) -> bool {
    let optional_types = room.name == "kernel" && dependency == "sqlx";
    kind == DependencyKind::Normal && HEAVY.contains(&dependency) && !optional_types
}

fn forbidden(
    room: &Room,
    layer: Layer,
    other: &Room,
    kind: DependencyKind,
) -> Option<&'static str> {
    let theirs = Layer::of(&other.place)?;
    let pure = PURE.contains(&other.name.as_str());
    let open_to_tests = pure || matches!(theirs, Layer::Base | Layer::Sandbox);
    if kind == DependencyKind::Development && open_to_tests {
        return None;
    }
    if other.name == "testkit" && !matches!(layer, Layer::Top) {
        return Some("the test kit is for tests");
    }
    if theirs == Layer::Sandbox && layer != Layer::Top && layer != Layer::Sandbox {
        return Some("only app and the tests know the sandbox");
    }
    if room.name == "xtask" && other.name != "pg" {
        return Some("the tasks must build while others do not compile");
    }
    if layer == Layer::Service && theirs == Layer::Service {
        let same = service(&room.place) == service(&other.place);
        return (!same && !pure).then_some("a service never imports another service");
    }
    (layer != Layer::Tool && !layer.may_use(theirs)).then_some("dependencies point downwards")
}

/// `production` of `services/production/core`.
fn service(place: &str) -> Option<&str> {
    place.split('/').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str, place: &str, wanted: &[&str]) -> Room {
        let normal = |name: &&str| ((*name).to_owned(), DependencyKind::Normal);
        Room {
            name: name.to_owned(),
            place: place.to_owned(),
            dependencies: wanted.iter().map(normal).collect(),
        }
    }

    fn faults_with(added: Room) -> Vec<String> {
        let mut rooms = vec![
            room("kernel", "base/kernel", &["jiff", "sqlx"]),
            room("pg", "base/pg", &["kernel", "sqlx"]),
            room("iam", "platform/iam", &["pg", "tenancy"]),
            room("tenancy", "platform/tenancy", &["pg"]),
            room("production-core", "services/production/core", &["kernel"]),
            room("production", "services/production", &["iam", "pg", "production-core"]),
            room("sandbox", "sandbox", &["kernel", "axum"]),
            room("app", "app", &["production", "sandbox", "pg"]),
        ];
        assert_eq!(faults(&rooms), Vec::<String>::new());
        rooms.push(added);
        faults(&rooms)
    }

    #[test]
    fn every_forbidden_edge_is_named() {
        let cases = [
            (room("crypto", "base/crypto", &["iam"]), "crypto → iam: dependencies point downwards"),
            (room("events", "platform/events", &["production"]), "events → production"),
            (room("clearing", "services/clearing", &["production"]), "never imports another"),
            (room("actuarial", "services/actuarial", &["sandbox"]), "know the sandbox"),
            (room("production-rating", "services/production/rating", &["axum"]), "only computes"),
            (room("clearing-ledger", "services/clearing/ledger", &["sqlx"]), "only computes"),
            (room("xtask", "xtask", &["iam"]), "xtask → iam"),
            (room("stray", "misc/stray", &[]), "which is no layer"),
        ];
        for (added, expected) in cases {
            let found = faults_with(added);
            assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
        }
    }

    #[test]
    fn tests_may_use_the_sandbox_and_no_other_service() {
        let mut clearing = room("clearing", "services/clearing", &["sandbox", "production"]);
        clearing.dependencies.iter_mut().for_each(|(_, kind)| *kind = DependencyKind::Development);
        let found = faults_with(clearing);
        assert!(found.len() == 1 && found[0].starts_with("clearing → production"), "{found:?}");
    }

    #[test]
    fn a_service_may_use_the_pure_crates_of_another() {
        let clearing = room("clearing", "services/clearing", &["production-core", "pg"]);
        assert_eq!(faults_with(clearing), Vec::<String>::new());
    }
}
