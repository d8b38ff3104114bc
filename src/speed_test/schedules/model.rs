//! What a schedule and an alert rule are, and what a form may make of them. Pure: no clock, no
//! database.

use chrono::{DateTime, Utc};

use crate::alerts::model::parse_name;
use crate::error::{AppError, Result};
use crate::ids::{AlertRuleId, SpeedScheduleId};
use crate::odoo::Way;
use crate::printed::http::field;
use crate::speed_test::model::{TestType, format_ms};
use crate::speed_test::runs::plan::{Draft, Plan};

/// The most runs that a rule looks at.
pub const LAST_RUNS_MAX: u8 = 20;
/// The longest pause between two runs, in seconds.
const EVERY_MAX_SECS: i64 = 365 * 86_400;

/// The units of the form, and how many seconds each has.
pub const UNITS: [(&str, i64); 3] = [("minutes", 60), ("hours", 3_600), ("days", 86_400)];

/// Runs that begin by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its id.
    pub id: SpeedScheduleId,
    /// What people call it.
    pub name: String,
    /// Which Odoo: `<url> <database>`.
    pub target: String,
    /// What each run measures.
    pub plan: Plan,
    /// Seconds from one run to the next.
    pub every_secs: i64,
    /// When the next one begins.
    pub next_at: DateTime<Utc>,
    /// Whether none begins until somebody says so.
    pub is_paused: bool,
    /// Who made it: an email address.
    pub created_by: String,
}

impl Schedule {
    /// What it does, for the audit log and the page: `Light, warm, 10 samples by Web session,
    /// JSON-2, every 15 minutes`.
    #[must_use]
    pub fn in_words(&self) -> String {
        in_words(&self.plan, self.every_secs)
    }
}

/// See [`Schedule::in_words`].
#[must_use]
pub fn in_words(plan: &Plan, every_secs: i64) -> String {
    let ways: Vec<&str> = plan.ways.iter().map(|way| way.label()).collect();
    let (count, unit) = every(every_secs);
    let noun = if plan.samples == 1 { "sample" } else { "samples" };
    let often = if count == 1 {
        unit.trim_end_matches('s').to_owned()
    } else {
        format!("{count} {unit}")
    };
    format!(
        "{}, {}, {} {noun} by {}, every {often}",
        plan.kind.label(),
        plan.start(),
        plan.samples,
        ways.join(", ")
    )
}

/// The pause in the largest unit that it is a whole number of.
#[must_use]
pub fn every(secs: i64) -> (i64, &'static str) {
    let unit = UNITS.iter().rev().find(|(_, of_unit)| secs % of_unit == 0);
    unit.map_or((secs / 60, "minutes"), |(name, of_unit)| (secs / of_unit, name))
}

/// A schedule as a form sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduleForm {
    /// See [`Schedule::name`].
    pub name: String,
    /// A whole number of `unit`.
    pub every: String,
    /// One of [`UNITS`].
    pub unit: String,
}

/// What a form made of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSchedule {
    /// See [`Schedule::name`].
    pub name: String,
    /// See [`Schedule::plan`].
    pub plan: Plan,
    /// See [`Schedule::every_secs`].
    pub every_secs: i64,
}

impl NewSchedule {
    /// Takes a form apart; `open` are the ways that the settings allow.
    ///
    /// # Errors
    /// `invalid_request` that names the field.
    pub fn parse(form: &[(String, String)], open: &[Way]) -> Result<Self> {
        let field = |name: &str| field(form, name);
        let every: Option<i64> = field("every").parse().ok().filter(|count| *count > 0);
        let unit = UNITS.iter().find(|(name, _)| *name == field("unit"));
        let every_secs = every
            .zip(unit)
            .and_then(|(count, (_, secs))| count.checked_mul(*secs))
            .filter(|secs| *secs <= EVERY_MAX_SECS);
        let draft = Draft::parse(form).ok_or_else(|| AppError::invalid("The test: choose light or heavy."))?;
        Ok(Self {
            name: parse_name(field("name"))?,
            plan: draft.plan(open)?,
            every_secs: every_secs
                .ok_or_else(|| AppError::invalid("Every: a whole number of minutes, hours or days, a year at most."))?,
        })
    }
}

/// What p95 has to be above.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Above {
    /// So many milliseconds.
    Threshold(f64),
    /// So many percent more than the runs before.
    Baseline(f64),
}

/// When somebody is told of a schedule's runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its id.
    pub id: AlertRuleId,
    /// Whose runs.
    pub schedule: SpeedScheduleId,
    /// So many of the last runs are put together.
    pub last_runs: u8,
    /// When it fires.
    pub above: Above,
    /// Since when it does; `None`: it does not.
    pub firing_since: Option<DateTime<Utc>>,
}

/// See [`Rule`], as a sentence.
#[must_use]
pub fn rule_in_words(last_runs: u8, above: Above) -> String {
    let runs = match last_runs {
        1 => "the last run".to_owned(),
        many => format!("the last {many} runs"),
    };
    match above {
        Above::Threshold(ms) => format!("p95 of {runs} is above {}", format_ms(ms)),
        Above::Baseline(percent) => format!("p95 of {runs} is more than {percent} % above the ten runs before"),
    }
}

