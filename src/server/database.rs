//! Opens the bridge's database, wherever it is: the one that `DATABASE_URL`
//! names, or a private one in the data directory. Whoever gets a pool from here
//! gets it with every migration applied.

pub mod migrate;

use std::pin::pin;
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use secrecy::ExposeSecret as _;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection as _, Executor as _};

use crate::config::{ConfigError, Settings};
use crate::error::AppError;
use crate::server::embedded_postgres::{EmbeddedPostgres, StartError};

/// The oldest PostgreSQL that the bridge works with.
pub const OLDEST_MAJOR: u32 = 14;
const CONNECTIONS: u32 = 10;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a connection that is given back may take to say that it works.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a call waits for the database: a little more than for a connection.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a database that does not answer yet is waited for.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Who opens the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// The server: the private database is its own.
    Serve,
    /// A command: joins the server's private database if one runs.
    Command,
}

/// Why there is no database. Each is a sentence for the operator, without the
/// connection string.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The private database did not start.
    #[error(transparent)]
    Embedded(#[from] StartError),
    /// It does not answer, or refuses.
    #[error("The database can't be used: {}", explain(.0))]
    Connect(#[source] sqlx::Error),
    /// It could not be given this version's shape.
    #[error("The database could not be brought to this version's shape: {0}.")]
    Migrate(#[from] MigrateError),
    /// A newer version took away what this one needs.
    #[error(
        "The database was changed by a newer version of the bridge, beside which this one can't run: it \
         does not know migration {0}. Run that version, or restore the backup from before it."
    )]
    TooNew(i64),
}

/// Opens the database and applies what migrations are missing.
///
/// # Errors
/// When it can't be reached within 30 seconds, refuses, or can't be migrated.
pub async fn open_database(
    settings: &Settings,
    opener: Opener,
) -> Result<(PgPool, Option<EmbeddedPostgres>), OpenError> {
    let (options, embedded) = locate(settings, opener).await?;
    match migrate::apply(&options).await {
        Ok(()) => Ok((pool(options), embedded)),
        Err(error) => {
            if let Some(embedded) = embedded {
                embedded.stop().await;
            }
            Err(error)
        }
    }
}

/// How to connect, with the private server started or joined if it is needed.
///
/// # Errors
/// When the URL is wrong or the private server does not start.
pub async fn locate(
    settings: &Settings,
    opener: Opener,
) -> Result<(PgConnectOptions, Option<EmbeddedPostgres>), OpenError> {
    let Some(url) = &settings.database_url else {
        let embedded = match opener {
            Opener::Serve => EmbeddedPostgres::own(&settings.data_dir).await?,
            Opener::Command => EmbeddedPostgres::own_or_join(&settings.data_dir).await?,
        };
        return Ok((embedded.connect_options(), Some(embedded)));
    };
    // The error's own text could quote the URL, and with it the password.
    let options = PgConnectOptions::from_str(url.expose_secret()).map_err(|_| {
        ConfigError(
            "DATABASE_URL is not a PostgreSQL address; it looks like postgres://user:password@host:5432/database ."
                .into(),
        )
    })?;
    Ok((options.application_name("odoo-bridge"), None))
}

/// A pool that connects when it is first used.
#[must_use]
pub fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // No query of the bridge takes long; one that does must not
                // hold a connection for ever.
                connection
                    .execute("SET statement_timeout = '15s'; SET idle_in_transaction_session_timeout = '15s'")
                    .await?;
                Ok(())
            })
        })
        .after_release(|connection, _| {
            Box::pin(async move {
                // Given back in the middle of a question to a database that says nothing
                // more, it would keep its place in the pool for as long as that lasts.
                let pong = tokio::time::timeout(PING_TIMEOUT, connection.ping()).await;
                pong.map_err(|_| sqlx::Error::PoolTimedOut)?.map(|()| true)
            })
        })
        .connect_lazy_with(options)
}

/// Gives up a question to a database that says nothing any more.
///
/// # Errors
/// `unavailable` if it is not answered in time; those of the question.
pub async fn in_time<T>(question: impl Future<Output = Result<T, AppError>>) -> Result<T, AppError> {
    let mut question = pin!(question);
    // Most are answered from memory: they need no clock.
    if let Some(answer) = question.as_mut().now_or_never() {
        return answer;
    }
    let answer = tokio::time::timeout(PATIENCE, question).await;
    answer.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()))
}

/// Connects; waits for a server that is starting or not there yet.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut told = false;
    loop {
        match PgConnection::connect_with(options).await {
            Err(error) if may_pass(&error) && Instant::now() < deadline => {
                if !told {
                    tracing::warn!(cause = &error as &dyn std::error::Error, "waiting for the database");
                    told = true;
                }
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            result => return result,
        }
    }
}

/// Whether waiting can help: the server is away, starting, stopping or full.
fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("57P") || code.starts_with("53")),
        _ => false,
    }
}

/// What is wrong with the database, as a sentence.
#[must_use]
pub fn explain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => {
            format!("it can't be reached ({error}). Check the host and port in DATABASE_URL, and that it runs.")
        }
        sqlx::Error::Tls(error) => format!("no encrypted connection to it ({error}). Check sslmode in DATABASE_URL."),
        sqlx::Error::PoolTimedOut => "it does not answer in time.".into(),
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("28P01" | "28000") => "it refuses the user or password in DATABASE_URL.".into(),
            Some("3D000") => "the database that DATABASE_URL names does not exist. Make it with createdb.".into(),
            Some("42501") => format!("the user in DATABASE_URL may not do this ({}).", error.message()),
            _ => format!("it says: {}.", error.message()),
        },
        other => format!("{other}."),
    }
}

/// Makes the database `name` if there is none. `name` is an identifier of ours.
///
/// # Errors
/// When the server does not answer or refuses.
pub async fn ensure_database(server: &PgConnectOptions, name: &'static str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(&server.clone().database("postgres")).await?;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await?;
    if !exists {
        connection
            .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{name}\"")))
            .await?;
    }
    connection.close().await
}

/// Connects once, and lets go again.
///
/// # Errors
/// What keeps it from connecting.
pub async fn try_connect(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    PgConnection::connect_with(options).await?.close().await
}

/// The server's version, such as `15.18`, and its major part.
///
/// # Errors
/// When it does not answer.
pub async fn server_version(pool: &PgPool) -> Result<(String, u32), sqlx::Error> {
    let number: String = sqlx::query_scalar("SELECT current_setting('server_version_num')")
        .fetch_one(pool)
        .await?;
    let number: u32 = number.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let (major, minor) = (number / 10_000, number % 10_000);
    Ok((format!("{major}.{minor}"), major))
}

/// Whether the database takes writes (a standby does not) from a user who may
/// make tables in it.
///
/// # Errors
/// When it does not answer.
pub async fn is_writable(pool: &PgPool) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'
            AND has_schema_privilege(current_schema(), 'CREATE')",
    )
    .fetch_one(pool)
    .await
    .map(|writable: Option<bool>| writable.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_database_url_is_told_without_its_password() {
        use clap::Parser as _;
        let cli =
            crate::config::Cli::try_parse_from(["odoo-bridge", "--database-url", "postgres://u:hunter2@h:port/d"])
                .expect("the arguments parse");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let error = runtime
            .block_on(locate(&cli.settings, Opener::Serve))
            .expect_err("refused");
        let text = format!("{error} {error:?}");
        assert!(text.contains("DATABASE_URL") && !text.contains("hunter2"), "{text}");
    }
}
