//! What is done about people and the audit log from a terminal.

use std::process::Output;

use odoo_bridge::audit::chain;
use odoo_bridge::keys::policy::READ_ONLY;
use odoo_bridge::sealing::SealingKey;
use odoo_bridge::session::model::Role;
use serde_json::json;
use sqlx::{ConnectOptions as _, PgPool};
use tempfile::TempDir;
use tokio::process::Command;

use crate::helpers::{EMAIL, PASSWORD, SECRET_KEY, TestApp, make_key};
use crate::people::{actions, code_at, codes_of, person, send, text_of};

/// Another one than the tests' usual.
const NEW_KEY: &str = "bmV3LCBvZG9vIGJyaWRnZSB0ZXN0cywgb25seSBmb3I=";

async fn run(pool: &PgPool, env: &[(&str, &str)], args: &[&str]) -> (Output, String) {
    let folder = TempDir::new().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_odoo-bridge"));
    command
        .args(args)
        .env_clear()
        .env("DATABASE_URL", pool.connect_options().to_url_lossy().as_str())
        .env("BRIDGE_DATA_DIR", folder.path())
        .env("BRIDGE_SECRET_KEY", SECRET_KEY)
        .envs(env.iter().copied());
    let output = command.kill_on_drop(true).output().await.expect("it runs");
    let told = [&*output.stdout, &*output.stderr].concat();
    (output, String::from_utf8_lossy(&told).into_owned())
}

fn key(present: &str, old: &[&str]) -> SealingKey {
    use clap::Parser as _;
    let old = old.join(",");
    let mut args = vec!["odoo-bridge", "--secret-key", present];
    if !old.is_empty() {
        args.extend(["--old-secret-keys", &old]);
    }
    let settings = odoo_bridge::config::Cli::try_parse_from(args)
        .expect("arguments")
        .settings;
    SealingKey::open(&settings).expect("a key")
}

async fn write_down(pool: &PgPool, name: &str, sealed_by: &SealingKey) {
    make_key(pool, name, READ_ONLY).await;
    chain::seal(pool, sealed_by).await.expect("sealed");
}

#[sqlx::test]
async fn verify_audit_tells_by_its_exit_code_and_against_a_head_that_was_noted(pool: PgPool) {
    let present = key(SECRET_KEY, &[]);
    for number in 0..3 {
        write_down(&pool, &format!("key {number}"), &present).await;
    }
    let (output, told) = run(&pool, &[], &["verify-audit"]).await;
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains("The chain is whole: 3 events, 0 not sealed yet"),
        "{told}"
    );
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let head = printed.lines().last().expect("its newest seal").to_owned();
    write_down(&pool, "one more", &present).await;
    let (output, told) = run(&pool, &[], &["verify-audit", "--head", &head]).await;
    assert_eq!(output.status.code(), Some(0), "it is in the chain still: {told}");

    let seal = head.split_once(':').expect("number and seal").1;
    let later = format!("9:{seal}");
    let (output, told) = run(&pool, &[], &["verify-audit", "--head", &later]).await;
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("The newest events are gone: 9 were noted, 4 are there."),
        "{told}"
    );
    let (output, told) = run(&pool, &[], &["verify-audit", "--head", "nonsense"]).await;
    assert_eq!(output.status.code(), Some(2), "{told}");

    sqlx::raw_sql(
        "ALTER TABLE audit_events DISABLE TRIGGER USER;
         UPDATE audit_events SET subject_name = 'forged' WHERE sealed_no = 2",
    )
    .execute(&pool)
    .await
    .expect("forged");
    let (output, told) = run(&pool, &[], &["verify-audit"]).await;
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("The chain is broken. Event 2"), "{told}");
}

