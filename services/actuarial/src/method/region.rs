//! 区域因子: what a place adds to a tariff that knows nothing of places, smoothed over its neighbourhood.

use std::collections::BTreeMap;

use actuarial_models::Stop;
use actuarial_models::region::{Place, RegionError, Smoothing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dataset::Role;
use crate::error;
use crate::figure::{Figure, NINETY_FIVE};
use crate::job::Watch;
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::prepare::{ConditionBody, DerivedBody, Prepare};
use crate::method::{Failure, Outcome, Plan};

/// Places of one run at most: time grows with the cube, and learning tries dozens of smoothings. More
/// than China has counties and districts (县级行政区).
const MOST_PLACES: usize = 3_500;

/// Whose claims are compared with what is expected of them, and where they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = RegionParameters)]
pub struct RegionBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// Columns made of others, which everything else may name.
    pub derive: Option<Vec<DerivedBody>>,
    /// The column that names the place, such as a postcode or an area of six digits.
    #[schema(example = "postcode")]
    pub place: Option<String>,
    /// The column of the district or province a place lies in; all in one when absent.
    pub district: Option<String>,
    /// The columns of longitude and latitude in degrees; those of a place are the means of its rows.
    #[schema(example = "long")]
    pub longitude: Option<String>,
    /// The latitude.
    #[schema(example = "lat")]
    pub latitude: Option<String>,
    /// The column of claim numbers.
    pub claims: Option<String>,
    /// The column of claims the rest of the tariff expects.
    pub expected: Option<String>,
    /// The column of exposure, where nothing is expected yet: every year insured then expects the mean of
    /// all.
    pub exposure: Option<String>,
    /// How much places differ; learnt from the claims when absent.
    pub smoothing: Option<SmoothingBody>,
    /// Zones of as much expected claims each that places are put into; 5 when absent.
    pub zones: Option<u64>,
}

/// How much places differ: variances of the logarithm of the relativity.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = RegionSmoothing)]
pub struct SmoothingBody {
    /// Of the part a district has.
    pub district: Option<f64>,
    /// Of the part near places share.
    pub near: Option<f64>,
    /// Distance in kilometres at which that part is alike by 1/e.
    pub range_km: Option<f64>,
    /// Of the part of a place alone.
    pub own: Option<f64>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    columns: Vec<String>,
    prepare: Prepare,
    place: String,
    district: Option<String>,
    at: [String; 2],
    claims: String,
    volume: Volume,
    smoothing: Option<Smoothing>,
    zones: usize,
}

/// What claims are related to.
#[derive(Clone, Debug)]
enum Volume {
    Expected(String),
    Exposure(String),
}

/// Relativities of places.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegionResult {
    pub(crate) claims: Figure,
    pub(crate) expected: Figure,
    pub(crate) is_learnt: bool,
    pub(crate) smoothing: SmoothingResult,
    pub(crate) log_likelihood: Figure,
    /// The dearest first.
    pub(crate) zones: Vec<ZoneResult>,
    pub(crate) districts: Vec<DistrictResult>,
    pub(crate) places: Vec<PlaceResult>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SmoothingResult {
    pub(crate) district: Figure,
    pub(crate) near: Figure,
    pub(crate) range_km: Figure,
    pub(crate) own: Figure,
}

/// Places of much the same relativity.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ZoneResult {
    pub(crate) name: String,
    pub(crate) places: usize,
    pub(crate) claims: Figure,
    pub(crate) expected: Figure,
    /// Mean of its places, weighted by what is expected.
    pub(crate) relativity: Figure,
    pub(crate) least: Figure,
    pub(crate) most: Figure,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DistrictResult {
    pub(crate) name: String,
    pub(crate) places: usize,
    pub(crate) claims: Figure,
    pub(crate) expected: Figure,
    pub(crate) relativity: Figure,
}

