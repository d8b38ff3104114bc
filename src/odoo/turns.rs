//! Who may call Odoo now: so many calls at once, and a bounded line of those who wait. The line is fair: parties take turns, so that one that floods it
//! delays another's single call by one turn of its own, and a full line sends away the
//! newest of whoever has the most in it. Who gives up waiting leaves the line.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::error::OdooError;

/// For whom a call is made; calls of one party wait for each other only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Party(pub u128);

impl Party {
    /// The bridge itself: probes, questions about models, speed tests.
    pub const BRIDGE: Self = Self(0);

    /// Whoever has this id.
    #[must_use]
    pub const fn of(id: uuid::Uuid) -> Self {
        Self(id.as_u128())
    }
}

/// How many calls, how often, and how long the line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Calls at the same time.
    pub concurrent: usize,
    /// From the begin of one call to the begin of the next; zero: no pace.
    pub interval: Duration,
    /// Calls that wait.
    pub line: usize,
    /// How long a call may wait.
    pub wait: Duration,
}

/// What the line looks like at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls on their way.
    pub running: usize,
    /// Calls that wait.
    pub waiting: usize,
    /// Calls that were sent away since the start, because of a full line or a long wait.
    pub sent_away: u64,
}

struct Waiter {
    number: u64,
    call: oneshot::Sender<Turn>,
}

struct State {
    running: usize,
    waiting: usize,
    sent_away: u64,
    line: HashMap<Party, VecDeque<Waiter>>,
    /// The parties in the line, in the order of their turns.
    ring: VecDeque<Party>,
    next_number: u64,
    /// How long a turn takes, smoothed.
    usual: Duration,
    /// How many share the rules, this one included.
    sharers: u32,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Turns(Arc<Inner>);

struct Inner {
    rules: Rules,
    state: Mutex<State>,
}

/// A call that may be made now. It is over when this is dropped.
pub struct Turn {
    turns: Turns,
    began: Instant,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.over(self.began);
    }
}

enum Entered<'t> {
    Called(Turn),
    Waits(Place<'t>, oneshot::Receiver<Turn>),
}

/// A place in the line, left when this is dropped.
struct Place<'t> {
    turns: &'t Turns,
    party: Party,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.leave(self.party, self.number);
    }
}

impl Turns {
    /// Nobody waits yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self(Arc::new(Inner {
            rules,
            state: Mutex::new(State {
                running: 0,
                waiting: 0,
                sent_away: 0,
                line: HashMap::new(),
                ring: VecDeque::new(),
                next_number: 0,
                usual: Duration::ZERO,
                sharers: 1,
            }),
        }))
    }

    /// What they are held by: this one's share.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.share(&self.lock())
    }

    /// From now on so many share the rules, this one included.
    pub fn share_among(&self, sharers: u32) {
        let mut state = self.lock();
        state.sharers = sharers.max(1);
        self.call_next(state);
    }

    fn concurrent(&self, state: &State) -> usize {
        (self.0.rules.concurrent / state.sharers as usize).max(1)
    }

    fn share(&self, state: &State) -> Rules {
        let rules = self.0.rules;
        Rules {
            concurrent: self.concurrent(state),
            interval: rules.interval * state.sharers,
            ..rules
        }
    }

    /// What the line looks like.
    #[must_use]
    pub fn load(&self) -> Load {
        let state = self.lock();
        Load {
            running: state.running,
            waiting: state.waiting,
            sent_away: state.sent_away,
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// `Overloaded` if the line is full, or the wait too long.
    pub async fn take(&self, party: Party) -> Result<Turn, OdooError> {
        self.take_by(party, None).await
    }

    /// The same, and no longer than until `by`.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub async fn take_by(&self, party: Party, by: Option<Instant>) -> Result<Turn, OdooError> {
        let (place, called) = match self.enter(party)? {
            Entered::Called(turn) => return Ok(turn),
            Entered::Waits(place, called) => (place, called),
        };
        let late = Instant::now() + self.0.rules.wait;
        let late = by.map_or(late, |by| by.min(late));
        match timeout_at(late, called).await {
            Ok(Ok(turn)) => {
                drop(place);
                Ok(turn)
            }
            // Sent away by the one that takes its place, who counted it.
            Ok(Err(_)) => Err(self.overloaded(&self.lock())),
            Err(_) => {
                drop(place);
                let mut state = self.lock();
                state.sent_away += 1;
                Err(self.overloaded(&state))
            }
        }
    }

    /// Takes a turn that is free, or a place in the line.
    fn enter(&self, party: Party) -> Result<Entered<'_>, OdooError> {
        let mut state = self.lock();
        if state.waiting == 0 && state.running < self.concurrent(&state) {
            return Ok(Entered::Called(self.grant(&mut state)));
        }
        if state.waiting >= self.0.rules.line && !state.send_away_for(party) {
            state.sent_away += 1;
            return Err(self.overloaded(&state));
        }
        let (call, called) = oneshot::channel();
        let number = state.next_number;
        state.next_number += 1;
        state.waiting += 1;
        let line = state.line.entry(party).or_default();
        line.push_back(Waiter { number, call });
        if line.len() == 1 {
            state.ring.push_back(party);
        }
        let turns = self;
        Ok(Entered::Waits(Place { turns, party, number }, called))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn grant(&self, state: &mut State) -> Turn {
        state.running += 1;
        Turn {
            turns: self.clone(),
            began: Instant::now(),
        }
    }

    /// A turn is over, and the next ones begin.
    fn over(&self, began: Instant) {
        let mut state = self.lock();
        state.running -= 1;
        state.usual = (state.usual * 7 + began.elapsed()) / 8;
        self.call_next(state);
    }

    /// Calls those whose turn it is.
    fn call_next(&self, mut state: MutexGuard<'_, State>) {
        // Turns that nobody waited for any more: they end when the lock is free again.
        let mut unclaimed = Vec::new();
        let concurrent = self.concurrent(&state);
        while state.running < concurrent {
            let Some(waiter) = state.next_waiter() else { break };
            let turn = self.grant(&mut state);
            unclaimed.extend(waiter.call.send(turn).err());
        }
        drop(state);
    }

    fn leave(&self, party: Party, number: u64) {
        let mut state = self.lock();
        let Some(line) = state.line.get_mut(&party) else { return };
        let before = line.len();
        line.retain(|waiter| waiter.number != number);
        let left = before - line.len();
        if line.is_empty() {
            state.line.remove(&party);
            state.ring.retain(|other| *other != party);
        }
        state.waiting -= left;
    }

    /// How long the line before a call that comes now will take.
    fn overloaded(&self, state: &State) -> OdooError {
        let rules = self.share(state);
        let concurrent = u32::try_from(rules.concurrent).unwrap_or(u32::MAX).max(1);
        let each = (state.usual / concurrent).max(rules.interval);
        let waiting = u32::try_from(state.waiting).unwrap_or(u32::MAX);
        OdooError::Overloaded {
            retry_in: each
                .saturating_mul(waiting)
                .clamp(Duration::from_secs(1), Duration::from_secs(300)),
        }
    }
}

