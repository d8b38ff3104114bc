//! The tables `users`, `sessions` and `sign_in_failures`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::error::{AppError, ErrorCode, Result};
use crate::ids::UserId;
use crate::session::model::{EMAIL_TAKEN, SignedIn};
use crate::session::password::PasswordHash;
use crate::session::throttle::{Failures, MEMORY, Subject};
use crate::session::token::TokenHash;

/// Whoever signs in.
pub(super) struct User {
    pub(super) id: UserId,
    pub(super) email: String,
    pub(super) password_hash: PasswordHash,
}

/// A user to be.
pub(super) struct NewUser<'a> {
    pub(super) id: UserId,
    pub(super) email: &'a str,
    pub(super) password_hash: &'a PasswordHash,
}

/// A session as a request finds it.
pub(super) struct FoundSession {
    pub(super) user: SignedIn,
    pub(super) last_seen_at: DateTime<Utc>,
}

pub(super) async fn has_users(pool: &PgPool) -> Result<bool> {
    Ok(
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM users) AS "exists!""#)
            .fetch_one(pool)
            .await?,
    )
}

pub(super) async fn find_user_by_email(pool: &PgPool, email: &str) -> Result<Option<User>> {
    let row = sqlx::query!(
        r#"SELECT id AS "id: UserId", email, password_hash FROM users WHERE email = $1"#,
        email
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| User {
        id: row.id,
        email: row.email,
        password_hash: PasswordHash::from_stored(row.password_hash),
    }))
}

pub(super) async fn create_user(pool: &PgPool, user: &NewUser<'_>) -> Result<()> {
    let mut connection = pool.acquire().await?;
    insert_user(&mut connection, user).await
}

/// Makes the first user; `false` if there is one already. Two at the same
/// instant do not both succeed.
pub(super) async fn create_first_user(pool: &PgPool, user: &NewUser<'_>) -> Result<bool> {
    let mut transaction = pool.begin().await?;
    sqlx::query!("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *transaction)
        .await?;
    let taken = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM users) AS "exists!""#)
        .fetch_one(&mut *transaction)
        .await?;
    if taken {
        return Ok(false);
    }
    insert_user(&mut transaction, user).await?;
    transaction.commit().await?;
    Ok(true)
}

async fn insert_user(connection: &mut PgConnection, user: &NewUser<'_>) -> Result<()> {
    let inserted = sqlx::query!(
        "INSERT INTO users (id, email, password_hash) VALUES ($1, $2, $3)",
        user.id.0,
        user.email,
        user.password_hash.as_stored(),
    )
    .execute(connection)
    .await;
    match inserted {
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("users_email_key") => {
            Err(AppError::new(ErrorCode::Conflict, EMAIL_TAKEN))
        }
        other => Ok(other.map(drop)?),
    }
}

