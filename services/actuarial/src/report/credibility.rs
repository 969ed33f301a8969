//! The page of credibility: what each group saw, and what is expected of it.

use crate::method::credibility::{CredibilityResult, CredibleResult};
use crate::report::html::{Page, number, percent};
use crate::report::svg::{self, Compared};

/// Most groups a drawing shows.
const MOST_DRAWN: usize = 120;

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &CredibilityResult) {
    let mut text = format!(
        "The collective mean is {}. Observations of weight one vary by {}, groups by {}",
        number(found.collective.0, 4),
        number(found.within.0, 4),
        number(found.between.0, 6)
    );
    match found.between_sectors {
        Some(between) => text += &format!(" within a sector, sectors by {}.", number(between.0, 6)),
        None => text.push('.'),
    }
    page.paragraph(&text);
    if !found.sectors.is_empty() {
        page.heading("Sectors");
        table(page, &found.sectors);
    }
    page.heading("Groups");
    if found.groups.len() <= MOST_DRAWN {
        let groups: Vec<Compared> = found
            .groups
            .iter()
            .map(|group| Compared {
                name: group.name.clone(),
                weight: group.weight.0,
                observed: group.mean.0,
                expected: group.premium.0,
            })
            .collect();
        let title = "Own mean and credible mean, over bars of weight";
        page.drawing(&svg::two(title, ("own", "credible"), &groups));
    }
    table(page, &found.groups);
}

fn table(page: &mut Page, found: &[CredibleResult]) {
    let rows = found.iter().map(|own| {
        let name = match &own.sector {
            Some(sector) => format!("{sector}: {}", own.name),
            None => own.name.clone(),
        };
        vec![
            name,
            own.observations.to_string(),
            number(own.weight.0, 1),
            number(own.mean.0, 4),
            percent(own.credibility.0),
            number(own.premium.0, 4),
        ]
    });
    let head = ["Name", "Observations", "Weight", "Own mean", "Credibility", "Credible mean"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
}
