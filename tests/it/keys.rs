//! Keys: made once, shown once, refused at once everywhere.

use std::time::{Duration, Instant};

use odoo_bridge::calls::records::CallRecord;
use odoo_bridge::keys::issue;
use odoo_bridge::keys::policy::FULL;
use odoo_bridge::keys::secret::PlainKey;
use odoo_bridge::keys::verify::Rejection;
use serde_json::json;
use sqlx::PgPool;

use crate::helpers::{Actor, Answer, TestApp, eventually, make_key, request_id, start};

fn count_partners() -> serde_json::Value {
    json!({"model": "res.partner", "method": "search_count", "args": [[]]})
}

#[sqlx::test]
async fn a_key_made_in_the_dashboard_makes_calls_until_it_is_revoked(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let created = person
        .post_json(
            "/api/create_key",
            &json!({"name": "Web shop", "expiry": "30", "date": ""}),
        )
        .await;
    let created = Answer::of(created).await;
    assert_eq!(created.status, 200, "{}", created.text);
    let key = created.json["plaintext"].as_str().expect("the key, once");
    assert!(key.starts_with(created.json["key"]["prefix"].as_str().expect("its prefix")));

    let mut client = app.anonymous();
    client.key = Some(key.to_owned());
    client.call(&count_partners()).await.data();

    let revoked = person
        .post_form(
            "/api/revoke_key",
            &[("id", created.json["key"]["id"].as_str().expect("its id"))],
        )
        .await;
    assert_eq!(revoked.status(), 200);
    let refused = client.call(&count_partners()).await;
    assert_eq!(
        (refused.status, refused.code()),
        (401, "unauthenticated"),
        "at once, not after a while"
    );
}

#[sqlx::test]
async fn a_key_is_found_nowhere_in_the_database(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("secret").await;
    let dump: Vec<String> = sqlx::query_scalar("SELECT api_keys::text FROM api_keys")
        .fetch_all(&app.pool)
        .await
        .expect("rows");
    let secret = &key.plaintext["obk_AbCd1234_".len()..];
    assert!(dump.iter().all(|row| !row.contains(secret)), "{dump:?}");
    assert!(dump[0].contains(&key.plaintext[4..12]), "but its public id is");
}

#[sqlx::test]
async fn a_revocation_binds_on_every_instance_within_a_second(pool: PgPool) {
    let (here, there) = (TestApp::spawn(pool.clone()).await, TestApp::spawn(pool).await);
    let key = here.key("shared").await;
    there.with(&key).call(&count_partners()).await.data();

    let person = here.signed_in().await;
    let id = key.key.id.to_string();
    assert_eq!(person.post_form("/api/revoke_key", &[("id", &id)]).await.status(), 200);
    let revoked_at = Instant::now();
    eventually("the other instance refuses", || async {
        there.with(&key).call(&count_partners()).await.status == 401
    })
    .await;
    assert!(
        revoked_at.elapsed() < Duration::from_secs(1),
        "{:?}",
        revoked_at.elapsed()
    );
}

#[sqlx::test]
async fn a_change_whose_notification_is_lost_binds_within_a_second(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("silent").await;
    app.with(&key).call(&count_partners()).await.data();

    sqlx::query("ALTER TABLE api_keys DISABLE TRIGGER api_keys_notify_trigger")
        .execute(&app.pool)
        .await
        .expect("no more notifications");
    let changed_at = Instant::now();
    sqlx::query("UPDATE api_keys SET revoked_at = now()")
        .execute(&app.pool)
        .await
        .expect("revoked behind the bridge's back");
    eventually("the key is refused", || async {
        app.with(&key).call(&count_partners()).await.status == 401
    })
    .await;
    assert!(
        changed_at.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        changed_at.elapsed()
    );
}

#[sqlx::test]
async fn every_reason_to_refuse_a_key_gives_the_same_bytes(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let expired = app.key("expired").await;
    let revoked = app.key("revoked").await;
    let good = app.key("good").await;
    sqlx::query("UPDATE api_keys SET expires_at = now() WHERE id = $1")
        .bind(expired.key.id.0)
        .execute(&app.pool)
        .await
        .expect("expired");
    sqlx::query("UPDATE api_keys SET revoked_at = now() WHERE id = $1")
        .bind(revoked.key.id.0)
        .execute(&app.pool)
        .await
        .expect("revoked");
    // Well-formed, with a good checksum, but of no key here.
    let unknown = odoo_bridge::keys::secret::PlainKey::generate().reveal();
    let mut malformed = good.plaintext.clone();
    malformed.replace_range(50..51, if malformed.ends_with('0') { "1" } else { "0" });

    let keys = [
        None,
        Some(String::new()),
        Some("nonsense".into()),
        Some(malformed),
        Some(unknown),
        Some(expired.plaintext),
        Some(revoked.plaintext),
    ];
    let mut answers = Vec::new();
    for key in keys {
        let mut client = app.anonymous();
        client.key = key;
        let request = client
            .request(reqwest::Method::POST, "/call")
            .header("x-request-id", "same")
            .json(&count_partners());
        let answer = Answer::of(request.send().await.expect("an answer")).await;
        assert_eq!((answer.status, answer.code()), (401, "unauthenticated"));
        assert!(answer.headers.contains_key("www-authenticate"));
        answers.push(answer.text);
    }
    assert!(answers.iter().all(|text| *text == answers[0]), "{answers:#?}");
    assert_eq!(app.demo.counts().of("execute_kw"), 0, "no refused key reaches Odoo");
}

