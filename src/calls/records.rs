//! What was called, kept: every call of an accepted key leaves one record, never
//! its arguments or result. A call hands its record over without waiting; one
//! writer stores them in batches, with the keys' last use in the same transaction.
//! What the writer can't keep up with is dropped and counted. What was accepted is
//! written once, also over a database that is away for a while, unless the process
//! is killed.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::PgPool;
use tokio::sync::{Mutex, Notify, mpsc};

use crate::calls::losses::Losses;
use crate::calls::model::KeyCalls;
use crate::calls::store;
use crate::error::Result;
use crate::ids::ApiKeyId;
use crate::keys::policy::usage::Used;
use crate::server::request_id::RequestId;
use crate::server::telemetry;

/// How many records wait in memory at most; a few hundred bytes each.
pub const CAPACITY: usize = 32_768;
/// The most that one transaction writes.
const BATCH_MAX: usize = 5_000;
/// How long records are collected before they are written.
const COLLECT_FOR: Duration = Duration::from_millis(200);
/// How long a database that fails is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often partitions are made ahead and old ones dropped.
const TIDY_EVERY: Duration = Duration::from_secs(3_600);
/// For how many days after today there is a partition.
const DAYS_AHEAD: u64 = 2;
/// How long a stop tries to write what is left.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// One call of an accepted key.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// When it arrived.
    pub called_at: DateTime<Utc>,
    /// Whose key.
    pub api_key_id: ApiKeyId,
    /// Model and method; `None` if the body was no call.
    pub model: Option<Box<str>>,
    /// See `model`.
    pub method: Option<Box<str>>,
    /// `ok`, the error's code, or `aborted` if the client went away.
    pub code: &'static str,
    /// `web`, `jsonrpc`, `json2`, `xmlrpc`; `None` if Odoo was not asked.
    pub way: Option<&'static str>,
    /// The whole call.
    pub duration: Duration,
    /// Odoo's part of it.
    pub odoo: Option<Duration>,
    /// The length of Odoo's result.
    pub answer_bytes: u64,
    /// The id in the answer and the log.
    pub request_id: RequestId,
    /// The client.
    pub address: Option<IpAddr>,
    /// Whether it moves the key's last use.
    pub is_use: bool,
}

impl CallRecord {
    /// A call that has just been accepted.
    #[must_use]
    pub fn begin(called_at: DateTime<Utc>, api_key_id: ApiKeyId, request_id: RequestId, address: IpAddr) -> Self {
        Self {
            called_at,
            api_key_id,
            model: None,
            method: None,
            code: "ok",
            way: None,
            duration: Duration::ZERO,
            odoo: None,
            answer_bytes: 0,
            request_id,
            address: Some(address),
            is_use: true,
        }
    }

    /// What it asks of Odoo.
    pub fn asks(&mut self, model: &str, method: &str) {
        self.model = Some(model.into());
        self.method = Some(method.into());
    }

    /// What came of it.
    pub fn end(&mut self, code: &'static str, duration: Duration, odoo: Option<Duration>, answer_bytes: u64) {
        self.code = code;
        self.duration = duration;
        self.odoo = odoo;
        self.answer_bytes = answer_bytes;
    }
}

/// A record on its way: its id is fixed, so that a batch whose commit was not
/// confirmed can be written again.
pub(super) struct Numbered {
    pub(super) id: uuid::Uuid,
    pub(super) record: CallRecord,
}

/// What the writer has taken over and not written yet.
struct Inbox {
    received: mpsc::Receiver<CallRecord>,
    batch: Vec<Numbered>,
    /// Days that have a partition.
    days: HashSet<NaiveDate>,
}

struct Inner {
    sender: mpsc::Sender<CallRecord>,
    /// Wakes the writer before its time.
    crowded: Notify,
    dropped: AtomicU64,
    written: AtomicU64,
    /// Held by whoever writes; a call never takes it.
    inbox: Mutex<Inbox>,
}

/// Takes records and stores them. Cheap to clone.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

