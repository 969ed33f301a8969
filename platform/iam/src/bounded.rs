//! A map that forgets: two generations, so its size is bounded and forgetting costs nothing.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::RwLock;

/// Holds at least the last `room` entries put in and at most twice as many.
#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    room: usize,
    generations: RwLock<Generations<K, V>>,
}

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq, V: Clone> Bounded<K, V> {
    pub(crate) fn new(room: usize) -> Bounded<K, V> {
        let generations = Generations { young: HashMap::new(), old: HashMap::new() };
        Bounded { room, generations: RwLock::new(generations) }
    }

    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let held = self.generations.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        held.young.get(key).or_else(|| held.old.get(key)).cloned()
    }

    pub(crate) fn put(&self, key: K, value: V) {
        let mut held = self.generations.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        held.old.remove(&key);
        if held.young.len() >= self.room && !held.young.contains_key(&key) {
            held.old = std::mem::take(&mut held.young);
        }
        held.young.insert(key, value);
    }

    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let mut held = self.generations.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        held.young.remove(key);
        held.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_entries_are_held_and_the_number_is_bounded() {
        let map = Bounded::new(10);
        for entry in 0..1000_u32 {
            map.put(entry, entry);
            assert!((entry.saturating_sub(9)..=entry).all(|last| map.get(&last) == Some(last)));
        }
        assert!((0..1000).filter(|entry| map.get(entry).is_some()).count() <= 20);
        map.put(999, 1);
        assert_eq!(map.get(&999), Some(1));
        map.remove(&999);
        assert_eq!(map.get(&999), None);
    }
}