/// A place.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlaceResult {
    pub(crate) name: String,
    pub(crate) district: String,
    pub(crate) longitude: Figure,
    pub(crate) latitude: Figure,
    pub(crate) claims: Figure,
    pub(crate) expected: Figure,
    /// Claims against what is expected; null where nothing is.
    pub(crate) observed: Option<Figure>,
    pub(crate) relativity: Figure,
    /// Bounds that hold 95 of 100.
    pub(crate) low: Figure,
    pub(crate) high: Figure,
    /// Its zone, 1 being the dearest.
    pub(crate) zone: usize,
}

/// Places by name, with names of their districts.
struct Places {
    names: Vec<String>,
    districts: Vec<String>,
    places: Vec<Place>,
}

/// What is known of a place.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    claims: f64,
    expected: f64,
    at: [f64; 2],
    /// Rows with coordinates.
    located: usize,
    district: Option<u32>,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &RegionBody, check: &mut Check<'_>) -> Region {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let place = check.needed("/place", body.place.as_ref(), None);
    let district = check.optional("/district", body.district.as_ref(), None);
    let at = [
        check.number("/longitude", body.longitude.as_ref(), None),
        check.number("/latitude", body.latitude.as_ref(), None),
    ];
    let claims = check.number("/claims", body.claims.as_ref(), Some(Role::Claims));
    let volume = match (&body.expected, &body.exposure) {
        (Some(_), Some(_)) => {
            check.fault("/exposure", "give expected or exposure, not both");
            Volume::Exposure(String::new())
        }
        (Some(_), None) => {
            Volume::Expected(check.number("/expected", body.expected.as_ref(), None))
        }
        (None, exposure) => {
            Volume::Exposure(check.number("/exposure", exposure.as_ref(), Some(Role::Exposure)))
        }
    };
    let smoothing = body.smoothing.as_ref().map(|own| {
        let mut variance = |member: &str, value: Option<f64>| {
            let at = format!("/smoothing/{member}");
            if value.is_none() {
                check.fault(&at, "give all four numbers, or leave smoothing out to learn them");
            }
            check.within(&at, value, 1.0, 0.0..=10.0)
        };
        Smoothing {
            district: variance("district", own.district),
            near: variance("near", own.near),
            own: variance("own", own.own),
            range_km: {
                if own.range_km.is_none() {
                    check.fault("/smoothing/rangeKm", "give the distance in kilometres");
                }
                check.within("/smoothing/rangeKm", own.range_km, 20.0, 0.1..=10_000.0)
            },
        }
    });
    let zones = check.whole("/zones", body.zones, 5, 1..=100);
    let columns = check.used();
    Region { columns, prepare, place, district, at, claims, volume, smoothing, zones }
}

impl Plan for Region {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, _seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        let data = self.prepare.apply(data)?;
        let Places { names, districts, places } = self.places(&data)?;
        let asked = || watch.is_stopped();
        let stop = Stop::when(&asked);
        let refuse = |error: RegionError| self.refused(&error, &names);
        let smoothing = match self.smoothing {
            Some(given) => given,
            None => {
                watch.stage("learning how much places differ", 20);
                Smoothing::learn_until(&places, stop).map_err(refuse)?
            }
        };
        watch.stage("smoothing", 85);
        let found = smoothing.fit_until(&places, stop).map_err(refuse)?;
        let zone = zones(&places, &found.relativities, self.zones);
        let sum = |of: fn(&Place) -> f64| places.iter().map(of).sum::<f64>();
        let result = RegionResult {
            claims: sum(|place| place.claims).into(),
            expected: sum(|place| place.expected).into(),
            is_learnt: self.smoothing.is_none(),
            smoothing: SmoothingResult {
                district: smoothing.district.into(),
                near: smoothing.near.into(),
                range_km: smoothing.range_km.into(),
                own: smoothing.own.into(),
            },
            log_likelihood: found.log_likelihood.into(),
            zones: zone_results(&places, &found.relativities, &zone),
            districts: district_results(&districts, &places, &found.relativities),
            places: names
                .iter()
                .zip(&places)
                .enumerate()
                .map(|(at, (name, place))| {
                    let (relativity, error) = (found.relativities[at], found.errors[at]);
                    let bound = |side: f64| relativity * (side * NINETY_FIVE * error).exp();
                    PlaceResult {
                        name: name.clone(),
                        district: districts[place.district as usize].clone(),
                        longitude: place.at[0].into(),
                        latitude: place.at[1].into(),
                        claims: place.claims.into(),
                        expected: place.expected.into(),
                        observed: (place.expected > 0.0)
                            .then(|| Figure(place.claims / place.expected)),
                        relativity: relativity.into(),
                        low: bound(-1.0).into(),
                        high: bound(1.0).into(),
                        zone: zone[at] + 1,
                    }
                })
                .collect(),
        };
        let spread = |pick: fn(f64, f64) -> f64, from: f64| {
            found.relativities.iter().copied().fold(from, pick)
        };
        let shown = [
            ("places", names.len() as f64),
            ("least", spread(f64::min, f64::INFINITY)),
            ("most", spread(f64::max, 0.0)),
            ("rangeKm", smoothing.range_km),
        ];
        Outcome::of(&result, shown)
    }
}

