//! What is said of a network of claims.

use serde::{Deserialize, Serialize};

use crate::figure::Figure;

/// A network, its groups, its rings and what is central.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NetworkResult {
    pub(crate) claims: usize,
    pub(crate) entities: usize,
    pub(crate) edges: usize,
    /// Entities of so many claims that they join no groups.
    pub(crate) common: Vec<CommonResult>,
    /// How many groups there are, of whatever size.
    pub(crate) groups_in_all: usize,
    pub(crate) largest_group: usize,
    /// The largest first.
    pub(crate) groups: Vec<GroupResult>,
    /// The densest first.
    #[serde(default)]
    pub(crate) rings: Vec<RingResult>,
    /// Claims that were asked for, in their order, else those of the highest scores.
    #[serde(default)]
    pub(crate) explained: Vec<ExplainedResult>,
    /// The most central nodes first.
    pub(crate) nodes: Vec<NodeResult>,
    /// Whether betweenness was computed: the network is small enough.
    pub(crate) has_betweenness: bool,
}

/// What many claims share.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommonResult {
    pub(crate) name: String,
    pub(crate) claims: usize,
}

/// Claims that hang together.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupResult {
    pub(crate) name: String,
    pub(crate) claims: Vec<String>,
    pub(crate) entities: Vec<String>,
    pub(crate) claim_count: usize,
    pub(crate) entity_count: usize,
    pub(crate) edges: usize,
    /// Edges beyond those that hold the group together: how often its claims meet again.
    pub(crate) cycles: usize,
    /// The deepest core its nodes are in.
    pub(crate) core: usize,
}

/// Claims that share far more than chance would have them share.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RingResult {
    /// Its place, from 1.
    pub(crate) ring: usize,
    /// Weight of its links by member, against that of the whole network.
    pub(crate) density: Figure,
    /// Mean score of its claims: weight of what each has in the ring, against that of all links of a mean
    /// claim.
    pub(crate) score: Figure,
    pub(crate) claim_count: usize,
    pub(crate) entity_count: usize,
    pub(crate) links: usize,
    /// The highest score first.
    pub(crate) claims: Vec<MemberResult>,
    /// What its claims share, what most of them have first.
    pub(crate) entities: Vec<EntityResult>,
}

/// A claim of a ring.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberResult {
    pub(crate) claim: String,
    pub(crate) score: Figure,
    /// What it shares with others of the ring, by place among its entities.
    pub(crate) shares: Vec<usize>,
}

/// What claims share.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntityResult {
    pub(crate) name: String,
    /// Such as a phone or a repairer; `entity` where the data do not say.
    pub(crate) kind: String,
    /// Claims of the ring that have it.
    pub(crate) claims: usize,
    /// Claims that have it at all.
    pub(crate) claims_in_all: usize,
}

/// Why a claim is worth a look, step by step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplainedResult {
    pub(crate) claim: String,
    /// Zero outside rings.
    pub(crate) score: Figure,
    /// The ring it is in, or the nearest one it is tied to; absent when nothing leads to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ring: Option<usize>,
    pub(crate) is_in_ring: bool,
    /// What it shares with others of its ring, the most shared first; empty outside rings.
    pub(crate) shares: Vec<ShareResult>,
    /// From the claim to a claim of the ring: claim, what both have, the next claim. In a ring: over what
    /// the fewest claims share to another of its claims.
    pub(crate) path: Vec<StepResult>,
    /// The path as a sentence.
    pub(crate) text: String,
}

/// What a claim shares, and with whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShareResult {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// Other claims of the ring that have it; at most twenty are listed.
    pub(crate) with: Vec<String>,
    pub(crate) with_count: usize,
}

/// A stop on a path.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepResult {
    pub(crate) name: String,
    /// `claim`, or what kind of thing links the claims before and after it.
    pub(crate) kind: String,
    /// How many claims have it; absent of claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) claims: Option<usize>,
}

/// A claim or what claims share, and how central it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeResult {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) degree: usize,
    pub(crate) core: usize,
    pub(crate) page_rank: Figure,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) betweenness: Option<Figure>,
}
