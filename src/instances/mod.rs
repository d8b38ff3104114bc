//! What the instances of one bridge know of each other, through a Redis or Valkey: how many
//! of them are alive, and what is decided there for all of them. One that is gone is
//! noticed by whoever asks it first; from then on nobody waits for it, until a beat gets
//! through again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, FromRedisValue, RedisError, Script, ScriptInvocation};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::config::ConfigError;

/// How long an answer may take. Who waits in vain is the last one to ask.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(100);
/// How long a connection may take, TLS and sign-in included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How often an instance says that it is alive.
const BEAT_EVERY: Duration = Duration::from_millis(500);
/// How long it counts as alive after that: an instance that was killed is forgotten then.
const ALIVE_FOR: Duration = Duration::from_secs(3);
/// The pause between two tries to get through.
const TRY_EVERY: Duration = Duration::from_millis(250);
/// The instances that are alive, by their name, with the end of that.
pub const ALIVE: &str = "odoo-bridge:instances";
/// What is written to see whether writing works.
const TRIED: &str = "odoo-bridge:tried";
const LATE: &str = "it does not answer in time";

/// See the module.
pub struct Instances {
    client: Client,
    beat: Script,
    state: Mutex<State>,
    alive: watch::Sender<u32>,
    /// Wakes [`Self::run`], when the connection is lost.
    lost: Notify,
    times_gone: AtomicU64,
}

struct State {
    link: Option<Link>,
    gone: Option<Gone>,
}

#[derive(Clone)]
struct Gone {
    since: Instant,
    why: String,
}

/// A connection that works, and the name that this instance has on it. A new one has a new
/// name: what was said under the old one may or may not have been heard, and ends with it.
#[derive(Clone)]
pub struct Link {
    connection: MultiplexedConnection,
    /// Who says something, to the others.
    pub name: Arc<str>,
}

/// What is known at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstancesReport {
    /// Host and port of the Redis.
    pub place: String,
    /// Instances that are alive, with this one; while the Redis is gone, as they were last.
    pub alive: u32,
    /// For how long it has been gone, and why; `None`: it is there.
    pub gone: Option<(Duration, String)>,
    /// How often it went away since the start.
    pub times_gone: u64,
}

impl Instances {
    /// Opens no connection.
    ///
    /// # Errors
    /// When the address can't be used.
    pub fn new(redis: ConnectionInfo) -> Result<Self, ConfigError> {
        let client = Client::open(redis).map_err(|error| ConfigError(format!("REDIS_URL can't be used: {error}.")))?;
        Ok(Self {
            client,
            beat: Script::new(include_str!("beat.lua")),
            state: Mutex::new(State { link: None, gone: None }),
            alive: watch::Sender::new(1),
            lost: Notify::new(),
            times_gone: AtomicU64::new(0),
        })
    }

    /// Instances that are alive, with this one; while the Redis is gone, as they were last.
    #[must_use]
    pub fn alive(&self) -> u32 {
        *self.alive.borrow()
    }

    /// Learns whenever the number of those that are alive changes.
    #[must_use]
    pub fn watch_alive(&self) -> watch::Receiver<u32> {
        self.alive.subscribe()
    }

    /// What is known at this moment.
    #[must_use]
    pub fn report(&self) -> InstancesReport {
        let gone = self.lock().gone.clone();
        InstancesReport {
            place: self.client.get_connection_info().addr().to_string(),
            alive: self.alive(),
            gone: gone.map(|gone| (gone.since.elapsed(), gone.why)),
            times_gone: self.times_gone.load(Ordering::Relaxed),
        }
    }

    /// The way to the Redis; `None` while it is gone.
    #[must_use]
    pub fn link(&self) -> Option<Link> {
        self.lock().link.clone()
    }

