//! Calls that are safe to repeat: with an `Idempotency-Key` a call is written down
//! before it leaves, and its answer afterwards. The same call once more gets the same
//! answer and is not sent; another one under the same key is refused. Of a call whose
//! answer nobody learnt, a repeat is told just that: it is never sent again, unless it
//! makes records under external ids (`external_id`), where Odoo finds what is there.

mod room;
mod store;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use http::{HeaderMap, HeaderName};
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgPool};

use crate::calls::gateway::{Failed, Outcome};
use crate::calls::idempotency::room::Room;
use crate::calls::idempotency::store::Kept;
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::ApiKeyId;
use crate::odoo::Data;

/// The header.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// How a repeat finds out what became of a call: `external-id`, or not there.
pub const IDEMPOTENCY_MODE: HeaderName = HeaderName::from_static("idempotency-mode");
/// In the answer to a repeat.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest key, in bytes.
const KEY_MAX_LEN: usize = 255;
/// The largest result that is kept, in bytes. What writes answer is far smaller.
const DATA_MAX_BYTES: usize = 256 * 1024;
/// For how long a repeat gets the same answer.
const KEPT_FOR: TimeDelta = TimeDelta::hours(24);
/// How often it is tried to write an answer down.
const TRIES: u32 = 4;
/// How often an instance looks whether the others see that it is alive.
const SHOWN_EVERY: Duration = Duration::from_secs(1);
/// How long the database may take for that.
const SHOWN_WITHIN: Duration = Duration::from_secs(3);

/// What a client calls its call, so that it can repeat it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    key: String,
    by_external_id: bool,
}

impl IdempotencyKey {
    /// Out of the headers; `None` if there is none.
    ///
    /// # Errors
    /// `invalid_request` if there are several, or it is empty, long, or not plain text, or
    /// its mode is unknown.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>> {
        let mut modes = headers.get_all(IDEMPOTENCY_MODE).iter();
        let by_external_id = match (modes.next(), modes.next()) {
            (None, _) => false,
            (Some(mode), None) if mode == "external-id" => true,
            _ => {
                return Err(AppError::invalid(
                    "Idempotency-Mode must be there once, as external-id.",
                ));
            }
        };
        let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(key) = keys.next() else {
            if by_external_id {
                return Err(AppError::invalid("Idempotency-Mode needs an Idempotency-Key."));
            }
            return Ok(None);
        };
        let plain = key.to_str().ok().filter(|key| {
            (1..=KEY_MAX_LEN).contains(&key.len())
                && key.bytes().all(|byte| byte.is_ascii_graphic())
                && keys.next().is_none()
        });
        match plain {
            Some(key) => Ok(Some(Self {
                key: key.to_owned(),
                by_external_id,
            })),
            None => Err(AppError::invalid(format!(
                "Idempotency-Key must be there once, with 1 to {KEY_MAX_LEN} letters, digits or signs and no blanks."
            ))),
        }
    }

    /// As the client sent it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// Whether the records are made under external ids.
    #[must_use]
    pub const fn by_external_id(&self) -> bool {
        self.by_external_id
    }

    /// What a repeat has to have in common with its first call.
    fn hash_of(&self, body: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(body);
        if self.by_external_id {
            // Never taken for the same body sent as it is.
            hash.update(b"\0external-id");
        }
        hash.finalize().into()
    }
}

/// What is to be done with a call.
pub enum Begun {
    /// It is new: send it.
    New(Slip),
    /// It was done before: this is what came of it.
    Before(Result<Bytes>),
}

/// A call that was written down and is on its way.
pub struct Slip {
    calls: Idempotency,
    api_key_id: ApiKeyId,
    key: IdempotencyKey,
    /// Whether it was written down here and is not sent yet.
    is_unsent: bool,
    /// Whether it was sent before, and nobody learnt what became of it.
    is_repeat: bool,
}

impl Drop for Slip {
    fn drop(&mut self) {
        let (calls, id, key) = (self.calls.clone(), self.api_key_id, self.key.clone());
        if !self.is_unsent {
            calls.running().remove(&(id, key));
            return;
        }
        let is_repeat = self.is_repeat;
        tokio::spawn(async move {
            let undone = if is_repeat {
                store::end(&calls.0.pool, id, &key.key, None, Some(&nobody_learnt())).await
            } else {
                // Its client went away before it was sent: as if it had never come.
                store::forget(&calls.0.pool, id, &key.key).await
            };
            if let Err(error) = undone {
                error.log();
            }
            calls.running().remove(&(id, key));
        });
    }
}

struct Inner {
    pool: PgPool,
    /// This start of this instance.
    instance: uuid::Uuid,
    /// After this, no call of any instance runs any more.
    longest: Duration,
    room: Room,
    running: Mutex<HashSet<(ApiKeyId, IdempotencyKey)>>,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Idempotency(Arc<Inner>);

impl Idempotency {
    /// `longest`: how long a call may take at most, the wait for its turn included.
    #[must_use]
    pub fn new(pool: PgPool, longest: Duration) -> Self {
        Self(Arc::new(Inner {
            pool,
            instance: uuid::Uuid::now_v7(),
            longest,
            room: Room::new(),
            running: Mutex::default(),
        }))
    }

