//! Who waits for which server, and whose turn it is. Times and threads are the business of [`super::queue`].
//!
//! A place that becomes free goes to the key that has the fewest requests running, and of several to the one whose last turn is longest
//! ago; of one key the request that came first. So keys that wait share a server's places evenly, however many requests each has waiting,
//! and a key that comes late waits for one turn of each of the others at most.

use std::collections::{HashMap, VecDeque};

use super::set::Set;

/// Who waits, and what runs on bounded servers. `T`: how a request that waits is told.
#[derive(Debug)]
pub(super) struct Line<T> {
    servers: Vec<Bounded>,
    keys: HashMap<Box<str>, Key<T>>,
    /// The most requests that wait.
    most: usize,
    waiting: usize,
    /// Turns that were given, and keys that came, so far.
    turns: u64,
    ids: u64,
}

/// A server and what runs on it.
#[derive(Clone, Copy, Debug)]
struct Bounded {
    parallel: Option<u32>,
    running: u32,
}

#[derive(Debug)]
struct Key<T> {
    running: u32,
    waiting: VecDeque<Waiter<T>>,
    /// When it had its last turn, or came.
    turn: u64,
}

#[derive(Debug)]
struct Waiter<T> {
    id: u64,
    from: Set,
    tell: T,
}

/// What becomes of a request that comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entered<T> {
    /// It runs on this server.
    Runs(usize),
    /// It waits, under this number. Another request had to leave, if one is named: the last of the key that has the most waiting.
    Waits(u64, Option<T>),
    /// There is no room.
    Full,
}