impl Region {
    fn places(&self, data: &Data) -> Result<Places, Failure> {
        let (names, codes) = data.factor(&self.place)?;
        if names.len() > MOST_PLACES {
            let detail = format!("{} places are more than {MOST_PLACES}", names.len());
            let advice = "name a coarser place, or take one province at a time";
            return Err(Failure::new(&error::TOO_MUCH_DATA, detail, advice).of_column(&self.place));
        }
        let (districts, own) = match &self.district {
            Some(district) => data.factor(district)?,
            None => (vec!["all".to_owned()], vec![0; data.rows()]),
        };
        let claims = data.numbers(&self.claims)?;
        let (column, expected) = match &self.volume {
            Volume::Expected(column) => (column, data.numbers(column)?),
            Volume::Exposure(column) => {
                let exposure = data.numbers(column)?;
                let rate = claims.iter().sum::<f64>() / exposure.iter().sum::<f64>();
                (column, exposure.iter().map(|exposure| exposure * rate).collect())
            }
        };
        // Rows below zero would hide among those of their place.
        for (column, values) in [(&self.claims, &claims), (column, &expected)] {
            if let Some(row) = values.iter().position(|value| *value < 0.0) {
                let detail = format!("{column} is negative in row {}", row + 1);
                let advice = "leave such rows out with a condition under rows";
                return Err(Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column));
            }
        }
        let (long, lat) = (data.gapped(&self.at[0])?, data.gapped(&self.at[1])?);
        let mut sums = vec![Sums::default(); names.len()];
        for (row, code) in codes.iter().enumerate() {
            let sum = &mut sums[*code as usize];
            sum.claims += claims[row];
            sum.expected += expected[row];
            if long[row].is_finite() && lat[row].is_finite() {
                sum.at = [sum.at[0] + long[row], sum.at[1] + lat[row]];
                sum.located += 1;
            }
            match sum.district {
                Some(known) if known != own[row] => {
                    let detail = format!(
                        "{} lies in {} and in {}",
                        names[*code as usize],
                        districts[known as usize],
                        districts[own[row] as usize]
                    );
                    let advice = "give each place one district";
                    let column = self.district.as_deref().unwrap_or_default();
                    return Err(Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column));
                }
                _ => sum.district = Some(own[row]),
            }
        }
        let mut places = Vec::with_capacity(names.len());
        for (name, sum) in names.iter().zip(&sums) {
            if sum.located == 0 {
                let detail = format!("no row of {name} has coordinates");
                let advice = "fill the columns, or leave the place out with a condition under rows";
                return Err(
                    Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&self.at[0])
                );
            }
            let count = sum.located as f64;
            places.push(Place {
                claims: sum.claims,
                expected: sum.expected,
                district: sum.district.unwrap_or_default(),
                at: sum.at.map(|total| total / count),
            });
        }
        Ok(Places { names, districts, places })
    }

    fn refused(&self, error: &RegionError, names: &[String]) -> Failure {
        let text = error.to_string();
        match error {
            RegionError::Stopped(_) => Failure::stopped(),
            RegionError::NotFinite(what) => Failure::not_a_number(what.0),
            RegionError::Place { place, what } => {
                let name = names.get(*place).map(String::as_str).unwrap_or_default();
                let column = match *what {
                    "coordinates" => &self.at[0],
                    "claims" => &self.claims,
                    _ => match &self.volume {
                        Volume::Expected(column) | Volume::Exposure(column) => column,
                    },
                };
                let detail = format!("{name} has no proper {what}");
                let advice = "coordinates are degrees, and where there are claims some are expected: \
                              correct the column, or leave the place out with a condition under rows";
                Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column)
            }
            RegionError::NoClaims => {
                let failure =
                    Failure::new(&error::NOTHING_TO_LEARN, text, "choose rows with claims");
                failure.of_column(&self.claims)
            }
            RegionError::TooMany { .. } => {
                Failure::new(&error::TOO_MUCH_DATA, text, "name a coarser place")
            }
            RegionError::NoConvergence(_) => {
                Failure::new(&error::NO_CONVERGENCE, text, "give smaller variances under smoothing")
            }
            RegionError::Argument(_) => {
                Failure::new(&error::UNFIT_VALUE, text, "correct smoothing")
            }
        }
    }
}