#[sqlx::test]
async fn a_key_is_taken_as_bearer_too_but_never_from_the_url(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("bearer").await;
    let bearer = app
        .anonymous()
        .request(reqwest::Method::POST, "/call")
        .bearer_auth(&key.plaintext)
        .json(&count_partners());
    Answer::of(bearer.send().await.expect("an answer")).await.data();

    let path = format!("/call?api_key={0}&X-API-KEY={0}", key.plaintext);
    let answer = Answer::of(app.anonymous().post_json(&path, &count_partners()).await).await;
    assert_eq!(answer.status, 401);

    let other = app.key("other").await;
    let both = app
        .with(&other)
        .request(reqwest::Method::POST, "/call")
        .bearer_auth(&key.plaintext)
        .json(&count_partners());
    assert_eq!(
        Answer::of(both.send().await.expect("an answer")).await.status,
        401,
        "two keys that differ are none"
    );
}

#[sqlx::test]
async fn a_use_is_noted_and_never_moves_back(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("used").await;
    app.with(&key).call(&count_partners()).await.data();
    let last_used = || async { issue::find(&app.pool, key.key.id).await.expect("the key").last_used_at };
    eventually("the use is written", || async { last_used().await.is_some() }).await;

    let later = last_used().await.expect("an instant");
    let records = &app.bridge.state.records;
    let hour_ago = later - chrono::Duration::hours(1);
    records.record(CallRecord::begin(
        hour_ago,
        key.key.id,
        request_id("late"),
        [127, 0, 0, 1].into(),
    ));
    records.flush(&app.pool).await.expect("written");
    assert_eq!(last_used().await, Some(later));
}

#[sqlx::test]
async fn the_list_is_searched_filtered_sorted_and_paged(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    for number in 0..30 {
        app.key(&format!("Sheet {number:02}")).await;
    }
    let odd = app.key("100% _odd_").await;
    issue::revoke(
        &app.pool,
        &app.bridge.state.keys,
        odd.key.id,
        &odoo_bridge::audit::log::Actor::COMMAND_LINE,
    )
    .await
    .expect("revoked");

    let list = |query: serde_json::Value| {
        let person = person.clone();
        async move {
            Answer::of(person.post_json("/api/list_keys", &json!({ "query": query })).await)
                .await
                .json
        }
    };
    let query = |search: &str, status: Option<&str>, page: u32| json!({"search": search, "status": status, "sort": "name", "descending": false, "page": page});
    let names = |page: &serde_json::Value| -> Vec<String> {
        page["keys"]
            .as_array()
            .expect("keys")
            .iter()
            .map(|key| key["name"].as_str().expect("a name").to_owned())
            .collect()
    };

    let first = list(query("", None, 1)).await;
    assert_eq!(
        (first["found"].as_u64(), first["pages"].as_u64(), names(&first).len()),
        (Some(31), Some(2), 25)
    );
    let beyond = list(query("sheet", Some("active"), 99)).await;
    assert_eq!(
        (beyond["page"].as_u64(), names(&beyond).len()),
        (Some(2), 5),
        "a page too far is the last one"
    );
    assert_eq!(
        names(&list(query("% _", None, 1)).await),
        ["100% _odd_"],
        "wildcards are plain characters"
    );
    assert_eq!(
        names(&list(query(&odd.key.prefix, None, 1)).await),
        ["100% _odd_"],
        "found by its prefix"
    );
    assert_eq!(names(&list(query("", Some("revoked"), 1)).await), ["100% _odd_"]);
    assert_eq!(
        list(query("nothing like it", None, 1)).await["total"].as_u64(),
        Some(31)
    );
}

#[sqlx::test]
async fn bad_input_makes_no_key(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let long = "x".repeat(101);
    for (name, expiry, date) in [
        ("", "never", ""),
        (" \t ", "never", ""),
        (&long, "never", ""),
        ("a\nb", "never", ""),
        ("a", "date", "yesterday"),
        ("a", "0", ""),
        ("a", "", ""),
    ] {
        let answer = Answer::of(
            person
                .post_json(
                    "/api/create_key",
                    &json!({"name": name, "expiry": expiry, "date": date}),
                )
                .await,
        )
        .await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (400, &json!("invalid_request")),
            "{name:?} {expiry:?}: {}",
            answer.text
        );
    }
    let missing = Answer::of(person.post_json("/api/create_key", &json!({"name": "a"})).await).await;
    assert_eq!(missing.status, 400, "{}", missing.text);
    let count: Option<i64> = sqlx::query_scalar("SELECT count(*) FROM api_keys")
        .fetch_one(&app.pool)
        .await
        .expect("a count");
    assert_eq!(count, Some(0));
}

