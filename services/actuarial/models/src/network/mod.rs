//! Networks of claims and what they share: persons, vehicles, phones, workshops.
//!
//! An undirected graph without weights. Rings of fraud show as groups that hang together once common
//! workshops are left out, as tight cores, and as nodes many shortest ways lead through.

mod rings;

use std::collections::VecDeque;

use crate::number::{NotFinite, all_finite};

pub use rings::{Part, Ring, Rings, Search};

/// Why a network cannot be built or scored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// An edge to a node that is not there.
    #[error("edge {edge} names node {node} of {nodes}")]
    Node {
        /// Which edge.
        edge: usize,
        /// Which node.
        node: usize,
        /// How many nodes there are.
        nodes: usize,
    },
    /// A damping that is not between 0 and 1.
    #[error("damping {0} is not between 0 and 1")]
    Damping(f64),
    /// Another number of sides than of nodes.
    #[error("{found} nodes are said to be claims or not where there are {nodes}")]
    Sides {
        /// How many.
        found: usize,
        /// How many nodes there are.
        nodes: usize,
    },
    /// An edge between two claims, or between two things claims share.
    #[error("an edge joins nodes {node} and {other} of one side")]
    OneSide {
        /// One end.
        node: usize,
        /// The other.
        other: usize,
    },
    /// An argument out of its range.
    #[error("{0} is out of range")]
    Argument(&'static str),
    /// An iteration did not come to rest.
    #[error("no convergence in {0} steps")]
    NoConvergence(usize),
    /// A result is no number.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

/// Nodes 0..n and their neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Bounds of the neighbours of each node in `neighbours`.
    starts: Vec<usize>,
    neighbours: Vec<usize>,
}

/// Rounds of PageRank after which it is given up.
const ROUNDS: usize = 10_000;

