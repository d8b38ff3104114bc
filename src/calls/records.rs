//! What was called, kept: every call of an accepted key leaves one record, never
//! its arguments or result. A call hands its record over without waiting; one
//! writer stores them in batches, with the keys' last use in the same transaction.
//! What the writer can't keep up with is dropped and counted. What was accepted is
//! written once, also over a database that is away for a while, and over a process that
//! is killed: until it is written it is in a `journal` on disk.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{self, Arc, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Deserialize;
use sqlx::PgPool;
use tokio::sync::{Mutex, Notify, mpsc};

use crate::calls::idempotency::Idempotency;
use crate::calls::journal::{self, Journal};
use crate::calls::losses::Losses;
use crate::calls::model::KeyCalls;
use crate::calls::{store, usage};
use crate::error::{AppError, Result};
use crate::ids::ApiKeyId;
use crate::keys::policy::Shape;
use crate::server::request_id::RequestId;
use crate::server::telemetry;
use crate::traffic::losses::Losses as Lost;
use crate::traffic::rollup;

/// How many records wait in memory at most; a few hundred bytes each.
pub const CAPACITY: usize = 32_768;
/// The most that one transaction writes.
const BATCH_MAX: usize = 2_000;
/// How long records are collected before they are written.
const COLLECT_FOR: Duration = Duration::from_millis(200);
/// How long the database may take for what waits, before it is given up and told again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a database that fails is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often partitions are made ahead and old ones dropped.
const TIDY_EVERY: Duration = Duration::from_secs(3_600);
/// After this it is tried again if it failed.
const TIDY_AGAIN: Duration = Duration::from_secs(60);
/// For how many days after today there is a partition.
const DAYS_AHEAD: u64 = 2;
/// How long a stop tries to write what is left.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// So many days besides today.
    pub days: u16,
    /// The most that all days together take on disk, today's excepted; `None`: whatever they take.
    pub most_bytes: Option<i64>,
    /// What was counted of them, which outlives them.
    pub rollups: rollup::Keep,
}

/// One call of an accepted key. Its JSON is in the journal, which another version of the
/// bridge may read: a new field needs `#[serde(default)]`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct CallRecord {
    /// When it arrived.
    pub called_at: DateTime<Utc>,
    /// Whose key.
    pub api_key_id: ApiKeyId,
    /// Model and method; `None` if the body was no call.
    pub model: Option<Box<str>>,
    /// See `model`.
    pub method: Option<Box<str>>,
    /// What it named; `None` if its arguments were not looked into.
    pub shape: Option<Box<Shape>>,
    /// `ok`, the error's code, or `aborted` if the client went away.
    pub code: Cow<'static, str>,
    /// Why it failed, where that is known: `details.reason` of the answer.
    #[serde(default)]
    pub reason: Option<Box<str>>,
    /// What the model or method that it asked for is called now.
    #[serde(default)]
    pub now_called: Option<Box<str>>,
    /// `web`, `jsonrpc`, `json2`, `xmlrpc`; `None` if Odoo was not asked.
    pub way: Option<Cow<'static, str>>,
    /// The whole call.
    pub duration: Duration,
    /// Of it the wait for its turn; `None` if it came to none.
    pub queue: Option<Duration>,
    /// Of it the policy's decision.
    pub policy: Option<Duration>,
    /// Of it the time for which Odoo was asked for fields that had to be known, line
    /// included; `None`: they were.
    #[serde(default)]
    pub fields: Option<Duration>,
    /// Odoo's part of it.
    pub odoo: Option<Duration>,
    /// Of it the rest of a large result, after Odoo's part.
    pub stream: Option<Duration>,
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
            shape: None,
            code: Cow::Borrowed("ok"),
            reason: None,
            now_called: None,
            way: None,
            duration: Duration::ZERO,
            queue: None,
            policy: None,
            fields: None,
            odoo: None,
            stream: None,
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

    /// Why it failed, as its client is told.
    pub fn fails(&mut self, error: &AppError) {
        let detail = |name: &str| error.details.as_ref()?[name].as_str().map(Into::into);
        self.reason = detail("reason");
        self.now_called = detail("now_called");
    }

    /// What came of it.
    pub fn end(&mut self, code: &'static str, duration: Duration, odoo: Option<Duration>, answer_bytes: u64) {
        self.code = Cow::Borrowed(code);
        self.duration = duration;
        self.odoo = odoo;
        self.answer_bytes = answer_bytes;
    }
}

/// A record on its way: its id is fixed, so that one whose commit was not confirmed, or
/// that is in the journal of a process that is gone, can be written again.
pub(super) struct Numbered {
    pub(super) id: uuid::Uuid,
    pub(super) record: CallRecord,
}