#[sqlx::test]
async fn after_a_change_of_the_secret_key_the_chain_is_whole_with_the_old_one_beside_it(pool: PgPool) {
    write_down(&pool, "before", &key(SECRET_KEY, &[])).await;
    let changed = [("BRIDGE_SECRET_KEY", NEW_KEY)];
    let with_old = [("BRIDGE_SECRET_KEY", NEW_KEY), ("BRIDGE_OLD_SECRET_KEYS", SECRET_KEY)];
    let (output, told) = run(&pool, &changed, &["verify-audit"]).await;
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("BRIDGE_OLD_SECRET_KEYS"), "it says what helps: {told}");
    write_down(&pool, "after", &key(NEW_KEY, &[SECRET_KEY])).await;
    let (output, told) = run(&pool, &with_old, &["verify-audit"]).await;
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("2 events"), "{told}");

    // Whoever got hold of the old one can't write on with it.
    write_down(&pool, "forged", &key(SECRET_KEY, &[])).await;
    let (output, told) = run(&pool, &with_old, &["verify-audit"]).await;
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("Event 3") && told.contains("another had taken the place of"),
        "{told}"
    );
    let wrong = [("BRIDGE_OLD_SECRET_KEYS", "hunter2")];
    let (output, told) = run(&pool, &wrong, &["verify-audit"]).await;
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("BRIDGE_OLD_SECRET_KEYS") && !told.contains("hunter2"),
        "{told}"
    );
}

#[sqlx::test]
async fn a_second_factor_that_an_old_secret_key_sealed_works_while_that_is_in_the_settings(pool: PgPool) {
    let before = TestApp::spawn(pool.clone()).await;
    let admin = person(&before, EMAIL, Role::Admin).await;
    let (_, text) = send(&admin, "/account/security", &[("do", "set_up")]).await;
    let totp = codes_of(text_of(&text, "totp-secret"));
    let form = [("do", "turn_on"), ("code", &*code_at(&totp, -1))];
    send(&admin, "/account/security", &form).await;
    let args = ["--secret-key", NEW_KEY, "--old-secret-keys", SECRET_KEY];
    let after = TestApp::spawn_with(pool, &args).await;
    let actor = after.anonymous();
    let form = [("email", EMAIL), ("password", PASSWORD), ("next", "/guide")];
    send(&actor, "/api/sign_in", &form).await;
    let form = [("code", &*code_at(&totp, 0)), ("next", "/guide")];
    assert_eq!(send(&actor, "/login/code", &form).await, (303, "/guide".to_owned()));
}

#[sqlx::test]
async fn reset_second_factor_lets_somebody_in_without_the_code_that_they_lost(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let (_, text) = send(&admin, "/account/security", &[("do", "set_up")]).await;
    let totp = codes_of(text_of(&text, "totp-secret"));
    let form = [("do", "turn_on"), ("code", &*code_at(&totp, -1))];
    send(&admin, "/account/security", &form).await;
    let (output, told) = run(&pool, &[], &["reset-second-factor", "--email", "nobody@example.com"]).await;
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("There is no such person."), "{told}");
    let (output, told) = run(&pool, &[], &["reset-second-factor", "--email", EMAIL]).await;
    assert_eq!(output.status.code(), Some(0), "{told}");
    let form = [("email", EMAIL), ("password", PASSWORD), ("next", "")];
    assert_eq!(
        send(&app.anonymous(), "/api/sign_in", &form).await,
        (303, "/keys".to_owned())
    );
    assert!(actions(&pool).await.contains(&"second_factor_off".into()));
}

#[sqlx::test]
async fn revoke_keys_ends_all_keys_that_a_person_made_and_no_others(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let operator = person(&app, "leaves@example.com", Role::Operator).await;
    for name in ["one", "two"] {
        let asked = json!({"name": name, "expiry": "never", "date": ""});
        operator.post_json("/api/create_key", &asked).await;
    }
    make_key(&pool, "of the terminal", READ_ONLY).await;
    let (output, told) = run(&pool, &[], &["revoke-keys", "--made-by", "leaves@example.com"]).await;
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains("2 keys that leaves@example.com made or owns are revoked"),
        "{told}"
    );
    let left: Vec<String> = sqlx::query_scalar("SELECT name FROM api_keys WHERE revoked_at IS NULL")
        .fetch_all(&pool)
        .await
        .expect("names");
    assert_eq!(left, ["of the terminal"]);
}