impl Network {
    /// Builds a network; an edge given twice counts once, and one from a node to itself not at all.
    pub fn new(nodes: usize, edges: &[(usize, usize)]) -> Result<Network, NetworkError> {
        let mut both = Vec::with_capacity(2 * edges.len());
        for (edge, &(a, b)) in edges.iter().enumerate() {
            if let Some(node) = [a, b].into_iter().find(|&node| node >= nodes) {
                return Err(NetworkError::Node { edge, node, nodes });
            }
            if a != b {
                both.extend([(a, b), (b, a)]);
            }
        }
        both.sort_unstable();
        both.dedup();
        let starts = (0..=nodes).map(|node| both.partition_point(|edge| edge.0 < node)).collect();
        Ok(Network { starts, neighbours: both.into_iter().map(|edge| edge.1).collect() })
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of edges.
    pub fn edges(&self) -> usize {
        self.neighbours.len() / 2
    }

    /// Neighbours of a node, increasing.
    pub fn neighbours(&self, node: usize) -> &[usize] {
        &self.neighbours[self.starts[node]..self.starts[node + 1]]
    }

    /// Nodes that hang together, the largest group first; nodes of a group increase.
    ///
    /// Nodes for which `left_out` holds, such as workshops everybody uses, are in no group and join
    /// none.
    pub fn components(&self, left_out: impl Fn(usize) -> bool) -> Vec<Vec<usize>> {
        let mut seen: Vec<bool> = (0..self.nodes()).map(left_out).collect();
        let mut groups = vec![];
        for start in 0..self.nodes() {
            if seen[start] {
                continue;
            }
            seen[start] = true;
            let mut group = vec![start];
            let mut next = 0;
            while next < group.len() {
                for &node in self.neighbours(group[next]) {
                    if !seen[node] {
                        seen[node] = true;
                        group.push(node);
                    }
                }
                next += 1;
            }
            group.sort_unstable();
            groups.push(group);
        }
        groups.sort_by_key(|group| (std::cmp::Reverse(group.len()), group[0]));
        groups
    }

    /// PageRank of every node: the part of a walk that is spent there when it follows an edge with
    /// probability `damping` and otherwise starts anywhere. Sums to one.
    pub fn page_rank(&self, damping: f64) -> Result<Vec<f64>, NetworkError> {
        if !(0.0..1.0).contains(&damping) {
            return Err(NetworkError::Damping(damping));
        }
        let count = self.nodes() as f64;
        let mut rank = vec![1.0 / count; self.nodes()];
        for _ in 0..ROUNDS {
            let lone = (0..self.nodes()).filter(|&node| self.neighbours(node).is_empty());
            let lost: f64 = lone.map(|node| rank[node]).sum();
            let base = (1.0 - damping + damping * lost) / count;
            let mut next = vec![base; self.nodes()];
            for (node, rank) in rank.iter().enumerate() {
                let neighbours = self.neighbours(node);
                let share = damping * rank / neighbours.len() as f64;
                neighbours.iter().for_each(|&neighbour| next[neighbour] += share);
            }
            let moved: f64 = next.iter().zip(&rank).map(|(a, b)| (a - b).abs()).sum();
            rank = next;
            if moved < 1e-14 {
                all_finite(&rank, "PageRank")?;
                return Ok(rank);
            }
        }
        Err(NetworkError::NoConvergence(ROUNDS))
    }

    /// Core number of every node: the largest k such that it belongs to a part of the network in which
    /// all have k neighbours.
    pub fn cores(&self) -> Vec<usize> {
        let mut degree: Vec<usize> =
            (0..self.nodes()).map(|node| self.neighbours(node).len()).collect();
        let most = degree.iter().copied().max().unwrap_or(0);
        let mut waiting = vec![vec![]; most + 1];
        (0..self.nodes()).for_each(|node| waiting[degree[node]].push(node));
        let mut done = vec![false; self.nodes()];
        let mut cores = vec![0; self.nodes()];
        let mut core = 0;
        let mut level = 0;
        while level <= most {
            let Some(node) = waiting[level].pop() else {
                level += 1;
                continue;
            };
            // A node waits once at every degree it has had; only the last one counts.
            if done[node] || degree[node] != level {
                continue;
            }
            done[node] = true;
            core = core.max(level);
            cores[node] = core;
            for &neighbour in self.neighbours(node) {
                if !done[neighbour] {
                    degree[neighbour] -= 1;
                    waiting[degree[neighbour]].push(neighbour);
                    level = level.min(degree[neighbour]);
                }
            }
        }
        cores
    }

    /// Betweenness of every node: over all pairs of others, the part of the shortest ways between them
    /// that leads through it. Source: Brandes 2001. Takes nodes × edges steps.
    pub fn betweenness(&self) -> Vec<f64> {
        let count = self.nodes();
        let mut scores = vec![0.0; count];
        let mut distance = vec![usize::MAX; count];
        let mut ways = vec![0.0_f64; count];
        let mut through = vec![0.0; count];
        let mut reached = Vec::with_capacity(count);
        let mut queue = VecDeque::new();
        for start in 0..count {
            distance.fill(usize::MAX);
            ways.fill(0.0);
            through.fill(0.0);
            reached.clear();
            (distance[start], ways[start]) = (0, 1.0);
            queue.push_back(start);
            while let Some(node) = queue.pop_front() {
                reached.push(node);
                for &next in self.neighbours(node) {
                    if distance[next] == usize::MAX {
                        distance[next] = distance[node] + 1;
                        queue.push_back(next);
                    }
                    if distance[next] == distance[node] + 1 {
                        ways[next] += ways[node];
                    }
                }
            }
            for &node in reached.iter().rev() {
                for &next in self.neighbours(node) {
                    if distance[next] == distance[node] + 1 {
                        through[node] += ways[node] / ways[next] * (1.0 + through[next]);
                    }
                }
                if node != start {
                    scores[node] += 0.5 * through[node];
                }
            }
        }
        scores
    }

    /// Number of triangles: three nodes that all know each other.
    pub fn triangles(&self) -> usize {
        let larger = |node: usize| {
            let neighbours = self.neighbours(node);
            &neighbours[neighbours.partition_point(|&other| other <= node)..]
        };
        let both =
            |a: &[usize], b: &[usize]| a.iter().filter(|x| b.binary_search(x).is_ok()).count();
        let at = |node: usize| {
            larger(node).iter().map(|&next| both(larger(node), larger(next))).sum::<usize>()
        };
        (0..self.nodes()).map(at).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A triangle 0-1-2 with a tail 2-3-4 and a lone node 5.
    fn network() -> Network {
        Network::new(6, &[(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 3), (1, 1)]).unwrap()
    }

    #[test]
    fn a_small_network_is_scored_as_by_hand() {
        let network = network();
        assert_eq!((network.nodes(), network.edges(), network.triangles()), (6, 5, 1));
        assert_eq!(network.components(|_| false), [vec![0, 1, 2, 3, 4], vec![5]]);
        assert_eq!(network.components(|node| node == 2), [vec![0, 1], vec![3, 4], vec![5]]);
        assert_eq!(network.cores(), [2, 2, 2, 1, 1, 0]);
        // Through 2: {0,1} × {3,4}; through 3: {0,1,2} × {4}.
        assert_eq!(network.betweenness(), [0.0, 0.0, 4.0, 3.0, 0.0, 0.0]);
        let rank = network.page_rank(0.85).unwrap();
        assert!((rank.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(rank[0], rank[1]);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        let edge = Network::new(2, &[(0, 1), (1, 2)]).unwrap_err();
        assert_eq!(edge, NetworkError::Node { edge: 1, node: 2, nodes: 2 });
        assert_eq!(network().page_rank(1.5), Err(NetworkError::Damping(1.5)));
    }
}