#[sqlx::test]
async fn nobody_manages_keys_without_a_session(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("not a session").await;
    for actor in [app.anonymous(), app.with(&key)] {
        for (path, body) in [
            (
                "/api/list_keys",
                json!({"query": {"search": "", "status": null, "sort": "name", "descending": false, "page": 1}}),
            ),
            ("/api/create_key", json!({"name": "a", "expiry": "never", "date": ""})),
            ("/api/find_key", json!({"id": key.key.id})),
        ] {
            assert_eq!(actor.post_json(path, &body).await.status(), 401, "{path}");
        }
        assert_eq!(
            actor
                .post_form("/api/revoke_key", &[("id", &key.key.id.to_string())])
                .await
                .status(),
            401
        );
    }
    app.with(&key).call(&count_partners()).await.data();
}

#[sqlx::test]
async fn a_stop_writes_what_is_kept_in_memory(pool: PgPool) {
    let bridge = start(pool.clone(), &[]).await;
    let key = make_key(&pool, "last words", FULL).await;
    let at = chrono::Utc::now();
    let records = &bridge.state.records;
    records.record(CallRecord::begin(
        at,
        key.key.id,
        request_id("last"),
        [127, 0, 0, 1].into(),
    ));
    // A write that is cut off in the middle keeps what it had taken.
    let _ = tokio::time::timeout(Duration::ZERO, records.flush(&pool)).await;
    bridge.stop().await;
    let written = issue::find(&pool, key.key.id)
        .await
        .expect("the key")
        .last_used_at
        .expect("an instant");
    assert!((written - at).abs() < chrono::Duration::milliseconds(1));
}

fn stranger(app: &TestApp) -> Actor {
    let mut stranger = app.anonymous();
    stranger.key = Some(PlainKey::generate().reveal());
    stranger
}

#[sqlx::test]
async fn a_flood_of_keys_that_do_not_exist_asks_the_database_next_to_nothing(pool: PgPool) {
    let (here, there) = (TestApp::spawn(pool.clone()).await, TestApp::spawn(pool).await);
    let keys = &here.bridge.state.keys;
    let verify = |plain: PlainKey| async move {
        let verdict = keys.verify(plain.reveal().as_bytes(), chrono::Utc::now()).await;
        verdict.expect("a verdict")
    };
    // Until the ids are loaded each one is asked for.
    eventually("the ids are loaded and trusted", || async {
        let before = keys.lookups();
        for _ in 0..30 {
            verify(PlainKey::generate()).await.expect_err("unknown");
        }
        keys.lookups() - before < 30
    })
    .await;

    let (before, began) = (keys.lookups(), Instant::now());
    for _ in 0..5_000 {
        assert_eq!(verify(PlainKey::generate()).await, Err(Rejection::Unknown));
    }
    let allowed = 20 * (began.elapsed().as_secs() + 2);
    assert!(keys.lookups() - before <= allowed, "{}", keys.lookups() - before);

    let key = there.key("made during the flood").await;
    let made_at = Instant::now();
    while here.with(&key).call(&count_partners()).await.status != 200 {
        assert_eq!(stranger(&here).call(&count_partners()).await.status, 401);
        assert!(made_at.elapsed() < Duration::from_secs(1), "not accepted in time");
    }
}

#[sqlx::test]
async fn whether_a_key_shares_its_reads_is_known_on_every_instance_within_a_second(pool: PgPool) {
    let (here, there) = (TestApp::spawn(pool.clone()).await, TestApp::spawn(pool).await);
    let (key, person) = (here.key("sharing").await, here.signed_in().await);
    let shares = || async {
        let keys = &there.bridge.state.keys;
        let verdict = keys.verify(key.plaintext.as_bytes(), chrono::Utc::now()).await;
        verdict.expect("a verdict").expect("accepted").share_reads
    };
    assert!(!shares().await, "nobody asked for it");
    let id = key.key.id.to_string();
    let set = person
        .post_form("/api/set_share_reads", &[("id", &*id), ("share_reads", "true")])
        .await;
    let set_at = Instant::now();
    assert_eq!(Answer::of(set).await.json["share_reads"], true);
    eventually("the other instance knows", shares).await;
    assert!(set_at.elapsed() < Duration::from_secs(1), "{:?}", set_at.elapsed());

    let unset = person.post_form("/api/set_share_reads", &[("id", &*id)]).await;
    assert_eq!(Answer::of(unset).await.json["share_reads"], false);
    for path in ["/api/set_share_reads"] {
        let refused = here
            .with(&key)
            .post_form(path, &[("id", &*id), ("share_reads", "true")])
            .await;
        assert_eq!(refused.status(), 401, "a key is no session");
    }
}
