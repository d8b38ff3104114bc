//! What was counted of a time: step by step, in all, and of whom most.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::error::Result;
use crate::traffic::histogram::Histogram;
use crate::traffic::store;
use crate::traffic::tally::{Scope, Subject, Tally};
use crate::traffic::window::Window;

/// How many keys and models are named.
const MOST: i64 = 10;

/// What a subject did in a window.
pub struct Counted {
    /// Which time.
    pub window: Window,
    /// Each step of it, those without a call too.
    pub steps: Vec<Tally>,
    /// All of it.
    pub total: Tally,
}

/// How long calls took in milliseconds, within one percent; `None`: there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// Half of them at most.
    pub p50: Option<f64>,
    /// 95 of a hundred.
    pub p95: Option<f64>,
    /// 99 of a hundred.
    pub p99: Option<f64>,
    /// Of Odoo's part: 95 of a hundred.
    pub odoo_p95: Option<f64>,
}

impl Times {
    /// Of the calls of a tally.
    #[must_use]
    pub fn of(tally: &Tally) -> Self {
        Self {
            p50: tally.took.quantile(0.5),
            p95: tally.took.quantile(0.95),
            p99: tally.took.quantile(0.99),
            odoo_p95: tally.odoo.quantile(0.95),
        }
    }
}

/// Counts what a subject did in a window.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn counted(pool: &PgPool, subject: &Subject, window: Window) -> Result<Counted> {
    let mut steps = vec![Tally::default(); window.steps()];
    let mut total = Tally::default();
    for (at, tally) in store::of(pool, subject, &window).await? {
        total.merge(&tally);
        if let Some(step) = window.step_of(at).and_then(|step| steps.get_mut(step)) {
            step.merge(&tally);
        }
    }
    Ok(Counted { window, steps, total })
}

/// One of those that were called most, or called most.
pub struct Top {
    /// A key's id or a model.
    pub subject: String,
    /// How many calls.
    pub calls: i64,
    /// How many of them failed.
    pub failures: i64,
    /// The size of Odoo's results.
    pub bytes: i64,
    /// See [`Times::p95`].
    pub p95: Option<f64>,
    /// See [`Times::odoo_p95`].
    pub odoo_p95: Option<f64>,
}

/// The subjects of a kind with the most calls in a window.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn most(pool: &PgPool, scope: Scope, window: &Window) -> Result<Vec<Top>> {
    let most = store::most(pool, scope, window, MOST).await?;
    let subjects: Vec<String> = most.iter().map(|(subject, ..)| subject.clone()).collect();
    let times: HashMap<_, _> = store::times(pool, scope, &subjects, window).await?;
    let tops = most.into_iter().map(|(subject, calls, failures, bytes)| {
        let p95 = |of: Option<&Histogram>| of.and_then(|times| times.quantile(0.95));
        let times = times.get(&subject);
        Top {
            p95: p95(times.map(|(took, _)| took)),
            odoo_p95: p95(times.map(|(_, odoo)| odoo)),
            subject,
            calls,
            failures,
            bytes,
        }
    });
    Ok(tops.collect())
}

/// How many calls of a window have no record and so are not counted, and since when calls are
/// counted if there were some before.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn missing(pool: &PgPool, window: &Window) -> Result<(i64, Option<DateTime<Utc>>)> {
    let lost = store::lost(pool, window.from, window.until).await?;
    Ok((lost, store::begun(pool).await?))
}
