//! One journey through the whole bridge, as the binary that operators run, at its most
//! talkative: no secret is in anything that it writes, and no value of a call is where
//! calls have no business. (scripts/leaks.sh looks through the logs of all other tests.)

use std::collections::BTreeSet;
use std::net::TcpListener;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use odoo_bridge::demo_odoo::{self, DemoOdoo, Fault};
use odoo_bridge::keys::secret::PlainKey;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::commands::Machine;
use crate::helpers::{Actor, EMAIL, EVERYTHING, client, eventually};

// All of them are found by a line of tests/secrets.txt as well.
const ODOO_PASSWORD: &str = "canary-odoo-password-8c1f";
const ODOO_API_KEY: &str = "canary-odoo-key-8c1f";
const ADMIN_PASSWORD: &str = "canary-admin-password-8c1f";
const WRONG_PASSWORD: &str = "canary-wrong-password-8c1f";
const SECRET_KEY: &[u8; 32] = b"canary-secret-of-the-bridge-8c1f";
/// In arguments, in records, and in what Odoo says of its failures.
const VALUE: &str = "canary-value-8c1f";

/// Something that the bridge wrote.
struct Written {
    place: String,
    bytes: Vec<u8>,
    /// Whether values of calls belong there: a client gets what it asked for.
    may_hold_values: bool,
}

/// Where any of `needles` is, as it is or as base64 or hexadecimal digits.
fn leaks(written: &[Written], needles: &[(String, String)], are_values: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for Written { place, bytes, .. } in written
        .iter()
        .filter(|written| !(are_values && written.may_hold_values))
    {
        for (name, needle) in needles {
            let hex: String = needle.bytes().map(|byte| format!("{byte:02x}")).collect();
            let base64 = STANDARD.encode(needle);
            for form in [needle, &hex, base64.trim_end_matches('=')] {
                if bytes.windows(form.len()).any(|window| window == form.as_bytes()) {
                    found.insert(format!("{name} in {place}"));
                }
            }
        }
    }
    found
}

fn needles(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, needle): &(&str, &str)| ((*name).to_owned(), (*needle).to_owned());
    list.iter().map(owned).collect()
}

#[test]
fn a_secret_that_is_there_is_found_in_whatever_way_it_is_written() {
    let wanted = needles(&[("the password", ODOO_PASSWORD)]);
    for text in [
        format!("INFO password={ODOO_PASSWORD}"),
        format!("authorization: Basic {}", STANDARD.encode(ODOO_PASSWORD)),
        format!(
            "\\x{}",
            ODOO_PASSWORD
                .bytes()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        ),
    ] {
        let mut written = [Written {
            place: "a log".into(),
            bytes: text.into_bytes(),
            may_hold_values: false,
        }];
        assert_eq!(leaks(&written, &wanted, true).len(), 1);
        written[0].may_hold_values = true;
        assert_eq!(leaks(&written, &wanted, false).len(), 1, "a secret belongs nowhere");
        assert_eq!(leaks(&written, &wanted, true).len(), 0);
        assert_eq!(leaks(&written, &needles(&[("another", ODOO_API_KEY)]), true).len(), 0);
    }
}

/// The demo Odoo, with credentials that can be recognized; on a thread of its own, so
/// that a test which waits for a process does not stop it.
fn odoo(demo: &DemoOdoo) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("for the runtime");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let router = demo.router().layer(from_fn(async |request: Request, next: Next| {
        let (mut parts, body) = request.into_parts();
        let body = to_bytes(body, 1 << 20).await.expect("a body");
        let body = String::from_utf8(body.to_vec()).expect("JSON");
        let body = body
            .replace(ODOO_PASSWORD, demo_odoo::PASSWORD)
            .replace(ODOO_API_KEY, demo_odoo::API_KEY);
        let bearer = format!("bearer {ODOO_API_KEY}");
        if parts
            .headers
            .get("authorization")
            .is_some_and(|value| *value == *bearer)
        {
            let theirs = format!("bearer {}", demo_odoo::API_KEY);
            parts.headers.insert("authorization", theirs.parse().expect("a header"));
        }
        parts.headers.remove("content-length");
        next.run(Request::from_parts(parts, Body::from(body))).await
    }));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, router).await
        })
    });
    url
}

struct Journey {
    written: Vec<Written>,
    /// Plaintexts of keys, tokens of sessions: made on the way.
    secrets: Vec<(String, String)>,
}

impl Journey {
    fn keep(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>, may_hold_values: bool) {
        self.written.push(Written {
            place: place.into(),
            bytes: bytes.into(),
            may_hold_values,
        });
    }

