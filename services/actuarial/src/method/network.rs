//! 理赔关系网络: claims and what they share (persons, phones, plates, repairers): which hang together,
//! which are central.

use std::collections::HashMap;

use actuarial_models::network::{Network, NetworkError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error;
use crate::figure::Figure;
use crate::job::Watch;
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::prepare::{ConditionBody, Prepare};
use crate::method::{Failure, Outcome, Plan};

/// Nodes up to which the ways between all of them are counted: the time grows with their square.
const MOST_WAYS: usize = 20_000;
/// Members of a group that are listed.
const MOST_MEMBERS: usize = 200;

/// Which network is drawn, and what is shown of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = NetworkParameters)]
pub struct NetworkBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// The column of claims.
    pub claim: Option<String>,
    /// The column of what they share; one row for each claim and entity.
    pub entity: Option<String>,
    /// Entities of more claims than this join no groups: large repairers, hire firms. 50 when absent.
    pub common_above: Option<u64>,
    /// Groups of fewer claims than this are left out; 3 when absent.
    pub least_claims: Option<u64>,
    /// Groups and nodes that are listed; 50 when absent.
    pub listed: Option<u64>,
    /// Probability that a walk goes on; 0.85 when absent.
    pub damping: Option<f64>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    columns: Vec<String>,
    prepare: Prepare,
    claim: String,
    entity: String,
    common_above: usize,
    least_claims: usize,
    listed: usize,
    damping: f64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkResult {
    claims: usize,
    entities: usize,
    edges: usize,
    /// Entities of so many claims that they join no groups.
    common: Vec<CommonResult>,
    /// How many groups there are, of whatever size.
    groups_in_all: usize,
    largest_group: usize,
    /// The largest first.
    groups: Vec<GroupResult>,
    /// The most central nodes first.
    nodes: Vec<NodeResult>,
    /// Whether betweenness was computed: the network is small enough.
    has_betweenness: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CommonResult {
    name: String,
    claims: usize,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupResult {
    name: String,
    claims: Vec<String>,
    entities: Vec<String>,
    claim_count: usize,
    entity_count: usize,
    edges: usize,
    /// Edges beyond those that hold the group together: how often its claims meet again.
    cycles: usize,
    /// The deepest core its nodes are in.
    core: usize,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeResult {
    name: String,
    kind: &'static str,
    degree: usize,
    core: usize,
    page_rank: Figure,
    #[serde(skip_serializing_if = "Option::is_none")]
    betweenness: Option<Figure>,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &NetworkBody, check: &mut Check<'_>) -> Claims {
    let prepare = Prepare::read(check, None, body.rows.as_ref());
    let claim = check.needed("/claim", body.claim.as_ref(), None);
    let entity = check.needed("/entity", body.entity.as_ref(), None);
    if claim == entity && check.is_clean() {
        check.fault("/entity", "is another column than claim");
    }
    Claims {
        common_above: check.whole("/commonAbove", body.common_above, 50, 1..=1_000_000_000),
        least_claims: check.whole("/leastClaims", body.least_claims, 3, 1..=1_000_000),
        listed: check.whole("/listed", body.listed, 50, 1..=1_000),
        damping: check.within("/damping", body.damping, 0.85, 0.0..=0.999),
        columns: check.used(),
        prepare,
        claim,
        entity,
    }
}

impl Plan for Claims {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, _seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        let data = self.prepare.apply(data)?;
        watch.stage("drawing the network", 15);
        let (claims, entities) = (data.texts(&self.claim)?, data.texts(&self.entity)?);
        let mut names: Vec<String> = vec![];
        let mut places: HashMap<(bool, String), usize> = HashMap::new();
        let mut edges = vec![];
        let mut is_claim = vec![];
        for (claim, entity) in claims.into_iter().zip(entities) {
            // A claim that shares nothing, or something nobody claims, is no edge.
            let (Some(claim), Some(entity)) = (claim, entity) else { continue };
            let mut node = |own: bool, name: String| {
                *places.entry((own, name.clone())).or_insert_with(|| {
                    names.push(name);
                    is_claim.push(own);
                    names.len() - 1
                })
            };
            edges.push((node(true, claim), node(false, entity)));
        }
        if edges.is_empty() {
            let detail = "no row has both a claim and an entity";
            return Err(Failure::new(&error::NOTHING_TO_LEARN, detail, "choose other rows"));
        }
        let refuse = |error: NetworkError| match error {
            NetworkError::NotFinite(what) => Failure::not_a_number(what.0),
            NetworkError::NoConvergence(_) => {
                Failure::new(&error::NO_CONVERGENCE, error.to_string(), "lower damping")
            }
            NetworkError::Node { .. }
            | NetworkError::Damping(_)
            | NetworkError::Sides { .. }
            | NetworkError::OneSide { .. }
            | NetworkError::Argument(_) => {
                Failure::new(&error::UNFIT_VALUE, error.to_string(), "correct the parameters")
            }
        };
        let network = Network::new(names.len(), &edges).map_err(refuse)?;
        let degree = |node: usize| network.neighbours(node).len();
        let is_common = |node: usize| !is_claim[node] && degree(node) > self.common_above;
        watch.stage("looking for groups", 30);
        let components = network.components(is_common);
        let cores = network.cores();
        if watch.is_stopped() {
            return Err(Failure::stopped());
        }
        watch.stage("ranking", 50);
        let ranks = network.page_rank(self.damping).map_err(refuse)?;
        let ways = (network.nodes() <= MOST_WAYS).then(|| {
            watch.stage("counting ways", 60);
            network.betweenness()
        });
        let name = |node: &usize| names[*node].clone();
        let group = |members: &Vec<usize>| {
            let (claims, entities): (Vec<usize>, Vec<usize>) =
                members.iter().copied().partition(|node| is_claim[*node]);
            let inside = |node: &usize| members.binary_search(node).is_ok();
            let edges = claims
                .iter()
                .map(|claim| network.neighbours(*claim).iter().filter(|it| inside(it)).count())
                .sum::<usize>();
            GroupResult {
                name: members.iter().map(name).min().unwrap_or_default(),
                claim_count: claims.len(),
                entity_count: entities.len(),
                edges,
                cycles: (edges + 1).saturating_sub(members.len()),
                core: members.iter().map(|node| cores[*node]).max().unwrap_or(0),
                claims: claims.iter().take(MOST_MEMBERS).map(name).collect(),
                entities: entities.iter().take(MOST_MEMBERS).map(name).collect(),
            }
        };
        let groups = components.iter().map(group);
        let groups = groups.filter(|group| group.claim_count >= self.least_claims);
        let mut order: Vec<usize> = (0..network.nodes()).collect();
        order.sort_by(|a, b| {
            ranks[*b].total_cmp(&ranks[*a]).then_with(|| names[*a].cmp(&names[*b]))
        });
        let mut common: Vec<CommonResult> = (0..network.nodes())
            .filter(|node| is_common(*node))
            .map(|node| CommonResult { name: name(&node), claims: degree(node) })
            .collect();
        common.sort_by(|a, b| b.claims.cmp(&a.claims).then_with(|| a.name.cmp(&b.name)));
        let claim_count = is_claim.iter().filter(|is| **is).count();
        let found = NetworkResult {
            claims: claim_count,
            entities: names.len() - claim_count,
            edges: network.edges(),
            groups_in_all: components.len(),
            largest_group: components.first().map_or(0, Vec::len),
            groups: groups.take(self.listed).collect(),
            nodes: order
                .iter()
                .take(self.listed)
                .map(|node| NodeResult {
                    name: name(node),
                    kind: if is_claim[*node] { "claim" } else { "entity" },
                    degree: degree(*node),
                    core: cores[*node],
                    page_rank: ranks[*node].into(),
                    betweenness: ways.as_ref().map(|ways| Figure(ways[*node])),
                })
                .collect(),
            has_betweenness: ways.is_some(),
            common,
        };
        let shown = [
            ("claims", found.claims as f64),
            ("entities", found.entities as f64),
            ("edges", found.edges as f64),
            ("groups", found.groups_in_all as f64),
            ("largestGroup", found.largest_group as f64),
        ];
        Outcome::of(&found, shown)
    }
}
