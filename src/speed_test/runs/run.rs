//! Runs a plan in the background: one run, or one of the page's two tests, at a time for
//! each Odoo, whatever the number of instances. A run ends when it is through, when somebody
//! cancels it on whatever instance, when its bridge stops, or when it loses its lock; what
//! was measured until then is kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{SubsecRound as _, Utc};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use sqlx::{PgPool, Postgres, Transaction};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::audit::log::{self, Action, Actor, Change};
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::{SpeedRunId, SpeedScheduleId};
use crate::odoo::{Call, Odoo, Way, WayState};
use crate::speed_test::model::{Failure, HEAVY_RECORDS, TestType};
use crate::speed_test::run::{CONTACTS, Reading, SALES_ORDERS, count_records, failure_of, version_name};
use crate::speed_test::runs::plan::Plan;
use crate::speed_test::runs::sample::{Parts, Run, RunState, Sample};
use crate::speed_test::runs::store;
use crate::speed_test::schedules::judge;
use crate::speed_test::store::try_lock;

/// How often a run looks whether it is to go on. Far below the time after which the
/// database ends an idle transaction, and the run's lock with it.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// What a run is called in the audit log.
const SUBJECT: &str = "speed test run";
/// After this a sample is a failed one.
const DEADLINE: Duration = Duration::from_secs(90);

/// The ways that the settings allow, cheapest first.
#[must_use]
pub fn open_ways(odoo: &Odoo) -> Vec<Way> {
    let ways = odoo.report().ways.into_iter();
    ways.filter(|report| report.state != WayState::NotConfigured)
        .map(|report| report.way)
        .collect()
}

/// How long a plan will take, by the pace and by what its ways took the last time.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn expected(pool: &PgPool, odoo: &Odoo, target: &str, plan: &Plan) -> Result<Duration> {
    let before = store::baseline(pool, target, plan.kind, plan.is_cold, None).await?;
    let last = |way: Way| {
        let (_, ms) = before.iter().find(|(known, _)| *known == way)?;
        Duration::try_from_secs_f64(ms / 1_000.0).ok()
    };
    Ok(plan.expected(odoo.report().rules.interval, last))
}

/// On whose behalf a run begins.
#[derive(Clone, Copy)]
pub enum Starter<'a> {
    /// Somebody's, who pressed the button: a line of the audit log says so.
    Person(&'a Actor),
    /// A schedule's of this name. Who made that is in the audit log.
    Schedule(SpeedScheduleId, &'a str),
}

impl Starter<'_> {
    fn name(self) -> String {
        match self {
            Self::Person(by) => name_of(by).to_owned(),
            Self::Schedule(_, name) => format!("schedule: {name}"),
        }
    }

    const fn schedule(self) -> Option<SpeedScheduleId> {
        match self {
            Self::Person(_) => None,
            Self::Schedule(id, _) => Some(id),
        }
    }
}

/// Begins a run on behalf of `by`, and tells its id. It goes on until `is_stopping`.
///
/// # Errors
/// `conflict` if this Odoo is being tested already; `unavailable`, `internal`.
pub async fn start(
    pool: &PgPool,
    odoo: &Arc<Odoo>,
    target: String,
    plan: Plan,
    by: Starter<'_>,
    is_stopping: impl Fn() -> bool + Send + Sync + 'static,
) -> Result<SpeedRunId> {
    // The lock is the transaction's: it goes with it, however the run ends.
    let mut lock = pool.begin().await?;
    if !try_lock(&mut lock, &target).await? {
        return Err(AppError::new(
            ErrorCode::Conflict,
            "A test is running already. Wait for its result, or cancel it.",
        ));
    }
    let run = Run {
        id: SpeedRunId(Uuid::now_v7()),
        target,
        kind: plan.kind,
        is_cold: plan.is_cold,
        ways: plan.ways,
        samples: plan.samples,
        state: RunState::Running,
        model: None,
        odoo_version: None,
        bridge_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_by: by.name(),
        schedule: by.schedule(),
        cancelled_by: None,
        started_at: Utc::now().trunc_subsecs(6),
        ended_at: None,
    };
    let id = run.id;
    let what = format!("{}, {} samples by each way", run.kind.as_str(), run.samples);
    let mut begun = pool.begin().await?;
    store::begin(&mut begun, &run).await?;
    if let Starter::Person(by) = by {
        let change = Change {
            after: Some(&what),
            ..Change::of(Action::SpeedRunStarted, id.0, SUBJECT)
        };
        log::record(&mut begun, by, change).await?;
    }
    begun.commit().await?;
    let (pool, odoo) = (pool.clone(), Arc::clone(odoo));
    tokio::spawn(async move { go(&pool, &odoo, run, lock, is_stopping).await }.in_current_span());
    Ok(id)
}

/// Tells a run to end, in the name of `by`.
///
/// # Errors
/// `conflict` if it does not run; `unavailable`, `internal`.
pub async fn cancel(pool: &PgPool, id: SpeedRunId, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    if store::cancel(&mut transaction, id, name_of(by)).await? {
        let change = Change::of(Action::SpeedRunCancelled, id.0, SUBJECT);
        log::record(&mut transaction, by, change).await?;
        return Ok(transaction.commit().await?);
    }
    Err(AppError::new(ErrorCode::Conflict, "This run is over already."))
}

