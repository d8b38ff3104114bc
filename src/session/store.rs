//! The tables `users`, `sessions`, `pending_sign_ins`, `recovery_codes`, `known_devices`
//! and `sign_in_failures`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::error::{AppError, ErrorCode, Result};
use crate::ids::UserId;
use crate::session::model::{EMAIL_TAKEN, Role, SignedIn};
use crate::session::open_sessions::OpenSession;
use crate::session::password::PasswordHash;
use crate::session::second_factor;
use crate::session::sign_in::{Client, DEVICE_KNOWN};
use crate::session::throttle::{Failures, MEMORY, Subject};
use crate::session::token::TokenHash;

/// Whoever signs in.
pub(super) struct User {
    pub(super) id: UserId,
    pub(super) email: String,
    pub(super) password_hash: PasswordHash,
    pub(super) role: Role,
    /// Whether a code is asked for.
    pub(super) has_factor: bool,
}

/// A user to be.
pub(super) struct NewUser<'a> {
    pub(super) id: UserId,
    pub(super) email: &'a str,
    pub(super) password_hash: &'a PasswordHash,
    pub(super) role: Role,
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
        r#"SELECT id AS "id: UserId", email, password_hash, role, totp_since IS NOT NULL AS "has_factor!"
           FROM users WHERE email = $1"#,
        email
    )
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        Ok(User {
            id: row.id,
            email: row.email,
            password_hash: PasswordHash::from_stored(row.password_hash),
            role: role(&row.role)?,
            has_factor: row.has_factor,
        })
    })
    .transpose()
}

/// A role that a newer version knows is none here: nobody may do more by mistake.
pub(super) fn role(word: &str) -> Result<Role> {
    Role::parse(word).ok_or_else(|| AppError::internal(format!("unknown role: {word}")))
}

/// Makes the first user; `false` if there is one already. Two at the same
/// instant do not both succeed.
pub(super) async fn create_first_user(connection: &mut PgConnection, user: &NewUser<'_>) -> Result<bool> {
    sqlx::query!("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *connection)
        .await?;
    let taken = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM users) AS "exists!""#)
        .fetch_one(&mut *connection)
        .await?;
    if taken {
        return Ok(false);
    }
    insert_user(connection, user).await?;
    Ok(true)
}

pub(super) async fn insert_user(connection: &mut PgConnection, user: &NewUser<'_>) -> Result<()> {
    let inserted = sqlx::query!(
        "INSERT INTO users (id, email, password_hash, role) VALUES ($1, $2, $3, $4)",
        user.id.0,
        user.email,
        user.password_hash.as_stored(),
        user.role.as_str(),
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

/// Opens a session; `false` if the password was changed, or a second factor turned on,
/// since `user` was read.
pub(super) async fn create_session(
    connection: &mut PgConnection,
    token: &TokenHash,
    user: &User,
    client: &Client,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<bool> {
    // FOR SHARE waits for a change of the account that is under way and then sees it: no
    // session outlives the password it was opened with, nor goes around a second factor.
    let done = sqlx::query!(
        "INSERT INTO sessions (token_hash, user_id, created_at, last_seen_at, confirmed_at, expires_at, address, user_agent)
         SELECT $1, id, $4, $4, $4, $5, $6::text::inet, $7 FROM users
         WHERE id = $2 AND password_hash = $3 AND ($8 OR totp_since IS NULL) FOR SHARE",
        token.as_bytes(),
        user.id.0,
        user.password_hash.as_stored(),
        now,
        expires_at,
        client.address.to_string(),
        client.user_agent,
        user.has_factor,
    )
    .execute(connection)
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
        r#"SELECT users.id AS "id: UserId", users.email, users.role, sessions.last_seen_at, sessions.confirmed_at
           FROM sessions JOIN users ON users.id = sessions.user_id
           WHERE sessions.token_hash = $1 AND sessions.expires_at > $2 AND sessions.last_seen_at > $3"#,
        token.as_bytes(),
        now,
        idle_since,
    )
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        Ok(FoundSession {
            user: SignedIn {
                id: row.id,
                email: row.email,
                role: role(&row.role)?,
                confirmed_at: row.confirmed_at,
            },
            last_seen_at: row.last_seen_at,
        })
    })
    .transpose()
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

/// Whether there was one.
pub(super) async fn delete_session(connection: &mut PgConnection, token: &TokenHash) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM sessions WHERE token_hash = $1", token.as_bytes())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The password of this session's user was given again.
pub(super) async fn confirm_session(
    connection: &mut PgConnection,
    token: &TokenHash,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "UPDATE sessions SET confirmed_at = $2 WHERE token_hash = $1",
        token.as_bytes(),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The sessions of a user, the newest first.
pub(super) async fn sessions_of(
    pool: &PgPool,
    user: UserId,
    present: &TokenHash,
    now: DateTime<Utc>,
    idle_since: DateTime<Utc>,
) -> Result<Vec<OpenSession>> {
    let sessions = sqlx::query_as!(
        OpenSession,
        r#"SELECT id, created_at, last_seen_at, host(address) AS address, user_agent,
                  token_hash = $2 AS "is_present!"
           FROM sessions WHERE user_id = $1 AND expires_at > $3 AND last_seen_at > $4
           ORDER BY last_seen_at DESC, id LIMIT 100"#,
        user.0,
        present.as_bytes(),
        now,
        idle_since,
    )
    .fetch_all(pool)
    .await?;
    Ok(sessions)
}

/// Ends one session of a user; whether there was one.
pub(super) async fn end_session(connection: &mut PgConnection, user: UserId, id: uuid::Uuid) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM sessions WHERE user_id = $1 AND id = $2", user.0, id)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends all sessions of a user but `keep`; how many.
pub(super) async fn end_sessions(connection: &mut PgConnection, user: UserId, keep: Option<&TokenHash>) -> Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM sessions WHERE user_id = $1 AND ($2::bytea IS NULL OR token_hash <> $2)",
        user.0,
        keep.map(TokenHash::as_bytes),
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// Whether the owner of an account signed in with this browser, after `since`.
pub(super) async fn is_known_device(
    pool: &PgPool,
    token: &TokenHash,
    email: &str,
    since: DateTime<Utc>,
) -> Result<bool> {
    let known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM known_devices JOIN users ON users.id = user_id
                          WHERE token_hash = $1 AND email = $2 AND last_used_at > $3) AS "known!""#,
        token.as_bytes(),
        email,
        since,
    )
    .fetch_one(pool)
    .await?;
    Ok(known)
}