/// Zones of places, 0 being the dearest: each has as much expected claims, as far as whole places allow.
fn zones(places: &[Place], relativities: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|&a, &b| relativities[b].total_cmp(&relativities[a]));
    let total: f64 = places.iter().map(|place| place.expected).sum();
    let mut before = 0.0;
    let mut zones = vec![0; places.len()];
    for place in order {
        let middle = before + 0.5 * places[place].expected;
        before += places[place].expected;
        let zone = if total > 0.0 { (count as f64 * middle / total) as usize } else { 0 };
        zones[place] = zone.min(count - 1);
    }
    zones
}

fn zone_results(places: &[Place], relativities: &[f64], zone: &[usize]) -> Vec<ZoneResult> {
    let mut found: BTreeMap<usize, ZoneResult> = BTreeMap::new();
    for (at, place) in places.iter().enumerate() {
        let own = found.entry(zone[at]).or_insert_with(|| ZoneResult {
            name: format!("zone {}", zone[at] + 1),
            places: 0,
            claims: Figure(0.0),
            expected: Figure(0.0),
            relativity: Figure(0.0),
            least: Figure(f64::INFINITY),
            most: Figure(0.0),
        });
        own.places += 1;
        own.claims.0 += place.claims;
        own.expected.0 += place.expected;
        own.relativity.0 += place.expected * relativities[at];
        own.least.0 = own.least.0.min(relativities[at]);
        own.most.0 = own.most.0.max(relativities[at]);
    }
    for own in found.values_mut() {
        // A zone of places nothing is expected of has the middle of its relativities.
        own.relativity.0 = match own.expected.0 > 0.0 {
            true => own.relativity.0 / own.expected.0,
            false => 0.5 * (own.least.0 + own.most.0),
        };
    }
    found.into_values().collect()
}

fn district_results(
    names: &[String],
    places: &[Place],
    relativities: &[f64],
) -> Vec<DistrictResult> {
    let of = |(district, name): (usize, &String)| {
        let own = || {
            let each = places.iter().zip(relativities);
            each.filter(move |(place, _)| place.district as usize == district)
        };
        let expected: f64 = own().map(|(place, _)| place.expected).sum();
        let count = own().count();
        let weighed: f64 = own().map(|(place, relativity)| place.expected * relativity).sum();
        let plain: f64 = own().map(|(_, relativity)| relativity).sum();
        DistrictResult {
            name: name.clone(),
            places: count,
            claims: own().map(|(place, _)| place.claims).sum::<f64>().into(),
            expected: expected.into(),
            relativity: match expected > 0.0 {
                true => weighed / expected,
                false => plain / count.max(1) as f64,
            }
            .into(),
        }
    };
    names.iter().enumerate().map(of).collect()
}
