//! What is counted of calls, by code and by model. Models come from clients, so that only the
//! first [`MODELS`] that Odoo answered have series of their own, for the life of the process;
//! all others are one. A call takes no memory, and waits for nobody but another call of the
//! same model that is counted in the same moment.

use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::Utc;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel as _, EncodeLabelSet, EncodeMetric as _, LabelSetEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;

use crate::server::request_id::RequestId;

/// How many models have series of their own.
pub const MODELS: usize = 50;
/// So many that one of them is free near by.
const PLACES: usize = 128;
/// The label of all others, and of calls that name no model.
pub const OTHER: &str = "other";

/// Upper bounds in seconds: from what the bridge itself takes to Odoo's timeout.
const BUCKETS_SECS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];
/// The most characters that OpenMetrics lets an exemplar's labels have.
const EXEMPLAR_MAX: usize = 128;
const REQUEST_ID: &str = "request_id";

/// A call that has ended.
#[derive(Clone, Copy)]
pub struct Counted<'a> {
    /// `ok`, or the error's code.
    pub code: &'static str,
    /// Which model it asked for, if its body was a call.
    pub model: Option<&'a str>,
    /// Which request it was.
    pub request_id: &'a RequestId,
    /// From its first byte to its answer.
    pub total: Duration,
    /// Of it Odoo's part, if it was asked.
    pub odoo: Option<Duration>,
}

/// The request of an exemplar.
#[derive(Clone)]
struct Which(RequestId);

impl fmt::Debug for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl EncodeLabelSet for Which {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        (REQUEST_ID, &*self.0).encode(encoder.encode_label())
    }
}

/// The series of one model.
#[derive(Debug)]
struct OfModel {
    name: Box<str>,
    /// By the place of the code.
    calls: Box<[AtomicU64]>,
    total: HistogramWithExemplars<Which>,
    odoo: HistogramWithExemplars<Which>,
}

impl OfModel {
    fn new(name: &str, codes: usize) -> Self {
        let histogram = || HistogramWithExemplars::new(BUCKETS_SECS.into_iter());
        Self {
            name: name.into(),
            calls: (0..codes).map(|_| AtomicU64::new(0)).collect(),
            total: histogram(),
            odoo: histogram(),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Calls {
    /// Every code that there is, `ok` first.
    codes: Box<[&'static str]>,
    /// Each model is at the place of its hash, or at the next that was free; there it stays.
    places: Box<[OnceLock<OfModel>]>,
    /// How many places are taken, or about to be.
    taken: AtomicUsize,
    other: OfModel,
}

impl Calls {
    /// Nothing was called yet.
    #[must_use]
    pub fn new(codes: impl Iterator<Item = &'static str>) -> Self {
        let codes: Box<[_]> = codes.collect();
        Self {
            places: (0..PLACES).map(|_| OnceLock::new()).collect(),
            taken: AtomicUsize::new(0),
            other: OfModel::new(OTHER, codes.len()),
            codes,
        }
    }

    /// Counts a call.
    pub fn count(&self, call: Counted<'_>) {
        // Only Odoo knows which models there are.
        let is_answered = call.code == "ok" && call.odoo.is_some();
        let of_model = call.model.and_then(|model| self.of(model, is_answered));
        let of_model = of_model.unwrap_or(&self.other);
        if let Some(place) = self.codes.iter().position(|code| *code == call.code) {
            of_model.calls[place].fetch_add(1, Ordering::Relaxed);
        }
        let which = || {
            let fits = call.request_id.len() + REQUEST_ID.len() <= EXEMPLAR_MAX;
            fits.then(|| Which(call.request_id.clone()))
        };
        let now = Some(Utc::now().into());
        of_model.total.observe(call.total.as_secs_f64(), which(), now);
        if let Some(odoo) = call.odoo {
            of_model.odoo.observe(odoo.as_secs_f64(), which(), now);
        }
    }

    /// Gives a model series of its own, if it has none and there is a place.
    pub fn admit(&self, model: &str) {
        self.of(model, true);
    }

    fn of(&self, model: &str, admit: bool) -> Option<&OfModel> {
        if model == OTHER {
            return None;
        }
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(model);
        let first = usize::try_from(hash % PLACES as u64).unwrap_or_default();
        let (rest, begin) = self.places.split_at(first);
        for place in begin.iter().chain(rest) {
            let of_model = match place.get() {
                Some(of_model) => of_model,
                None if admit => self.take(place, model)?,
                None => return None,
            };
            if &*of_model.name == model {
                return Some(of_model);
            }
        }
        None
    }

    /// What is at a place that was free: this model, or what another call put there meanwhile.
    /// `None` if there are enough.
    fn take<'p>(&self, place: &'p OnceLock<OfModel>, model: &str) -> Option<&'p OfModel> {
        let is_room = self.taken.fetch_add(1, Ordering::Relaxed) < MODELS;
        let mut is_own = false;
        let of_model = is_room.then(|| {
            place.get_or_init(|| {
                is_own = true;
                OfModel::new(model, self.codes.len())
            })
        });
        if !is_own {
            self.taken.fetch_sub(1, Ordering::Relaxed);
        }
        of_model
    }

    fn all(&self) -> impl Iterator<Item = &OfModel> {
        let models = self.places.iter().filter_map(OnceLock::get);
        models.chain([&self.other])
    }
}

/// How the three are called, and what they are.
const TOTAL: (&str, &str) = (
    super::CALLS_TOTAL,
    "Calls answered, by code (ok or the error's code) and model",
);
const DURATION: (&str, &str) = (super::CALL_DURATION_SECONDS, "Time from a call to its answer");
const ODOO: (&str, &str) = (super::ODOO_DURATION_SECONDS, "Time that Odoo took of a call");

impl Collector for Calls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (name, help) = TOTAL;
        let mut metric = encoder.encode_descriptor(super::counter_name(name), help, None, MetricType::Counter)?;
        for of_model in self.all() {
            for (place, (code, calls)) in self.codes.iter().zip(&of_model.calls).enumerate() {
                let calls = calls.load(Ordering::Relaxed);
                // The first one is there from the beginning, so that its first call shows in a rate.
                if calls > 0 || place == 0 {
                    let labels = [("code", *code), ("model", &*of_model.name)];
                    metric
                        .encode_family(&labels)?
                        .encode_counter::<Which, _, u64>(&calls, None)?;
                }
            }
        }
        for ((name, help), histogram) in [
            (
                DURATION,
                (|of| &of.total) as fn(&OfModel) -> &HistogramWithExemplars<Which>,
            ),
            (ODOO, |of| &of.odoo),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            for of_model in self.all() {
                let labels = [("model", &*of_model.name)];
                histogram(of_model).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_models_have_their_place_whoever_comes_at_once() {
        let calls = Calls::new(["ok"].into_iter());
        let id = RequestId::from("a-request".to_owned());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..200 {
                        calls.count(Counted {
                            code: "ok",
                            model: Some(&format!("model.{number}")),
                            request_id: &id,
                            total: Duration::from_millis(2),
                            odoo: Some(Duration::from_millis(1)),
                        });
                    }
                });
            }
        });
        let counted = |of: &OfModel| of.calls[0].load(Ordering::Relaxed);
        let mut names: Vec<_> = calls.all().map(|of| of.name.clone()).collect();
        assert_eq!(calls.all().map(counted).sum::<u64>(), 800);
        assert_eq!(names.len(), MODELS + 1);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), MODELS + 1, "each is there once");
        assert!(
            calls.of(OTHER, true).is_none(),
            "nor is a model of that name another one"
        );
    }
}
