//! The page of regional factors, without a map: districts, zones, and the places furthest from one.

use crate::method::region::{PlaceResult, RegionResult};
use crate::report::html::{Page, number};
use crate::report::svg::{self, Compared, Interval};

/// Places at either end that are drawn.
const ENDS: usize = 20;

/// Most districts a drawing shows.
const MOST_DRAWN: usize = 120;

/// Most places of the table.
const MOST_LISTED: usize = 1_000;

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &RegionResult) {
    let smoothing = &found.smoothing;
    let origin = if found.is_learnt { "learnt from the claims" } else { "given" };
    page.paragraph(&format!(
        "{} claims in {} places where {} are expected. Variances of the logarithm of the relativity, \
         {origin}: {} of districts, {} of what places near each other share (alike by 1/e at {} km), \
         {} of places alone.",
        number(found.claims.0, 0),
        found.places.len(),
        number(found.expected.0, 1),
        number(smoothing.district.0, 4),
        number(smoothing.near.0, 4),
        number(smoothing.range_km.0, 1),
        number(smoothing.own.0, 4)
    ));
    page.heading("Zones");
    let zones: Vec<Compared> = found
        .zones
        .iter()
        .map(|zone| Compared {
            name: zone.name.clone(),
            weight: zone.expected.0,
            observed: ratio(zone.claims.0, zone.expected.0),
            expected: zone.relativity.0,
        })
        .collect();
    let title = "Claims against expected and relativities, over bars of expected claims";
    page.drawing(&svg::two(title, ("observed", "relativity"), &zones));
    let rows = found.zones.iter().map(|zone| {
        vec![
            zone.name.clone(),
            zone.places.to_string(),
            number(zone.claims.0, 0),
            number(zone.expected.0, 1),
            number(zone.relativity.0, 4),
            format!("{} – {}", number(zone.least.0, 3), number(zone.most.0, 3)),
        ]
    });
    let head = ["Zone", "Places", "Claims", "Expected", "Relativity", "From – to"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
    if found.districts.len() > 1 {
        districts(page, found);
    }
    places(page, found);
}

fn districts(page: &mut Page, found: &RegionResult) {
    page.heading("Districts");
    if found.districts.len() <= MOST_DRAWN {
        let districts: Vec<Compared> = found
            .districts
            .iter()
            .map(|own| Compared {
                name: own.name.clone(),
                weight: own.expected.0,
                observed: ratio(own.claims.0, own.expected.0),
                expected: own.relativity.0,
            })
            .collect();
        let title = "Claims against expected and relativities by district";
        page.drawing(&svg::two(title, ("observed", "relativity"), &districts));
    }
    let rows = found.districts.iter().map(|own| {
        vec![
            own.name.clone(),
            own.places.to_string(),
            number(own.claims.0, 0),
            number(own.expected.0, 1),
            number(own.relativity.0, 4),
        ]
    });
    let head = ["District", "Places", "Claims", "Expected", "Relativity"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
}

fn places(page: &mut Page, found: &RegionResult) {
    page.heading("Places");
    let mut order: Vec<&PlaceResult> = found.places.iter().collect();
    order.sort_by(|a, b| b.relativity.0.total_cmp(&a.relativity.0));
    let interval = |place: &&PlaceResult| Interval {
        name: format!("{} ({})", place.name, place.district),
        low: place.low.0,
        value: place.relativity.0,
        high: place.high.0,
    };
    let drawn: Vec<Interval> = match order.len() > 2 * ENDS {
        true => {
            let cheapest = &order[order.len() - ENDS..];
            order[..ENDS].iter().chain(cheapest).map(interval).collect()
        }
        false => order.iter().map(interval).collect(),
    };
    let title = "The dearest and the cheapest places, with bounds that hold 95 of 100";
    page.drawing(&svg::intervals(title, 1.0, &drawn));
    if order.len() > MOST_LISTED {
        page.note(&format!("The {MOST_LISTED} dearest places; all are in the result."));
    }
    let rows = order.iter().take(MOST_LISTED).map(|place| {
        vec![
            place.name.clone(),
            place.district.clone(),
            number(place.claims.0, 0),
            number(place.expected.0, 1),
            place.observed.map_or(String::new(), |observed| number(observed.0, 3)),
            number(place.relativity.0, 4),
            place.zone.to_string(),
        ]
    });
    let head = ["Place", "District", "Claims", "Expected", "Observed", "Relativity", "Zone"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
}

fn ratio(claims: f64, expected: f64) -> f64 {
    if expected > 0.0 { claims / expected } else { 1.0 }
}
