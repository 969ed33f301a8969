//! A tariff of tables distilled from trees: what a table says is all there is to say.
//!
//! Trees that may ask for one feature, or for two that were found to interact, are sums of tables.
//! Grown on what a full ensemble expects rather than on claims, they take over its insight without its
//! darkness: every relativity can be read, argued about and filed.

use super::bins::Feature;
use super::tree::{Place, Set, UNIT};
use super::{Boost, Counts, Ensemble, TreesError};
use crate::glm::Frame;
use crate::number::all_finite;
use crate::stop::Stop;

/// One-way and two-way tables; a frequency is the base times one relativity of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Tariff {
    /// The features.
    pub features: Vec<Feature>,
    /// Claims per exposure where every relativity is one.
    pub base: f64,
    /// The tables.
    pub tables: Vec<Table>,
}

/// Relativities by the bins of one or two features.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Places of the features, increasing.
    pub features: Vec<usize>,
    /// By bin of the first feature, then of the second.
    pub relativities: Vec<f64>,
}

impl Boost {
    /// Distils a tariff with two-way tables for the `pairs` of `teacher` that interact most.
    ///
    /// The settings are those of the trees the tables are made of; `together` is replaced.
    pub fn distil(
        &self,
        teacher: &Ensemble,
        data: &Counts<'_>,
        pairs: usize,
    ) -> Result<Tariff, TreesError> {
        self.distil_until(teacher, data, pairs, Stop::NEVER)
    }

    /// The same, unless it is called off, which is asked before every tree.
    pub fn distil_until(
        &self,
        teacher: &Ensemble,
        data: &Counts<'_>,
        pairs: usize,
        stop: Stop<'_>,
    ) -> Result<Tariff, TreesError> {
        let names: Vec<&String> = teacher.features.iter().map(|feature| &feature.name).collect();
        let place = |name: &String| self.features.iter().position(|(own, _)| own == name);
        let mut together: Vec<Vec<usize>> = (0..self.features.len()).map(|one| vec![one]).collect();
        for ([one, other], _) in teacher.interactions().into_iter().take(pairs) {
            together.extend(place(names[one]).zip(place(names[other])).map(|(a, b)| vec![a, b]));
        }
        let frequencies = teacher.frequencies(data.frame)?;
        let claims: Vec<f64> = frequencies.iter().zip(data.exposure).map(|(f, e)| f * e).collect();
        let boost = Boost { together, ..self.clone() };
        let expected = Counts { claims: &claims, ..*data };
        boost.fit_until(&expected, stop)?.tariff()
    }
}

impl Ensemble {
    /// The same scores as tables, when no path asks for more than two features.
    pub fn tariff(&self) -> Result<Tariff, TreesError> {
        let mut tables: Vec<(Vec<usize>, Vec<i64>)> = vec![];
        let mut constant = 0i64;
        for tree in &self.trees {
            let mut paths = vec![(tree.root(), Vec::<(usize, Set)>::new())];
            while let Some((place, path)) = paths.pop() {
                let leaf = match place {
                    Place::Leaf(leaf) => i64::from(tree.leaves[leaf]),
                    Place::Node(node) => {
                        let split = &tree.nodes[node];
                        let sides = [split.left, split.left.others()];
                        for (branch, side) in split.branches.into_iter().zip(sides) {
                            let mut path = path.clone();
                            match path.iter_mut().find(|(known, _)| *known == split.feature) {
                                Some((_, set)) => *set = set.both(side),
                                None => path.push((split.feature, side)),
                            }
                            paths.push((branch, path));
                        }
                        continue;
                    }
                };
                self.enter(&mut tables, &mut constant, path, leaf)?;
            }
        }
        tables.sort();
        let table = |(features, sums): (Vec<usize>, Vec<i64>)| {
            let relativities = sums.iter().map(|sum| (*sum as f64 * UNIT).exp()).collect();
            Table { features, relativities }
        };
        let base = (self.base + constant as f64 * UNIT).exp();
        let tables = tables.into_iter().map(table).collect();
        Ok(Tariff { features: self.features.clone(), base, tables })
    }

    /// Adds a leaf to the cells its path leads to, in the table of the path's features.
    fn enter(
        &self,
        tables: &mut Vec<(Vec<usize>, Vec<i64>)>,
        constant: &mut i64,
        mut path: Vec<(usize, Set)>,
        leaf: i64,
    ) -> Result<(), TreesError> {
        path.sort_by_key(|(feature, _)| *feature);
        let asked: Vec<usize> = path.iter().map(|(feature, _)| *feature).collect();
        let sizes: Vec<usize> =
            asked.iter().map(|&feature| self.features[feature].bins()).collect();
        let (one, two) = match path.as_slice() {
            [] => {
                *constant += leaf;
                return Ok(());
            }
            [(_, one)] => (*one, None),
            [(_, one), (_, two)] => (*one, Some(*two)),
            _ => return Err(TreesError::Setting("number of features of a path of a tariff")),
        };
        let known = tables.iter().position(|(features, _)| *features == asked);
        let known = known.unwrap_or_else(|| {
            tables.push((asked, vec![0; sizes.iter().product()]));
            tables.len() - 1
        });
        let width = sizes.get(1).copied().unwrap_or(1);
        for (cell, sum) in tables[known].1.iter_mut().enumerate() {
            let (first, second) = ((cell / width) as u8, (cell % width) as u8);
            if one.has(first) && two.is_none_or(|two| two.has(second)) {
                *sum += leaf;
            }
        }
        Ok(())
    }
}

impl Tariff {
    /// Claims per exposure of the rows of a frame.
    pub fn frequencies(&self, frame: &Frame) -> Result<Vec<f64>, TreesError> {
        let codes = self.features.iter().map(|feature| feature.codes(frame));
        let codes = codes.collect::<Result<Vec<Vec<u8>>, _>>()?;
        let mut frequencies = vec![self.base; frame.rows()];
        for table in &self.tables {
            let width = table.features.get(1).map_or(1, |&second| self.features[second].bins());
            for (row, frequency) in frequencies.iter_mut().enumerate() {
                let second = table.features.get(1).map_or(0, |&f| usize::from(codes[f][row]));
                let cell = usize::from(codes[table.features[0]][row]) * width + second;
                *frequency *= table.relativities[cell];
            }
        }
        all_finite(&frequencies, "frequency")?;
        Ok(frequencies)
    }
}
