//! Holds what a schedule's runs came to against its alert rules. What changes is written down
//! with the run's own end, and so are the deliveries that tell of it: once, whatever happens
//! to the bridge afterwards.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::alerts::outbox::{self, News};
use crate::error::Result;
use crate::ids::{SpeedRunId, SpeedScheduleId};
use crate::odoo::Way;
use crate::speed_test::schedules::model::{Above, Held, Rule, Schedule, kind_label, rule_in_words, verdict};
use crate::speed_test::schedules::store::{self, Limits};

/// Locks a schedule, before the run that is to end with it: whoever removes it locks in this
/// order, too.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn lock(connection: &mut PgConnection, schedule: SpeedScheduleId) -> Result<()> {
    store::find(connection, schedule).await.map(drop)
}

/// Judges the rules of a schedule whose run `run` has just finished, within the transaction
/// that says so.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn judge(connection: &mut PgConnection, schedule: SpeedScheduleId, run: SpeedRunId) -> Result<()> {
    // Removed while the run went on.
    let Some(schedule) = store::find(connection, schedule).await? else {
        return Ok(());
    };
    for (rule, limits) in store::rules_to_judge(connection, schedule.id).await? {
        let held = hold(connection, &rule, limits, run).await?;
        let Some(fires) = verdict(rule.firing_since.is_some(), &held) else {
            continue;
        };
        let limits = fires.then(|| held.iter().map(limit_of).collect());
        let now = store::set_firing(connection, rule.id, limits).await?;
        let news = News {
            rule: rule.id,
            run,
            is_firing: fires,
            body: body(&schedule, &rule, &held, fires, rule.firing_since.unwrap_or(now)),
        };
        outbox::write(connection, &news).await?;
        tracing::warn!(
            schedule.id = %schedule.id,
            alert.rule = %rule.id,
            alert.firing = fires,
            "an alert rule changed"
        );
    }
    Ok(())
}

fn limit_of(held: &Held) -> (String, f64) {
    (held.way.as_str().to_owned(), held.limit_ms)
}

/// The ways that a rule can be held against now; none if there are too few runs.
async fn hold(
    connection: &mut PgConnection,
    rule: &Rule,
    limits: Option<Limits>,
    run: SpeedRunId,
) -> Result<Vec<Held>> {
    let runs = store::finished_runs(connection, run, rule.last_runs).await?;
    let Some((last, before)) = runs.split_at_checked(usize::from(rule.last_runs)) else {
        return Ok(Vec::new());
    };
    let now = store::p95(connection, last).await?;
    let limit: Vec<(Way, f64)> = match (limits, rule.above) {
        // While it fires the limits stay: slow runs must not become the measure of slowness.
        (Some(limits), _) => {
            let of = |way: Way| Some((way, *limits.get(way.as_str())?));
            Way::ALL.into_iter().filter_map(of).collect()
        }
        (None, Above::Threshold(ms)) => Way::ALL.map(|way| (way, ms)).to_vec(),
        (None, Above::Baseline(percent)) => {
            let baseline = store::p95(connection, before).await?.into_iter();
            baseline.map(|(way, ms)| (way, ms * (1.0 + percent / 100.0))).collect()
        }
    };
    let held = now.into_iter().filter_map(|(way, p95_ms)| {
        let (_, limit_ms) = limit.iter().find(|(known, _)| *known == way)?;
        Some(Held {
            way,
            p95_ms,
            limit_ms: *limit_ms,
        })
    });
    Ok(held.collect())
}

/// What is told: figures and names, no value and no address of anything but the run's page.
fn body(schedule: &Schedule, rule: &Rule, held: &[Held], fires: bool, since: DateTime<Utc>) -> Value {
    let round = |ms: f64| (ms * 1_000.0).round() / 1_000.0;
    let ways: Vec<Value> = held
        .iter()
        .map(|held| {
            json!({
                "way": held.way.as_str(),
                "p95_ms": round(held.p95_ms),
                "limit_ms": round(held.limit_ms),
                "is_above": held.is_above(),
            })
        })
        .collect();
    json!({
        "event": if fires { "firing" } else { "resolved" },
        "schedule": schedule.name,
        "test": kind_label(schedule.plan.kind, schedule.plan.is_cold),
        "rule": rule_in_words(rule.last_runs, rule.above),
        "since": since.to_rfc3339_opts(SecondsFormat::Secs, true),
        "ways": ways,
    })
}