impl<T> Line<T> {
    /// `parallel`: what each server does at the same time. `most`: the most requests that wait.
    pub(super) fn new(parallel: Vec<Option<u32>>, most: usize) -> Self {
        Self {
            servers: parallel.into_iter().map(|parallel| Bounded { parallel, running: 0 }).collect(),
            keys: HashMap::new(),
            most,
            waiting: 0,
            turns: 0,
            ids: 0,
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// A request of a key comes, for one of these servers. `choose` chooses among those with a free place; `tell`: how to tell it later.
    pub(super) fn enter(
        &mut self,
        key: &str,
        from: Set,
        choose: impl FnOnce(Set) -> Option<usize>,
        tell: impl FnOnce() -> T,
    ) -> Entered<T> {
        let free = from.iter().filter(|server| self.is_free(*server)).collect();
        // Whoever waits for a server with a free place was given it, so nobody is overtaken.
        if let Some(server) = choose(free).filter(|server| !free.is_empty() && free.contains(*server)) {
            self.run(key, server);
            return Entered::Runs(server);
        }
        let mut left = None;
        if self.waiting >= self.most {
            let own = self.keys.get(key).map_or(0, |own| own.waiting.len());
            let longest = self.keys.values_mut().max_by_key(|other| other.waiting.len());
            // Nobody takes the room of others who wait less.
            match longest
                .filter(|longest| longest.waiting.len() > own + 1)
                .and_then(|longest| longest.waiting.pop_back())
            {
                None => return Entered::Full,
                Some(waiter) => {
                    self.waiting -= 1;
                    left = Some(waiter.tell);
                }
            }
        }
        self.ids += 1;
        self.waiting += 1;
        let id = self.ids;
        self.key(key).waiting.push_back(Waiter { id, from, tell: tell() });
        Entered::Waits(id, left)
    }

    /// A request of a key has ended on a server. Whose turn it is there.
    pub(super) fn leave(&mut self, key: &str, server: usize) -> Option<T> {
        if let Some(server) = self.servers.get_mut(server) {
            server.running = server.running.saturating_sub(1);
        }
        if let Some(own) = self.keys.get_mut(key) {
            own.running = own.running.saturating_sub(1);
        }
        self.forget(key);
        if !self.is_free(server) {
            return None;
        }
        let place = |key: &Key<T>| key.waiting.iter().position(|waiter| waiter.from.contains(server));
        let (name, at) = self
            .keys
            .iter()
            .filter_map(|(name, key)| Some((name, key, place(key)?)))
            .min_by_key(|(_, key, _)| (key.running, key.turn))
            .map(|(name, _, at)| (name.clone(), at))?;
        let waiter = self.keys.get_mut(&name)?.waiting.remove(at)?;
        self.waiting -= 1;
        self.run(&name, server);
        Some(waiter.tell)
    }

    /// A request waits no more. Whether it did.
    pub(super) fn cancel(&mut self, key: &str, id: u64) -> bool {
        let Some(own) = self.keys.get_mut(key) else { return false };
        let Some(at) = own.waiting.iter().position(|waiter| waiter.id == id) else {
            return false;
        };
        own.waiting.remove(at);
        self.waiting -= 1;
        self.forget(key);
        true
    }

    fn is_free(&self, server: usize) -> bool {
        self.servers
            .get(server)
            .is_some_and(|server| server.parallel.is_none_or(|most| server.running < most))
    }

    fn run(&mut self, key: &str, server: usize) {
        if let Some(server) = self.servers.get_mut(server) {
            server.running += 1;
        }
        self.turns += 1;
        let turn = self.turns;
        let own = self.key(key);
        own.running += 1;
        own.turn = turn;
    }

    fn key(&mut self, key: &str) -> &mut Key<T> {
        if !self.keys.contains_key(key) {
            // Behind all who are there already.
            self.turns += 1;
        }
        let turn = self.turns;
        self.keys.entry(key.into()).or_insert_with(|| Key {
            running: 0,
            waiting: VecDeque::new(),
            turn,
        })
    }

    /// Forgets a key that has nothing running and nothing waiting.
    fn forget(&mut self, key: &str) {
        if self.keys.get(key).is_some_and(|own| own.running == 0 && own.waiting.is_empty()) {
            self.keys.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn any(free: Set) -> Option<usize> {
        free.iter().next()
    }

    /// Keys that each always have requests waiting, served for a while in any order of endings.
    fn backlog(keys: usize, each: usize, parallel: u32, ends: &[usize]) -> (Vec<usize>, Vec<Vec<usize>>) {
        let mut line = Line::new(vec![Some(parallel)], usize::MAX);
        let (mut running, mut served, mut shares) = (Vec::new(), vec![0; keys], Vec::new());
        let name = |key: usize| format!("k{key}");
        // The first key comes first with all of its requests.
        for key in 0..keys {
            for _ in 0..each {
                match line.enter(&name(key), Set::one(0), any, || key) {
                    Entered::Runs(_) => running.push(key),
                    Entered::Waits(_, None) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        // What ran before the others came does not count.
        for end in ends {
            let ended = running.remove(end % running.len());
            let next = line.leave(&name(ended), 0).expect("somebody waits");
            served[next] += 1;
            running.push(next);
            shares.push((0..keys).map(|key| running.iter().filter(|own| **own == key).count()).collect());
        }
        (served, shares)
    }

    proptest! {
        /// One after the other: the numbers of turns of keys that wait never differ by more than one, however many requests each has
        /// waiting and whoever came first.
        #[test]
        fn turns_go_round(keys in 2_usize..8, turns in 1_usize..200) {
            let (served, _) = backlog(keys, 300, 1, &vec![0; turns]);
            let (least, most) = (served.iter().min(), served.iter().max());
            prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{served:?}");
        }

        /// Several at once, ending in any order: places are shared evenly among keys that wait, as far as they can be divided.
        #[test]
        fn places_are_shared_evenly(keys in 2_usize..6, parallel in 2_u32..9, ends in proptest::collection::vec(0_usize..50, 60..200)) {
            let (_, shares) = backlog(keys, 400, parallel, &ends);
            // Each place that the first key took alone was given up at least once after so many endings, in the worst order: only then.
            let settled = shares.iter().position(|share| share.iter().max().zip(share.iter().min()).is_some_and(|(most, least)| most - least <= 1));
            if let Some(settled) = settled {
                for share in &shares[settled..] {
                    let (least, most) = (share.iter().min().expect("keys"), share.iter().max().expect("keys"));
                    prop_assert!(most - least <= 1, "{share:?} of {parallel}");
                }
            }
        }

        /// Whatever comes, leaves and gives up: no server runs more than it may, nobody is lost, and no place stays empty while somebody
        /// waits for it.
        #[test]
        fn nothing_is_lost(
            parallel in proptest::collection::vec(proptest::option::of(1_u32..4), 1..4),
            most in 0_usize..12,
            steps in proptest::collection::vec((0_u8..10, 0_usize..5, 1_u64..8, 0_usize..100), 1..300),
        ) {
            let servers = parallel.len();
            let mut line: Line<u64> = Line::new(parallel.clone(), most);
            let mut running: Vec<(String, usize)> = Vec::new();
            let mut waiting: BTreeMap<u64, (String, Set, u64)> = BTreeMap::new();
            let mut tag = 0;
            let start = |waiting: &mut BTreeMap<u64, (String, Set, u64)>, running: &mut Vec<(String, usize)>, told: u64, server: usize| {
                let (key, from, _) = waiting.remove(&told).expect("it waited");
                assert!(from.contains(server));
                running.push((key, server));
            };
            for (what, key, mask, pick) in steps {
                let key = format!("k{key}");
                let from: Set = (0..servers).filter(|server| mask >> server & 1 == 1).collect();
                match what {
                    0..=4 if !from.is_empty() => {
                        tag += 1;
                        match line.enter(&key, from, any, || tag) {
                            Entered::Runs(server) => running.push((key, server)),
                            Entered::Waits(id, left) => {
                                if let Some(left) = left {
                                    let (loser, _, _) = waiting.remove(&left).expect("it waited");
                                    prop_assert!(loser != key);
                                }
                                waiting.insert(tag, (key, from, id));
                            }
                            Entered::Full => prop_assert!(waiting.len() >= most),
                        }
                    }
                    5..=7 if !running.is_empty() => {
                        let (key, server) = running.remove(pick % running.len());
                        if let Some(told) = line.leave(&key, server) {
                            start(&mut waiting, &mut running, told, server);
                        }
                    }
                    8 if !waiting.is_empty() => {
                        let told = *waiting.keys().nth(pick % waiting.len()).expect("in range");
                        let (key, _, id) = waiting.remove(&told).expect("it waits");
                        prop_assert!(line.cancel(&key, id));
                        prop_assert!(!line.cancel(&key, id), "once");
                    }
                    _ => {}
                }
                prop_assert_eq!(line.waiting(), waiting.len());
                prop_assert!(line.waiting() <= most);
                for (server, parallel) in parallel.iter().enumerate() {
                    let count = running.iter().filter(|(_, on)| *on == server).count();
                    if let Some(parallel) = parallel {
                        prop_assert!(count <= *parallel as usize);
                        let is_full = count == *parallel as usize;
                        prop_assert!(is_full || waiting.values().all(|(_, from, _)| !from.contains(server)), "a place stays empty");
                    } else {
                        prop_assert!(waiting.values().all(|(_, from, _)| !from.contains(server)));
                    }
                }
            }
            // Keys that have nothing any more are forgotten.
            let known: BTreeSet<&str> = running.iter().map(|(key, _)| key.as_str()).chain(waiting.values().map(|(key, _, _)| key.as_str())).collect();
            prop_assert_eq!(line.keys.keys().map(|key| &**key).collect::<BTreeSet<_>>(), known);
        }
    }

    #[test]
    fn a_full_queue_keeps_room_for_a_key_that_waits_less() {
        let mut line = Line::new(vec![Some(1)], 4);
        assert_eq!(line.enter("a", Set::one(0), any, || 0), Entered::Runs(0));
        for number in 1..=4 {
            assert!(matches!(line.enter("a", Set::one(0), any, || number), Entered::Waits(_, None)));
        }
        assert_eq!(line.enter("a", Set::one(0), any, || 5), Entered::Full, "its own room is used up");
        assert!(
            matches!(line.enter("b", Set::one(0), any, || 6), Entered::Waits(_, Some(4))),
            "the last of a leaves"
        );
        assert!(matches!(line.enter("b", Set::one(0), any, || 7), Entered::Waits(_, Some(3))));
        assert_eq!(line.enter("b", Set::one(0), any, || 8), Entered::Full, "both have two");
        let turns: Vec<_> = ["a", "b", "a", "b"].map(|key| line.leave(key, 0)).into();
        assert_eq!(turns, [Some(1), Some(6), Some(2), Some(7)]);
    }
}
