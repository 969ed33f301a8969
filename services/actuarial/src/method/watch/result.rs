//! What is said of groups that are watched.

use serde::{Deserialize, Serialize};

use crate::figure::Figure;

/// Groups that are watched together.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WatchResult {
    /// What is watched, in words.
    pub(crate) what: String,
    pub(crate) by: Vec<String>,
    pub(crate) periods: Vec<String>,
    /// Over all groups together, at most.
    pub(crate) false_alarms_a_year: Figure,
    /// Of one group in one period.
    pub(crate) false_alarms_each: Figure,
    /// The latest first.
    pub(crate) alarms: Vec<AlarmResult>,
    /// By group.
    pub(crate) charts: Vec<WatchedResult>,
    /// Groups with no period beyond those that are learnt from.
    pub(crate) not_watched: Vec<String>,
}

/// A signal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlarmResult {
    pub(crate) group: String,
    /// Its level of each column.
    pub(crate) levels: Vec<String>,
    pub(crate) period: String,
    /// What came and what was expected since the sum last was zero, this period included.
    pub(crate) observed: Figure,
    pub(crate) expected: Figure,
    /// The first of these periods.
    pub(crate) since: String,
    pub(crate) sum: Figure,
    pub(crate) limit: Figure,
}

/// A group and its periods after those that are learnt from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WatchedResult {
    pub(crate) name: String,
    pub(crate) levels: Vec<String>,
    pub(crate) alarms: usize,
    pub(crate) points: Vec<PointResult>,
}

/// A period of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PointResult {
    pub(crate) period: String,
    /// What came: claims or an amount.
    pub(crate) observed: Figure,
    /// What was expected of it.
    pub(crate) expected: Figure,
    /// What it is measured by: expected claims, exposure or premium.
    pub(crate) volume: Figure,
    pub(crate) sum: Figure,
    /// What the sum may be; it starts from zero after a signal.
    pub(crate) limit: Figure,
    pub(crate) signal: bool,
}

impl WatchedResult {
    /// Its signals.
    pub(crate) fn alarms(&self) -> Vec<AlarmResult> {
        let mut found = vec![];
        // What has come since the sum was zero.
        let (mut from, mut observed, mut expected) = (0, 0.0, 0.0);
        for (place, point) in self.points.iter().enumerate() {
            observed += point.observed.0;
            expected += point.expected.0;
            if point.signal {
                found.push(AlarmResult {
                    group: self.name.clone(),
                    levels: self.levels.clone(),
                    period: point.period.clone(),
                    observed: observed.into(),
                    expected: expected.into(),
                    since: self.points[from].period.clone(),
                    sum: point.sum,
                    limit: point.limit,
                });
            }
            if point.signal || point.sum.0 == 0.0 {
                (from, observed, expected) = (place + 1, 0.0, 0.0);
            }
        }
        found
    }
}