fn name_of(by: &Actor) -> &str {
    by.user.as_ref().map_or("command line", |user| &*user.email)
}

async fn go(
    pool: &PgPool,
    odoo: &Odoo,
    run: Run,
    mut lock: Transaction<'static, Postgres>,
    is_stopping: impl Fn() -> bool,
) {
    let began = Instant::now();
    let state = tokio::select! {
        state = ended(&mut lock, run.id, is_stopping) => state,
        taken = take_all(pool, odoo, &run) => match taken {
            Ok(()) => RunState::Finished,
            Err(error) => {
                error.log();
                RunState::Interrupted
            }
        },
    };
    tracing::info!(
        speed.kind = run.kind.as_str(),
        speed.cold = run.is_cold,
        speed.state = state.as_str(),
        duration_ms = began.elapsed().as_millis() as u64,
        "speed run"
    );
    // With the lock's own transaction, so that nobody finds the run without its lock.
    if end(lock, &run, state).await.is_err() {
        // The connection was lost. If this fails too, whoever looks next ends the run.
        let again = async { end(pool.begin().await?, &run, state).await };
        if let Err(error) = again.await {
            error.log();
        }
    }
}

/// Ends a run, and holds it against its schedule's alert rules: both or none.
async fn end(mut transaction: Transaction<'static, Postgres>, run: &Run, state: RunState) -> Result<()> {
    if let Some(schedule) = run.schedule {
        judge::lock(&mut transaction, schedule).await?;
    }
    let was_running = store::end(&mut transaction, run.id, state).await?;
    if let Some(schedule) = run.schedule
        && state == RunState::Finished
        && was_running
    {
        judge::judge(&mut transaction, schedule, run.id).await?;
    }
    Ok(transaction.commit().await?)
}

/// Waits until the run is not to go on, and says as what it ends.
async fn ended(lock: &mut Transaction<'static, Postgres>, id: SpeedRunId, is_stopping: impl Fn() -> bool) -> RunState {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if is_stopping() {
            return RunState::Interrupted;
        }
        match store::goes_on(lock, id).await {
            Ok(true) => {}
            Ok(false) => return RunState::Cancelled,
            Err(error) => {
                error.log();
                return RunState::Interrupted;
            }
        }
    }
}

async fn take_all(pool: &PgPool, odoo: &Odoo, run: &Run) -> Result<()> {
    let version = odoo.version().await.ok().map(|version| version_name(&version));
    let mut question = Question::of(run.kind, &SALES_ORDERS)?;
    // The warm-up, which is not kept.
    for way in &run.ways {
        let sample = take(odoo, run, &question, *way, 0).await;
        let is_missing = |failure: &Failure| failure.code == ErrorCode::OdooNotFound;
        if run.kind == TestType::Heavy && sample.failure.as_ref().is_some_and(is_missing) {
            question = Question::of(run.kind, &CONTACTS)?;
            take(odoo, run, &question, *way, 0).await;
        }
    }
    store::describe(pool, run.id, version.as_deref(), question.read).await?;
    // By turns, so that what changes meanwhile changes for all ways.
    for number in 1..=run.samples {
        for way in &run.ways {
            let sample = take(odoo, run, &question, *way, number).await;
            store::insert_sample(pool, &sample).await?;
        }
    }
    Ok(())
}

/// What is asked of Odoo. Every argument has a name, so that JSON-2 need not ask for names.
struct Question {
    model: &'static str,
    method: &'static str,
    kwargs: Box<RawValue>,
    /// The model whose records are read and counted.
    read: Option<&'static str>,
}

impl Question {
    fn of(kind: TestType, reading: &Reading) -> Result<Self> {
        let (model, method, kwargs) = match kind {
            // Known to read only, and answered without a record.
            TestType::Light => (
                "res.users",
                "fields_get",
                json!({ "allfields": ["login"], "attributes": ["type"] }),
            ),
            TestType::Heavy => (
                reading.model,
                "search_read",
                json!({ "domain": [], "fields": reading.fields, "limit": HEAVY_RECORDS, "order": reading.order }),
            ),
        };
        Ok(Self {
            model,
            method,
            kwargs: to_raw_value(&kwargs).map_err(AppError::internal)?,
            read: (kind == TestType::Heavy).then_some(reading.model),
        })
    }
}

/// Measures once; never fails: what goes wrong is in the sample.
async fn take(odoo: &Odoo, run: &Run, question: &Question, way: Way, number: u16) -> Sample {
    let mut sample = Sample {
        run: run.id,
        way,
        number,
        parts: Parts::default(),
        records: None,
        bytes: None,
        failure: None,
    };
    let no_args: Box<RawValue> = match to_raw_value(&json!([])) {
        Ok(args) => args,
        Err(error) => {
            sample.failure = Some(failure_of(AppError::internal(error)));
            return sample;
        }
    };
    let call = Call {
        model: question.model,
        method: question.method,
        args: &no_args,
        kwargs: &question.kwargs,
    };
    let measured = odoo.measure(way, call, run.is_cold, DEADLINE).await;
    sample.parts = Parts::from(measured.split);
    let counted = measured.result.map_err(AppError::from).and_then(|data| {
        sample.bytes = i64::try_from(data.len()).ok();
        question.read.map(|_| count_records(&data)).transpose()
    });
    match counted {
        Ok(records) => sample.records = records,
        Err(error) => sample.failure = Some(failure_of(error)),
    }
    sample
}
