//! What operators' own programs read: deploy/ speaks of metrics that there are (`make check`
//! tries the alert rules on made-up series), and docs/logging.md of all that is logged.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::commands::Machine;
use crate::helpers::client;

const TELEMETRY: &str = include_str!("../../src/server/telemetry.rs");
const DASHBOARD: &str = include_str!("../../deploy/grafana/odoo-bridge.json");
const ALERTS: &str = include_str!("../../deploy/prometheus/alerts.yml");
const LOGGING: &str = include_str!("../../docs/logging.md");
const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// Every name that begins like a metric of the bridge's, without what a histogram adds.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'));
    words
        .filter(|word| word.starts_with("bridge_"))
        .map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

fn told() -> BTreeSet<String> {
    let constants = TELEMETRY.lines().filter(|line| line.starts_with("pub const"));
    constants.flat_map(metrics).collect()
}

#[test]
fn the_dashboard_and_the_alerts_ask_for_metrics_that_there_are() {
    let told = told();
    assert!(told.len() > 10, "{told:?}");
    for text in [DASHBOARD, ALERTS] {
        let asked = metrics(text);
        assert!(asked.len() > 5 && asked.is_subset(&told), "{asked:?}");
    }
    let missing: Vec<_> = told.difference(&metrics(OPERATIONS)).cloned().collect();
    assert!(missing.is_empty(), "docs/operations.md does not name {missing:?}");
}

#[test]
fn every_panel_says_what_it_shows_and_where_its_numbers_come_from() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<_> = panels
        .iter()
        .map(|panel| panel["id"].as_u64().expect("an id"))
        .collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        for field in ["title", "description", "type"] {
            assert!(
                panel[field].as_str().is_some_and(|text| !text.is_empty()),
                "{field} of {panel}"
            );
        }
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{panel}");
        for target in panel["targets"].as_array().expect("targets") {
            assert_eq!(target["datasource"]["uid"], "${source}");
            assert!(
                target["expr"]
                    .as_str()
                    .is_some_and(|expr| expr.contains("job=\"$job\"")),
                "{target}"
            );
        }
    }
}

/// What stands between backticks in a table's first column.
fn documented(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells
        .flat_map(|cell| {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// All code of the bridge.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let read = |path: &PathBuf| match path.is_dir() {
        true => sources(path),
        false => fs::read_to_string(path).expect("text"),
    };
    paths.iter().map(read).collect()
}

/// What stands between a macro's brackets, part by part.
fn parts(macro_begins: &str) -> Vec<String> {
    let (mut parts, mut depth, mut is_text, mut is_escaped) = (vec![String::new()], 0, false, false);
    for char in macro_begins.chars() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            _ if is_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => return parts,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("one at least").push(char);
    }
    parts
}

/// The fields that a `tracing` macro names.
fn fields(macro_begins: &str) -> impl Iterator<Item = String> {
    let parts = parts(macro_begins).into_iter();
    let parts = parts.map(|part| part.trim().to_owned());
    parts
        .filter(|part| !part.is_empty() && !part.starts_with('"') && !part.starts_with("target:"))
        .map(|part| {
            let name = part.split('=').next().unwrap_or_default();
            name.trim().trim_start_matches(['%', '?']).to_owned()
        })
}

#[test]
fn every_field_that_the_code_logs_is_documented() {
    let code = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let mut named = BTreeSet::new();
    for level in ["error", "warn", "info", "debug", "trace"] {
        for kind in ["", "_span"] {
            let begin = format!("tracing::{level}{kind}!(");
            named.extend(code.split(&*begin).skip(1).flat_map(fields));
        }
    }
    assert!(
        ["key.id", "odoo.way", "duration_ms", "error"]
            .iter()
            .all(|name| named.contains(*name)),
        "{named:?}"
    );
    let documented = documented(LOGGING);
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !documented.contains(*name) && !documented.contains(&format!("span.{name}")))
        .collect();
    assert!(missing.is_empty(), "docs/logging.md does not name {missing:?}");
}

#[test]
fn every_field_of_the_log_is_documented() {
    let machine = Machine::new();
    let mut command = machine.command(&["serve", "--log-format", "json"]);
    command.env("RUST_LOG", "info");
    let mut serving = machine.serve_by(command);
    let url = serving.url.clone();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = client();
        for path in ["/keys", "/nothing-is-here"] {
            client.get(format!("{url}{path}")).send().await.expect("an answer");
        }
        let form = [("email", "ann@example.com"), ("password", "wrong"), ("next", "")];
        let request = client
            .post(format!("{url}/api/sign_in"))
            .header("Origin", &url)
            .form(&form);
        request.send().await.expect("an answer");
    });
    assert_eq!(serving.terminate(), Some(0));
    let documented = documented(LOGGING);
    let log = serving.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut seen = BTreeSet::new();
    for line in lines {
        let fields = line.as_object().expect("an object");
        for (name, value) in fields {
            match value.as_object().filter(|_| name == "span") {
                Some(span) => seen.extend(span.keys().map(|name| format!("span.{name}"))),
                None => drop(seen.insert(name.clone())),
            }
        }
    }
    assert!(
        seen.contains("http.route") && seen.contains("span.request_id"),
        "{seen:?}"
    );
    let missing: Vec<_> = seen.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/logging.md does not name {missing:?}");
}