/// Somebody signed in again with a browser; `false` if it is not one of theirs.
pub(super) async fn use_device(
    connection: &mut PgConnection,
    token: &TokenHash,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE known_devices SET last_used_at = $3 WHERE token_hash = $1 AND user_id = $2",
        token.as_bytes(),
        user.0,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn insert_device(
    connection: &mut PgConnection,
    token: &TokenHash,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO known_devices (token_hash, user_id, last_used_at) VALUES ($1, $2, $3)",
        token.as_bytes(),
        user.0,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets the browsers of a user, but `keep`.
pub(super) async fn forget_devices(
    connection: &mut PgConnection,
    user: UserId,
    keep: Option<&TokenHash>,
) -> Result<()> {
    sqlx::query!(
        "DELETE FROM known_devices WHERE user_id = $1 AND ($2::bytea IS NULL OR token_hash <> $2)",
        user.0,
        keep.map(TokenHash::as_bytes),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Remembers that the password was right and the code is owed; `false` if the password
/// was changed since `user` was read.
pub(super) async fn create_pending(
    pool: &PgPool,
    token: &TokenHash,
    user: &User,
    expires_at: DateTime<Utc>,
) -> Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO pending_sign_ins (token_hash, user_id, expires_at)
         SELECT $1, id, $4 FROM users WHERE id = $2 AND password_hash = $3 FOR SHARE",
        token.as_bytes(),
        user.id.0,
        user.password_hash.as_stored(),
        expires_at,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whoever owes the code.
pub(super) async fn find_pending(pool: &PgPool, token: &TokenHash, now: DateTime<Utc>) -> Result<Option<User>> {
    let email = sqlx::query_scalar!(
        "SELECT users.email FROM pending_sign_ins JOIN users ON users.id = pending_sign_ins.user_id
         WHERE token_hash = $1 AND expires_at > $2",
        token.as_bytes(),
        now,
    )
    .fetch_optional(pool)
    .await?;
    match email {
        Some(email) => find_user_by_email(pool, &email).await,
        None => Ok(None),
    }
}

/// Takes it away, so that it opens one session only; whether it was there.
pub(super) async fn delete_pending(connection: &mut PgConnection, token: &TokenHash) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM pending_sign_ins WHERE token_hash = $1", token.as_bytes())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The second factor of a user, as it is kept.
pub(super) struct Factor {
    pub(super) sealed: Vec<u8>,
    pub(super) since: Option<DateTime<Utc>>,
    pub(super) last_step: Option<i64>,
}

pub(super) async fn factor_state(pool: &PgPool, user: UserId) -> Result<second_factor::State> {
    let row = sqlx::query!(
        r#"SELECT totp_since, (SELECT count(*) FROM recovery_codes WHERE user_id = users.id) AS "codes!"
           FROM users WHERE id = $1"#,
        user.0
    )
    .fetch_one(pool)
    .await?;
    Ok(match row.totp_since {
        Some(since) => second_factor::State::On {
            since,
            recovery_codes: row.codes,
        },
        None => second_factor::State::Off,
    })
}

/// Keeps the secret of a second factor to be, unless one is there; the one that is
/// there then. `None` if the second factor is on.
pub(super) async fn begin_factor(pool: &PgPool, user: UserId, sealed: &[u8]) -> Result<Option<Vec<u8>>> {
    let kept = sqlx::query_scalar!(
        r#"UPDATE users SET totp_secret = coalesce(totp_secret, $2) WHERE id = $1 AND totp_since IS NULL
           RETURNING totp_secret AS "secret!""#,
        user.0,
        sealed,
    )
    .fetch_optional(pool)
    .await?;
    Ok(kept)
}

/// The second factor of a user, on or to be; others who want it wait.
pub(super) async fn lock_factor(connection: &mut PgConnection, user: UserId) -> Result<Option<Factor>> {
    let factor = sqlx::query_as!(
        Factor,
        r#"SELECT totp_secret AS "sealed!", totp_since AS since, totp_last_step AS last_step
           FROM users WHERE id = $1 AND totp_secret IS NOT NULL FOR UPDATE"#,
        user.0
    )
    .fetch_optional(connection)
    .await?;
    Ok(factor)
}

pub(super) async fn turn_factor_on(
    connection: &mut PgConnection,
    user: UserId,
    step: i64,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "UPDATE users SET totp_since = $3, totp_last_step = $2 WHERE id = $1",
        user.0,
        step,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether it was on, or to be.
pub(super) async fn turn_factor_off(connection: &mut PgConnection, user: UserId) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE users SET totp_secret = NULL, totp_since = NULL, totp_last_step = NULL
         WHERE id = $1 AND totp_secret IS NOT NULL",
        user.0
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("DELETE FROM recovery_codes WHERE user_id = $1", user.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM pending_sign_ins WHERE user_id = $1", user.0)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn use_step(connection: &mut PgConnection, user: UserId, step: i64) -> Result<()> {
    sqlx::query!("UPDATE users SET totp_last_step = $2 WHERE id = $1", user.0, step)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn replace_recovery_codes(
    connection: &mut PgConnection,
    user: UserId,
    hashes: &[Vec<u8>],
) -> Result<()> {
    sqlx::query!("DELETE FROM recovery_codes WHERE user_id = $1", user.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query!(
        "INSERT INTO recovery_codes (user_id, code_hash) SELECT $1, unnest($2::bytea[])",
        user.0,
        hashes,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether it was there; it is not any more.
pub(super) async fn use_recovery_code(connection: &mut PgConnection, user: UserId, hash: &[u8]) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2",
        user.0,
        hash
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Sets a new password and ends every session of the user but `keep`; `false`
/// if the password was changed since `user` was read.
pub(super) async fn change_password(
    connection: &mut PgConnection,
    user: &User,
    new: &PasswordHash,
    keep: &TokenHash,
    now: DateTime<Utc>,
) -> Result<bool> {
    let changed = sqlx::query!(
        "UPDATE users SET password_hash = $3, password_changed_at = $4 WHERE id = $1 AND password_hash = $2",
        user.id.0,
        user.password_hash.as_stored(),
        new.as_stored(),
        now,
    )
    .execute(&mut *connection)
    .await?;
    if changed.rows_affected() != 1 {
        return Ok(false);
    }
    // Who owes a code gave the password of before.
    sqlx::query!("DELETE FROM pending_sign_ins WHERE user_id = $1", user.id.0)
        .execute(&mut *connection)
        .await?;
    end_sessions(connection, user.id, Some(keep)).await?;
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
    sqlx::query!("DELETE FROM pending_sign_ins WHERE expires_at <= $1", now)
        .execute(pool)
        .await?;
    sqlx::query!("DELETE FROM sign_in_failures WHERE last_failed_at < $1", now - MEMORY)
        .execute(pool)
        .await?;
    sqlx::query!("DELETE FROM known_devices WHERE last_used_at <= $1", now - DEVICE_KNOWN)
        .execute(pool)
        .await?;
    Ok(())
}

/// What became of an attempt.
pub(super) enum Admission {
    /// It was counted; for each subject the lock that it brought.
    Admitted(Vec<Option<DateTime<Utc>>>),
    /// One of the subjects is locked. Nothing was counted.
    Locked {
        /// Its end.
        until: DateTime<Utc>,
        /// Whether it is the first attempt that met this lock.
        is_first: bool,
    },
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
            drop(transaction);
            return Ok(Admission::Locked {
                until: end,
                is_first: tell_lock(pool, subject, end).await?,
            });
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

/// Whether nobody was told of the lock that ends then; somebody is, now.
async fn tell_lock(pool: &PgPool, subject: &Subject, end: DateTime<Utc>) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE sign_in_failures SET told_until = $2
         WHERE subject = $1 AND locked_until = $2 AND told_until IS DISTINCT FROM $2",
        subject.key,
        end,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
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
