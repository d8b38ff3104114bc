//! The guide: what it shows is this bridge's own, and what it tells people to
//! copy is run here for real, in a shell and in node.

use std::collections::BTreeSet;
use std::process::Output;

use odoo_bridge::error::ErrorCode;
use odoo_bridge::guide::errors;
use odoo_bridge::guide::snippets::snippets;
use odoo_bridge::keys::policy::READ_ONLY;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::process::Command;

use crate::helpers::{Actor, Answer, TestApp, make_key};

const STAND_IN: &str = include_str!("guide_apps_script.js");

/// The owner's first version of the Apps Script: clients that have it must go on.
const FIRST_APPS_SCRIPT: &str = r#"
function apiExecuteGateway(model, method, args) {
  var url = window.location.origin + "/call";
  var payload = { "model": model, "method": method, "args": args };
  var options = {
    "method": "post",
    "headers": { "Content-Type": "application/json", "X-API-KEY": "YOUR_API_KEY" },
    "payload": JSON.stringify(payload),
    "muteHttpExceptions": true
  };
  var response = UrlFetchApp.fetch(url, options);
  var json = JSON.parse(response.getContentText());
  if (!json.success) throw new Error(json.error || "API Error");
  return json.data;
}
"#;

/// The text of a snippet as a signed-in person reads it in the page.
async fn snippet(person: &Actor, id: &str) -> String {
    let page = person.get("/guide").await;
    assert_eq!(page.status(), 200);
    let html = page.text().await.expect("a page");
    let start = format!("<span data-testid=\"snippet-{id}\">");
    let (_, code) = html.split_once(&start).expect("the snippet");
    text_of(code.split_once("</code>").expect("its end").0)
}

async fn run(command: &mut Command) -> Output {
    command
        .env("no_proxy", "*")
        .kill_on_drop(true)
        .output()
        .await
        .expect("the program is installed")
}

async fn node(script: &str, key: Option<&str>) -> Output {
    let mut command = Command::new("node");
    command
        .args(["-e", &format!("{STAND_IN}\n{script}")])
        .env_remove("PROPERTY_ODOO_BRIDGE_KEY");
    if let Some(key) = key {
        command.env("PROPERTY_ODOO_BRIDGE_KEY", key);
    }
    run(&mut command).await
}

/// The JSON that a program printed; its own words if it failed.
#[track_caller]
fn printed(output: &Output) -> Value {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
}

/// What a page says to a reader: its tags gone, its escapes undone.
fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    for (escaped, char) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&amp;", "&"),
    ] {
        text = text.replace(escaped, char);
    }
    text
}

#[sqlx::test]
async fn the_curl_snippet_runs_in_a_shell(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("shell").await;
    let command = snippet(&app.signed_in().await, "curl")
        .await
        .replace("YOUR_API_KEY", &key.plaintext);
    let answer = printed(&run(Command::new("sh").args(["-c", &command])).await);
    assert_eq!(answer["success"], true, "{answer}");
    assert_eq!(answer["data"].as_array().map(Vec::len), Some(5), "{answer}");
    assert!(answer["data"][0]["name"].is_string(), "{answer}");
}

#[sqlx::test]
async fn the_apps_script_snippet_runs_where_google_would_run_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("sheet").await;
    let script = snippet(&app.signed_in().await, "apps-script").await;

    let orders = printed(&node(&format!("{script}\nlogSaleOrders();"), Some(&key.plaintext)).await);
    assert_eq!(orders.as_array().map(Vec::len), Some(5), "{orders}");
    assert!(
        orders[0]["name"].is_string() && orders[0]["state"].is_string(),
        "{orders}"
    );

    let counted =
        format!("{script}\nLogger.log(JSON.stringify(apiExecuteGateway('res.partner', 'search_count', [[]])));");
    assert!(
        printed(&node(&counted, Some(&key.plaintext)).await).as_u64() > Some(0),
        "named arguments are optional"
    );
}

