//! The private PostgreSQL: starts on nothing, belongs to one, lets others join,
//! and comes back when it dies.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use odoo_bridge::server::embedded_postgres::{EmbeddedPostgres, StartError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tempfile::TempDir;

/// A folder in which everybody may enter, as a data directory's parent is.
fn open_folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).expect("its mode");
    folder
}

async fn count(options: &PgConnectOptions) -> i64 {
    let mut connection = options.connect().await.expect("a connection");
    sqlx::query_scalar("SELECT count(*) FROM things")
        .fetch_one(&mut connection)
        .await
        .expect("a count")
}

async fn make_thing(options: &PgConnectOptions) {
    let mut connection = options.connect().await.expect("a connection");
    connection
        .execute("CREATE TABLE IF NOT EXISTS things (n int); INSERT INTO things VALUES (1)")
        .await
        .expect("a row is written");
    connection.close().await.expect("closed");
}

fn server_pid(data_dir: &Path) -> Option<i32> {
    fs::read_to_string(data_dir.join("postgres/postmaster.pid"))
        .ok()?
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "not within 30 seconds: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn it_starts_on_an_empty_folder_keeps_its_data_and_leaves_no_process() {
    let folder = open_folder();
    let data_dir = folder.path().join("data");
    let postgres = EmbeddedPostgres::own(&data_dir).await.expect("it starts");
    make_thing(&postgres.connect_options()).await;
    let pid = server_pid(&data_dir).expect("a process");
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    postgres.stop().await;
    assert!(
        !Path::new(&format!("/proc/{pid}")).exists(),
        "the server runs on after the stop"
    );

    let postgres = EmbeddedPostgres::own(&data_dir).await.expect("it starts again");
    assert_eq!(count(&postgres.connect_options()).await, 1);
    postgres.stop().await;
}

#[tokio::test]
async fn it_is_durable_and_reached_by_its_socket_only_and_never_root() {
    let folder = open_folder();
    let data_dir = folder.path().join("data");
    let postgres = EmbeddedPostgres::own(&data_dir).await.expect("it starts");
    let mut connection = postgres.connect_options().connect().await.expect("a connection");
    for (setting, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", ""),
    ] {
        let is: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&mut connection)
            .await
            .expect("a setting");
        assert_eq!(is, value, "{setting}");
    }
    let mode = fs::metadata(data_dir.join("postgres"))
        .expect("the data")
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "others can reach the data and the socket");
    let status =
        fs::read_to_string(format!("/proc/{}/status", server_pid(&data_dir).expect("a process"))).expect("its status");
    let uid = status
        .lines()
        .find(|line| line.starts_with("Uid:"))
        .expect("its user")
        .split_whitespace()
        .nth(1);
    assert_ne!(uid, Some("0"));
    drop(connection);
    postgres.stop().await;
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused_and_a_command_joins() {
    let folder = open_folder();
    let data_dir = folder.path().join("data");
    let first = EmbeddedPostgres::own(&data_dir).await.expect("it starts");
    make_thing(&first.connect_options()).await;

    let error = EmbeddedPostgres::own(&data_dir).await.expect_err("refused");
    assert!(
        matches!(error, StartError::InUse { pid: Some(pid), .. } if pid == std::process::id()),
        "{error:?}"
    );
    assert!(error.to_string().contains("BRIDGE_DATA_DIR"), "{error}");

    let guest = EmbeddedPostgres::own_or_join(&data_dir).await.expect("joined");
    assert!(guest.is_joined() && !first.is_joined());
    assert_eq!(count(&guest.connect_options()).await, 1);
    guest.stop().await;
    assert_eq!(
        count(&first.connect_options()).await,
        1,
        "the guest stopped the server of its host"
    );
    first.stop().await;

    let alone = EmbeddedPostgres::own_or_join(&data_dir).await.expect("it starts");
    assert!(!alone.is_joined());
    assert_eq!(count(&alone.connect_options()).await, 1);
    alone.stop().await;
}

