//! People who look into what was called, at a bad moment: they are told, and calls go on.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use odoo_bridge::keys::policy::FULL;
use odoo_bridge::server::database;
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, PgPool};

use crate::helpers::{TestApp, eventually, make_key};

/// A bridge with as many connections as in production.
async fn spawn(pool: &PgPool) -> TestApp {
    TestApp::spawn(database::pool((*pool.connect_options()).clone())).await
}

/// Holds every look into the call records up, until it is dropped.
async fn hold(pool: &PgPool) -> PgConnection {
    let mut connection = PgConnection::connect_with(&pool.connect_options())
        .await
        .expect("a connection");
    sqlx::raw_sql("BEGIN; LOCK TABLE call_records IN ACCESS EXCLUSIVE MODE")
        .execute(&mut connection)
        .await
        .expect("locked");
    connection
}

#[sqlx::test]
async fn a_search_that_takes_too_long_is_given_up_and_says_so(pool: PgPool) {
    let app = spawn(&pool).await;
    let person = app.signed_in().await;
    let _held = hold(&pool).await;
    // Not the page after the file: all at once, so that the test takes no longer than one of them.
    let (list, slow, csv, live) = tokio::join!(
        person.get("/calls?model=res.partner"),
        person.get("/calls?slower=1"),
        person.get("/calls.csv?slower=1"),
        person.get("/calls/live?"),
    );
    for page in [list, slow] {
        assert_eq!(page.status(), 200);
        let text = page.text().await.expect("a page");
        assert!(text.contains("was given up"), "{text}");
    }
    assert_eq!(csv.status(), 400);
    let text = csv.text().await.expect("an error");
    assert!(text.contains("takes too long"), "{text}");
    let text = live.text().await.expect("what it is told until its end");
    assert!(
        text.contains("event: over") && text.contains("takes too long"),
        "{text}"
    );
}

#[sqlx::test]
async fn those_who_look_on_leave_the_database_to_the_calls(pool: PgPool) {
    let app = spawn(&pool).await;
    let person = app.signed_in().await;
    let held = hold(&pool).await;
    let looking = join_all((0..16).map(|_| person.get("/calls?slower=1")));
    let calling = async {
        eventually("they look", || async { waiting(&pool).await > 0 }).await;
        let call = json!({"model": "res.partner", "method": "search_count", "args": [[]]});
        // Each with a key that nobody asked the database for yet.
        for number in 0..10 {
            let key = make_key(&pool, &format!("new {number}"), FULL).await;
            let actor = app.with(&key);
            let began = Instant::now();
            actor.call(&call).await.data();
            // A search holds its connection for three.
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        }
        assert!(waiting(&pool).await > 0, "they looked all the time");
        held.close().await.expect("let go");
    };
    let (pages, ()) = tokio::join!(looking, calling);
    for page in pages {
        assert_eq!(page.status(), 200, "whoever looks on waits, and is told");
    }
}

/// How many sessions of this database wait for a lock.
async fn waiting(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    .fetch_one(pool)
    .await
    .expect("a count")
}
