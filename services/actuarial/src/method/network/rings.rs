//! Rings by name, and the way from a claim to them.

use std::cmp::Reverse;

use actuarial_models::network::{Ring, Rings};

use super::Drawn;
use super::result::{
    EntityResult, ExplainedResult, MemberResult, RingResult, ShareResult, StepResult,
};
use crate::figure::Figure;

/// Members of a ring that are listed.
const MOST_MEMBERS: usize = 200;
/// Claims something is shared with that are listed.
const MOST_WITH: usize = 20;

/// The rings of a network, the densest first.
pub(super) fn rings(drawn: &Drawn, found: &Rings) -> Vec<RingResult> {
    found.rings.iter().enumerate().map(|(place, ring)| one(drawn, found, place, ring)).collect()
}

fn one(drawn: &Drawn, found: &Rings, place: usize, ring: &Ring) -> RingResult {
    let own = |entity: usize| {
        let claims = drawn.network.neighbours(entity).iter();
        claims.filter(|claim| ring.claims.binary_search(claim).is_ok()).count()
    };
    let mut entities: Vec<(usize, usize)> =
        ring.entities.iter().map(|&entity| (entity, own(entity))).collect();
    entities.sort_by_key(|&(entity, claims)| (Reverse(claims), entity));
    entities.truncate(MOST_MEMBERS);
    let mut claims = ring.claims.clone();
    by_score(&mut claims, found, drawn);
    let score = claims.iter().map(|claim| found.scores[*claim]).sum::<f64>() / claims.len() as f64;
    let members = claims.iter().take(MOST_MEMBERS).map(|&claim| {
        let neighbours = drawn.network.neighbours(claim);
        let shares = entities.iter().enumerate();
        let shares = shares.filter(|(_, (entity, _))| neighbours.binary_search(entity).is_ok());
        MemberResult {
            claim: drawn.names[claim].clone(),
            score: found.scores[claim].into(),
            shares: shares.map(|(place, _)| place).collect(),
        }
    });
    RingResult {
        ring: place + 1,
        density: ring.density.into(),
        score: score.into(),
        claim_count: ring.claims.len(),
        entity_count: ring.entities.len(),
        links: ring.links,
        claims: members.collect(),
        entities: entities
            .iter()
            .map(|&(entity, claims)| EntityResult {
                name: drawn.names[entity].clone(),
                kind: drawn.kind(entity).to_owned(),
                claims,
                claims_in_all: drawn.network.neighbours(entity).len(),
            })
            .collect(),
    }
}

/// Puts claims in order, the highest score first.
pub(super) fn by_score(claims: &mut [usize], found: &Rings, drawn: &Drawn) {
    claims.sort_by(|&a, &b| {
        let scores = found.scores[b].total_cmp(&found.scores[a]);
        scores.then_with(|| drawn.names[a].cmp(&drawn.names[b]))
    });
}

/// Why a claim is worth a look.
pub(super) fn explained(drawn: &Drawn, found: &Rings, claim: usize) -> ExplainedResult {
    let (ring, shares, path) = match found.part(claim) {
        Some(part) => {
            let own = &found.rings[part.ring].claims;
            let path = inside(drawn, own, claim, &part.shared);
            let shares = part.shared.iter().map(|&(entity, count)| ShareResult {
                name: drawn.names[entity].clone(),
                kind: drawn.kind(entity).to_owned(),
                with: others(drawn, own, entity, claim)
                    .take(MOST_WITH)
                    .map(|other| drawn.names[other].clone())
                    .collect(),
                with_count: count,
            });
            (Some(part.ring), shares.collect(), path)
        }
        None => {
            // The nearest ring; of those as near the densest.
            let paths = (0..found.rings.len())
                .filter_map(|ring| found.path(claim, ring).map(|path| (ring, path)));
            match paths.min_by_key(|(ring, path)| (path.len(), *ring)) {
                Some((ring, path)) => (Some(ring), vec![], path),
                None => (None, vec![], vec![claim]),
            }
        }
    };
    let is_in_ring = found.part(claim).is_some();
    let path: Vec<StepResult> = path
        .into_iter()
        .map(|node| StepResult {
            name: drawn.names[node].clone(),
            kind: drawn.kind(node).to_owned(),
            claims: (!drawn.is_claim[node]).then(|| drawn.network.neighbours(node).len()),
        })
        .collect();
    ExplainedResult {
        claim: drawn.names[claim].clone(),
        score: Figure(found.scores[claim]),
        text: sentence(&path, ring, is_in_ring),
        ring: ring.map(|ring| ring + 1),
        is_in_ring,
        shares,
        path,
    }
}

/// Other claims of a ring that have something.
fn others(
    drawn: &Drawn,
    ring: &[usize],
    entity: usize,
    claim: usize,
) -> impl Iterator<Item = usize> {
    let claims = drawn.network.neighbours(entity).iter().copied();
    claims.filter(move |other| *other != claim && ring.binary_search(other).is_ok())
}

/// From a claim of a ring over what the fewest claims share to another of its claims.
fn inside(drawn: &Drawn, ring: &[usize], claim: usize, shared: &[(usize, usize)]) -> Vec<usize> {
    let rare = shared.iter().min_by_key(|(entity, _)| drawn.network.neighbours(*entity).len());
    let step = rare.and_then(|&(entity, _)| {
        let other = others(drawn, ring, entity, claim).next()?;
        Some([entity, other])
    });
    std::iter::once(claim).chain(step.into_iter().flatten()).collect()
}

/// A path as a person follows it.
fn sentence(path: &[StepResult], ring: Option<usize>, is_in_ring: bool) -> String {
    let Some(ring) = ring else {
        let claim = path.first().map(|step| step.name.as_str()).unwrap_or_default();
        return format!("claim {claim} is tied to no ring");
    };
    let steps = path.iter().map(|step| match step.claims {
        None => format!("claim {}", step.name),
        Some(claims) => format!("{} {} (of {claims} claims)", step.kind, step.name),
    });
    let steps = steps.collect::<Vec<_>>().join(" – ");
    let ring = ring + 1;
    match is_in_ring {
        true => format!("{steps}; in ring {ring}"),
        false => format!("{steps}, which is in ring {ring}"),
    }
}