    /// Shows the other instances that this one is alive, until it is cancelled: holds a
    /// lock in the database, which ends with the connection, however the process ends.
    pub async fn run(self) {
        let pool = self.0.pool.clone();
        let shown = async {
            loop {
                if let Err(error) = self.show().await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "not seen as alive");
                }
                tokio::time::sleep(SHOWN_EVERY).await;
            }
        };
        let _: Result<(), _> = pool.close_event().do_until(shown).await;
    }

    /// Until the connection breaks.
    async fn show(&self) -> Result<(), sqlx::Error> {
        let mut connection = self.0.pool.acquire().await?.detach();
        store::show_alive(&mut connection, self.0.instance).await?;
        loop {
            tokio::time::sleep(SHOWN_EVERY).await;
            let pong = tokio::time::timeout(SHOWN_WITHIN, connection.ping()).await;
            pong.map_err(|_| sqlx::Error::PoolTimedOut)??;
        }
    }

    /// Writes a call down before it is sent, or finds what came of it.
    ///
    /// # Errors
    /// `idempotency_conflict` if it had another body, or still runs; `outcome_unknown` if
    /// nobody learnt what became of it; `overloaded` if too much is kept of this key already;
    /// `unavailable`, `internal`: then nothing is sent.
    pub async fn begin(&self, api_key_id: ApiKeyId, key: &IdempotencyKey, body: &[u8]) -> Result<Begun> {
        // Before the database knows of it, so that another one finds it here.
        if !self.running().insert((api_key_id, key.clone())) {
            return Err(still_running());
        }
        let mut slip = Slip {
            calls: self.clone(),
            api_key_id,
            key: key.clone(),
            is_unsent: false,
            is_repeat: false,
        };
        let (hash, oldest) = (key.hash_of(body), Utc::now() - KEPT_FOR);
        let inner = &self.0;
        // A repeat finds its answer also where there is no room for another call.
        if let Some(full) = inner.room.refuses(&inner.pool, api_key_id).await?
            && store::find(&inner.pool, api_key_id, &key.key).await?.is_none()
        {
            return Err(full);
        }
        if store::begin(&inner.pool, api_key_id, &key.key, &hash, inner.instance, oldest).await? {
            slip.is_unsent = true;
            inner.room.add_call(api_key_id);
            return Ok(Begun::New(slip));
        }
        let Some(kept) = store::find(&inner.pool, api_key_id, &key.key).await? else {
            // Another instance had it, and did not send it.
            return Err(still_running());
        };
        if kept.body_hash != hash.as_slice() {
            return Err(AppError::new(
                ErrorCode::IdempotencyConflict,
                "This Idempotency-Key was used with another body or mode. Use a new key for another call.",
            ));
        }
        let error = match (kept.ended_at, &kept.data, &kept.error) {
            (Some(_), Some(data), _) => return Ok(Begun::Before(Ok(data.clone().into()))),
            (Some(_), None, Some(error)) => serde_json::from_str(error).map_err(AppError::internal)?,
            (Some(_), None, None) => AppError::new(
                ErrorCode::IdempotencyConflict,
                "The call with this Idempotency-Key was done. Its answer was too large to be kept.",
            ),
            (None, ..) if self.may_run(&kept).await? => return Err(still_running()),
            (None, ..) => nobody_learnt(),
        };
        if error.code != ErrorCode::OutcomeUnknown || !key.by_external_id {
            return Ok(Begun::Before(Err(error)));
        }
        if !store::take_over(&inner.pool, api_key_id, &key.key, &kept, inner.instance).await? {
            return Err(still_running());
        }
        (slip.is_unsent, slip.is_repeat) = (true, true);
        Ok(Begun::New(slip))
    }

    /// Whether a call that was written down and has no answer may still be running.
    async fn may_run(&self, kept: &Kept) -> Result<bool> {
        let longest = TimeDelta::from_std(self.0.longest).unwrap_or(KEPT_FOR);
        // Here it does not run: whoever asks holds its place.
        Ok(kept.instance != self.0.instance
            && Utc::now() - kept.begun_at < longest
            && store::is_alive(&self.0.pool, kept.instance).await?)
    }

    /// Ends when no call runs here any more, also of those whose client went away.
    pub async fn ended(&self) {
        while !self.running().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Removes what is older than a day.
    ///
    /// # Errors
    /// The database's.
    pub async fn tidy(pool: &PgPool) -> Result<(), sqlx::Error> {
        store::remove_before(pool, Utc::now() - KEPT_FOR).await
    }

    fn running(&self) -> MutexGuard<'_, HashSet<(ApiKeyId, IdempotencyKey)>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slip {
    /// From here on it may happen.
    pub const fn sent(&mut self) {
        self.is_unsent = false;
    }

    /// Writes down what came of the call, and says what its client is told; forgets a
    /// call that was not sent, so that a repeat of it is.
    pub async fn end(self, answer: Result<Outcome, Failed>) -> Result<Outcome, Failed> {
        let answer = if self.key.by_external_id {
            answer.map_err(|failed| by_external_id(failed, self.is_repeat))
        } else {
            answer
        };
        for attempt in 1..=TRIES {
            match self.try_end(&answer).await {
                Ok(()) => break,
                Err(error) if attempt == TRIES => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        key.id = %self.api_key_id,
                        "the answer to a call with an Idempotency-Key is not kept: a repeat will be told that its outcome is unknown"
                    );
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        }
        answer
    }

    async fn try_end(&self, answer: &Result<Outcome, Failed>) -> Result<()> {
        let pool = &self.calls.0.pool;
        match answer {
            Ok(outcome) => {
                let data = match &outcome.data {
                    Data::Whole(bytes) if bytes.len() <= DATA_MAX_BYTES => Some(&bytes[..]),
                    Data::Whole(_) | Data::Stream(_) => None,
                };
                self.calls
                    .0
                    .room
                    .add_bytes(self.api_key_id, data.map_or(0, <[u8]>::len));
                store::end(pool, self.api_key_id, &self.key.key, data, None).await
            }
            Err(_) if self.is_repeat => {
                store::end(pool, self.api_key_id, &self.key.key, None, Some(&nobody_learnt())).await
            }
            Err(failed) if was_not_done(failed.error.code) => store::forget(pool, self.api_key_id, &self.key.key).await,
            Err(failed) => store::end(pool, self.api_key_id, &self.key.key, None, Some(&failed.error)).await,
        }
    }
}

