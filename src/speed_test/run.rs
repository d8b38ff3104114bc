//! Runs a speed test: one at a time for each Odoo, whatever the number of
//! instances, and kept whatever comes of it. A run that was begun is finished
//! and kept even if the person who began it goes away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{SubsecRound as _, Utc};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use sqlx::PgPool;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::error::{AppError, ErrorCode, Result};
use crate::ids::SpeedTestId;
use crate::odoo::{Call, Odoo, Party, Version};
use crate::speed_test::model::{
    CHART_RUNS, Failure, HEAVY_RECORDS, HistoryPage, HistoryQuery, RUNS_PER_PAGE, SpeedTest, TestType,
};
use crate::speed_test::summary::summarize;
use crate::speed_test::{chart, store};

/// After this a run is a failed one, however far it came.
const DEADLINE: Duration = Duration::from_secs(90);
/// As much of Odoo's version as is kept, in characters.
const VERSION_MAX_CHARS: usize = 40;

/// What the heavy test reads.
pub(super) struct Reading {
    pub(super) model: &'static str,
    /// What one of its records is called, and several.
    nouns: [&'static str; 2],
    /// Fields that this model has had in every Odoo since version 8.
    pub(super) fields: &'static [&'static str],
    pub(super) order: &'static str,
}

pub(super) const SALES_ORDERS: Reading = Reading {
    model: "sale.order",
    nouns: ["sales order", "sales orders"],
    fields: &[
        "name",
        "partner_id",
        "date_order",
        "state",
        "amount_untaxed",
        "amount_tax",
        "amount_total",
        "currency_id",
        "user_id",
    ],
    order: "date_order desc",
};

pub(super) const CONTACTS: Reading = Reading {
    model: "res.partner",
    nouns: ["contact", "contacts"],
    fields: &[
        "name",
        "email",
        "phone",
        "street",
        "city",
        "zip",
        "country_id",
        "is_company",
        "create_date",
    ],
    order: "id desc",
};

impl Reading {
    /// "1 contact", "25 sales orders".
    fn counted(&self, count: i32) -> String {
        format!("{count} {}", self.nouns[usize::from(count != 1)])
    }
}

/// What was seen so far: kept outside of the measuring future, so that a run
/// that is cut off still tells how far it came.
#[derive(Default)]
struct Sample {
    authenticate_ms: Option<f64>,
    query_ms: Option<f64>,
    model: Option<&'static str>,
    record_count: Option<i32>,
    details: Option<String>,
}

/// What an Odoo is called in the history. The demo Odoo listens elsewhere after
/// each start and is still the same one.
#[must_use]
pub fn target(odoo: &Odoo, is_demo: bool) -> String {
    if is_demo {
        "the demo Odoo".to_owned()
    } else {
        odoo.target()
    }
}

/// Runs a test and keeps the run under the name `target`. An Odoo that fails is
/// a failed run, not an error.
///
/// # Errors
/// `conflict` if this Odoo is being tested already; `unavailable` and `internal`
/// if the bridge itself fails.
pub async fn run(pool: &PgPool, odoo: &Arc<Odoo>, target: String, test_type: TestType) -> Result<SpeedTest> {
    let (pool, odoo) = (pool.clone(), Arc::clone(odoo));
    // A task of its own: a browser that goes away drops only the waiting.
    let work = async move { run_locked(&pool, &odoo, target, test_type).await };
    tokio::spawn(work.in_current_span()).await.map_err(AppError::internal)?
}

async fn run_locked(pool: &PgPool, odoo: &Odoo, target: String, test_type: TestType) -> Result<SpeedTest> {
    // The lock is the transaction's: it goes with it, however this ends.
    let mut transaction = pool.begin().await?;
    if !store::try_lock(&mut transaction, &target).await? {
        return Err(AppError::new(
            ErrorCode::Conflict,
            "A test is running already. Wait for its result.",
        ));
    }
    let run = measure(odoo, target, test_type, DEADLINE).await;
    tracing::info!(
        test_type = run.test_type.as_str(),
        status = run.status().as_str(),
        code = run.failure.as_ref().map(|failure| failure.code.as_str()),
        duration_ms = run.latency_ms,
        "speed test"
    );
    let kept = async {
        store::insert(&mut transaction, &run).await?;
        Ok::<_, AppError>(transaction.commit().await?)
    };
    if kept.await.is_err() {
        // The connection was lost in the meantime, and the lock with it; the
        // measurement is still worth keeping.
        let mut connection = pool.acquire().await?;
        store::insert(&mut connection, &run).await?;
    }
    Ok(run)
}

