//! Brings the database to this version's shape, beside others that do the same and beside
//! calls that go on; and says whether this version may run on a shape that is newer (ADR 30).

use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use sqlx::{Connection as _, Executor as _};

use crate::server::database::{OpenError, connect};

/// All migrations, inside the binary. What a newer version applied is no reason not to start:
/// that version says who may, in `schema_compatibility`.
pub static MIGRATOR: Migrator = Migrator {
    ignore_missing: true,
    ..sqlx::migrate!()
};

/// How long a migration waits for a lock: those who came after it wait as long.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '2s'";
/// For how long it is tried again: another bridge may be migrating, or a backup may hold a table.
const TRY_FOR: Duration = Duration::from_secs(10 * 60);
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Applies what is missing. Of several that start at once one does, and the others wait.
///
/// # Errors
/// When the database can't be reached, is a newer version's, or a migration fails.
pub async fn apply(options: &PgConnectOptions) -> Result<(), OpenError> {
    let deadline = Instant::now() + TRY_FOR;
    let mut told = false;
    loop {
        // Not from the pool: a migration may take longer than its statement timeout. A new
        // one each time, for a failed attempt keeps its connection's lock.
        let mut connection = connect(options).await.map_err(OpenError::Connect)?;
        let applied = apply_on(&mut connection).await;
        // The work is done; that the goodbye fails changes nothing.
        let _ = connection.close().await;
        match applied {
            Err(OpenError::Migrate(error)) if is_busy(&error) && Instant::now() < deadline => {
                if !told {
                    tracing::warn!(
                        cause = &error as &dyn std::error::Error,
                        "a migration waits for what others do in the database"
                    );
                    told = true;
                }
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            other => return other,
        }
    }
}

async fn apply_on(connection: &mut PgConnection) -> Result<(), OpenError> {
    require_compatible(connection).await?;
    connection.execute(LOCK_TIMEOUT).await.map_err(OpenError::Connect)?;
    MIGRATOR.run(&mut *connection).await?;
    // A newer version may have been quicker.
    require_compatible(connection).await?;
    let newer: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE version > $1")
        .bind(newest_known())
        .fetch_one(connection)
        .await
        .map_err(OpenError::Connect)?;
    if newer > 0 {
        tracing::info!(
            migrations = newer,
            "a newer version changed the database, beside which this one may run"
        );
    }
    Ok(())
}

async fn require_compatible(connection: &mut PgConnection) -> Result<(), OpenError> {
    let oldest = oldest(connection).await.map_err(OpenError::Connect)?;
    match oldest.filter(|oldest| *oldest > newest_known()) {
        Some(oldest) => Err(OpenError::TooNew(oldest)),
        None => Ok(()),
    }
}

/// A lock was not to be had in time.
fn is_busy(error: &MigrateError) -> bool {
    let (MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _)) = error else {
        return false;
    };
    cause
        .as_database_error()
        .is_some_and(|cause| cause.code().as_deref() == Some("55P03"))
}

fn newest_known() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The oldest migration that a version must know to run here; `None` before there was a rule.
async fn oldest(connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
    let is_there: bool = sqlx::query_scalar("SELECT to_regclass('schema_compatibility') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !is_there {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(oldest_migration) FROM schema_compatibility")
        .fetch_one(connection)
        .await
}

/// How the database's shape stands to this version's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrations {
    /// How many of this version's migrations are not applied yet.
    pub pending: usize,
    /// What was applied that this version does not know.
    pub unknown: Vec<i64>,
    /// Whether this version may run here all the same.
    pub may_run: bool,
}

/// Which migrations are applied. Says at the same time that the database answers.
///
/// # Errors
/// When it does not answer.
pub async fn migrations(pool: &PgPool) -> Result<Migrations, sqlx::Error> {
    let applied: Result<Vec<i64>, _> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
        .fetch_all(pool)
        .await;
    let applied = match applied {
        Ok(applied) => applied,
        // No such table: nothing was applied yet.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Vec::new(),
        Err(error) => return Err(error),
    };
    let pending = MIGRATOR
        .iter()
        .filter(|migration| !applied.contains(&migration.version));
    let pending = pending.count();
    let unknown: Vec<i64> = applied
        .into_iter()
        .filter(|version| !MIGRATOR.version_exists(*version))
        .collect();
    let may_run = unknown.is_empty()
        || oldest(&mut *pool.acquire().await?)
            .await?
            .is_none_or(|oldest| oldest <= newest_known());
    Ok(Migrations {
        pending,
        unknown,
        may_run,
    })
}