    /// Sends a request and keeps the whole answer. A cookie goes to who signed in, and
    /// to nobody else: it is a secret from then on.
    async fn ask(&mut self, place: &str, request: RequestBuilder, may_hold_values: bool) -> (u16, String) {
        let response = request.send().await.expect("the bridge answers");
        let status = response.status().as_u16();
        let mut head = format!("{status}\n");
        for (name, value) in response.headers() {
            let value = value.to_str().unwrap_or_default();
            match value
                .strip_prefix("bridge_session=")
                .and_then(|rest| rest.split(';').next())
            {
                Some(token) if !token.is_empty() => self.secrets.push(("a session's token".into(), token.into())),
                _ => head.push_str(&format!("{name}: {value}\n")),
            }
        }
        // What can not be read to its end was cut, and is an answer too.
        let body = response.text().await.unwrap_or_default();
        self.keep(
            format!("the answer to {place} ({status})"),
            format!("{head}\n{body}"),
            may_hold_values,
        );
        (status, body)
    }

    async fn call(&mut self, place: &str, actor: &Actor, body: impl Into<reqwest::Body>) -> (u16, String) {
        let request = actor
            .request(Method::POST, "/call")
            .header("content-type", "application/json")
            .body(body);
        let response = request.send().await.expect("the bridge answers");
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        self.keep(format!("the answer to {place} ({status})"), text.clone(), status == 200);
        (status, text)
    }

    /// Makes a key; its plaintext is in that answer, and must be nowhere else.
    async fn key(&mut self, person: &Actor, access: &str) -> (Actor, Value) {
        let new = json!({"name": "Journey", "expiry": "30", "date": "", "access": access});
        let created: Value = person
            .post_json("/api/create_key", &new)
            .await
            .json()
            .await
            .expect("JSON");
        let plaintext = created["plaintext"].as_str().expect("a key").to_owned();
        self.secrets
            .push(("the plaintext of a key".into(), plaintext[13..].to_owned()));
        let actor = Actor {
            key: Some(plaintext),
            client: client(),
            address: person.address.clone(),
        };
        (actor, created["key"]["id"].clone())
    }
}

fn search(value: &str) -> String {
    json!({"model": "res.partner", "method": "search_read", "args": [[["name", "=", value]]], "kwargs": {"fields": ["name"]}})
        .to_string()
}

fn create(value: &str) -> String {
    json!({"model": "res.partner", "method": "create", "args": [{"name": value}]}).to_string()
}

