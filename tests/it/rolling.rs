//! Starts beside others: two that migrate at once, a version beside a database that a newer one
//! changed, a migration beside calls that go on.

use std::process::Output;
use std::time::{Duration, Instant};

use odoo_bridge::server::database::migrate::MIGRATOR;
use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions as _, PgPool};
use tempfile::TempDir;
use tokio::process::Command;

use crate::helpers::{SECRET_KEY, eventually};
use crate::processes::Instance;

/// What a command of this version says on a database.
async fn run(pool: &PgPool, args: &[&str]) -> (Output, String) {
    let folder = TempDir::new().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_odoo-bridge"));
    command
        .args(args)
        .env_clear()
        .env("DATABASE_URL", pool.connect_options().to_url_lossy().as_str())
        .env("BRIDGE_DATA_DIR", folder.path())
        .env("BRIDGE_SECRET_KEY", SECRET_KEY);
    let output = command.kill_on_drop(true).output().await.expect("it runs");
    let told = [&*output.stdout, &*output.stderr].concat();
    (output, String::from_utf8_lossy(&told).into_owned())
}

async fn sql(pool: &PgPool, sql: &'static str) {
    sqlx::raw_sql(sql).execute(pool).await.expect(sql);
}

#[sqlx::test(migrations = false)]
async fn of_two_that_start_at_once_on_an_empty_database_one_migrates_and_both_serve(pool: PgPool) {
    let (one, other) = tokio::join!(Instance::start(&pool, &[]), Instance::start(&pool, &[]));
    for instance in [&one, &other] {
        assert_eq!(instance.actor(None).get("/readyz").await.status(), 200);
    }
    let (rows, versions): (i64, i64) =
        sqlx::query_as("SELECT count(*), count(DISTINCT version) FROM _sqlx_migrations WHERE success")
            .fetch_one(&pool)
            .await
            .expect("counts");
    let known = i64::try_from(MIGRATOR.iter().count()).expect("a few");
    assert_eq!((rows, versions), (known, known));
}

/// As a version of tomorrow leaves it, that took nothing away.
const EXPANDED: &str = "
    INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
    VALUES (9999, 'of tomorrow', true, '\\x00', 1);
    ALTER TABLE users ADD COLUMN of_tomorrow text NOT NULL DEFAULT 'x';
    ALTER TABLE api_keys ADD COLUMN of_tomorrow integer;
    CREATE TABLE of_tomorrow (id bigint);";

#[sqlx::test]
async fn an_older_version_starts_beside_a_newer_one_that_says_it_may_and_no_other(pool: PgPool) {
    sql(&pool, EXPANDED).await;
    let instance = Instance::start(&pool, &[]).await;
    assert_eq!(instance.actor(None).get("/readyz").await.status(), 200);
    let (output, told) = run(&pool, &["create-key", "--name", "beside", "--json"]).await;
    assert!(output.status.success(), "it works there: {told}");
    let (_, told) = run(&pool, &["check"]).await;
    assert!(told.contains("beside which this one may run"), "{told}");

    sql(&pool, "UPDATE schema_compatibility SET oldest_migration = 9999").await;
    for command in [&["migrate"][..], &["serve", "--site-addr", "127.0.0.1:0"]] {
        let (output, told) = run(&pool, command).await;
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.contains("changed by a newer version of the bridge") && told.contains("9999"),
            "{told}"
        );
    }
    let (_, told) = run(&pool, &["check"]).await;
    assert!(told.contains("beside which this one can't run"), "{told}");
}

#[sqlx::test(migrations = false)]
async fn a_migration_that_has_to_wait_for_a_table_holds_up_nobody_for_long(pool: PgPool) {
    // The last one changes a table that is there.
    let before = MIGRATOR.iter().filter(|migration| migration.version < 23).cloned();
    Migrator::with_migrations(before.collect())
        .run(&pool)
        .await
        .expect("the shape of before");
    // Somebody reads it for long, as a backup does.
    let mut backup = pool.begin().await.expect("begun");
    sqlx::query("SELECT count(*) FROM sign_in_failures")
        .execute(&mut *backup)
        .await
        .expect("read");
    let starting = tokio::spawn({
        let pool = pool.clone();
        async move { Instance::start(&pool, &[]).await }
    });
    eventually("the migration waits", || async {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
             WHERE datname = current_database() AND NOT granted AND relation IS NOT NULL",
        )
        .fetch_one(&pool)
        .await
        .expect("a count");
        waiting > 0
    })
    .await;
    // Whoever comes after it is behind it in the line.
    let began = Instant::now();
    sqlx::query("SELECT count(*) FROM sign_in_failures")
        .execute(&pool)
        .await
        .expect("read");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(!starting.is_finished(), "it goes on trying");
    backup.commit().await.expect("ended");
    let instance = starting.await.expect("it starts");
    assert_eq!(instance.actor(None).get("/readyz").await.status(), 200);
}