/// Measures; never fails: what goes wrong is in the run.
async fn measure(odoo: &Odoo, target: String, test_type: TestType, deadline: Duration) -> SpeedTest {
    // As exact as the database keeps it.
    let tested_at = Utc::now().trunc_subsecs(6);
    let began = Instant::now();
    let mut sample = Sample::default();
    let outcome = tokio::time::timeout(deadline, async {
        match test_type {
            TestType::Light => light(odoo, &mut sample).await,
            TestType::Heavy => heavy(odoo, &mut sample).await,
        }
    })
    .await;
    let (latency_ms, failure) = match outcome {
        Ok(Ok(latency_ms)) => (latency_ms, None),
        Ok(Err(error)) => (millis(began.elapsed()), Some(failure_of(error))),
        Err(_) => {
            let message = format!("The test was stopped: no result within {} seconds.", deadline.as_secs());
            (
                millis(began.elapsed()),
                Some(Failure {
                    code: ErrorCode::OdooTimeout,
                    message,
                }),
            )
        }
    };
    SpeedTest {
        id: SpeedTestId(Uuid::now_v7()),
        target,
        test_type,
        latency_ms,
        authenticate_ms: sample.authenticate_ms,
        query_ms: sample.query_ms,
        model: sample.model.map(str::to_owned),
        record_count: sample.record_count,
        failure,
        details: sample.details,
        tested_at,
    }
}

/// Odoo's version, on a new connection. Answers the latency.
async fn light(odoo: &Odoo, sample: &mut Sample) -> Result<f64> {
    let began = Instant::now();
    let version = odoo.version().await?;
    let latency_ms = millis(began.elapsed());
    sample.details = Some(format!("Odoo {}", version_name(&version)));
    Ok(latency_ms)
}

/// Odoo's version. Foreign text: short, and nothing that the database would refuse.
pub(super) fn version_name(version: &Version) -> String {
    let name = version.server_version.chars();
    name.filter(|char| !char.is_control()).take(VERSION_MAX_CHARS).collect()
}

/// A log-in and 25 records, timed apart. Answers both together.
async fn heavy(odoo: &Odoo, sample: &mut Sample) -> Result<f64> {
    let began = Instant::now();
    odoo.authenticate().await?;
    let authenticate_ms = millis(began.elapsed());
    sample.authenticate_ms = Some(authenticate_ms);

    let (instead, reading) = match read(odoo, &SALES_ORDERS, sample).await {
        Err(error) if error.code == ErrorCode::OdooNotFound => {
            read(odoo, &CONTACTS, sample).await?;
            (true, &CONTACTS)
        }
        other => {
            other?;
            (false, &SALES_ORDERS)
        }
    };
    let counted = reading.counted(sample.record_count.unwrap_or_default());
    sample.details = Some(if instead {
        let were = if sample.record_count == Some(1) { "was" } else { "were" };
        format!("Sales is not installed in this Odoo: {counted} {were} read instead.")
    } else {
        counted
    });
    Ok(authenticate_ms + sample.query_ms.unwrap_or_default())
}

/// Reads the newest records of a model and times it.
async fn read(odoo: &Odoo, reading: &Reading, sample: &mut Sample) -> Result<()> {
    let args = to_raw_value(&json!([[]])).map_err(AppError::internal)?;
    let kwargs = json!({ "fields": reading.fields, "limit": HEAVY_RECORDS, "order": reading.order });
    let kwargs = to_raw_value(&kwargs).map_err(AppError::internal)?;
    let call = Call {
        model: reading.model,
        method: "search_read",
        args: &args,
        kwargs: &kwargs,
    };
    sample.model = Some(reading.model);
    let began = Instant::now();
    let data = odoo.execute(call, Party::BRIDGE, None).await?.into_bytes().await?;
    sample.query_ms = Some(millis(began.elapsed()));
    sample.record_count = Some(count_records(&data)?);
    Ok(())
}

