//! Rings: groups of claims that share far more than chance would have them share.
//!
//! Claims stand on one side of the network, what they share on the other: persons, vehicles, phones,
//! workshops. A ring is a group of both with as many links between few members as possible. A link
//! counts the less the more claims an entity has, so a workshop everybody uses ties nothing together
//! and need not be left out by name. The groups are found by taking away the weakest member again and
//! again: what is then left at its densest is at least half as dense as any group can be.
//! Source: Hooi, Song, Beutel, Shah, Shin and Faloutsos 2016 (FRAUDAR); Charikar 2000.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Network, NetworkError};
use crate::number::{all_finite, finite};

/// How rings are looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// How many rings at most, the densest first.
    pub most: usize,
    /// A group of fewer claims is no ring.
    pub least_claims: usize,
    /// A group that is not so many times as dense as the whole network is none either.
    pub least_density: f64,
    /// What more claims share, such as a workshop, leads no path on.
    pub most_shared: usize,
}

impl Default for Search {
    fn default() -> Search {
        Search { most: 10, least_claims: 4, least_density: 1.25, most_shared: 20 }
    }
}

/// A group that shares much.
#[derive(Clone, Debug, PartialEq)]
pub struct Ring {
    /// Its claims, increasing.
    pub claims: Vec<usize>,
    /// What two or more of them share, increasing.
    pub entities: Vec<usize>,
    /// Links between both.
    pub links: usize,
    /// Weight of the links by member, against that of the whole network.
    pub density: f64,
}

/// A claim's part in a ring.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Which ring, by its place.
    pub ring: usize,
    /// What the claim shares with others of the ring, with how many of them, the most shared first.
    pub shared: Vec<(usize, usize)>,
}

/// Rings of a network, and what ties every claim to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Rings {
    /// The densest first.
    pub rings: Vec<Ring>,
    /// By node: weight of its links into its ring against the mean claim's weight of all links; zero
    /// outside rings.
    pub scores: Vec<f64>,
    most_shared: usize,
    network: Network,
    is_claim: Vec<bool>,
}

impl Rings {
    /// Finds the rings of a network whose links each join a claim to something else.
    pub fn find(
        network: &Network,
        is_claim: &[bool],
        search: &Search,
    ) -> Result<Rings, NetworkError> {
        let nodes = network.nodes();
        if is_claim.len() != nodes {
            return Err(NetworkError::Sides { found: is_claim.len(), nodes });
        }
        for node in 0..nodes {
            let same = |other: &&usize| is_claim[**other] == is_claim[node];
            if let Some(&other) = network.neighbours(node).iter().find(same) {
                return Err(NetworkError::OneSide { node, other });
            }
        }
        if !(search.least_density >= 0.0 && search.least_density.is_finite()) {
            return Err(NetworkError::Argument("density of a ring"));
        }
        let mut peel = Peel::of(network, is_claim);
        let whole = peel.weight(0..nodes) / nodes.max(1) as f64;
        let claims = is_claim.iter().filter(|claim| **claim).count();
        let mean = peel.weight(0..nodes) / claims.max(1) as f64;
        let mut found = Rings {
            rings: vec![],
            scores: vec![0.0; nodes],
            most_shared: search.most_shared,
            network: network.clone(),
            is_claim: is_claim.to_vec(),
        };
        if whole > 0.0 {
            while found.rings.len() < search.most {
                let (members, density) = peel.densest();
                let density = density / whole;
                let claims = members.iter().filter(|&&node| is_claim[node]).count();
                if claims < search.least_claims || density < search.least_density {
                    break;
                }
                for (node, weight) in peel.take_out(&members) {
                    found.scores[node] += weight / mean;
                }
                found.rings.push(found.ring(&members, finite(density, "density of a ring")?));
            }
        }
        all_finite(&found.scores, "ring score")?;
        Ok(found)
    }

    fn ring(&self, members: &[usize], density: f64) -> Ring {
        let claims: Vec<usize> = members.iter().copied().filter(|&n| self.is_claim[n]).collect();
        let own = |entity: usize| self.within(entity, &claims).len();
        let entities: Vec<usize> = members
            .iter()
            .copied()
            .filter(|&node| !self.is_claim[node] && own(node) >= 2)
            .collect();
        let links = entities.iter().map(|&entity| own(entity)).sum();
        Ring { claims, entities, links, density }
    }

    /// Claims of a sorted list that an entity belongs to.
    fn within(&self, entity: usize, claims: &[usize]) -> Vec<usize> {
        let neighbours = self.network.neighbours(entity).iter().copied();
        neighbours.filter(|claim| claims.binary_search(claim).is_ok()).collect()
    }