impl State {
    /// The next one in the line: one of each party, in turn.
    fn next_waiter(&mut self) -> Option<Waiter> {
        let party = self.ring.pop_front()?;
        let line = self.line.get_mut(&party)?;
        let waiter = line.pop_front();
        if line.is_empty() {
            self.line.remove(&party);
        } else {
            self.ring.push_back(party);
        }
        self.waiting -= usize::from(waiter.is_some());
        waiter
    }

    /// Makes room in a full line by sending the newest of the party away that has the
    /// most in it. Whether there is room now: not if that is `party` itself.
    fn send_away_for(&mut self, party: Party) -> bool {
        let own = self.line.get(&party).map_or(0, VecDeque::len);
        let longest = self.line.iter_mut().max_by_key(|(_, line)| line.len());
        let Some((_, line)) = longest.filter(|(_, line)| line.len() > own + 1) else {
            return false;
        };
        // Dropped, its caller learns of it.
        drop(line.pop_back());
        self.waiting -= 1;
        self.sent_away += 1;
        true
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(concurrent: usize, line: usize, wait_ms: u64) -> Turns {
        Turns::new(Rules {
            concurrent,
            interval: Duration::ZERO,
            line,
            wait: Duration::from_millis(wait_ms),
        })
    }

    /// Lines up, and tells its name when its turn comes.
    fn line_up(turns: &Turns, party: u128, told: &tokio::sync::mpsc::UnboundedSender<u128>) {
        let (turns, told) = (turns.clone(), told.clone());
        tokio::spawn(async move {
            let turn = turns.take(Party(party)).await;
            if let Ok(turn) = turn {
                told.send(party).expect("somebody listens");
                tokio::time::sleep(Duration::from_millis(10)).await;
                drop(turn);
            }
        });
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_one_delays_a_single_call_of_another_by_one_turn() {
        let turns = turns(1, 100, 60_000);
        let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..50 {
            line_up(&turns, 1, &told);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        line_up(&turns, 2, &told);
        let mut first = Vec::new();
        for _ in 0..3 {
            first.push(order.recv().await.expect("a turn"));
        }
        assert_eq!(first, [1, 1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_line_sends_away_the_newest_of_whoever_has_the_most_in_it() {
        let turns = turns(1, 4, 60_000);
        let held = turns.take(Party(9)).await.expect("the first");
        let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..6 {
            line_up(&turns, 1, &told);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!((turns.load().waiting, turns.load().sent_away), (4, 2));
        line_up(&turns, 2, &told);
        line_up(&turns, 3, &told);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!((turns.load().waiting, turns.load().sent_away), (4, 4));
        drop(held);
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(order.recv().await.expect("a turn"));
        }
        all.sort_unstable();
        assert_eq!(all, [1, 1, 2, 3]);
        let refused = turns.take(Party(1)).await;
        assert!(refused.is_ok(), "there is room again");
    }

    #[tokio::test(start_paused = true)]
    async fn several_that_share_the_rules_have_a_part_each_and_one_that_is_left_has_all() {
        let turns = turns(4, 10, 60_000);
        turns.share_among(3);
        assert_eq!(turns.rules().concurrent, 1);
        let first = turns.take(Party(1)).await.expect("its part");
        let waits = tokio::time::timeout(Duration::from_millis(10), turns.take(Party(1))).await;
        assert!(waits.is_err(), "no more than its part");
        let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
        line_up(&turns, 2, &told);
        tokio::time::sleep(Duration::from_millis(1)).await;
        turns.share_among(1);
        assert_eq!(order.recv().await, Some(2), "who waits goes on when there is more");
        turns.share_among(100);
        assert_eq!(turns.rules().concurrent, 1, "never nothing");
        drop(first);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_when_to_come_back_and_who_gives_up_leaves_the_line() {
        let turns = turns(1, 10, 500);
        let held = turns.take(Party(1)).await.expect("the first");
        let late = turns.take(Party(2)).await.expect_err("too long");
        assert!(matches!(late, OdooError::Overloaded { retry_in } if retry_in >= Duration::from_secs(1)));
        let gave_up = tokio::time::timeout(Duration::from_millis(10), turns.take(Party(3))).await;
        assert!(gave_up.is_err());
        assert_eq!(turns.load().waiting, 0);
        drop(held);
        assert_eq!(turns.load().running, 0);
        drop(turns.take(Party(4)).await.expect("it goes on"));
    }
}