/// How many records an answer of `search_read` holds; their values are not looked at.
pub(super) fn count_records(data: &[u8]) -> Result<i32> {
    serde_json::from_slice::<Vec<&RawValue>>(data)
        .ok()
        .and_then(|records| i32::try_from(records.len()).ok())
        .ok_or_else(|| {
            AppError::new(
                ErrorCode::OdooError,
                "Odoo answered the query with something that is no list of records.",
            )
        })
}

pub(super) fn failure_of(error: AppError) -> Failure {
    if let Some(cause) = error.cause() {
        tracing::warn!(code = error.code.as_str(), cause, "speed test failed");
    }
    Failure {
        code: error.code,
        message: error.message.into_owned(),
    }
}

fn millis(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1_000.0
}

/// One page of the history, with the last runs at `target` and the chart.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn history(pool: &PgPool, target: String, query: &HistoryQuery) -> Result<HistoryPage> {
    let found = store::count(pool, query).await?;
    let pages = u32::try_from(found.div_ceil(u64::from(RUNS_PER_PAGE)))
        .unwrap_or(u32::MAX)
        .max(1);
    let page = query.page.clamp(1, pages);
    let charted = store::newest(pool, query, CHART_RUNS).await?;
    let summaries = summarize(&charted);
    Ok(HistoryPage {
        runs: store::list(pool, query, page).await?,
        found,
        page,
        pages,
        light: store::last(pool, &target, TestType::Light).await?,
        heavy: store::last(pool, &target, TestType::Heavy).await?,
        chart: chart::draw(&charted, &summaries)?,
        summaries,
        wrong: query
            .wrong
            .split_whitespace()
            .map(refusal)
            .collect::<Vec<_>>()
            .join(" "),
        target,
    })
}

/// Why a field of the address is no filter.
#[must_use]
pub fn refusal(field: &str) -> &'static str {
    match field {
        "type" => "Test: there is none like that. It is light or heavy.",
        "status" => "Status: there is none like that. It is succeeded or failed.",
        _ => "The page: there is none like that.",
    }
}

/// The newest runs that `query` finds, `limit` at most, newest first.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn newest(pool: &PgPool, query: &HistoryQuery, limit: u32) -> Result<Vec<SpeedTest>> {
    store::newest(pool, query, limit).await
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::config::OdooSettings;
    use crate::odoo::{Limits, Rules};

    #[tokio::test]
    async fn a_run_that_hangs_is_stopped_and_says_so() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Takes connections and never answers.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let settings = OdooSettings {
            url: format!("http://{}", listener.local_addr().expect("its address")),
            db: "db".into(),
            username: "admin".into(),
            password: Some(SecretString::from("secret")),
            api_key: None,
            way: None,
        };
        let long = Duration::from_secs(60);
        let limits = Limits {
            connect: long,
            first_byte: long,
            overall: long,
            max_answer_bytes: 1 << 20,
            turns: Rules {
                concurrent: 1,
                interval: Duration::ZERO,
                line: 1,
                wait: long,
            },
        };
        let odoo = Odoo::new(settings, limits).expect("a way to Odoo");
        let run = measure(&odoo, "here".into(), TestType::Heavy, Duration::from_millis(50)).await;
        let failure = run.failure.expect("it failed");
        assert_eq!(failure.code, ErrorCode::OdooTimeout);
        assert!((50.0..5_000.0).contains(&run.latency_ms), "{}", run.latency_ms);
        assert_eq!((run.authenticate_ms, run.query_ms), (None, None));
    }

    #[test]
    fn records_are_counted_without_a_look_at_their_values() {
        assert_eq!(count_records(br#"[{"name": "a"}, {"name": "[,,]"}]"#).ok(), Some(2));
        assert_eq!(count_records(b"[]").ok(), Some(0));
        for wrong in ["null", "{}", "7", "[1,", ""] {
            assert!(count_records(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn one_record_is_not_called_records() {
        assert_eq!(SALES_ORDERS.counted(25), "25 sales orders");
        assert_eq!(CONTACTS.counted(1), "1 contact");
        assert_eq!(CONTACTS.counted(0), "0 contacts");
    }
}