#[sqlx::test]
async fn the_apps_script_snippet_says_what_went_wrong(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("sheet").await;
    let script = snippet(&app.signed_in().await, "apps-script").await;
    let caught = |call: &str| {
        format!("{script}\ntry {{ {call} }} catch (error) {{ Logger.log(JSON.stringify(error.message)); }}")
    };

    let unknown = printed(
        &node(
            &caught("apiExecuteGateway('no.model', 'read', [[1]])"),
            Some(&key.plaintext),
        )
        .await,
    );
    assert!(
        unknown.as_str().is_some_and(|text| text.contains("no.model")),
        "{unknown}"
    );
    let keyless = printed(&node(&caught("logSaleOrders()"), None).await);
    assert!(
        keyless.as_str().is_some_and(|text| text.contains("ODOO_BRIDGE_KEY")),
        "{keyless}"
    );
}

#[sqlx::test]
async fn the_first_apps_script_goes_on_unchanged(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("old sheet").await;
    let script = format!(
        "var window = {{ location: {{ origin: '{}' }} }};\n{}\nLogger.log(JSON.stringify(apiExecuteGateway('res.partner', 'search_count', [[]])));",
        app.address,
        FIRST_APPS_SCRIPT.replace("YOUR_API_KEY", &key.plaintext)
    );
    assert!(printed(&node(&script, None).await).as_u64() > Some(0));
}

#[sqlx::test]
async fn the_page_is_whole_without_javascript(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let page = person.get("/guide").await;
    assert_eq!(page.status(), 200);
    let html = page.text().await.expect("a page");
    let text = text_of(&html);

    assert!(text.contains(&format!("POST {}/call", app.address)), "its own address");
    for words in [
        "API Integration Guide",
        "1. Base Endpoint Configuration",
        "2. Request Body Structure",
        "3. Integration Code Snippets",
    ] {
        assert!(text.contains(words), "{words}");
    }
    let snippets = snippets(&app.address);
    assert_eq!(snippets.len(), 3);
    for snippet in &snippets {
        let (id, code) = (snippet.id, snippet.code.text.as_str());
        assert!(html.contains(&format!("data-testid=\"snippet-{id}\"")), "{id}");
        assert!(text.contains(code), "{id} can be read");
        assert_eq!(self::snippet(&person, id).await, code, "{id} is whole");
    }
    for code in ErrorCode::OF_CALL {
        assert!(html.contains(&format!("<code>{code}</code>")), "{code} is in the table");
        assert!(text.contains(code.explanation()), "{code} is explained");
    }
    assert!(text.contains("This panel needs JavaScript."));
    assert!(html.contains("href=\"/openapi.json\""));
}

#[sqlx::test]
async fn a_hostile_host_gets_neither_into_the_page_nor_into_code(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    for host in [
        "evil\"><script>alert(1)</script>",
        "evil$(id)",
        "evil';id;'",
        "evil\"+alert(1)+\"",
    ] {
        let request = person
            .request(Method::GET, "/guide")
            .header("Accept", "text/html")
            .header("Host", host);
        let html = request.send().await.expect("an answer").text().await.expect("a page");
        assert!(html.contains("snippet-curl"), "{host:?} still gets the guide");
        assert!(!html.contains("evil"), "{host:?}");
    }
}

#[sqlx::test]
async fn the_guide_is_for_people_who_signed_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("not a session").await;
    assert_eq!(
        app.with(&key).post_json("/api/get_guide", &json!({})).await.status(),
        401
    );
    assert!(
        !app.anonymous()
            .get("/guide")
            .await
            .text()
            .await
            .expect("a text")
            .contains("snippet-curl")
    );
}