#[tokio::test]
async fn commands_that_come_together_all_do_their_work() {
    let folder = open_folder();
    let data_dir = folder.path().join("data");
    let command = |data_dir: PathBuf| async move {
        let postgres = EmbeddedPostgres::own_or_join(&data_dir).await.expect("a database");
        let mut connection = postgres.connect_options().connect().await.expect("a connection");
        let one: i32 = sqlx::query_scalar("SELECT 1")
            .fetch_one(&mut connection)
            .await
            .expect("an answer");
        connection.close().await.expect("closed");
        postgres.stop().await;
        one
    };
    let all = (0..4)
        .map(|_| tokio::spawn(command(data_dir.clone())))
        .collect::<Vec<_>>();
    for one in all {
        assert_eq!(one.await.expect("no panic"), 1);
    }
}

#[tokio::test]
async fn it_comes_back_by_itself_when_it_is_killed() {
    let folder = open_folder();
    let data_dir = folder.path().join("data");
    let postgres = EmbeddedPostgres::own(&data_dir).await.expect("it starts");
    let options = postgres.connect_options();
    make_thing(&options).await;
    let killed = server_pid(&data_dir).expect("a process");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(killed).expect("a number"),
        rustix::process::Signal::KILL,
    )
    .expect("killed");
    eventually("another server answers", async || {
        server_pid(&data_dir).is_some_and(|pid| pid != killed) && options.connect().await.is_ok()
    })
    .await;
    assert_eq!(count(&options).await, 1);
    postgres.stop().await;
}

#[tokio::test]
async fn a_set_up_that_was_cut_short_is_made_anew() {
    let folder = open_folder();
    let data_dir = folder.path().join("data");
    fs::create_dir_all(data_dir.join("postgres.new/base")).expect("half a cluster");
    fs::write(data_dir.join("postgres.new/PG_VERSION"), "15").expect("half a cluster");
    let postgres = EmbeddedPostgres::own(&data_dir).await.expect("it starts");
    make_thing(&postgres.connect_options()).await;
    assert!(!data_dir.join("postgres.new").exists());
    postgres.stop().await;
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_works_too() {
    let folder = open_folder();
    let data_dir = folder.path().join("a".repeat(60)).join("b".repeat(60));
    let postgres = EmbeddedPostgres::own(&data_dir).await.expect("it starts");
    make_thing(&postgres.connect_options()).await;
    let guest = EmbeddedPostgres::own_or_join(&data_dir).await.expect("joined");
    assert_eq!(count(&guest.connect_options()).await, 1);
    guest.stop().await;
    let socket_dir = postgres.connect_options().get_socket().cloned().expect("a socket");
    assert!(
        socket_dir.exists() && !socket_dir.starts_with(folder.path()),
        "{}",
        socket_dir.display()
    );
    postgres.stop().await;
    assert!(!socket_dir.exists(), "the socket's folder stays behind");
}

#[tokio::test]
async fn a_data_directory_in_a_private_home_works_too() {
    // As root the server runs as somebody who can't enter here.
    let home = TempDir::new().expect("a temporary folder");
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).expect("its mode");
    let data_dir = home.path().join("data");
    let postgres = EmbeddedPostgres::own(&data_dir).await.expect("it starts");
    make_thing(&postgres.connect_options()).await;
    postgres.stop().await;
    let postgres = EmbeddedPostgres::own(&data_dir).await.expect("it starts again");
    assert_eq!(count(&postgres.connect_options()).await, 1);
    postgres.stop().await;
    if let Ok(elsewhere) = fs::read_link(data_dir.join("postgres")) {
        fs::remove_dir_all(elsewhere).expect("what the test left elsewhere is removed");
    }
}

#[tokio::test]
async fn data_of_a_version_that_is_not_installed_is_named_and_not_touched() {
    let folder = open_folder();
    let data_dir = folder.path().join("data");
    EmbeddedPostgres::own(&data_dir).await.expect("it starts").stop().await;
    let version = data_dir.join("postgres/PG_VERSION");
    fs::write(&version, "9\n").expect("another version");
    let error = EmbeddedPostgres::own(&data_dir).await.expect_err("refused").to_string();
    assert!(error.contains("PostgreSQL 9, which is not installed"), "{error}");
    assert_eq!(fs::read_to_string(&version).expect("still there"), "9\n");
}