    /// What a script comes to there; `None` if no answer came in time, which ends the link.
    pub async fn ask<T: FromRedisValue>(&self, link: &Link, script: &ScriptInvocation<'_>) -> Option<T> {
        let mut connection = link.connection.clone();
        match timeout(ANSWER_TIMEOUT, script.invoke_async(&mut connection)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                self.lose(link, &error);
                None
            }
            Err(_) => {
                self.lose(link, &LATE);
                None
            }
        }
    }

    /// Keeps the link and says that this instance is alive; never ends.
    pub async fn run(&self) {
        let mut name = self.link().map_or_else(|| Arc::from(""), |link| link.name);
        loop {
            while let Some(link) = self.link() {
                name = Arc::clone(&link.name);
                let lost = timeout(BEAT_EVERY, self.lost.notified()).await.is_ok();
                if !lost {
                    self.beat(&link, "").await;
                }
            }
            tokio::time::sleep(TRY_EVERY).await;
            self.connect(&name).await;
        }
    }

    /// Tries to get through once, also to be heard under a new name instead of `before`.
    pub async fn connect(&self, before: &str) {
        match self.open().await {
            Ok(link) => {
                if self.beat(&link, before).await {
                    self.found(link);
                }
            }
            Err(error) => self.gone(&mut self.lock(), &error),
        }
    }

    /// Whether it answers and lets scripts write; the others do not hear of it.
    ///
    /// # Errors
    /// What is wrong, in the words of the client or of Redis.
    pub async fn check(&self) -> Result<(), String> {
        let link = self.open().await.map_err(|error| error.to_string())?;
        let mut connection = link.connection;
        let script = self.beat_of(TRIED, &link.name, "");
        match timeout(ANSWER_TIMEOUT, script.invoke_async::<u32>(&mut connection)).await {
            Ok(answer) => answer.map(drop).map_err(|error| error.to_string()),
            Err(_) => Err(LATE.to_owned()),
        }
    }

    async fn open(&self) -> Result<Link, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None);
        let connection = self.client.get_multiplexed_async_connection_with_config(&config);
        Ok(Link {
            connection: connection.await?,
            name: Uuid::now_v7().to_string().into(),
        })
    }

    async fn beat(&self, link: &Link, before: &str) -> bool {
        let script = self.beat_of(ALIVE, &link.name, before);
        let Some(alive) = self.ask::<u32>(link, &script).await else {
            return false;
        };
        let alive = alive.max(1);
        self.alive
            .send_if_modified(|known| std::mem::replace(known, alive) != alive);
        true
    }

    fn beat_of(&self, instances: &str, name: &str, before: &str) -> ScriptInvocation<'_> {
        let alive_for = u64::try_from(ALIVE_FOR.as_millis()).unwrap_or(u64::MAX);
        let mut script = self.beat.key(instances);
        script.arg(name).arg(before).arg(alive_for);
        script
    }

    /// Says that this instance ends: the others need not wait until it is forgotten.
    pub async fn leave(&self) {
        let Some(link) = self.lock().link.take() else { return };
        let mut connection = link.connection.clone();
        let mut command = redis::cmd("ZREM");
        command.arg(ALIVE).arg(&*link.name);
        let left = timeout(ANSWER_TIMEOUT, command.exec_async(&mut connection));
        if !matches!(left.await, Ok(Ok(()))) {
            tracing::debug!("the other instances notice by themselves that this one ends");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, link: Link) {
        let gone = {
            let mut state = self.lock();
            state.link = Some(link);
            state.gone.take()
        };
        let gone_ms = gone.map_or(0, |gone| gone.since.elapsed().as_millis() as u64);
        let instances = self.alive();
        tracing::info!(gone_ms, instances, "limits are shared through Redis");
    }

    /// Ends a link that failed, if another call did not do so before.
    fn lose(&self, link: &Link, why: &dyn std::fmt::Display) {
        let mut state = self.lock();
        if state.link.as_ref().is_some_and(|current| current.name != link.name) {
            return;
        }
        state.link = None;
        self.gone(&mut state, why);
        self.lost.notify_one();
    }

    fn gone(&self, state: &mut State, why: &dyn std::fmt::Display) {
        if state.gone.is_some() {
            return;
        }
        let (since, why) = (Instant::now(), why.to_string());
        self.times_gone.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            why,
            "Redis is gone, this instance holds its share of the limits by itself"
        );
        state.gone = Some(Gone { since, why });
    }
}