/// What an Odoo, or what stands in its place, may say about a call's values.
fn failures() -> Vec<(&'static str, Fault)> {
    let json = |body: String| Fault::answer(200, "application/json", body);
    let traceback = format!("Traceback (most recent call last):\\n  File \\\"x.py\\\"\\nValueError: {VALUE}");
    let raised = |class: &str| {
        format!(
            r#"{{"name":"{class}","message":"It failed.","arguments":["{VALUE}"],"context":{{"x":"{VALUE}"}},"debug":"{traceback}"}}"#
        )
    };
    let rpc = |data: String| {
        json(format!(
            r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":0,"message":"{VALUE}","data":{data}}}}}"#
        ))
    };
    vec![
        ("a refusal", rpc(raised("odoo.exceptions.UserError"))),
        ("a crash", rpc(raised("builtins.ValueError"))),
        (
            "a crash of its database",
            rpc(raised("psycopg2.errors.UniqueViolation")),
        ),
        (
            "a refusal over JSON-2",
            Fault::answer(422, "application/json", raised("odoo.exceptions.UserError")),
        ),
        (
            "a crash over JSON-2",
            Fault::answer(500, "application/json", raised("builtins.KeyError")),
        ),
        (
            "an error that is a text",
            json(format!(r#"{{"jsonrpc":"2.0","id":1,"error":"{VALUE}"}}"#)),
        ),
        ("data of an error that is a text", rpc(format!("\"{VALUE}\""))),
        (
            "a class that is none",
            rpc(format!(r#"{{"name":{{"{VALUE}":1}},"message":["{VALUE}"]}}"#)),
        ),
        (
            "a version that is none",
            json(format!(r#"{{"jsonrpc":"{VALUE}","id":1,"result":[]}}"#)),
        ),
        ("a text alone", json(format!("\"{VALUE}\""))),
        (
            "a field twice",
            json(format!(r#"{{"jsonrpc":"2.0","result":1,"result":"{VALUE}"}}"#)),
        ),
        (
            "a broken result",
            json(format!(r#"{{"jsonrpc":"2.0","id":1,"result":["{VALUE}""#)),
        ),
        (
            "a page",
            Fault::answer(200, "text/html", format!("<html>{VALUE}</html>")),
        ),
        (
            "a page of a proxy",
            Fault::answer(502, "text/html", format!("<html>{VALUE}</html>")),
        ),
        ("a redirect", Fault::redirect(&format!("http://127.0.0.1:9/{VALUE}"))),
    ]
}

/// Reads every page, and tries doors with keys that open none.
async fn look_around(journey: &mut Journey, person: &Actor, key: &Actor, id: &Value) {
    let (id, plaintext) = (id.as_str().expect("an id"), key.key.clone().expect("a key"));
    for page in [
        "keys",
        "connection",
        "account",
        "guide",
        "speed-test",
        "openapi.json",
        "readyz",
        "nowhere",
    ] {
        let page = format!("/{page}");
        journey
            .ask(
                &page,
                person.request(Method::GET, &page).header("accept", "text/html"),
                false,
            )
            .await;
    }
    for page in [format!("/keys/{id}"), format!("/keys/{id}/policy")] {
        journey
            .ask(
                "a key's page",
                person.request(Method::GET, &page).header("accept", "text/html"),
                false,
            )
            .await;
    }
    let calls = person
        .request(Method::POST, "/api/print_key_calls")
        .json(&json!({"id": id}));
    journey.ask("the calls of a key", calls, false).await;
    let stranger = |other: String| Actor {
        key: Some(other),
        ..key.clone()
    };
    for other in [PlainKey::generate().reveal(), plaintext[..40].to_owned()] {
        let (status, _) = journey
            .call("a key that is none", &stranger(other), search(VALUE))
            .await;
        assert_eq!(status, 401);
    }
    let nobody = Actor {
        key: None,
        ..key.clone()
    };
    // Its answer leads back to the address that was asked for: only the log is looked at.
    nobody.get(&format!("/keys?q={plaintext}")).await;
    for path in [format!("/call?api_key={plaintext}"), format!("/api/{plaintext}")] {
        journey
            .ask("a key in an address", nobody.request(Method::GET, &path), false)
            .await;
    }
    let bearer = nobody
        .request(Method::POST, "/call")
        .bearer_auth(&plaintext)
        .body("no JSON");
    journey.ask("a key as bearer", bearer, false).await;
}

async fn calls(journey: &mut Journey, demo: &DemoOdoo, way: &str, full: &Actor, reader: &Actor) {
    let (status, text) = journey.call("a write", full, create(VALUE)).await;
    assert_eq!(status, 200, "{text}");
    let (status, text) = journey.call("a read", reader, search(VALUE)).await;
    assert!(status == 200 && text.contains(VALUE), "{text}");
    let (status, _) = journey
        .call("a write with a key that reads", reader, create(VALUE))
        .await;
    assert_eq!(status, 403);
    for wrong in [
        format!(r#"{{"model":"res.partner","method":"search","args":[["{VALUE}""#),
        format!(r#"{{"model":"res.partner","method":"search","args":"{VALUE}"}}"#),
        format!(r#"["{VALUE}"]"#),
        format!(r#"{{"model":["{VALUE}"],"method":"search"}}"#),
    ] {
        assert_eq!(journey.call("what is no call", full, wrong).await.0, 400);
    }
    for (name, fault) in failures() {
        for body in [search(VALUE), create(VALUE)] {
            for method in ["execute_kw", "call_kw", "json2"] {
                demo.faults().set_on(method, fault.clone());
            }
            let (status, text) = journey.call(name, full, body).await;
            // Over JSON-2 every JSON with a 200 is a result.
            assert!(status >= 400 || way == "json2", "{name}: {text}");
            demo.faults().clear();
            eventually("the bridge takes Odoo again", || async {
                full.call_raw(search("nobody")).await.status == 200
            })
            .await;
        }
    }
}

/// All that is in the database, table by table.
async fn dump(pool: &PgPool) -> Vec<Written> {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'")
            .fetch_all(pool)
            .await
            .expect("the tables");
    assert!(tables.len() > 8, "{tables:?}");
    let mut written = Vec::new();
    for table in tables {
        let rows = sqlx::AssertSqlSafe(format!("SELECT t::text FROM \"{table}\" t"));
        let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(pool).await.expect("rows");
        written.push(Written {
            place: format!("the table {table}"),
            bytes: rows.join("\n").into_bytes(),
            may_hold_values: false,
        });
    }
    written
}

async fn walk(pool: &PgPool, database: &str, way: &str, format: &str) -> Journey {
    let demo = DemoOdoo::new();
    let machine = Machine::new();
    let free = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let settings = [
        ("DATABASE_URL", database),
        ("ODOO_URL", &odoo(&demo)),
        ("ODOO_DB", demo_odoo::DB),
        ("ODOO_USERNAME", demo_odoo::USERNAME),
        ("ODOO_PASSWORD", ODOO_PASSWORD),
        ("ODOO_API_KEY", ODOO_API_KEY),
        ("ODOO_TRANSPORT", way),
        ("BRIDGE_ADMIN_EMAIL", EMAIL),
        ("BRIDGE_ADMIN_PASSWORD", ADMIN_PASSWORD),
        ("BRIDGE_SECRET_KEY", &STANDARD.encode(SECRET_KEY)),
        ("BRIDGE_METRICS_ADDR", &free.to_string()),
        ("BRIDGE_LOG_FORMAT", format),
        ("RUST_LOG", EVERYTHING),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let mut command = machine.command(&["serve"]);
    command.envs(settings.clone());
    let mut serving = machine.serve_by(command);
    let mut journey = Journey {
        written: Vec::new(),
        secrets: Vec::new(),
    };
    let person = Actor {
        address: serving.url.clone(),
        client: client(),
        key: None,
    };
    for password in [WRONG_PASSWORD, ADMIN_PASSWORD] {
        let form = [("email", EMAIL), ("password", password), ("next", "")];
        journey
            .ask(
                "a sign-in",
                person.request(Method::POST, "/api/sign_in").form(&form),
                false,
            )
            .await;
    }
    let (full, id) = journey.key(&person, "full").await;
    let (reader, _) = journey.key(&person, "").await;
    calls(&mut journey, &demo, way, &full, &reader).await;
    look_around(&mut journey, &person, &full, &id).await;
    demo.faults().refuse_credentials(true);
    demo.expire_sessions();
    let (status, text) = journey
        .call("a call with credentials that Odoo refuses", &full, search(VALUE))
        .await;
    // Over JSON-RPC a refusal so soon after a login is taken for the method's own.
    assert!(status == 502 || status == 403, "{text}");
    let form = [("old_password", WRONG_PASSWORD), ("new_password", WRONG_PASSWORD)];
    journey
        .ask(
            "a change of password",
            person.request(Method::POST, "/api/change_password").form(&form),
            false,
        )
        .await;
    let form = [("id", id.as_str().expect("an id"))];
    journey
        .ask(
            "a revocation",
            person.request(Method::POST, "/api/revoke_key").form(&form),
            false,
        )
        .await;
    assert_eq!(journey.call("a revoked key", &full, search(VALUE)).await.0, 401);
    let metrics = client().get(format!("http://{free}/metrics"));
    assert_eq!(journey.ask("/metrics", metrics, false).await.0, 200);
    let check = machine.command(&["check"]).envs(settings).output().expect("it runs");
    journey.keep("check", [check.stdout, check.stderr].concat(), false);
    journey
        .ask("a sign-out", person.request(Method::POST, "/api/sign_out"), false)
        .await;
    assert_eq!(serving.terminate(), Some(0));
    journey.keep("the log", serving.log(), false);
    let log = serving.log();
    for told in [
        "signed in",
        "sign-in refused",
        "key rejected",
        "request failed",
        "answered",
        "DEBUG",
    ] {
        assert!(
            log.contains(told),
            "{told:?} is not in the log: it does not show what it should"
        );
    }
    journey.written.extend(dump(pool).await);
    journey
}

#[expect(clippy::disallowed_methods, reason = "the settings of the tests' own server")]
fn server() -> reqwest::Url {
    let url = std::env::var("DATABASE_URL").expect("the tests have a server");
    url.parse().expect("an address")
}

#[sqlx::test]
async fn no_secret_and_no_value_of_a_call_is_where_it_does_not_belong(pool: PgPool) {
    let mut database = server();
    database.set_path(pool.connect_options().get_database().expect("a database"));
    let password = database.password().unwrap_or_default().to_owned();
    for (way, format) in [("web", "text"), ("jsonrpc", "json"), ("json2", "text")] {
        let journey = walk(&pool, database.as_str(), way, format).await;
        let mut secrets = needles(&[
            ("Odoo's password", ODOO_PASSWORD),
            ("Odoo's API key", ODOO_API_KEY),
            ("the administrator's password", ADMIN_PASSWORD),
            ("a wrong password", WRONG_PASSWORD),
            ("the bridge's own key", std::str::from_utf8(SECRET_KEY).expect("text")),
            ("the session at Odoo", "session_id="),
        ]);
        if password.len() > 8 {
            secrets.push(("the database's password".into(), password.clone()));
        }
        secrets.extend(journey.secrets.clone());
        assert!(secrets.len() >= 9, "two keys and a session were made");
        let mut found = leaks(&journey.written, &secrets, false);
        let values = needles(&[("a value", VALUE), ("a traceback", "Traceback (most recent call last)")]);
        found.extend(leaks(&journey.written, &values, true));
        let text = |written: &Written| String::from_utf8_lossy(&written.bytes).into_owned();
        let lines: Vec<String> = journey.written.iter().map(text).collect();
        let line = lines
            .iter()
            .flat_map(|text| text.lines())
            .find(|line| line.contains(VALUE) && !line.contains("\"success\":true"));
        assert!(found.is_empty(), "by {way}: {found:#?}\nfor example: {line:?}");
    }
}
