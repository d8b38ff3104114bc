//! `POST /call`: what goes through, what is refused, and what is never passed on.

use std::time::{Duration, Instant};

use odoo_bridge::demo_odoo::Fault;
use odoo_bridge::keys::policy::FULL;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::helpers::{Answer, TestApp, make_key};

fn search_orders() -> Value {
    json!({"model": "sale.order", "method": "search_read", "args": [[]], "kwargs": {"limit": 5, "fields": ["name", "state"]}})
}

#[sqlx::test]
async fn the_seeds_request_reads_five_orders(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("seed").await;
    let answer = app.with(&key).call(&search_orders()).await;
    let orders = answer.data().as_array().expect("orders");
    assert_eq!(orders.len(), 5);
    assert!(orders.iter().all(|order| order["name"].is_string()));
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(
        answer.headers["server-timing"]
            .to_str()
            .is_ok_and(|timing| timing.contains("odoo;dur="))
    );
    assert_eq!(
        answer.json["request_id"].as_str(),
        answer.headers["x-request-id"].to_str().ok()
    );
}

#[sqlx::test]
async fn the_callers_request_id_is_kept_if_it_is_a_sane_one(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("ids").await;
    let send = |id: &'static [u8]| {
        let value = reqwest::header::HeaderValue::from_bytes(id).expect("a header value");
        let request = app
            .with(&key)
            .request(Method::POST, "/call")
            .header("x-request-id", value)
            .json(&search_orders());
        async move { Answer::of(request.send().await.expect("an answer")).await }
    };
    assert_eq!(send(b"order-import-7").await.json["request_id"], "order-import-7");
    for odd in [b"a b".as_slice(), b"\"quoted\"", b"\xff\xfe", b""] {
        let answer = send(odd).await;
        assert!(
            answer.json["request_id"].as_str().is_some_and(|id| id.len() == 36),
            "{}",
            answer.text
        );
    }
}

#[sqlx::test]
async fn the_uid_is_remembered_and_nobody_logs_in_per_request(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("busy").await);
    let calls = (0..20).map(|_| {
        let actor = actor.clone();
        async move { actor.call(&search_orders()).await.status }
    });
    let statuses = futures_util::future::join_all(calls).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let counts = app.demo.counts();
    assert_eq!((counts.of("authenticate"), counts.of("execute_kw")), (1, 20));
}