    /// What a claim shares with others of its ring; `None` outside rings.
    pub fn part(&self, claim: usize) -> Option<Part> {
        let holds = |ring: &Ring| ring.claims.binary_search(&claim).is_ok();
        let ring = self.rings.iter().position(holds)?;
        let own = &self.rings[ring];
        let shares = |entity: &&usize| own.entities.binary_search(entity).is_ok();
        let mut shared: Vec<(usize, usize)> = self
            .network
            .neighbours(claim)
            .iter()
            .filter(shares)
            .map(|&entity| (entity, self.within(entity, &own.claims).len() - 1))
            .collect();
        shared.sort_by_key(|&(entity, others)| (Reverse(others), entity));
        Some(Part { ring, shared })
    }

    /// The way from a claim to the nearest claim of a ring: claim, what it shares, the next claim, and so
    /// on. Of ways as short the one through what fewest claims share; `None` when none leads there
    /// without [`Search::most_shared`], the claim alone when it is in the ring.
    pub fn path(&self, claim: usize, ring: usize) -> Option<Vec<usize>> {
        let goal = &self.rings.get(ring)?.claims;
        if claim >= self.network.nodes() || !self.is_claim[claim] {
            return None;
        }
        // Steps count first, then how many claims share what lies on the way.
        let mut best = vec![(usize::MAX, usize::MAX); self.network.nodes()];
        let mut from = vec![claim; self.network.nodes()];
        let mut queue = BinaryHeap::from([Reverse(((0, 0), claim))]);
        best[claim] = (0, 0);
        while let Some(Reverse((cost, node))) = queue.pop() {
            if cost > best[node] {
                continue;
            }
            if goal.binary_search(&node).is_ok() {
                let mut path = vec![node];
                while let Some(&last) = path.last().filter(|last| **last != claim) {
                    path.push(from[last]);
                }
                path.reverse();
                return Some(path);
            }
            for &next in self.network.neighbours(node) {
                let common = match self.is_claim[next] {
                    true => 0,
                    false => self.network.neighbours(next).len(),
                };
                if common > self.most_shared {
                    continue;
                }
                let reached = (cost.0 + 1, cost.1 + common);
                if reached < best[next] {
                    (best[next], from[next]) = (reached, node);
                    queue.push(Reverse((reached, next)));
                }
            }
        }
        None
    }
}

/// Links while members are taken away.
struct Peel<'a> {
    network: &'a Network,
    is_claim: &'a [bool],
    /// Weight of a link to an entity; of claims, nothing.
    weights: Vec<f64>,
    /// Nodes whose links among themselves are spent, by the ring that spent them.
    spent: Vec<Option<usize>>,
    rings: usize,
}

impl Peel<'_> {
    fn of<'a>(network: &'a Network, is_claim: &'a [bool]) -> Peel<'a> {
        let weight = |node: usize| {
            let claims = network.neighbours(node).len() as f64;
            // The logarithm hardly falls for the first few claims, and discounts hundreds.
            if is_claim[node] { 0.0 } else { 1.0 / (claims + 5.0).ln() }
        };
        let weights = (0..network.nodes()).map(weight).collect();
        let spent = vec![None; network.nodes()];
        Peel { network, is_claim, weights, spent, rings: 0 }
    }

    /// Weight of a link; zero when both ends are of one ring that was taken out.
    fn link(&self, a: usize, b: usize) -> f64 {
        match (self.spent[a], self.spent[b]) {
            (Some(one), Some(other)) if one == other => 0.0,
            _ => self.weights[a] + self.weights[b],
        }
    }

    /// Weight of the links of claims among these nodes.
    fn weight(&self, nodes: impl Iterator<Item = usize>) -> f64 {
        let claims = nodes.filter(|&node| self.is_claim[node]);
        let links = claims.flat_map(|claim| {
            self.network.neighbours(claim).iter().map(move |&other| self.link(claim, other))
        });
        links.sum()
    }

    /// The densest group on the way from all nodes to none, and its density.
    fn densest(&self) -> (Vec<usize>, f64) {
        let nodes = self.network.nodes();
        let mut held: Vec<f64> = (0..nodes)
            .map(|node| self.network.neighbours(node).iter().map(|&n| self.link(node, n)).sum())
            .collect();
        let mut queue: BinaryHeap<Reverse<(Weight, usize)>> =
            (0..nodes).map(|node| Reverse((Weight(held[node]), node))).collect();
        let mut gone = vec![false; nodes];
        let mut order = Vec::with_capacity(nodes);
        let mut left = 0.5 * held.iter().sum::<f64>();
        let (mut best, mut kept_from) = (left / nodes.max(1) as f64, 0);
        while let Some(Reverse((Weight(weight), node))) = queue.pop() {
            if gone[node] || weight != held[node] {
                continue;
            }
            gone[node] = true;
            order.push(node);
            left -= weight;
            for &other in self.network.neighbours(node) {
                if !gone[other] {
                    held[other] -= self.link(node, other);
                    queue.push(Reverse((Weight(held[other]), other)));
                }
            }
            let remain = nodes - order.len();
            if remain > 0 && left / remain as f64 > best {
                (best, kept_from) = (left / remain as f64, order.len());
            }
        }
        let mut members = order.split_off(kept_from);
        members.sort_unstable();
        (members, best)
    }

    /// Spends the links of a group, and says how much each member had.
    fn take_out(&mut self, members: &[usize]) -> Vec<(usize, f64)> {
        let inside = |node: &&usize| members.binary_search(node).is_ok();
        let held = |&node: &usize| {
            let own = self.network.neighbours(node).iter().filter(inside);
            (node, own.map(|&other| self.link(node, other)).sum())
        };
        let found = members.iter().map(held).collect();
        members.iter().for_each(|&node| self.spent[node] = Some(self.rings));
        self.rings += 1;
        found
    }
}

