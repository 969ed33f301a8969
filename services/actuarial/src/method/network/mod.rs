//! 理赔关系网络: claims and what they share (persons, phones, plates, repairers): which hang together,
//! which are central, which are rings, and what ties a claim to one.

pub(crate) mod result;
mod rings;

use std::collections::HashMap;

use actuarial_models::network::{Network, NetworkError, Rings, Search};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use self::result::{CommonResult, GroupResult, NetworkResult, NodeResult};
use crate::error;
use crate::figure::Figure;
use crate::job::Watch;
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::prepare::{ConditionBody, Prepare, plain};
use crate::method::{Failure, Outcome, Plan};

/// Nodes up to which the ways between all of them are counted: the time grows with their square.
const MOST_WAYS: usize = 20_000;
/// Members of a group that are listed.
const MOST_MEMBERS: usize = 200;
/// Claims whose ways are asked for at once.
const MOST_ASKED: usize = 100;

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
    /// The column that says what the entity is, such as `phone`, `plate` or `repairer`: entities of
    /// different kinds are different, and paths name the kind of each link.
    pub kind: Option<String>,
    /// Entities of more claims than this join no groups and lead no path on: large repairers, hire firms.
    /// 50 when absent.
    pub common_above: Option<u64>,
    /// Groups and rings of fewer claims than this are left out; 3 when absent.
    pub least_claims: Option<u64>,
    /// Groups, nodes and explained claims that are listed; 50 when absent.
    pub listed: Option<u64>,
    /// Rings that are looked for, the densest first; 10 when absent.
    pub rings: Option<u64>,
    /// How many times as dense as the whole network a ring is at least; 1.25 when absent.
    pub ring_density: Option<f64>,
    /// Claims whose way to a ring is explained, at most 100; those of the highest scores when absent.
    #[schema(value_type = Option<Vec<String>>)]
    pub explain: Option<Vec<Value>>,
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
    kind: Option<String>,
    common_above: usize,
    least_claims: usize,
    listed: usize,
    rings: usize,
    ring_density: f64,
    explain: Option<Vec<String>>,
    damping: f64,
}

/// Claims and what they share, as a network.
struct Drawn {
    network: Network,
    /// By node.
    names: Vec<String>,
    /// By node: what kind of thing claims share; empty where the data do not say.
    kinds: Vec<String>,
    is_claim: Vec<bool>,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &NetworkBody, check: &mut Check<'_>) -> Claims {
    let prepare = Prepare::read(check, None, body.rows.as_ref());
    let claim = check.needed("/claim", body.claim.as_ref(), None);
    let entity = check.needed("/entity", body.entity.as_ref(), None);
    if claim == entity && check.is_clean() {
        check.fault("/entity", "is another column than claim");
    }
    let kind = check.optional("/kind", body.kind.as_ref(), None);
    let explain = body.explain.as_ref().map(|claims| {
        let texts: Vec<String> = claims.iter().filter_map(plain).collect();
        if texts.len() < claims.len() || !(1..=MOST_ASKED).contains(&texts.len()) {
            check.fault("/explain", format!("names 1 to {MOST_ASKED} claims"));
        }
        texts
    });
    Claims {
        common_above: check.whole("/commonAbove", body.common_above, 50, 1..=1_000_000_000),
        least_claims: check.whole("/leastClaims", body.least_claims, 3, 1..=1_000_000),
        listed: check.whole("/listed", body.listed, 50, 1..=1_000),
        rings: check.whole("/rings", body.rings, 10, 1..=100),
        ring_density: check.within("/ringDensity", body.ring_density, 1.25, 1.0..=1e6),
        damping: check.within("/damping", body.damping, 0.85, 0.0..=0.999),
        columns: check.used(),
        prepare,
        claim,
        entity,
        kind,
        explain,
    }
}

impl Plan for Claims {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, _seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        let data = self.prepare.apply(data)?;
        watch.stage("drawing the network", 15);
        let drawn = self.drawn(&data)?;
        let network = &drawn.network;
        let asked = self.asked(&drawn)?;
        let degree = |node: usize| network.neighbours(node).len();
        let is_common = |node: usize| !drawn.is_claim[node] && degree(node) > self.common_above;
        watch.stage("looking for groups", 25);
        let components = network.components(is_common);
        let cores = network.cores();
        stopped(watch)?;
        watch.stage("looking for rings", 35);
        let search = Search {
            most: self.rings,
            least_claims: self.least_claims,
            least_density: self.ring_density,
            most_shared: self.common_above,
        };
        let found = Rings::find(network, &drawn.is_claim, &search).map_err(|it| refused(&it))?;
        stopped(watch)?;
        watch.stage("explaining claims", 45);
        let claims = asked.unwrap_or_else(|| self.highest(&drawn, &found));
        let mut explained = Vec::with_capacity(claims.len());
        for claim in claims {
            stopped(watch)?;
            explained.push(rings::explained(&drawn, &found, claim));
        }
        watch.stage("ranking", 60);
        let ranks = network.page_rank(self.damping).map_err(|error| refused(&error))?;
        let ways = (network.nodes() <= MOST_WAYS).then(|| {
            watch.stage("counting ways", 70);
            network.betweenness()
        });
        let groups = components.iter().map(|members| drawn.group(members, &cores));
        let groups = groups.filter(|group| group.claim_count >= self.least_claims);
        let mut order: Vec<usize> = (0..network.nodes()).collect();
        order.sort_by(|a, b| {
            ranks[*b].total_cmp(&ranks[*a]).then_with(|| drawn.names[*a].cmp(&drawn.names[*b]))
        });
        let mut common: Vec<CommonResult> = (0..network.nodes())
            .filter(|node| is_common(*node))
            .map(|node| CommonResult { name: drawn.names[node].clone(), claims: degree(node) })
            .collect();
        common.sort_by(|a, b| b.claims.cmp(&a.claims).then_with(|| a.name.cmp(&b.name)));
        let claim_count = drawn.is_claim.iter().filter(|is| **is).count();
        let found = NetworkResult {
            claims: claim_count,
            entities: drawn.names.len() - claim_count,
            edges: network.edges(),
            groups_in_all: components.len(),
            largest_group: components.first().map_or(0, Vec::len),
            groups: groups.take(self.listed).collect(),
            rings: rings::rings(&drawn, &found),
            explained,
            nodes: order
                .iter()
                .take(self.listed)
                .map(|node| NodeResult {
                    name: drawn.names[*node].clone(),
                    kind: drawn.kind(*node).to_owned(),
                    degree: degree(*node),
                    core: cores[*node],
                    page_rank: ranks[*node].into(),
                    betweenness: ways.as_ref().map(|ways| Figure(ways[*node])),
                })
                .collect(),
            has_betweenness: ways.is_some(),
            common,
        };
        let mut shown = vec![
            ("claims", found.claims as f64),
            ("entities", found.entities as f64),
            ("edges", found.edges as f64),
            ("groups", found.groups_in_all as f64),
            ("largestGroup", found.largest_group as f64),
            ("rings", found.rings.len() as f64),
        ];
        shown.extend(found.rings.first().map(|ring| ("densestRing", ring.density.0)));
        Outcome::of(&found, shown)
    }
}