/// Takes the form of a rule apart.
///
/// # Errors
/// `invalid_request` that names the field.
pub fn parse_rule(form: &[(String, String)]) -> Result<(u8, Above)> {
    let last_runs = field(form, "last_runs").parse().ok();
    let last_runs = last_runs
        .filter(|runs| (1..=LAST_RUNS_MAX).contains(runs))
        .ok_or_else(|| AppError::invalid("Last runs: a whole number from 1 to 20."))?;
    let limit: Option<f64> = field(form, "limit").parse().ok();
    let limit = limit.filter(|limit| limit.is_finite() && *limit > 0.0 && *limit <= 1e9);
    let limit = limit.ok_or_else(|| AppError::invalid("Limit: a number above 0."))?;
    match field(form, "above") {
        "ms" => Ok((last_runs, Above::Threshold(limit))),
        "percent" => Ok((last_runs, Above::Baseline(limit))),
        _ => Err(AppError::invalid(
            "Limit: choose milliseconds, or percent of the runs before.",
        )),
    }
}

/// The numbers of one way that a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    /// Which way.
    pub way: Way,
    /// p95 of the last runs.
    pub p95_ms: f64,
    /// What it is held against.
    pub limit_ms: f64,
}

impl Held {
    /// Whether it is above; what is as large is not.
    #[must_use]
    pub fn is_above(&self) -> bool {
        self.p95_ms > self.limit_ms
    }
}

/// What a rule's numbers change: `Some(true)` it fires, `Some(false)` it is over.
#[must_use]
pub fn verdict(is_firing: bool, held: &[Held]) -> Option<bool> {
    // Without an answer by any way nothing is known: it stays as it is.
    let is_above = held.iter().any(Held::is_above);
    (!held.is_empty() && is_above != is_firing).then_some(is_above)
}

/// A test and how it begins, in words.
#[must_use]
pub fn kind_label(kind: TestType, is_cold: bool) -> String {
    format!("{}, {}", kind.label(), if is_cold { "cold" } else { "warm" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs.map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn a_form_becomes_a_schedule_and_nonsense_is_refused_by_name() {
        let good = [
            ("name", "Nights"),
            ("test", "light"),
            ("start", "warm"),
            ("samples", "10"),
            ("way", "json2"),
            ("every", "15"),
            ("unit", "minutes"),
        ];
        let made = NewSchedule::parse(&form(&good), &Way::ALL).expect("a schedule");
        assert_eq!((made.every_secs, &*made.name), (900, "Nights"));
        assert_eq!(
            in_words(&made.plan, made.every_secs),
            "Light, warm, 10 samples by JSON-2, every 15 minutes"
        );
        for (index, value, name) in [
            (0, "", "Name"),
            (0, "a\u{7}", "Name"),
            (5, "0", "Every"),
            (5, "-1", "Every"),
            (5, "9223372036854775807", "Every"),
            (6, "weeks", "Every"),
            (3, "0", "Samples"),
        ] {
            let mut wrong = good;
            wrong[index].1 = value;
            let error = NewSchedule::parse(&form(&wrong), &Way::ALL).expect_err(value);
            assert!(error.message.starts_with(name), "{value}: {}", error.message);
        }
    }

    #[test]
    fn a_pause_is_told_in_its_largest_whole_unit() {
        for (secs, told) in [
            (60, (1, "minutes")),
            (5_400, (90, "minutes")),
            (7_200, (2, "hours")),
            (86_400, (1, "days")),
        ] {
            assert_eq!(every(secs), told);
        }
    }

    #[test]
    fn a_rule_has_one_limit_and_a_few_runs() {
        let rule = |last, limit, above| {
            parse_rule(&form(&[("last_runs", last), ("limit", limit), ("above", above)])).map_err(|error| error.message)
        };
        assert_eq!(rule("3", "250.5", "ms"), Ok((3, Above::Threshold(250.5))));
        assert_eq!(rule("1", "50", "percent"), Ok((1, Above::Baseline(50.0))));
        for (last, limit, above, name) in [
            ("0", "1", "ms", "Last runs"),
            ("21", "1", "ms", "Last runs"),
            ("1", "0", "ms", "Limit"),
            ("1", "NaN", "ms", "Limit"),
            ("1", "1", "days", "Limit"),
        ] {
            assert!(
                rule(last, limit, above).expect_err("refused").starts_with(name),
                "{last} {limit} {above}"
            );
        }
    }

    #[test]
    fn a_rule_fires_once_and_is_over_once_and_nothing_known_changes_nothing() {
        let held = |p95_ms| Held {
            way: Way::Web,
            p95_ms,
            limit_ms: 10.0,
        };
        assert_eq!(verdict(false, &[held(10.0)]), None, "as large is not above");
        assert_eq!(
            verdict(false, &[held(3.0), held(10.1)]),
            Some(true),
            "one way is enough"
        );
        assert_eq!(verdict(true, &[held(3.0), held(10.1)]), None, "it was told already");
        assert_eq!(verdict(true, &[held(3.0), held(10.0)]), Some(false));
        for is_firing in [false, true] {
            assert_eq!(verdict(is_firing, &[]), None);
        }
    }
}