/// Opens a session; `false` if the password was changed since `user` was read.
pub(super) async fn create_session(
    pool: &PgPool,
    token: &TokenHash,
    user: &User,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<bool> {
    // FOR SHARE waits for a change of the password that is under way and then
    // sees it: no session outlives the password it was opened with.
    let done = sqlx::query!(
        "INSERT INTO sessions (token_hash, user_id, created_at, last_seen_at, expires_at)
         SELECT $1, id, $4, $4, $5 FROM users WHERE id = $2 AND password_hash = $3 FOR SHARE",
        token.as_bytes(),
        user.id.0,
        user.password_hash.as_stored(),
        now,
        expires_at,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The session of a token that is neither past its end nor idle since `idle_since`.
pub(super) async fn find_session(
    pool: &PgPool,
    token: &TokenHash,
    now: DateTime<Utc>,
    idle_since: DateTime<Utc>,
) -> Result<Option<FoundSession>> {
    let row = sqlx::query!(
        r#"SELECT users.id AS "id: UserId", users.email, sessions.last_seen_at
           FROM sessions JOIN users ON users.id = sessions.user_id
           WHERE sessions.token_hash = $1 AND sessions.expires_at > $2 AND sessions.last_seen_at > $3"#,
        token.as_bytes(),
        now,
        idle_since,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| FoundSession {
        user: SignedIn {
            id: row.id,
            email: row.email,
        },
        last_seen_at: row.last_seen_at,
    }))
}

pub(super) async fn touch_session(pool: &PgPool, token: &TokenHash, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "UPDATE sessions SET last_seen_at = $2 WHERE token_hash = $1 AND last_seen_at < $2",
        token.as_bytes(),
        now,
    )
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn delete_session(pool: &PgPool, token: &TokenHash) -> Result<()> {
    sqlx::query!("DELETE FROM sessions WHERE token_hash = $1", token.as_bytes())
        .execute(pool)
        .await?;
    Ok(())
}

/// Sets a new password and ends every session of the user but `keep`; `false`
/// if the password was changed since `user` was read.
pub(super) async fn change_password(
    pool: &PgPool,
    user: &User,
    new: &PasswordHash,
    keep: &TokenHash,
    now: DateTime<Utc>,
) -> Result<bool> {
    let mut transaction = pool.begin().await?;
    let changed = sqlx::query!(
        "UPDATE users SET password_hash = $3, password_changed_at = $4 WHERE id = $1 AND password_hash = $2",
        user.id.0,
        user.password_hash.as_stored(),
        new.as_stored(),
        now,
    )
    .execute(&mut *transaction)
    .await?;
    if changed.rows_affected() != 1 {
        return Ok(false);
    }
    sqlx::query!(
        "DELETE FROM sessions WHERE user_id = $1 AND token_hash <> $2",
        user.id.0,
        keep.as_bytes()
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(true)
}

/// Deletes sessions that are over and failures that no longer count.
pub(super) async fn delete_stale(pool: &PgPool, now: DateTime<Utc>, idle_since: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "DELETE FROM sessions WHERE expires_at <= $1 OR last_seen_at <= $2",
        now,
        idle_since
    )
    .execute(pool)
    .await?;
    sqlx::query!("DELETE FROM sign_in_failures WHERE last_failed_at < $1", now - MEMORY)
        .execute(pool)
        .await?;
    Ok(())
}

/// What became of an attempt.
pub(super) enum Admission {
    /// It was counted; for each subject the lock that it brought.
    Admitted(Vec<Option<DateTime<Utc>>>),
    /// One of the subjects is locked until then. Nothing was counted.
    Locked(DateTime<Utc>),
}

/// Counts an attempt for every subject, unless one of them is locked. Attempts
/// at the same instant are counted one after the other; `subjects` must always
/// come in the same order (address, account), or two could wait for each other.
pub(super) async fn admit(pool: &PgPool, subjects: &[Subject], now: DateTime<Utc>) -> Result<Admission> {
    let mut transaction = pool.begin().await?;
    let mut locks = Vec::with_capacity(subjects.len());
    for subject in subjects {
        // The update that changes nothing takes the row's lock.
        let row = sqlx::query!(
            "INSERT INTO sign_in_failures (subject, failures, last_failed_at) VALUES ($1, 0, $2)
             ON CONFLICT (subject) DO UPDATE SET subject = excluded.subject
             RETURNING failures, last_failed_at, locked_until",
            subject.key,
            now,
        )
        .fetch_one(&mut *transaction)
        .await?;
        let known = Failures {
            count: row.failures,
            last_at: row.last_failed_at,
            locked_until: row.locked_until,
        };
        if let Some(end) = row.locked_until.filter(|_| known.locked_for(now).is_some()) {
            return Ok(Admission::Locked(end));
        }
        let next = known.and_one_more(subject.allowed, now);
        let lock = sqlx::query_scalar!(
            "UPDATE sign_in_failures SET failures = $2, last_failed_at = $3, locked_until = $4
             WHERE subject = $1 RETURNING locked_until",
            subject.key,
            next.count,
            next.last_at,
            next.locked_until,
        )
        .fetch_one(&mut *transaction)
        .await?;
        locks.push(lock);
    }
    transaction.commit().await?;
    Ok(Admission::Admitted(locks))
}

/// Takes one counted attempt back, with the lock that this attempt brought.
pub(super) async fn take_back(pool: &PgPool, subject: &Subject, lock: Option<DateTime<Utc>>) -> Result<()> {
    sqlx::query!(
        "UPDATE sign_in_failures
         SET failures = greatest(failures - 1, 0),
             locked_until = CASE WHEN locked_until = $2 THEN NULL ELSE locked_until END
         WHERE subject = $1",
        subject.key,
        lock,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Forgets a subject's failures.
pub(super) async fn forget_failures(pool: &PgPool, subject: &Subject) -> Result<()> {
    sqlx::query!("DELETE FROM sign_in_failures WHERE subject = $1", subject.key)
        .execute(pool)
        .await?;
    Ok(())
}