impl Claims {
    fn drawn(&self, data: &Data) -> Result<Drawn, Failure> {
        let (claims, entities) = (data.texts(&self.claim)?, data.texts(&self.entity)?);
        let kinds = self.kind.as_ref().map(|kind| data.texts(kind)).transpose()?;
        let mut drawn_kinds = vec![];
        let mut names: Vec<String> = vec![];
        // A telephone may have the digits of a plate: what claims share is one only within its kind.
        let mut places: HashMap<(bool, String, String), usize> = HashMap::new();
        let mut edges = vec![];
        let mut is_claim = vec![];
        for (row, (claim, entity)) in claims.into_iter().zip(entities).enumerate() {
            // A claim that shares nothing, or something nobody claims, is no edge.
            let (Some(claim), Some(entity)) = (claim, entity) else { continue };
            let kind = kinds.as_ref().and_then(|kinds| kinds[row].clone()).unwrap_or_default();
            let mut node = |own: bool, kind: String, name: String| {
                *places.entry((own, kind.clone(), name.clone())).or_insert_with(|| {
                    names.push(name);
                    drawn_kinds.push(kind);
                    is_claim.push(own);
                    names.len() - 1
                })
            };
            edges.push((node(true, String::new(), claim), node(false, kind, entity)));
        }
        if edges.is_empty() {
            let detail = "no row has both a claim and an entity";
            return Err(Failure::new(&error::NOTHING_TO_LEARN, detail, "choose other rows"));
        }
        let network = Network::new(names.len(), &edges).map_err(|error| refused(&error))?;
        Ok(Drawn { network, names, kinds: drawn_kinds, is_claim })
    }

    /// The claims that are asked for; `None` when none are.
    fn asked(&self, drawn: &Drawn) -> Result<Option<Vec<usize>>, Failure> {
        let Some(asked) = &self.explain else { return Ok(None) };
        let nodes = (0..drawn.names.len()).filter(|node| drawn.is_claim[*node]);
        let places: HashMap<&str, usize> =
            nodes.map(|node| (drawn.names[node].as_str(), node)).collect();
        let place = |claim: &String| {
            places.get(claim.as_str()).copied().ok_or_else(|| {
                let detail = format!("no row ties claim {claim} to anything");
                let advice = "correct explain, or choose other rows";
                Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&self.claim)
            })
        };
        asked.iter().map(place).collect::<Result<_, _>>().map(Some)
    }

    /// Claims of rings, the highest score first.
    fn highest(&self, drawn: &Drawn, found: &Rings) -> Vec<usize> {
        let members = found.rings.iter().flat_map(|ring| ring.claims.iter().copied());
        let mut claims: Vec<usize> = members.collect();
        claims.sort_unstable();
        claims.dedup();
        rings::by_score(&mut claims, found, drawn);
        claims.truncate(self.listed);
        claims
    }
}

impl Drawn {
    /// What a node is.
    fn kind(&self, node: usize) -> &str {
        match (self.is_claim[node], self.kinds[node].as_str()) {
            (true, _) => "claim",
            (false, "") => "entity",
            (false, kind) => kind,
        }
    }

    fn group(&self, members: &[usize], cores: &[usize]) -> GroupResult {
        let name = |node: &usize| self.names[*node].clone();
        let (claims, entities): (Vec<usize>, Vec<usize>) =
            members.iter().copied().partition(|node| self.is_claim[*node]);
        let inside = |node: &usize| members.binary_search(node).is_ok();
        let edges = claims
            .iter()
            .map(|claim| self.network.neighbours(*claim).iter().filter(|it| inside(it)).count())
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
    }
}

fn stopped(watch: &Watch) -> Result<(), Failure> {
    if watch.is_stopped() { Err(Failure::stopped()) } else { Ok(()) }
}

fn refused(error: &NetworkError) -> Failure {
    match error {
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
    }
}
