//! Keeps channels and deliveries. The only SQL of alerts' telling.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::alerts::model::{ChannelKind, Delivery, pause};
use crate::alerts::outbox::News;
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::AlertChannelId;

/// How long who takes a delivery has for it, in seconds: it is tried again by anybody then.
const LEASE_SECS: f64 = 15.0;
/// How many deliveries the page shows.
const SHOWN: i64 = 20;

/// A channel as the database has it.
pub(super) struct Stored {
    pub(super) id: AlertChannelId,
    pub(super) name: String,
    pub(super) kind: ChannelKind,
    pub(super) sealed: Vec<u8>,
    pub(super) created_by: String,
}

fn kind_of(word: &str) -> Result<ChannelKind> {
    ChannelKind::from_word(word).ok_or_else(|| AppError::internal("an alert channel of an unknown kind is stored"))
}

/// All, by name.
pub(super) async fn channels(pool: &PgPool) -> Result<Vec<Stored>> {
    let rows = sqlx::query!(
        r#"SELECT id AS "id: AlertChannelId", name, kind, sealed, created_by FROM alert_channels ORDER BY name"#
    )
    .fetch_all(pool)
    .await?;
    let channel = rows.into_iter().map(|row| {
        Ok(Stored {
            id: row.id,
            name: row.name,
            kind: kind_of(&row.kind)?,
            sealed: row.sealed,
            created_by: row.created_by,
        })
    });
    channel.collect()
}

/// How many there are.
pub(super) async fn count(connection: &mut PgConnection) -> Result<i64> {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM alert_channels"#)
        .fetch_one(connection)
        .await?;
    Ok(count)
}

/// Keeps a new one.
pub(super) async fn insert(connection: &mut PgConnection, channel: &Stored) -> Result<()> {
    let done = sqlx::query!(
        "INSERT INTO alert_channels (id, name, kind, sealed, created_by) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT ON CONSTRAINT alert_channels_name_key DO NOTHING",
        channel.id.0,
        channel.name,
        channel.kind.as_str(),
        channel.sealed,
        channel.created_by
    )
    .execute(connection)
    .await?;
    if done.rows_affected() > 0 {
        return Ok(());
    }
    Err(AppError::new(
        ErrorCode::Conflict,
        "Name: there is a channel of this name already.",
    ))
}

/// Removes one, with what was to be told there; its name and kind.
pub(super) async fn remove(connection: &mut PgConnection, id: AlertChannelId) -> Result<Option<(String, ChannelKind)>> {
    let row = sqlx::query!("DELETE FROM alert_channels WHERE id = $1 RETURNING name, kind", id.0)
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok((row.name, kind_of(&row.kind)?))).transpose()
}

/// The newest deliveries.
pub(super) async fn deliveries(pool: &PgPool) -> Result<Vec<Delivery>> {
    let deliveries = sqlx::query_as!(
        Delivery,
        r#"SELECT d.created_at, c.name AS channel, coalesce(d.body ->> 'schedule', '') AS "schedule!", d.event,
                  d.attempts, d.sent_at, d.given_up_at, d.error
           FROM alert_deliveries d JOIN alert_channels c ON c.id = d.channel_id
           ORDER BY d.created_at DESC, d.id LIMIT $1"#,
        SHOWN
    )
    .fetch_all(pool)
    .await?;
    Ok(deliveries)
}

/// Writes a delivery for each channel; what was written before stays as it is.
pub(super) async fn write(connection: &mut PgConnection, news: &News) -> Result<()> {
    sqlx::query!(
        "INSERT INTO alert_deliveries (id, channel_id, rule_id, event, run_id, body)
         SELECT gen_random_uuid(), id, $1, $2, $3, $4 FROM alert_channels
         ON CONFLICT ON CONSTRAINT alert_deliveries_once_key DO NOTHING",
        news.rule.0,
        if news.is_firing { "firing" } else { "resolved" },
        news.run.0,
        news.body
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A delivery that is to be tried now, by this instance alone.
pub(super) struct Due {
    pub(super) id: Uuid,
    pub(super) channel: AlertChannelId,
    pub(super) sealed: Vec<u8>,
    pub(super) run: Uuid,
    pub(super) body: Value,
    pub(super) attempts: i32,
}

/// Takes the delivery whose time came first, if there is one. Of one rule a channel is told in
/// order: what is later waits for what was before.
pub(super) async fn claim(pool: &PgPool) -> Result<Option<Due>> {
    let due = sqlx::query_as!(
        Due,
        r#"WITH due AS (
               SELECT d.id FROM alert_deliveries d
               WHERE d.sent_at IS NULL AND d.given_up_at IS NULL AND d.next_at <= now()
                 AND NOT EXISTS (
                     SELECT 1 FROM alert_deliveries e
                     WHERE e.channel_id = d.channel_id AND e.rule_id = d.rule_id AND e.created_at < d.created_at
                       AND e.sent_at IS NULL AND e.given_up_at IS NULL)
               ORDER BY d.next_at FOR UPDATE OF d SKIP LOCKED LIMIT 1)
           UPDATE alert_deliveries AS delivery
           SET attempts = attempts + 1, next_at = now() + make_interval(secs => $1)
           FROM due, alert_channels channel
           WHERE delivery.id = due.id AND channel.id = delivery.channel_id
           RETURNING delivery.id, channel.id AS "channel: AlertChannelId", channel.sealed, delivery.run_id AS run,
                     delivery.body, delivery.attempts"#,
        LEASE_SECS
    )
    .fetch_optional(pool)
    .await?;
    Ok(due)
}

/// It arrived.
pub(super) async fn sent(pool: &PgPool, id: Uuid) -> Result<()> {
    sqlx::query!(
        "UPDATE alert_deliveries SET sent_at = now(), error = NULL WHERE id = $1",
        id
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// It did not: it is tried again, or given up after a day. Whether it is.
pub(super) async fn failed(pool: &PgPool, due: &Due, why: &str) -> Result<Option<DateTime<Utc>>> {
    let given_up_at = sqlx::query_scalar!(
        "UPDATE alert_deliveries
         SET error = $2, next_at = now() + make_interval(secs => $3),
             given_up_at = CASE WHEN created_at < now() - interval '1 day' THEN now() END
         WHERE id = $1 RETURNING given_up_at",
        due.id,
        why,
        pause(due.attempts).as_secs_f64()
    )
    .fetch_optional(pool)
    .await?;
    Ok(given_up_at.flatten())
}

/// Throws away what was told, or given up, more than 90 days ago.
pub(super) async fn tidy(pool: &PgPool) -> Result<()> {
    sqlx::query!(
        "DELETE FROM alert_deliveries
         WHERE created_at < now() - interval '90 days' AND (sent_at IS NOT NULL OR given_up_at IS NOT NULL)"
    )
    .execute(pool)
    .await?;
    Ok(())
}
