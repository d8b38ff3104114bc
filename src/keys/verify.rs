//! Whether a presented key is accepted. What the database says of a key is
//! remembered; every change is told by `NOTIFY`, and changes are looked for
//! every half second as well, so that a lost notification costs at most that.
//! While neither could be had for a second, nothing remembered is trusted.
//! All public ids are kept as well, so that a flood of keys that do not exist asks
//! the database next to nothing.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use quick_cache::sync::Cache;
use sqlx::PgPool;
use sqlx::postgres::PgListener;

use crate::error::Result;
use crate::ids::ApiKeyId;
use crate::keys::allowance::Allowance;
use crate::keys::known_ids::KnownIds;
use crate::keys::limits::Limits;
use crate::keys::model::{Ends, KeyStatus};
use crate::keys::policy::Policy;
use crate::keys::secret::{KeyHash, PlainKey, PublicId};
use crate::keys::store;
use crate::server::telemetry;

/// How many keys are remembered.
const REMEMBERED: usize = 100_000;
/// How often changes are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long it may take to begin to listen and to read all ids.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a look may take; what it was needed for is not trusted by then anyway.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);
/// How long what is remembered is trusted without a look.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How far each look goes back: a change becomes visible a little after the
/// instant that it wrote.
const OVERLAP: chrono::Duration = chrono::Duration::seconds(10);
/// How many ids a second that are not in the set are asked for all the same: a key
/// made a moment ago is there before the news of it.
const DOUBTS_PER_SECOND: u32 = 20;
/// How many rejections a second are logged; all are counted.
const TOLD_PER_SECOND: u32 = 10;

/// A key that was accepted. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthedKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What it is for.
    pub name: Arc<str>,
    /// Whether identical reads in flight may share one call to Odoo.
    pub share_reads: bool,
    /// What it may do.
    pub policy: Arc<Policy>,
    /// At which pace, how often and from where.
    pub limits: Arc<Limits>,
}