impl Recorder {
    /// With room for `capacity` records that wait to be written.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let (sender, received) = mpsc::channel(capacity.max(1));
        Self(Arc::new(Inner {
            sender,
            crowded: Notify::new(),
            dropped: AtomicU64::new(0),
            written: AtomicU64::new(0),
            inbox: Mutex::new(Inbox {
                received,
                batch: Vec::new(),
                days: HashSet::new(),
            }),
        }))
    }

    /// Hands a record over. Never waits: without room it is dropped and counted.
    pub fn record(&self, record: CallRecord) {
        let sender = &self.0.sender;
        if sender.try_send(record).is_err() {
            self.count_dropped(1);
        }
        if sender.capacity() < sender.max_capacity() / 2 {
            self.0.crowded.notify_one();
        }
    }

    /// How many records found no room, since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// How many records are in the database, since the start.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Writes, and keeps `keep_days` days of records, until it is cancelled.
    pub async fn run(self, pool: PgPool, keep_days: u16) {
        let mut tidied: Option<Instant> = None;
        let mut losses = Losses::default();
        loop {
            if tidied.is_none_or(|at| at.elapsed() >= TIDY_EVERY) {
                match self.tidy(&pool, keep_days).await {
                    Ok(()) => tidied = Some(Instant::now()),
                    Err(error) => losses.tell_failure(&error),
                }
            }
            // Not woken by each record: that would cost more than writing it.
            let _ = tokio::time::timeout(COLLECT_FOR, self.0.crowded.notified()).await;
            if let Err(error) = self.write_all(&pool).await {
                losses.tell_failure(&error);
                tokio::time::sleep(RETRY_AFTER).await;
            }
            losses.tell_dropped(self.dropped());
        }
    }

    /// Writes everything that was handed over before, for a stop: tries for ten
    /// seconds.
    ///
    /// # Errors
    /// The database's last one; what is left then stays in memory.
    pub async fn flush(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, self.write_all(pool)).await {
                Ok(Err(error)) if Instant::now() + RETRY_AFTER < deadline => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "call records not written yet");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                Ok(result) => return result,
                Err(_) => return Err(sqlx::Error::PoolTimedOut),
            }
        }
    }

    /// Writes batch after batch until nothing waits. A batch is let go of only once
    /// it is committed, so neither a failure nor a cancellation loses it.
    async fn write_all(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut inbox = self.0.inbox.lock().await;
        loop {
            inbox.fill();
            if inbox.batch.is_empty() {
                return Ok(());
            }
            inbox.write(pool).await?;
            let count = inbox.batch.len() as u64;
            inbox.batch.clear();
            self.0.written.fetch_add(count, Ordering::Relaxed);
            telemetry::record_records_written(count);
        }
    }

    async fn tidy(&self, pool: &PgPool, keep_days: u16) -> Result<(), sqlx::Error> {
        let today = Utc::now().date_naive();
        let mut inbox = self.0.inbox.lock().await;
        inbox.days.clear();
        for day in today.iter_days().take(DAYS_AHEAD as usize + 1) {
            inbox.ensure_day(pool, day).await?;
        }
        drop(inbox);
        let first_kept = today.checked_sub_days(Days::new(keep_days.into())).unwrap_or(today);
        let dropped = store::drop_days_before(pool, first_kept).await?;
        if dropped > 0 {
            tracing::info!(days = dropped, "old call records dropped");
        }
        Ok(())
    }

    fn count_dropped(&self, count: u64) {
        self.0.dropped.fetch_add(count, Ordering::Relaxed);
        telemetry::record_records_dropped(count);
    }
}

impl Inbox {
    /// Takes over what waits, up to a full batch.
    fn fill(&mut self) {
        while self.batch.len() < BATCH_MAX
            && let Ok(record) = self.received.try_recv()
        {
            self.batch.push(Numbered {
                id: uuid::Uuid::now_v7(),
                record,
            });
        }
    }

    async fn write(&mut self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let days: HashSet<NaiveDate> = self.batch.iter().map(|of| of.record.called_at.date_naive()).collect();
        for day in days {
            self.ensure_day(pool, day).await?;
        }
        let result = store::write(pool, &self.batch).await;
        if result.is_err() {
            // Perhaps a day that another instance dropped.
            self.days.clear();
        }
        result
    }

    async fn ensure_day(&mut self, pool: &PgPool, day: NaiveDate) -> Result<(), sqlx::Error> {
        if !self.days.contains(&day) {
            store::make_day(pool, day).await?;
            self.days.insert(day);
        }
        Ok(())
    }
}

/// What a key called lately, by model and method: among its newest [`CALLS_COUNTED`]
/// calls those that went to Odoo.
///
/// [`CALLS_COUNTED`]: crate::calls::model::CALLS_COUNTED
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn used_by(pool: &PgPool, id: ApiKeyId) -> Result<Vec<Used>> {
    store::used_by(pool, id).await
}

/// The newest calls of a key, and how many there were in the last 24 hours.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn of_key(pool: &PgPool, id: ApiKeyId) -> Result<KeyCalls> {
    store::of_key(pool, id).await
}
