//! Which way in calls take: the one that works and costs least. What a way came
//! to is told here by calls and by probes; a call only reads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::way::{Way, WayReport, WayState};

#[derive(Clone, Debug)]
struct Known {
    state: WayState,
    cost_ms: Option<f64>,
    /// Whether an answer of Odoo's ever came by it.
    has_worked: bool,
    reason: String,
    /// When it came into this state.
    since: Option<DateTime<Utc>>,
}

impl Known {
    const fn from_settings(state: WayState, reason: String) -> Self {
        Self {
            state,
            cost_ms: None,
            has_worked: false,
            reason,
            since: None,
        }
    }

    fn enter(&mut self, state: WayState) {
        self.has_worked |= state == WayState::Works;
        if self.state != state {
            self.state = state;
            self.since = Some(Utc::now());
        }
    }
}

/// See the module.
pub(super) struct Choice {
    ways: Mutex<[Known; 3]>,
    fixed: bool,
}

impl Choice {
    /// `missing` says of a way why it can't be taken at all.
    pub(super) fn new(fixed: Option<Way>, missing: impl Fn(Way) -> Option<&'static str>) -> Self {
        let ways = Way::ALL.map(|way| match (fixed, missing(way)) {
            (Some(only), _) if only != way => {
                Known::from_settings(WayState::NotConfigured, format!("ODOO_TRANSPORT is {}.", only.as_str()))
            }
            (_, Some(reason)) => Known::from_settings(WayState::NotConfigured, reason.into()),
            _ => Known::from_settings(WayState::Untried, "Not tried yet.".into()),
        });
        Self {
            ways: Mutex::new(ways),
            fixed: fixed.is_some(),
        }
    }

    /// The ways to try for a call, best first: those that may work before those
    /// that are closed or refused.
    pub(super) fn order(&self) -> impl Iterator<Item = Way> + use<> {
        self.order_and_closed().map(|(way, _)| way)
    }

    /// The same, and of each whether it is known as closed.
    pub(super) fn order_and_closed(&self) -> impl Iterator<Item = (Way, bool)> + use<> {
        let ways = self.lock();
        let mut order = [None; 3];
        for (slot, (way, known)) in order.iter_mut().zip(Way::ALL.into_iter().zip(&*ways)) {
            *slot = (known.state != WayState::NotConfigured).then(|| (rank_of(known.state), cost(way, known), way));
        }
        drop(ways);
        order.sort_by(|a, b| match (a, b) {
            (Some(a), Some(b)) => a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        let closed = rank_of(WayState::Closed);
        order
            .into_iter()
            .flatten()
            .map(move |(rank, _, way)| (way, rank == closed))
    }

    /// The way that calls take now.
    pub(super) fn picked(&self) -> Option<Way> {
        self.order().next()
    }

    /// The ways that the settings allow.
    pub(super) fn configured(&self) -> Vec<Way> {
        self.order().collect()
    }

    pub(super) fn state(&self, way: Way) -> WayState {
        self.lock()[way as usize].state
    }

    /// Whether Odoo ever answered by it.
    pub(super) fn has_worked(&self, way: Way) -> bool {
        self.lock()[way as usize].has_worked
    }

    /// A call over it got an answer. Cheap while nothing changes.
    pub(super) fn works(&self, way: Way) {
        let mut ways = self.lock();
        let known = &mut ways[way as usize];
        if known.state != WayState::Works {
            known.enter(WayState::Works);
            known.reason = "It answers.".into();
        }
    }

    /// A probe measured it.
    pub(super) fn measured(&self, way: Way, cost_ms: f64) {
        let mut ways = self.lock();
        let known = &mut ways[way as usize];
        known.enter(WayState::Works);
        known.cost_ms = Some(cost_ms);
        known.reason = "It answers.".into();
    }

    /// It can't be taken for now.
    pub(super) fn unusable(&self, way: Way, state: WayState, reason: String) {
        let mut ways = self.lock();
        let known = &mut ways[way as usize];
        if known.state != state {
            tracing::warn!(
                odoo.way = way.as_str(),
                reason,
                "this way into Odoo can't be used for now"
            );
        }
        known.enter(state);
        known.reason = reason;
    }

    pub(super) fn report(&self) -> (Vec<WayReport>, String) {
        let picked = self.picked();
        let ways = self.lock().clone();
        let because = self.because(picked, &ways);
        let reports = Way::ALL.into_iter().zip(ways).map(|(way, known)| WayReport {
            way,
            state: known.state,
            picked: picked == Some(way),
            cost_ms: known.cost_ms,
            reason: known.reason,
            since: known.since,
        });
        (reports.collect(), because)
    }

    fn because(&self, picked: Option<Way>, ways: &[Known; 3]) -> String {
        let Some(way) = picked else {
            return "The settings hold no credentials for any way in.".into();
        };
        let known = &ways[way as usize];
        match (known.state, known.cost_ms) {
            _ if self.fixed => "ODOO_TRANSPORT says so.".into(),
            (WayState::Works, Some(_)) => "It costs least of those that work.".into(),
            (WayState::Works, None) => "It works.".into(),
            (WayState::Untried, _) => "Nothing was measured yet; it is the cheapest in general.".into(),
            _ => "No way works; it is tried first.".into(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Known; 3]> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn rank_of(state: WayState) -> u8 {
    match state {
        WayState::Works => 0,
        WayState::Untried => 1,
        WayState::Closed => 2,
        WayState::Refused => 3,
        WayState::NotConfigured => 4,
    }
}

/// Milliseconds a call; of a way that was not measured, what orders them in general.
fn cost(way: Way, known: &Known) -> f64 {
    known
        .cost_ms
        .map_or_else(|| f64::from(way as u8), |measured| measured + way.unseen_cost_ms())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(choice: &Choice) -> Vec<Way> {
        choice.order().collect()
    }

    #[test]
    fn the_cheapest_that_works_is_taken_and_the_others_follow() {
        let choice = Choice::new(None, |_| None);
        assert_eq!(order(&choice), Way::ALL, "as measured in general");
        choice.measured(Way::Web, 9.0);
        choice.measured(Way::JsonRpc, 4.0);
        choice.measured(Way::Json2, 12.0);
        assert_eq!(order(&choice), [Way::JsonRpc, Way::Web, Way::Json2]);
        choice.unusable(Way::JsonRpc, WayState::Closed, "gone".into());
        assert_eq!(order(&choice), [Way::Web, Way::Json2, Way::JsonRpc]);
        choice.unusable(Way::Web, WayState::Refused, "no".into());
        assert_eq!(order(&choice), [Way::Json2, Way::JsonRpc, Way::Web]);
        choice.works(Way::JsonRpc);
        assert_eq!(choice.picked(), Some(Way::JsonRpc));
    }

    #[test]
    fn a_way_without_credentials_or_not_chosen_is_never_taken() {
        let choice = Choice::new(None, |way| (way == Way::Web).then_some("no password"));
        assert_eq!(order(&choice), [Way::JsonRpc, Way::Json2]);
        let choice = Choice::new(Some(Way::Json2), |_| None);
        assert_eq!(order(&choice), [Way::Json2]);
        assert_eq!(choice.report().1, "ODOO_TRANSPORT says so.");
    }
}