/// Why a key is not accepted. For the log only: a client gets the same answer
/// for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// None was presented, or more than one.
    Missing,
    /// It has not the shape of a key, or a wrong checksum.
    Malformed,
    /// No such key.
    Unknown,
    /// There is such a public id, but the secret is another.
    WrongSecret,
    /// It is switched off.
    Disabled,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl Rejection {
    /// The word in the log and the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::WrongSecret => "wrong_secret",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// What the database said of a public id.
#[derive(Clone)]
struct Remembered {
    key: AuthedKey,
    hash: KeyHash,
    ends: Ends,
}

struct Inner {
    pool: PgPool,
    /// `None`: the database knows no such key.
    cache: Cache<PublicId, Option<Arc<Remembered>>>,
    /// Every key's public id, perhaps some that are gone; `None` until loaded.
    ids: KnownIds,
    doubts: Allowance,
    told: Allowance,
    lookups: AtomicU64,
    /// Grows with every forgetting: an answer that was read before it is not
    /// remembered after it.
    generation: AtomicU64,
    /// When the cache was last known to be true.
    looked_at: Mutex<Option<Instant>>,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct KeyVerifier(Arc<Inner>);

impl KeyVerifier {
    /// Remembers nothing yet, and trusts nothing until [`Self::run`] runs.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self(Arc::new(Inner {
            pool,
            cache: Cache::new(REMEMBERED),
            ids: KnownIds::default(),
            doubts: Allowance::new(DOUBTS_PER_SECOND),
            told: Allowance::new(TOLD_PER_SECOND),
            lookups: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            looked_at: Mutex::new(None),
        }))
    }

    /// Decides at `now`.
    ///
    /// # Errors
    /// `unavailable` or `internal` when the database is needed and fails: no key
    /// is accepted on hope.
    pub async fn verify(
        &self,
        presented: &[u8],
        now: DateTime<Utc>,
    ) -> Result<std::result::Result<AuthedKey, Rejection>> {
        let Some(plain) = PlainKey::parse(presented) else {
            return Ok(Err(Rejection::Malformed));
        };
        let Some(remembered) = self.look_up(plain.public_id()).await? else {
            return Ok(Err(Rejection::Unknown));
        };
        if !remembered.hash.matches(&plain.hash()) {
            return Ok(Err(Rejection::WrongSecret));
        }
        Ok(match KeyStatus::at(now, remembered.ends) {
            KeyStatus::Active => Ok(remembered.key.clone()),
            KeyStatus::Disabled => Err(Rejection::Disabled),
            KeyStatus::Expired => Err(Rejection::Expired),
            KeyStatus::Revoked => Err(Rejection::Revoked),
        })
    }

    /// Counts a rejection, and logs it unless there are too many.
    pub fn tell_rejected(&self, rejection: Rejection) {
        telemetry::record_rejected_key(rejection.as_str());
        if let Some(left_out) = self.0.told.take(Instant::now()) {
            tracing::info!(reason = rejection.as_str(), left_out, "key rejected");
        }
    }

    /// How often the database was asked for a key, since the start.
    #[must_use]
    pub fn lookups(&self) -> u64 {
        self.0.lookups.load(Ordering::Relaxed)
    }

    /// Forgets what is remembered of a key that was made or changed, by its prefix
    /// `obk_AbCd1234`.
    pub fn forget(&self, prefix: &str) {
        if let Some(id) = prefix.strip_prefix("obk_").and_then(PublicId::parse) {
            self.forget_id(id);
        }
    }

    async fn look_up(&self, id: PublicId) -> Result<Option<Arc<Remembered>>> {
        let inner = &*self.0;
        if self.is_trusted() {
            if let Some(remembered) = inner.cache.get(&id) {
                return Ok(remembered);
            }
            if inner.ids.lacks(id) && inner.doubts.take(Instant::now()).is_none() {
                return Ok(None);
            }
        }
        inner.lookups.fetch_add(1, Ordering::Relaxed);
        telemetry::record_key_lookup();
        let generation = inner.generation.load(Ordering::Acquire);
        let found = store::find_verifiable(&inner.pool, id).await?.map(|key| {
            let (policy, limits) = match Limits::parse(&key.limits) {
                Ok(limits) => (Policy::load(&key.policy), limits),
                // Limits that can't be read must not turn into none.
                Err(_) => (Policy::Nothing, Limits::default()),
            };
            Arc::new(Remembered {
                key: AuthedKey {
                    id: key.id,
                    name: key.name.into(),
                    share_reads: key.share_reads,
                    policy: Arc::new(policy),
                    limits: Arc::new(limits),
                },
                hash: key.hash,
                ends: key.ends,
            })
        });
        if inner.generation.load(Ordering::Acquire) == generation {
            inner.cache.insert(id, found.clone());
            // A forgetting between the look and the insert came too early for it.
            if inner.generation.load(Ordering::Acquire) != generation {
                inner.cache.remove(&id);
            }
        }
        Ok(found)
    }

    fn is_trusted(&self) -> bool {
        let looked_at = *self.0.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        looked_at.is_some_and(|at| at.elapsed() < TRUSTED_FOR)
    }

    fn forget_id(&self, id: PublicId) {
        self.0.ids.add(id);
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        self.0.cache.remove(&id);
    }

    fn forget_all(&self) {
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        self.0.cache.clear();
    }

    /// Reads the ids of all keys, without a copy of all rows.
    async fn load_ids(&self) -> Result<(), sqlx::Error> {
        let mut ids = HashSet::new();
        let mut rows = std::pin::pin!(store::public_ids(&self.0.pool));
        while let Some(id) = rows.try_next().await? {
            ids.extend(PublicId::parse(&id));
        }
        self.0.ids.set(Some(ids));
        Ok(())
    }

    fn set_looked_at(&self, at: Option<Instant>) {
        *self.0.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Keeps the cache true until it is cancelled. A database that is away is
    /// tried again every half second; meanwhile each call asks it itself.
    pub async fn run(self) {
        loop {
            let error = match self.watch().await {
                Ok(()) => "the connection ended".to_owned(),
                Err(error) => error.to_string(),
            };
            self.set_looked_at(None);
            self.0.ids.set(None);
            self.forget_all();
            tracing::warn!(
                error,
                "changes of keys are not being told; asking the database for each call"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Listens and looks until the connection ends.
    async fn watch(&self) -> Result<(), sqlx::Error> {
        let pool = &self.0.pool;
        let listening = async {
            let mut listener = PgListener::connect_with(pool).await?;
            listener.listen("api_keys").await?;
            // After it listens: what is not in the set yet is told, and read below.
            self.load_ids().await?;
            Ok::<_, sqlx::Error>(listener)
        };
        let listening = tokio::time::timeout(LISTEN_TIMEOUT, listening).await;
        let mut listener = listening.map_err(|_| sqlx::Error::PoolTimedOut)??;
        self.forget_all();
        // The changes that the last look saw.
        let mut seen = HashMap::new();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                told = listener.try_recv() => match told? {
                    Some(notification) => match PublicId::parse(notification.payload()) {
                        Some(id) => self.forget_id(id),
                        None => self.forget_all(),
                    },
                    None => return Ok(()),
                },
                _ = ticks.tick() => {
                    // Before the question: a change after it is not in its answer.
                    let asked_at = Instant::now();
                    let changes = async { store::changed_since(pool, store::now(pool).await? - OVERLAP).await };
                    let changes = tokio::time::timeout(LOOK_TIMEOUT, changes).await;
                    let changed: HashMap<_, _> =
                        changes.map_err(|_| sqlx::Error::PoolTimedOut)??.into_iter().collect();
                    for (id, _) in changed.iter().filter(|(id, at)| seen.get(*id) != Some(*at)) {
                        self.forget_id(*id);
                    }
                    seen = changed;
                    self.set_looked_at(Some(asked_at));
                }
            }
        }
    }
}
