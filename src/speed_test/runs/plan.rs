//! What a run is to measure, and how long that will take. Pure: no clock, no Odoo.

use std::time::Duration;

use crate::error::{AppError, Result};
use crate::odoo::Way;
use crate::speed_test::model::TestType;

/// Samples of each way unless somebody says otherwise.
pub const SAMPLES: u16 = 10;
/// The most samples of each way.
pub const SAMPLES_MAX: u16 = 100;
/// What a sample is taken to need while none was measured yet.
const GUESS: Duration = Duration::from_millis(500);

/// What is to be measured. Before the samples that count there is one of each way that does
/// not: what is paid once (a name looked up, Odoo's caches, a login) is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// A cheap question, or 25 records.
    pub kind: TestType,
    /// Whether each sample logs in anew, over a new connection.
    pub is_cold: bool,
    /// By which ways, each once, cheapest first.
    pub ways: Vec<Way>,
    /// Of each way.
    pub samples: u16,
}

/// A plan as a form sends it, word by word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// `light` or `heavy`.
    pub kind: String,
    /// `cold` or `warm`.
    pub start: String,
    /// The words of ways.
    pub ways: Vec<String>,
    /// A whole number.
    pub samples: String,
}

impl Draft {
    /// What the form holds at first: light and warm, by these ways.
    #[must_use]
    pub fn first(ways: &[Way]) -> Self {
        Self {
            kind: TestType::Light.as_str().to_owned(),
            start: "warm".to_owned(),
            ways: ways.iter().map(|way| way.as_str().to_owned()).collect(),
            samples: SAMPLES.to_string(),
        }
    }

    /// What a form or an address holds; `None` if there is nothing of a plan in it.
    #[must_use]
    pub fn parse(form: &[(String, String)]) -> Option<Self> {
        let all = |wanted: &str| -> Vec<String> {
            let pairs = form.iter().filter(|(name, _)| name == wanted);
            pairs.map(|(_, value)| value.trim().to_owned()).collect()
        };
        let one = |name: &str| all(name).pop().unwrap_or_default();
        let draft = Self {
            kind: one("test"),
            start: one("start"),
            ways: all("way"),
            samples: one("samples"),
        };
        let is_empty = draft.kind.is_empty() && draft.start.is_empty() && draft.samples.is_empty();
        (!is_empty || !draft.ways.is_empty()).then_some(draft)
    }

    /// The plan, if all of it can be; `open` are the ways that the settings allow.
    ///
    /// # Errors
    /// `invalid_request` that names the field.
    pub fn plan(&self, open: &[Way]) -> Result<Plan> {
        let kind =
            TestType::from_word(&self.kind).ok_or_else(|| AppError::invalid("The test: choose light or heavy."))?;
        let is_cold = match &*self.start {
            "cold" => true,
            "warm" => false,
            _ => return Err(AppError::invalid("The start: choose cold or warm.")),
        };
        let samples = self
            .samples
            .parse()
            .ok()
            .filter(|samples| (1..=SAMPLES_MAX).contains(samples));
        let samples = samples.ok_or_else(|| AppError::invalid("Samples: a whole number from 1 to 100."))?;
        let known = |word: &String| Way::ALL.iter().any(|way| way.as_str() == word);
        if !self.ways.iter().all(known) {
            return Err(AppError::invalid("Ways in: there is no such way."));
        }
        let ways: Vec<Way> = Way::ALL
            .into_iter()
            .filter(|way| self.ways.iter().any(|word| word == way.as_str()))
            .collect();
        if ways.is_empty() {
            return Err(AppError::invalid("Ways in: choose one at least."));
        }
        if let Some(closed) = ways.iter().find(|way| !open.contains(way)) {
            return Err(AppError::invalid(format!(
                "Ways in: the settings do not allow {}; /connection says why.",
                closed.label()
            )));
        }
        Ok(Plan {
            kind,
            is_cold,
            ways,
            samples,
        })
    }
}

impl Plan {
    /// The word of the form and of exports.
    #[must_use]
    pub const fn start(&self) -> &'static str {
        if self.is_cold { "cold" } else { "warm" }
    }

    /// How long it will take at a pace of `interval` between two requests, where a sample
    /// of a way took `last` the last time (without the waiting).
    #[must_use]
    pub fn expected(&self, interval: Duration, last: impl Fn(Way) -> Option<Duration>) -> Duration {
        let rounds = u32::from(self.samples) + 1;
        let of_way = |way: &Way| {
            // A login is a request of its own; with a key there is none.
            let requests = if self.is_cold && *way != Way::Json2 { 2 } else { 1 };
            (interval * requests).max(last(*way).unwrap_or(GUESS)) * rounds
        };
        self.ways.iter().map(of_way).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(pairs: &[(&str, &str)]) -> Draft {
        let form: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Draft::parse(&form).expect("a draft")
    }

    #[test]
    fn a_form_becomes_a_plan_and_nonsense_is_refused_by_name() {
        let good = [
            ("test", "heavy"),
            ("start", "cold"),
            ("way", "json2"),
            ("way", "web"),
            ("samples", "100"),
        ];
        let plan = draft(&good).plan(&Way::ALL).expect("a plan");
        assert_eq!(
            plan,
            Plan {
                kind: TestType::Heavy,
                is_cold: true,
                ways: vec![Way::Web, Way::Json2],
                samples: 100
            }
        );
        for (index, value, name) in [
            (0, "medium", "The test"),
            (1, "hot", "The start"),
            (2, "soap", "Ways in"),
            (4, "0", "Samples"),
            (4, "101", "Samples"),
            (4, "-1", "Samples"),
            (4, "1e1", "Samples"),
            (4, "", "Samples"),
        ] {
            let mut wrong = good;
            wrong[index].1 = value;
            let error = draft(&wrong).plan(&Way::ALL).expect_err("refused");
            assert!(error.message.starts_with(name), "{value}: {}", error.message);
        }
        let none = draft(&[("test", "light"), ("start", "warm"), ("samples", "1")]);
        assert!(
            none.plan(&Way::ALL)
                .expect_err("refused")
                .message
                .contains("one at least")
        );
        let closed = draft(&good).plan(&[Way::Json2]).expect_err("refused");
        assert!(closed.message.contains("Web session"), "{}", closed.message);
        assert_eq!(
            Draft::parse(&[("kind".into(), "light".into())]),
            None,
            "a filter is no plan"
        );
    }

    #[test]
    fn the_duration_is_the_paces_or_the_last_latencys() {
        let plan = Plan {
            kind: TestType::Light,
            is_cold: false,
            ways: vec![Way::Web, Way::Json2],
            samples: 9,
        };
        let secs = Duration::from_secs;
        assert_eq!(plan.expected(secs(1), |_| Some(Duration::from_millis(4))), secs(20));
        assert_eq!(plan.expected(Duration::ZERO, |_| Some(secs(2))), secs(40));
        assert_eq!(plan.expected(Duration::ZERO, |_| None), secs(10), "a guess");
        let cold = Plan { is_cold: true, ..plan };
        assert_eq!(cold.expected(secs(1), |_| None), secs(30), "a login is a request too");
    }
}