#[sqlx::test]
async fn a_hostile_request_is_refused_in_the_contracts_shape_and_never_reaches_odoo(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("hostile").await);
    let deep = format!(
        r#"{{"model":"a","method":"b","args":{}{}}}"#,
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    let corpus: Vec<(&str, Vec<u8>)> = vec![
        ("empty", b"".to_vec()),
        ("blank", b"   ".to_vec()),
        ("null", b"null".to_vec()),
        ("a number", b"7".to_vec()),
        ("a string", b"\"model\"".to_vec()),
        ("an array", b"[]".to_vec()),
        ("a batch", br#"[{"model":"a","method":"b"}]"#.to_vec()),
        ("no fields", b"{}".to_vec()),
        ("truncated", br#"{"model":"sale.order","method":"sea"#.to_vec()),
        (
            "two documents",
            br#"{"model":"a","method":"b"}{"model":"a","method":"b"}"#.to_vec(),
        ),
        ("trailing comma", br#"{"model":"a","method":"b",}"#.to_vec()),
        ("single quotes", br"{'model':'a','method':'b'}".to_vec()),
        ("a comment", br#"{"model":"a","method":"b"/* x */}"#.to_vec()),
        ("NaN", br#"{"model":"a","method":"b","args":[NaN]}"#.to_vec()),
        ("Infinity", br#"{"model":"a","method":"b","args":[-Infinity]}"#.to_vec()),
        ("hexadecimal", br#"{"model":"a","method":"b","args":[0x10]}"#.to_vec()),
        (
            "a byte order mark",
            b"\xef\xbb\xbf{\"model\":\"a\",\"method\":\"b\"}".to_vec(),
        ),
        (
            "invalid UTF-8 in an argument",
            b"{\"model\":\"a\",\"method\":\"b\",\"args\":[\"\xff\xfe\"]}".to_vec(),
        ),
        ("invalid UTF-8 in a field", b"{\"mo\xc3del\":\"a\"}".to_vec()),
        ("NUL bytes", b"\0\0\0\0".to_vec()),
        (
            "a NUL in the model",
            br#"{"model":"sale\u0000order","method":"b"}"#.to_vec(),
        ),
        (
            "a line break in a string",
            b"{\"model\":\"a\nb\",\"method\":\"b\"}".to_vec(),
        ),
        (
            "UTF-16",
            "{\"model\":\"a\"}".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        ("unknown field", br#"{"model":"a","method":"b","kwarg":{}}"#.to_vec()),
        ("a field in capitals", br#"{"Model":"a","method":"b"}"#.to_vec()),
        ("repeated model", br#"{"model":"a","model":"b","method":"c"}"#.to_vec()),
        (
            "repeated by an escape",
            br#"{"model":"a","mod\u0065l":"b","method":"c"}"#.to_vec(),
        ),
        ("__proto__", br#"{"model":"a","method":"b","__proto__":{}}"#.to_vec()),
        ("model is null", br#"{"model":null,"method":"b"}"#.to_vec()),
        ("model is an array", br#"{"model":["a"],"method":"b"}"#.to_vec()),
        ("model is empty", br#"{"model":"","method":"b"}"#.to_vec()),
        (
            "model with a path",
            br#"{"model":"../../etc/passwd","method":"b"}"#.to_vec(),
        ),
        (
            "model with SQL",
            br#"{"model":"a'; DROP TABLE api_keys;--","method":"b"}"#.to_vec(),
        ),
        (
            "model with a trailing dot",
            br#"{"model":"sale.","method":"b"}"#.to_vec(),
        ),
        (
            "a long model",
            format!(r#"{{"model":"{}","method":"b"}}"#, "a".repeat(10_000)).into_bytes(),
        ),
        (
            "method with a dot",
            br#"{"model":"a","method":"env.cr.execute"}"#.to_vec(),
        ),
        ("method with a bracket", br#"{"model":"a","method":"b()"}"#.to_vec()),
        (
            "method in another script",
            "{\"model\":\"a\",\"method\":\"\u{440}ead\"}".as_bytes().to_vec(),
        ),
        ("args is an object", br#"{"model":"a","method":"b","args":{}}"#.to_vec()),
        ("args is null", br#"{"model":"a","method":"b","args":null}"#.to_vec()),
        (
            "args is a string",
            br#"{"model":"a","method":"b","args":"[]"}"#.to_vec(),
        ),
        (
            "kwargs is an array",
            br#"{"model":"a","method":"b","kwargs":[]}"#.to_vec(),
        ),
        (
            "kwargs is null",
            br#"{"model":"a","method":"b","kwargs":null}"#.to_vec(),
        ),
        ("deep nesting", deep.into_bytes()),
        (
            "unclosed nesting",
            format!("{{\"args\":{}", "[".repeat(200_000)).into_bytes(),
        ),
        ("form data", b"model=a&method=b".to_vec()),
        ("XML", b"<?xml version='1.0'?><methodCall/>".to_vec()),
    ];
    for (name, body) in corpus {
        let answer = actor.call_raw(body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "invalid_request"),
            "{name}: {}",
            answer.text
        );
        assert!(
            !answer.json["error"]
                .as_str()
                .unwrap_or_default()
                .contains(char::is_control),
            "{name}: {}",
            answer.text
        );
    }
    assert_eq!(app.demo.counts().total(), 0);
}

#[sqlx::test]
async fn what_is_no_post_of_json_is_refused(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--max-request-bytes", "2048"]).await;
    let actor = app.with(&app.key("odd").await);
    let send =
        |request: reqwest::RequestBuilder| async move { Answer::of(request.send().await.expect("an answer")).await };

    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let answer = send(actor.request(method.clone(), "/call")).await;
        assert_eq!((answer.status, answer.code()), (405, "method_not_allowed"), "{method}");
        assert_eq!(answer.headers["allow"], "POST");
    }
    let body = search_orders().to_string();
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "",
    ] {
        let answer = send(
            actor
                .request(Method::POST, "/call")
                .header("Content-Type", content_type)
                .body(body.clone()),
        )
        .await;
        assert_eq!(
            (answer.status, answer.code()),
            (415, "unsupported_media_type"),
            "{content_type:?}"
        );
    }
    let with_charset = actor
        .request(Method::POST, "/call")
        .header("Content-Type", "Application/JSON; charset=utf-8")
        .body(body.clone());
    send(with_charset).await.data();

    let large = json!({"model": "res.partner", "method": "search", "args": [["x".repeat(4_000)]]});
    let answer = actor.call(&large).await;
    assert_eq!((answer.status, answer.code()), (413, "payload_too_large"));
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(
        (0..8).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1_000])),
    ));
    let answer = actor.call_raw(chunked).await;
    assert_eq!(
        (answer.status, answer.code()),
        (413, "payload_too_large"),
        "without a length as well"
    );
}

#[sqlx::test]
async fn an_address_that_is_not_there_says_so_in_the_contracts_shape(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for path in [
        "/callz",
        "/call/",
        "/call/x",
        "/api/no_such_function",
        "/..%2fetc%2fpasswd",
    ] {
        let answer = Answer::of(app.anonymous().post_json(path, &json!({})).await).await;
        assert!(
            matches!(answer.status, 401 | 404),
            "{path}: {} {}",
            answer.status,
            answer.text
        );
        assert!(
            ["not_found", "unauthenticated"].contains(&answer.code()),
            "{path}: {}",
            answer.text
        );
    }
}

#[sqlx::test]
async fn refused_credentials_are_remembered_and_not_hammered(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("broken").await);
    app.demo.faults().refuse_credentials(true);
    for _ in 0..20 {
        let answer = actor.call(&search_orders()).await;
        assert_eq!(
            (answer.status, answer.code()),
            (502, "odoo_auth_failed"),
            "{}",
            answer.text
        );
        assert!(answer.headers.contains_key("retry-after"));
        assert!(
            answer.json["error"]
                .as_str()
                .is_some_and(|text| text.contains("operator")),
            "{}",
            answer.text
        );
    }
    assert_eq!(app.demo.counts().of("authenticate"), 1);
}

#[sqlx::test]
async fn a_read_that_odoo_does_not_answer_in_time_is_a_timeout_and_a_write_has_an_unknown_outcome(pool: PgPool) {
    let app = TestApp::spawn_with(
        pool,
        &["--odoo-timeout-secs", "1", "--odoo-first-byte-timeout-secs", "1"],
    )
    .await;
    let actor = app.with(&app.key("slow").await);
    actor.call(&search_orders()).await.data();
    app.demo.faults().set(Fault::Hang);

    let started = Instant::now();
    let read = actor.call(&search_orders()).await;
    assert_eq!(
        (read.status, read.code(), &read.json["retryable"]),
        (504, "odoo_timeout", &json!(true))
    );
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());

    let write = json!({"model": "res.partner", "method": "write", "args": [[1], {"city": "x"}]});
    let answer = actor.call(&write).await;
    assert_eq!(
        (answer.status, answer.code(), &answer.json["retryable"]),
        (504, "outcome_unknown", &json!(false))
    );
}

#[sqlx::test]
async fn an_answer_that_breaks_off_is_never_a_short_valid_one(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("cut").await);
    actor.call(&search_orders()).await.data();
    app.demo.faults().set(Fault::cut_in_body());
    let read = actor.call(&search_orders()).await;
    assert_eq!((read.status, read.code()), (502, "odoo_unreachable"), "{}", read.text);
    let write = actor
        .call(&json!({"model": "res.partner", "method": "create", "args": [{"name": "x"}]}))
        .await;
    assert_eq!((write.status, write.code()), (504, "outcome_unknown"), "{}", write.text);
}

#[sqlx::test]
async fn an_answer_larger_than_the_limit_is_not_passed_on(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-max-answer-bytes", "65536"]).await;
    let actor = app.with(&app.key("large").await);
    actor.call(&search_orders()).await.data();
    // Announced: nothing has been sent yet, so there is an error.
    let result = format!(
        "{{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": \"{}\"}}",
        "x".repeat(70_000)
    );
    app.demo
        .faults()
        .set_times("execute_kw", 1, Fault::answer(200, "application/json", result));
    let answer = actor.call(&search_orders()).await;
    assert_eq!((answer.status, answer.code()), (502, "odoo_error"), "{}", answer.text);
    assert_eq!(answer.json["details"]["limit_bytes"], 65_536);
    // Not announced: the transfer breaks.
    app.demo.faults().set(Fault::Huge { bytes: 1 << 20 });
    let response = actor.post_json("/call", &search_orders()).await;
    assert!(response.bytes().await.is_err(), "a transfer that is cut is no answer");
}

#[sqlx::test]
async fn redirects_are_not_followed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("redirect").await);
    actor.call(&search_orders()).await.data();
    let before = app.demo.counts().of("execute_kw");
    app.demo.faults().set(Fault::redirect("/jsonrpc"));
    let answer = actor.call(&search_orders()).await;
    assert_eq!(
        (answer.status, answer.code()),
        (502, "odoo_unreachable"),
        "{}",
        answer.text
    );
    assert!(
        app.demo.counts().of("execute_kw") <= before + 1,
        "asked once, not where it points to"
    );
}

#[sqlx::test]
async fn a_login_is_not_redirected_either(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("redirect").await);
    app.demo.faults().set_on("authenticate", Fault::redirect("/web/health"));
    let answer = actor.call(&search_orders()).await;
    assert_eq!(answer.code(), "odoo_unreachable", "{}", answer.text);
    assert!(answer.text.contains("redirects are not followed"), "{}", answer.text);
    let counts = app.demo.counts();
    assert!(
        counts.of("authenticate") > 0 && counts.of("/web/health") == 0,
        "{counts:?}"
    );
}

#[sqlx::test]
async fn an_odoo_that_is_away_is_told_and_recovers_by_itself(pool: PgPool) {
    // A port that nobody listens on.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("its address");
    let url = format!("http://{free}");
    let args = [
        "--odoo-url",
        &url,
        "--odoo-db",
        "demo",
        "--odoo-username",
        "admin",
        "--odoo-password",
        "admin",
    ];
    let bridge = crate::helpers::start(pool.clone(), &args).await;
    let key = make_key(&pool, "away", FULL).await;
    let actor = crate::helpers::Actor {
        address: format!("http://{}", bridge.address),
        client: crate::helpers::client(),
        key: Some(key.plaintext),
    };
    let answer = actor.call(&search_orders()).await;
    assert_eq!(
        (answer.status, answer.code(), &answer.json["retryable"]),
        (502, "odoo_unreachable", &json!(true)),
        "{}",
        answer.text
    );
    assert!(
        !answer.text.contains(&free.port().to_string()),
        "the address is nobody's business: {}",
        answer.text
    );

    let demo = odoo_bridge::demo_odoo::DemoOdoo::new();
    let listener = tokio::net::TcpListener::bind(free)
        .await
        .expect("the port is free again");
    tokio::spawn(odoo_bridge::demo_odoo::serve(listener, demo, std::future::pending()));
    actor.call(&search_orders()).await.data();
}

#[sqlx::test]
async fn a_method_without_a_result_answers_null(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("null").await);
    actor.call(&search_orders()).await.data();
    app.demo.faults().set(Fault::NoneResult);
    assert_eq!(actor.call(&search_orders()).await.data(), &Value::Null);
}

#[sqlx::test]
async fn every_way_to_break_a_connection_gets_a_clear_code(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-timeout-secs", "2"]).await;
    let actor = app.with(&app.key("faults").await);
    actor.call(&search_orders()).await.data();
    let slow = Fault::Slow {
        bytes: 1,
        every: Duration::from_millis(50),
    };
    for (name, fault, code) in [
        (
            "cut before the headers",
            Fault::cut_before_headers(),
            "odoo_unreachable",
        ),
        ("cut after the headers", Fault::cut_after_headers(), "odoo_unreachable"),
        ("cut in the body", Fault::cut_in_body(), "odoo_unreachable"),
        ("no HTTP", Fault::garbage(), "odoo_unreachable"),
        ("a proxy without Odoo", Fault::html(502), "odoo_unreachable"),
        ("a proxy in maintenance", Fault::html(503), "odoo_unreachable"),
        ("a login page", Fault::html(200), "odoo_unreachable"),
        ("another site", Fault::html(404), "odoo_unreachable"),
        ("a byte now and then", slow, "odoo_timeout"),
    ] {
        app.demo.faults().clear();
        // Odoo answers in between, or it would be left alone after some failures.
        actor.call(&search_orders()).await.data();
        app.demo.faults().set(fault);
        let answer = actor.call(&search_orders()).await;
        assert_eq!(answer.code(), code, "{name}: {}", answer.text);
    }
    app.demo.faults().clear();
    actor.call(&search_orders()).await.data();
}

#[sqlx::test]
async fn a_write_behind_a_proxy_that_gave_up_has_an_unknown_outcome(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("proxy").await);
    actor.call(&search_orders()).await.data();
    let write = json!({"model": "res.partner", "method": "create", "args": [{"name": "x"}]});
    for (status, code) in [
        (502, "outcome_unknown"),
        (504, "outcome_unknown"),
        (503, "outcome_unknown"),
        (404, "outcome_unknown"),
        (413, "odoo_unreachable"),
    ] {
        app.demo.faults().clear();
        app.demo.faults().set(Fault::html(status));
        assert_eq!(actor.call(&write).await.code(), code, "HTTP {status}");
    }
}

#[sqlx::test]
async fn no_odoo_answer_however_odd_breaks_the_contract(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("corpus").await);
    actor.call(&search_orders()).await.data();
    for odd in crate::hostile_answers::hostile_answers() {
        app.demo.faults().clear();
        actor.call(&search_orders()).await.data();
        app.demo.faults().set(odd.fault());
        let answer = actor.call(&search_orders()).await;
        // Not by parsing: what passes through may be beyond what a parser takes.
        let passed = answer.text.strip_prefix(r#"{"success":true,"data":"#);
        let seen = if passed.is_some() { "success" } else { answer.code() };
        assert!(
            odd.expected.contains(&seen),
            "{}: {seen}, expected {:?}: {}",
            odd.name,
            odd.expected,
            answer.text
        );
        match (passed, odd.data) {
            (Some(passed), Some(data)) => {
                assert!(passed.as_bytes().starts_with(&data), "{}: not byte for byte", odd.name)
            }
            (Some(_), None) => {}
            (None, _) => {
                for leak in ["Traceback", "psycopg2.connect", "5432", "/usr/lib", "site-packages"] {
                    assert!(!answer.text.contains(leak), "{}: {leak} in {}", odd.name, answer.text);
                }
                assert!(answer.text.len() < 10_000, "{}: {} bytes", odd.name, answer.text.len());
            }
        }
    }
}

#[sqlx::test]
async fn hostile_headers_and_addresses_get_a_clear_error(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("headers").await;
    let value = |bytes: &[u8]| reqwest::header::HeaderValue::from_bytes(bytes).expect("a header value");
    for odd in [
        b"\xff\xfe\xfd".as_slice(),
        b"obk_",
        b"obk_AbCd1234_",
        &[b'a'; 8_000],
        b"' OR 1=1 --",
        b"obk_AbCd1234_\xc3\xa4\xc3\xa4",
    ] {
        let request = app
            .anonymous()
            .request(Method::POST, "/call")
            .header("X-API-KEY", value(odd))
            .json(&search_orders());
        let answer = Answer::of(request.send().await.expect("an answer")).await;
        assert_eq!((answer.status, answer.code()), (401, "unauthenticated"), "{odd:?}");
    }
    for odd in [
        b"\xff\xfe".as_slice(),
        b"application/json\xff",
        b"multipart/form-data; boundary=x",
    ] {
        let request = app
            .with(&key)
            .request(Method::POST, "/call")
            .header("Content-Type", value(odd))
            .body("{}");
        let answer = Answer::of(request.send().await.expect("an answer")).await;
        assert_eq!(
            (answer.status, answer.code()),
            (415, "unsupported_media_type"),
            "{odd:?}"
        );
    }
    let huge = app
        .with(&key)
        .request(Method::POST, "/call")
        .header("X-Huge", "x".repeat(1 << 20));
    // The server may refuse before it has read all of it.
    if let Ok(response) = huge.json(&search_orders()).send().await {
        assert_eq!(response.status(), 431);
    }
    let person = app.signed_in().await;
    for odd in [
        "/keys/%00".to_owned(),
        "/keys/not-an-id".to_owned(),
        "/keys?page=-1&sort=%FF&status=%22%3E%3Cscript%3E&q=%27%25_%5C".to_owned(),
        "/speed-test?page=99999999999999999999&type=%00".to_owned(),
        format!("/keys?q={}", "%F0%9F%94%91".repeat(500)),
        "/login?next=//evil.example".to_owned(),
    ] {
        let page = person.get(&odd).await;
        assert!(
            matches!(page.status().as_u16(), 200 | 303 | 404),
            "{odd}: {}",
            page.status()
        );
        let text = page.text().await.expect("a page");
        assert!(!text.contains("><script>") && !text.contains("href=\"//evil"), "{odd}");
    }
    app.with(&key).call(&search_orders()).await.data();
}
