//! The audit events' SQL.

use sqlx::{PgConnection, PgPool};

use crate::audit::chain::{BATCH, Head, Link, Sealed};
use crate::audit::log::{Action, Actor, Change, EVENTS_SHOWN, Event};
use crate::audit::search::{Filter, Listed};
use crate::error::Result;

pub(super) async fn insert(connection: &mut PgConnection, by: &Actor, change: Change<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO audit_events (user_id, user_email, address, action, subject_id, subject_name, before, after)
         VALUES ($1, $2, $3::text::inet, $4, $5, $6, $7, $8)",
        by.user.as_ref().map(|user| user.id.0),
        by.user.as_ref().map(|user| &*user.email),
        by.address.map(|address| address.to_string()),
        change.action.as_str(),
        change.subject_id,
        change.subject_name,
        change.before,
        change.after,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn of_subjects(pool: &PgPool, ids: &[uuid::Uuid]) -> Result<Vec<Event>> {
    let events = sqlx::query_as!(
        Event,
        r#"SELECT happened_at, user_email, host(address) AS address, action, before, after
           FROM audit_events WHERE subject_id = ANY($1) ORDER BY id DESC LIMIT $2"#,
        ids,
        EVENTS_SHOWN,
    )
    .fetch_all(pool)
    .await?;
    Ok(events)
}

pub(super) async fn lock_chain(connection: &mut PgConnection) -> Result<()> {
    // "audit" in ASCII: nobody else's number.
    sqlx::query!("SELECT pg_advisory_xact_lock(418581342580)")
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn has_unsealed(pool: &PgPool) -> Result<bool> {
    let there =
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM audit_events WHERE sealed_no IS NULL) AS "there!""#)
            .fetch_one(pool)
            .await?;
    Ok(there)
}

pub(super) async fn count_unsealed(pool: &PgPool) -> Result<i64> {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM audit_events WHERE sealed_no IS NULL"#)
        .fetch_one(pool)
        .await?;
    Ok(count)
}

pub(super) async fn unsealed(connection: &mut PgConnection) -> Result<Vec<Link>> {
    let links = sqlx::query_as!(
        Link,
        r#"SELECT id, happened_at, user_id, user_email, host(address) AS address, action, subject_id, subject_name,
                  before, after
           FROM audit_events WHERE sealed_no IS NULL ORDER BY id LIMIT $1"#,
        BATCH
    )
    .fetch_all(connection)
    .await?;
    Ok(links)
}

/// The newest seal, or the number 0 before the first.
pub(super) async fn head(connection: &mut PgConnection) -> Result<Head> {
    let head = sqlx::query_as!(
        Head,
        r#"SELECT sealed_no AS "number!", seal AS "seal!" FROM audit_events
           WHERE sealed_no IS NOT NULL ORDER BY sealed_no DESC LIMIT 1"#
    )
    .fetch_optional(connection)
    .await?;
    Ok(head.unwrap_or(Head {
        number: 0,
        seal: Vec::new(),
    }))
}

pub(super) async fn set_seals(connection: &mut PgConnection, seals: &[(i64, Head)], key: &str) -> Result<()> {
    let ids: Vec<i64> = seals.iter().map(|(id, _)| *id).collect();
    let numbers: Vec<i64> = seals.iter().map(|(_, head)| head.number).collect();
    let bytes: Vec<Vec<u8>> = seals.iter().map(|(_, head)| head.seal.clone()).collect();
    sqlx::query!(
        "UPDATE audit_events SET sealed_no = new.number, seal = new.seal, seal_key = $4
         FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS new (id, number, seal)
         WHERE audit_events.id = new.id",
        &ids,
        &numbers,
        &bytes,
        key,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The next links of the chain after that number.
pub(super) async fn sealed_after(pool: &PgPool, number: i64) -> Result<Vec<Sealed>> {
    let rows = sqlx::query!(
        r#"SELECT sealed_no AS "number!", seal AS "seal!", seal_key AS "key!", id, happened_at, user_id, user_email,
                  host(address) AS address, action, subject_id, subject_name, before, after
           FROM audit_events WHERE sealed_no > $1 ORDER BY sealed_no LIMIT $2"#,
        number,
        BATCH
    )
    .fetch_all(pool)
    .await?;
    let sealed = rows.into_iter().map(|row| Sealed {
        number: row.number,
        seal: row.seal,
        key: row.key,
        link: Link {
            id: row.id,
            happened_at: row.happened_at,
            user_id: row.user_id,
            user_email: row.user_email,
            address: row.address,
            action: row.action,
            subject_id: row.subject_id,
            subject_name: row.subject_name,
            before: row.before,
            after: row.after,
        },
    });
    Ok(sealed.collect())
}

/// Events that a filter finds, the newest first, from `before` on.
pub(super) async fn search(pool: &PgPool, filter: &Filter, limit: i64) -> Result<Vec<Listed>> {
    let events = sqlx::query_as!(
        Listed,
        r#"SELECT id, happened_at, user_email, host(address) AS address, action, subject_name, before, after,
                  sealed_no IS NOT NULL AS "is_sealed!"
           FROM audit_events
           WHERE ($1::text IS NULL OR user_email = $1)
             AND ($2::text IS NULL OR action = $2)
             AND ($3::text IS NULL OR strpos(lower(subject_name), lower($3)) > 0)
             AND ($4::timestamptz IS NULL OR happened_at >= $4)
             AND ($5::timestamptz IS NULL OR happened_at < $5)
             AND ($6::bigint IS NULL OR id < $6)
           ORDER BY id DESC LIMIT $7"#,
        filter.by,
        filter.action.map(Action::as_str),
        filter.subject,
        filter.from,
        filter.until,
        filter.before,
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(events)
}
