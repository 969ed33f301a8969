//! The page of a network of claims: its rings, why a claim is worth a look, groups, what is central.

use crate::method::network::result::{ExplainedResult, NetworkResult, RingResult};
use crate::report::html::{Page, number};
use crate::report::svg::{self, Bar};

/// Claims, and what they share, that are drawn of a ring.
const MOST_DRAWN: usize = 30;
/// Rings that are drawn.
const MOST_RINGS: usize = 10;
/// Members of a group that are named.
const MOST_NAMED: usize = 12;

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &NetworkResult) {
    page.paragraph(&format!(
        "{} claims share {} persons and things, with {} links. They hang together in {} groups, the \
         largest of {} members, and hold {} rings.",
        number(found.claims as f64, 0),
        number(found.entities as f64, 0),
        number(found.edges as f64, 0),
        number(found.groups_in_all as f64, 0),
        number(found.largest_group as f64, 0),
        found.rings.len()
    ));
    rings(page, &found.rings);
    explained(page, &found.explained);
    groups(page, found);
    nodes(page, found);
}

fn rings(page: &mut Page, found: &[RingResult]) {
    page.heading("Rings");
    if found.is_empty() {
        page.paragraph("No group of claims shares far more than the network as a whole.");
        return;
    }
    page.note(
        "Density: weight of a ring's links by member, against that of the whole network; a link counts \
         the less the more claims an entity has. Score: weight of a claim's links in its ring, against \
         that of all links of a mean claim.",
    );
    let rows = found.iter().map(|ring| {
        vec![
            format!("Ring {}", ring.ring),
            ring.claim_count.to_string(),
            ring.entity_count.to_string(),
            ring.links.to_string(),
            number(ring.density.0, 2),
            number(ring.score.0, 2),
        ]
    });
    let head = ["Ring", "Claims", "Shared by them", "Links", "Density", "Mean score"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
    for ring in found.iter().take(MOST_RINGS) {
        page.heading(&format!("Ring {}", ring.ring));
        drawing(page, ring);
        let rows = ring.entities.iter().map(|own| {
            vec![
                own.name.clone(),
                own.kind.clone(),
                own.claims.to_string(),
                own.claims_in_all.to_string(),
            ]
        });
        let head = ["What they share", "Kind", "Claims of the ring", "Claims in all"];
        page.table(&head, &rows.collect::<Vec<_>>(), false);
    }
}

/// Claims to the left, what they share to the right.
fn drawing(page: &mut Page, ring: &RingResult) {
    let claims: Vec<String> = ring
        .claims
        .iter()
        .take(MOST_DRAWN)
        .map(|own| format!("{} ({})", own.claim, number(own.score.0, 2)))
        .collect();
    let entities: Vec<String> = ring
        .entities
        .iter()
        .take(MOST_DRAWN)
        .map(|own| format!("{} {}", own.kind, own.name))
        .collect();
    let links = ring.claims.iter().take(MOST_DRAWN).enumerate().flat_map(|(claim, own)| {
        let shown = own.shares.iter().filter(|entity| **entity < MOST_DRAWN);
        shown.map(move |entity| (claim, *entity))
    });
    let title = format!("Claims of ring {} with their scores, and what they share", ring.ring);
    page.drawing(&svg::ties(&title, &claims, &entities, &links.collect::<Vec<_>>()));
    if ring.claim_count > MOST_DRAWN || ring.entity_count > MOST_DRAWN {
        page.note(&format!("The first {MOST_DRAWN} of each are drawn; all are in the result."));
    }
}

fn explained(page: &mut Page, found: &[ExplainedResult]) {
    if found.is_empty() {
        return;
    }
    page.heading("Why these claims");
    let rows = found.iter().map(|own| {
        let shares =
            own.shares.iter().take(5).map(|share| {
                format!("{} {} with {} others", share.kind, share.name, share.with_count)
            });
        vec![
            own.claim.clone(),
            number(own.score.0, 2),
            own.text.clone(),
            shares.collect::<Vec<_>>().join("; "),
        ]
    });
    let head = ["Claim", "Score", "Path", "Shares in its ring"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
}

fn groups(page: &mut Page, found: &NetworkResult) {
    page.heading("Groups that hang together");
    let rows = found.groups.iter().map(|own| {
        let mut names = own.claims.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
        if own.claim_count > MOST_NAMED {
            names += ", …";
        }
        vec![
            own.name.clone(),
            own.claim_count.to_string(),
            own.entity_count.to_string(),
            own.edges.to_string(),
            own.cycles.to_string(),
            own.core.to_string(),
            names,
        ]
    });
    let head = ["Group", "Claims", "Entities", "Links", "Cycles", "Core", "Claims of it"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
    if !found.common.is_empty() {
        page.note("These are shared by so many claims that they join no groups:");
        let rows = found.common.iter().take(50);
        let rows = rows.map(|own| vec![own.name.clone(), number(own.claims as f64, 0)]);
        page.table(&["Shared by many", "Claims"], &rows.collect::<Vec<_>>(), false);
    }
}

fn nodes(page: &mut Page, found: &NetworkResult) {
    page.heading("What is central");
    let bars: Vec<Bar> = found
        .nodes
        .iter()
        .take(20)
        .map(|own| Bar {
            name: format!("{} {}", own.kind, own.name),
            value: own.page_rank.0,
            error: None,
        })
        .collect();
    page.drawing(&svg::lying("PageRank: the part of a walk from link to link spent there", &bars));
    let rows = found.nodes.iter().map(|own| {
        vec![
            own.name.clone(),
            own.kind.clone(),
            own.degree.to_string(),
            own.core.to_string(),
            number(own.page_rank.0, 6),
            own.betweenness.map_or(String::new(), |ways| number(ways.0, 1)),
        ]
    });
    let head = ["Node", "Kind", "Links", "Core", "PageRank", "Betweenness"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
}