#[sqlx::test]
async fn the_api_description_is_public_and_lists_exactly_the_codes_that_are_answered(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let document = Answer::of(app.anonymous().get("/openapi.json").await).await;
    assert_eq!(document.status, 200);
    assert_eq!(document.json["openapi"], "3.1.0");

    let listed = |codes: &Value| -> BTreeSet<String> {
        codes
            .as_array()
            .expect("codes")
            .iter()
            .map(|code| code.as_str().expect("a code").to_owned())
            .collect()
    };
    let all: BTreeSet<String> = ErrorCode::OF_CALL.iter().map(ToString::to_string).collect();
    assert_eq!(
        listed(&document.json["components"]["schemas"]["Failure"]["properties"]["code"]["enum"]),
        all
    );
    let responses = document.json["paths"]["/call"]["post"]["responses"]
        .as_object()
        .expect("responses");
    let by_status: BTreeSet<String> = responses
        .values()
        .flat_map(|response| {
            response["content"]["application/json"]["schema"]["allOf"][1]["properties"]["code"]["enum"].as_array()
        })
        .flatten()
        .map(|code| code.as_str().expect("a code").to_owned())
        .collect();
    assert_eq!(by_status, all);
}

#[test]
fn the_paper_lists_exactly_the_codes_that_are_answered() {
    let paper = include_str!("../../docs/api.md");
    let section = paper
        .split("\n## Codes\n")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next())
        .expect("the section");
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .collect();
    let mut codes = ErrorCode::OF_CALL;
    codes.sort_by_key(|code| code.status());
    let expected: Vec<String> = codes
        .iter()
        .map(|code| {
            let retryable = if code.retryable() { "yes" } else { "no" };
            format!(
                "| {} | `{code}` | {retryable} | {} |",
                code.status(),
                code.explanation()
            )
        })
        .collect();
    assert_eq!(rows, expected);
}

#[sqlx::test]
async fn what_the_page_of_an_error_shows_is_what_the_bridge_answers(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let full = app.with(&app.key("full").await);
    let reads = app.with(&make_key(&app.pool, "reads", READ_ONLY).await);
    let page = |code: &str| errors::explained(code).expect("a page");
    let told = |answer: &Answer| {
        (
            answer.code().to_owned(),
            answer.json["error"].as_str().map(str::to_owned),
        )
    };
    for (actor, code) in [
        (&full, "invalid_request"),
        (&reads, "policy_denied"),
        (&full, "odoo_not_found"),
    ] {
        let page = page(code);
        let request = actor
            .request(Method::POST, "/call")
            .header("Content-Type", "application/json");
        let answer = Answer::of(request.body(page.example).send().await.expect("an answer")).await;
        assert_eq!(told(&answer), (code.to_owned(), Some(page.sentence.to_owned())));
        if !page.details.is_empty() {
            let details: Value = serde_json::from_str(page.details).expect("JSON");
            assert_eq!(answer.json["details"], details, "{code}");
        }
    }
    let get = Answer::of(full.get("/call").await).await;
    let plain = Answer::of(
        full.request(Method::POST, "/call")
            .body("{}")
            .send()
            .await
            .expect("an answer"),
    )
    .await;
    let nobody = app.anonymous().call(&json!({})).await;
    for (answer, code) in [
        (get, "method_not_allowed"),
        (plain, "unsupported_media_type"),
        (nobody, "unauthenticated"),
    ] {
        assert_eq!(told(&answer), (code.to_owned(), Some(page(code).sentence.to_owned())));
    }
}

#[sqlx::test]
async fn each_code_has_a_page_for_whoever_is_signed_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    for page in &errors::PAGES {
        let response = person.get(&format!("/guide/errors/{}", page.code)).await;
        assert_eq!(response.status(), 200);
        let text = response.text().await.expect("a page");
        assert!(text.contains("What to check"), "{}", page.code);
    }
    assert!(
        person
            .get("/guide/errors")
            .await
            .text()
            .await
            .expect("a page")
            .contains("outcome_unknown")
    );
    let unknown = person.get("/guide/errors/no_such").await;
    assert!(
        unknown
            .text()
            .await
            .expect("a page")
            .contains("There is no such error code.")
    );
}