/// A weight with an order.
#[derive(PartialEq)]
struct Weight(f64);

impl Eq for Weight {}

impl Ord for Weight {
    fn cmp(&self, other: &Weight) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Weight {
    fn partial_cmp(&self, other: &Weight) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Claims 0..30. Claims 0 to 4 share drivers 40 and 41 and phone 42; each other claim has a phone
    /// of its own, and every third neighbour shares a driver; workshop 39 has all of them.
    fn market() -> (Network, Vec<bool>) {
        let mut edges = vec![];
        for claim in 0..30 {
            edges.push((claim, 39));
            edges.push((claim, 50 + claim));
            if claim < 5 {
                edges.extend([(claim, 40), (claim, 41), (claim, 42)]);
            } else {
                edges.push((claim, 43 + claim % 7));
            }
        }
        // Claim 10 knows the ring over one driver.
        edges.push((10, 41));
        let is_claim = (0..80).map(|node| node < 30).collect();
        (Network::new(80, &edges).unwrap(), is_claim)
    }

    #[test]
    fn the_ring_comes_first_and_the_common_workshop_ties_nothing() {
        let (network, is_claim) = market();
        let rings = Rings::find(&network, &is_claim, &Search::default()).unwrap();
        let ring = &rings.rings[0];
        assert_eq!(ring.claims, [0, 1, 2, 3, 4]);
        assert_eq!(&ring.entities[..3], [39, 40, 41].as_slice());
        assert!(ring.density > 1.25);
        let top = (0..30).max_by(|&a, &b| rings.scores[a].total_cmp(&rings.scores[b])).unwrap();
        assert!(top < 5 && rings.scores[20] == 0.0);
        let part = rings.part(3).unwrap();
        assert_eq!(part.ring, 0);
        assert!(part.shared.contains(&(42, 4)), "{part:?}");
        assert_eq!(rings.part(20), None);
    }

    #[test]
    fn a_claim_finds_its_way_to_the_ring_over_what_few_share() {
        let (network, is_claim) = market();
        let rings = Rings::find(&network, &is_claim, &Search::default()).unwrap();
        assert_eq!(rings.path(10, 0), Some(vec![10, 41, 0]));
        // Over the workshop it is shorter, but everybody goes there.
        assert_eq!(rings.path(17, 0), Some(vec![17, 46, 10, 41, 0]));
        assert_eq!(rings.path(20, 0), None);
        let search = Search { most_shared: 30, ..Search::default() };
        let wide = Rings::find(&network, &is_claim, &search).unwrap();
        assert_eq!(wide.path(20, 0), Some(vec![20, 39, 0]));
        // Both are as short; fewer know the driver.
        assert_eq!(wide.path(10, 0), Some(vec![10, 41, 0]));
        assert_eq!(rings.path(3, 0), Some(vec![3]));
        assert_eq!((rings.path(41, 0), rings.path(10, 7), rings.path(999, 0)), (None, None, None));
    }

    #[test]
    fn what_has_no_two_sides_is_refused_and_nothing_has_no_ring() {
        let network = Network::new(3, &[(0, 1), (1, 2)]).unwrap();
        let find = |is_claim: &[bool]| Rings::find(&network, is_claim, &Search::default());
        let refused = find(&[true, true, false]).unwrap_err();
        assert_eq!(refused, NetworkError::OneSide { node: 0, other: 1 });
        let refused = find(&[true]).unwrap_err();
        assert_eq!(refused, NetworkError::Sides { found: 1, nodes: 3 });
        assert!(find(&[true, false, true]).unwrap().rings.is_empty());
        let empty = Network::new(2, &[]).unwrap();
        let none = Rings::find(&empty, &[true, false], &Search::default()).unwrap();
        assert_eq!((none.rings.len(), none.scores), (0, vec![0.0, 0.0]));
    }
}
