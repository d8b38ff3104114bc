//! Who is told: added, tried and removed by admins. Where a channel leads is sealed by the
//! bridge's own key, and in no log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::alerts::model::{Channel, ChannelKind, Delivery, Target, parse_mailbox, parse_url};
use crate::alerts::send::{Sender, Told};
use crate::alerts::store::{self, Stored};
use crate::audit::log::{Action, Actor, Change, record};
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::AlertChannelId;
use crate::sealing::SealingKey;

/// The most channels.
const MOST: i64 = 20;

/// The place that a channel's address is sealed for.
pub(super) fn context(id: AlertChannelId) -> String {
    format!("alert channel {id}")
}

fn nothing() -> AppError {
    AppError::new(ErrorCode::Conflict, "There is no such channel any more.")
}

/// All channels, by name.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn list(pool: &PgPool, sealing: &SealingKey) -> Result<Vec<Channel>> {
    let stored = store::channels(pool).await?.into_iter();
    let channel = stored.map(|stored| Channel {
        shown: open(sealing, &stored).map(|target| target.shown()),
        id: stored.id,
        name: stored.name,
        kind: stored.kind,
        created_by: stored.created_by,
    });
    Ok(channel.collect())
}

/// How many channels there are.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn count(pool: &PgPool) -> Result<i64> {
    store::count(&mut *pool.acquire().await?).await
}

/// What was told last, the newest first.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn deliveries(pool: &PgPool) -> Result<Vec<Delivery>> {
    store::deliveries(pool).await
}

fn open(sealing: &SealingKey, stored: &Stored) -> Option<Target> {
    let plain = sealing.unseal(&context(stored.id), &stored.sealed)?;
    Target::from_text(std::str::from_utf8(plain.expose_secret()).ok()?)
}

/// Adds a channel; of a webhook, the key that its receiver checks signatures with. It is
/// shown this once.
///
/// # Errors
/// `invalid_request` that names the field; `conflict` if the name is taken or there are too
/// many; `unavailable`, `internal`.
pub async fn add(
    pool: &PgPool,
    sealing: &SealingKey,
    name: String,
    kind: ChannelKind,
    address: &str,
    by: &Actor,
) -> Result<Option<SecretString>> {
    let (target, key) = match kind {
        ChannelKind::Webhook => {
            let bytes: [u8; 32] = rand::random();
            let key = SecretString::from(STANDARD.encode(bytes));
            let url = parse_url(address)?;
            let target = Target::Webhook { url, key: key.clone() };
            (target, Some(key))
        }
        ChannelKind::Email => {
            let to = parse_mailbox(address)?;
            (Target::Email { to }, None)
        }
    };
    let mut transaction = pool.begin().await?;
    if store::count(&mut transaction).await? >= MOST {
        let why = format!("There are {MOST} channels already, the most that there can be.");
        return Err(AppError::new(ErrorCode::Conflict, why));
    }
    let id = AlertChannelId(Uuid::now_v7());
    let channel = Stored {
        id,
        name,
        kind,
        sealed: sealing.seal(&context(id), target.to_text().expose_secret().as_bytes()),
        created_by: by.user.as_ref().map_or_else(String::new, |user| user.email.to_string()),
    };
    store::insert(&mut transaction, &channel).await?;
    let change = Change {
        after: Some(kind.label()),
        ..Change::of(Action::AlertChannelAdded, id.0, &channel.name)
    };
    record(&mut transaction, by, change).await?;
    transaction.commit().await?;
    Ok(key)
}

/// Removes a channel; what was still to be told there is not told.
///
/// # Errors
/// `conflict` if it is gone; `unavailable`, `internal`.
pub async fn remove(pool: &PgPool, id: AlertChannelId, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let (name, kind) = store::remove(&mut transaction, id).await?.ok_or_else(nothing)?;
    let change = Change {
        before: Some(kind.label()),
        ..Change::of(Action::AlertChannelRemoved, id.0, &name)
    };
    record(&mut transaction, by, change).await?;
    Ok(transaction.commit().await?)
}

/// Sends a test there, now; whether it arrived, and if not why.
///
/// # Errors
/// `conflict` if it is gone; `unavailable`, `internal`.
pub async fn try_out(
    pool: &PgPool,
    sealing: &SealingKey,
    sender: &Sender,
    id: AlertChannelId,
) -> Result<Result<(), String>> {
    let mut channels = store::channels(pool).await?.into_iter();
    let channel = channels.find(|channel| channel.id == id).ok_or_else(nothing)?;
    let Some(target) = open(sealing, &channel) else {
        return Ok(Err(
            "another bridge's key sealed its address: add the channel anew".to_owned()
        ));
    };
    let told = Told {
        id: Uuid::now_v7(),
        subject: format!("test: {}", channel.name),
        body: json!({ "event": "test", "channel": channel.name }),
        page: "/speed-test/schedules".to_owned(),
    };
    Ok(sender.send(&target, &told).await)
}