/// Whether it is sure that nothing happened: it was not sent, or only read. All else is
/// kept, so that it is never sent again.
const fn was_not_done(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::InvalidRequest
            | ErrorCode::OdooAuthFailed
            | ErrorCode::OdooTimeout
            | ErrorCode::OdooUnavailable
            | ErrorCode::OdooUnreachable
            | ErrorCode::Overloaded
    )
}

fn still_running() -> AppError {
    AppError::new(
        ErrorCode::IdempotencyConflict,
        "The first call with this Idempotency-Key is still running. Repeat it a little later.",
    )
    .retry_after_secs(1)
}

/// What is told of a call under an external id that has no result. Whatever came of a
/// repeat, the first one may have happened.
fn by_external_id(failed: Failed, is_repeat: bool) -> Failed {
    let sentence = match failed.error.code {
        ErrorCode::OutcomeUnknown => {
            "The call was sent to Odoo, but its answer was lost. Repeat it with the same headers: Odoo finds what it made."
                .to_owned()
        }
        code if is_repeat && !was_not_done(code) => format!(
            "Nobody learnt what became of the call with this Idempotency-Key. It was sent once more, and was not done this time: {}",
            failed.error.message
        ),
        _ => return failed,
    };
    Failed {
        error: AppError::new(ErrorCode::OutcomeUnknown, sentence).caused_by(failed.error),
        ..failed
    }
}

fn nobody_learnt() -> AppError {
    AppError::new(
        ErrorCode::OutcomeUnknown,
        "The call with this Idempotency-Key was sent to Odoo, but nobody learnt what became of it. It may have happened: look in Odoo before you send it under another key.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_there_once_and_plain() {
        let of = |keys: &[&str]| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append(IDEMPOTENCY_KEY, key.parse().expect("a value"));
            }
            IdempotencyKey::of(&headers).map_err(|error| error.code)
        };
        assert_eq!(of(&[]), Ok(None));
        let key = of(&["order-7/1"]).expect("a key").expect("there");
        assert_eq!((key.as_str(), key.by_external_id()), ("order-7/1", false));
        let long = "x".repeat(256);
        for wrong in [&[""][..], &["a b"], &["a", "a"], &[&long], &["\u{e4}"]] {
            assert_eq!(of(wrong), Err(ErrorCode::InvalidRequest), "{wrong:?}");
        }
    }

    #[test]
    fn a_mode_is_known_and_goes_with_a_key() {
        let of = |headers: &[(HeaderName, &str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.clone(), value.parse().expect("a value")));
            IdempotencyKey::of(&headers.collect()).map_err(|error| error.code)
        };
        let key = of(&[(IDEMPOTENCY_KEY, "a"), (IDEMPOTENCY_MODE, "external-id")]);
        let key = key.expect("a key").expect("there");
        assert!(key.by_external_id());
        let plain = of(&[(IDEMPOTENCY_KEY, "a")]).expect("a key").expect("there");
        assert_ne!(key.hash_of(b"{}"), plain.hash_of(b"{}"), "a repeat keeps to its mode");
        for wrong in [
            &[(IDEMPOTENCY_MODE, "external-id")][..],
            &[(IDEMPOTENCY_KEY, "a"), (IDEMPOTENCY_MODE, "External-Id")],
            &[(IDEMPOTENCY_KEY, "a"), (IDEMPOTENCY_MODE, "")],
        ] {
            assert_eq!(of(wrong), Err(ErrorCode::InvalidRequest), "{wrong:?}");
        }
    }
}