/// What the writer has taken over and not written yet.
struct Inbox {
    received: mpsc::Receiver<Numbered>,
    batch: Vec<Numbered>,
    /// How many records came before the journal's last turn and are not written.
    before_turn: usize,
    days: Partitions,
    lost: Lost,
}

struct Inner {
    sender: mpsc::Sender<Numbered>,
    /// Held while a record goes into both, and while the journal takes its turn.
    journal: sync::Mutex<Option<Journal>>,
    /// Where journals are, this one's and those of others.
    folder: OnceLock<PathBuf>,
    /// Whether the log says already that it can't be written.
    journal_failed: AtomicBool,
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
            journal: sync::Mutex::new(None),
            folder: OnceLock::new(),
            journal_failed: AtomicBool::new(false),
            crowded: Notify::new(),
            dropped: AtomicU64::new(0),
            written: AtomicU64::new(0),
            inbox: Mutex::new(Inbox {
                received,
                batch: Vec::new(),
                before_turn: 0,
                days: Partitions::default(),
                lost: Lost::default(),
            }),
        }))
    }

    /// From now on records are in a file of this folder until they are in the database.
    /// Without it a kill loses what was not written yet.
    ///
    /// # Errors
    /// The folder or the files can't be made.
    pub fn keep_journal(&self, folder: &Path) -> io::Result<()> {
        *self.journal() = Some(Journal::open(folder)?);
        let _ = self.0.folder.set(folder.to_owned());
        Ok(())
    }

    fn journal(&self) -> sync::MutexGuard<'_, Option<Journal>> {
        // Whoever panicked with it left a line that is not whole at worst.
        self.0.journal.lock().unwrap_or_else(sync::PoisonError::into_inner)
    }

    /// Hands a record over. Never waits for the database: without room the record is
    /// dropped and counted.
    pub fn record(&self, record: CallRecord) {
        self.take(record);
        self.keep();
    }

    /// The same for one whose answer waits until it is [kept](Self::keep_together).
    pub fn take(&self, record: CallRecord) {
        let sender = &self.0.sender;
        let record = Numbered {
            id: uuid::Uuid::now_v7(),
            record,
        };
        let mut journal = self.journal();
        if let Ok(place) = sender.try_reserve() {
            if let Some(Err(error)) = journal.as_mut().map(|journal| journal.append(&record)) {
                self.tell_journal(&error);
            }
            place.send(record);
        } else {
            self.count_dropped(1);
        }
        drop(journal);
        if sender.capacity() < sender.max_capacity() / 2 {
            self.0.crowded.notify_one();
        }
    }

    /// What was taken is in the journal afterwards, by one write for all calls that can go
    /// on at this moment.
    pub async fn keep_together(&self) {
        tokio::task::yield_now().await;
        self.keep();
    }

    /// The same at once, for who can't wait.
    pub fn keep(&self) {
        if let Some(Err(error)) = self.journal().as_mut().map(Journal::keep) {
            self.tell_journal(&error);
        }
    }

    fn tell_journal(&self, error: &io::Error) {
        if !self.0.journal_failed.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the journal of call records can't be written; a kill would lose those that wait"
            );
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

    /// Writes, also what others left in the folder of journals, and drops what is more than
    /// `keep` says, until it is cancelled.
    pub async fn run(self, pool: PgPool, keep: Keep) {
        let mut tidy_at = Instant::now();
        let mut losses = Losses::default();
        loop {
            if Instant::now() >= tidy_at {
                let mut pause = TIDY_EVERY;
                if let Err(error) = self.tidy(&pool, keep).await {
                    losses.tell_untidy(&error);
                    pause = TIDY_AGAIN;
                }
                match self.take_over(&pool).await {
                    Ok(0) => {}
                    Ok(written) => tracing::info!(records = written, "call records of a process that is gone written"),
                    Err(error) => {
                        losses.tell_left_behind(&error);
                        pause = TIDY_AGAIN;
                    }
                }
                tidy_at = Instant::now() + pause;
            }
            // Not woken by each record: that would cost more than writing it.
            let _ = tokio::time::timeout(COLLECT_FOR, self.0.crowded.notified()).await;
            let written = tokio::time::timeout(WRITE_TIMEOUT, self.write_all(&pool)).await;
            if let Err(error) = written.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
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
        inbox.lost.notice(self.dropped(), Utc::now());
        loop {
            self.turn(&mut inbox);
            inbox.fill();
            if inbox.batch.is_empty() {
                return inbox.lost.tell(pool).await;
            }
            inbox.write(pool).await?;
            let count = inbox.batch.len();
            inbox.batch.clear();
            inbox.before_turn = inbox.before_turn.saturating_sub(count);
            self.0.written.fetch_add(count as u64, Ordering::Relaxed);
            telemetry::record_records_written(count as u64);
        }
    }

    /// Once all that came before the journal's last turn is written, that file is emptied, and
    /// what waits now is in one file, what comes after it in the other.
    fn turn(&self, inbox: &mut Inbox) {
        if inbox.before_turn > 0 {
            return;
        }
        let mut journal = self.journal();
        let Some(journal) = &mut *journal else { return };
        let forgotten = journal.keep().and(journal.forget());
        if journal.turn() {
            inbox.before_turn = inbox.batch.len() + inbox.received.len();
        }
        let all = if inbox.before_turn == 0 {
            journal.forget()
        } else {
            Ok(())
        };
        if let Err(error) = forgotten.and(all) {
            self.tell_journal(&error);
        }
    }

    /// Writes what processes that are gone left in the journal's folder: once, also if
    /// they had written a part of it.
    ///
    /// # Errors
    /// The folder's or the database's; what is left then stays where it is.
    pub async fn take_over(&self, pool: &PgPool) -> Result<u64, LeftBehindError> {
        let Some(folder) = self.0.folder.get().cloned() else {
            return Ok(0);
        };
        let left = tokio::task::spawn_blocking(move || journal::left_behind(&folder)).await;
        let mut written = 0;
        for mut left in left.map_err(io::Error::other)?? {
            let mut inbox = self.0.inbox.lock().await;
            while !left.records.is_empty() {
                let rest = left.records.split_off(left.records.len().min(BATCH_MAX));
                inbox.days.ensure(pool, &left.records).await?;
                store::write(pool, &left.records).await?;
                written += left.records.len() as u64;
                left.records = rest;
            }
            left.remove()?;
        }
        Ok(written)
    }

    async fn tidy(&self, pool: &PgPool, keep: Keep) -> Result<(), sqlx::Error> {
        let today = Utc::now().date_naive();
        let mut inbox = self.0.inbox.lock().await;
        inbox.days = Partitions::default();
        for day in today.iter_days().take(DAYS_AHEAD as usize + 1) {
            inbox.days.ensure_day(pool, day).await?;
        }
        drop(inbox);
        let first_kept = today.checked_sub_days(Days::new(keep.days.into())).unwrap_or(today);
        let dropped = store::drop_days_before(pool, first_kept).await?;
        usage::store::drop_days_before(pool, first_kept).await?;
        rollup::tidy(pool, keep.rollups, today).await?;
        Idempotency::tidy(pool).await?;
        if dropped > 0 {
            tracing::info!(days = dropped, "old call records dropped");
        }
        if let Some(most_bytes) = keep.most_bytes {
            let dropped = store::drop_days_above(pool, most_bytes, today).await?;
            if dropped > 0 {
                tracing::warn!(
                    days = dropped,
                    most_bytes,
                    "the oldest call records are dropped: all of them are larger than BRIDGE_CALLS_MAX_MB"
                );
            }
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
            self.batch.push(record);
        }
    }

    async fn write(&mut self, pool: &PgPool) -> Result<(), sqlx::Error> {
        self.days.ensure(pool, &self.batch).await?;
        let result = store::write(pool, &self.batch).await;
        if result.is_err() {
            // Perhaps a day that another instance dropped.
            self.days = Partitions::default();
        }
        result
    }
}

/// Days that have a partition.
#[derive(Default)]
struct Partitions(HashSet<NaiveDate>);

impl Partitions {
    async fn ensure(&mut self, pool: &PgPool, batch: &[Numbered]) -> Result<(), sqlx::Error> {
        let days: HashSet<NaiveDate> = batch.iter().map(|of| of.record.called_at.date_naive()).collect();
        for day in days {
            self.ensure_day(pool, day).await?;
        }
        Ok(())
    }

    async fn ensure_day(&mut self, pool: &PgPool, day: NaiveDate) -> Result<(), sqlx::Error> {
        if !self.0.contains(&day) {
            store::make_day(pool, day).await?;
            self.0.insert(day);
        }
        Ok(())
    }
}

/// Why what was left behind is still where it was.
#[derive(Debug, thiserror::Error)]
pub enum LeftBehindError {
    /// The folder or a file.
    #[error(transparent)]
    Files(#[from] io::Error),
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The newest calls of a key, and how many there were in the last 24 hours.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn of_key(pool: &PgPool, id: ApiKeyId) -> Result<KeyCalls> {
    store::of_key(pool, id).await
}
