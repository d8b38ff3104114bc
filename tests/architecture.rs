//! The rules of ARCHITECTURE.md that the compiler does not hold. They are read
//! off the sources, without their comments and tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path below `src`, and its code line by line, up to the
/// tests at its foot.
struct Source {
    path: String,
    lines: Vec<String>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src is readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(read(&root, &path));
            }
        }
    }
    assert!(found.len() > 30, "the sources were found");
    found
}

fn read(root: &Path, path: &PathBuf) -> Source {
    let text = fs::read_to_string(path).expect("a source file");
    let lines = text
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .map(|line| {
            if line.trim_start().starts_with("//") {
                String::new()
            } else {
                line.to_owned()
            }
        })
        .collect();
    let path = path
        .strip_prefix(root)
        .expect("below src")
        .to_string_lossy()
        .into_owned();
    Source { path, lines }
}

/// The lines that hold one of `words`, in files that `may` does not exempt.
fn offenders(words: &[&str], may: impl Fn(&str) -> bool) -> Vec<String> {
    sources()
        .iter()
        .filter(|source| !may(&source.path))
        .flat_map(|source| {
            source
                .lines
                .iter()
                .enumerate()
                .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
                .map(|(number, line)| format!("src/{}:{}: {}", source.path, number + 1, line.trim()))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[track_caller]
fn none(offenders: &[String], rule: &str) {
    assert!(offenders.is_empty(), "{rule}\n{}", offenders.join("\n"));
}

#[test]
fn sql_is_in_stores_only() {
    let words = ["sqlx::query", "QueryBuilder", "query_scalar", "query_as"];
    // The database's own house-keeping (version, migrations) belongs to no feature.
    none(
        &offenders(&words, |path| {
            path.ends_with("/store.rs") || ["server/database.rs", "server/database/migrate.rs"].contains(&path)
        }),
        "SQL only in */store.rs",
    );
}

#[test]
fn cfg_is_on_whole_modules() {
    let offenders: Vec<String> = sources()
        .iter()
        .filter(|source| !["error.rs", "main.rs"].contains(&source.path.as_str()))
        .flat_map(|source| {
            let lines = &source.lines;
            (0..lines.len())
                .filter(|number| lines[*number].trim_start().starts_with("#[cfg(feature"))
                .filter(|number| {
                    let next = lines.get(number + 1).map_or("", |line| line.trim_start());
                    // A macro that writes modules or imports stands for a `mod` line.
                    !["mod ", "pub mod ", "pub(crate) mod ", "#[path"]
                        .iter()
                        .any(|start| next.starts_with(start))
                })
                .map(|number| format!("src/{}:{}", source.path, number + 1))
                .collect::<Vec<_>>()
        })
        .collect();
    none(&offenders, "cfg(feature) only on mod lines");
}

#[test]
fn the_way_to_odoo_knows_no_feature() {
    let features = [
        "alerts",
        "keys",
        "calls",
        "connection",
        "speed_test",
        "traffic",
        "guide",
        "session",
        "server",
        "state",
        "app",
        "ui",
        "demo_odoo",
    ];
    let words: Vec<String> = features.iter().map(|feature| format!("crate::{feature}::")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    none(
        &offenders(&words, |path| !path.starts_with("odoo/")),
        "odoo/ imports no feature",
    );
}

#[test]
fn the_parts_of_pages_know_no_feature() {
    let features = [
        "alerts",
        "keys",
        "calls",
        "connection",
        "speed_test",
        "traffic",
        "guide",
        "session",
        "server",
        "state",
        "odoo",
        "demo_odoo",
    ];
    let words: Vec<String> = features.iter().map(|feature| format!("crate::{feature}::")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    none(
        &offenders(&words, |path| !path.starts_with("ui/")),
        "ui/ imports no feature",
    );
}

#[test]
fn a_feature_never_reaches_into_anothers_store_or_view() {
    let features = [
        "alerts",
        "keys",
        "calls",
        "connection",
        "speed_test",
        "traffic",
        "guide",
        "session",
    ];
    let offenders: Vec<String> = features
        .iter()
        .flat_map(|feature| {
            let (store, view) = (format!("crate::{feature}::store"), format!("crate::{feature}::view"));
            offenders(&[&store, &view], |path| {
                path.starts_with(&format!("{feature}/")) || path == "app.rs"
            })
        })
        .collect();
    none(&offenders, "another feature's model and verbs, never its store or view");
}

#[test]
fn only_the_configuration_reads_the_environment() {
    none(
        &offenders(&["std::env::", "env::var", "use std::env"], |path| path == "config.rs"),
        "std::env only in config.rs",
    );
}

#[test]
fn only_the_error_decides_a_status() {
    // These answer what is no error: health, files, redirects and pages of what is not there.
    let may = [
        "error.rs",
        "odoo/client.rs",
        "server/health.rs",
        "server/site.rs",
        "server/router.rs",
        "server/telemetry.rs",
        "ui/platform_server.rs",
    ];
    none(
        &offenders(&["StatusCode::"], |path| {
            may.contains(&path) || path.starts_with("demo_odoo/") || path == "session/guard.rs"
        }),
        "only error.rs decides an HTTP status",
    );
}

#[test]
fn use_cases_take_what_they_need_and_never_the_state() {
    let adapters = |path: &str| {
        path.starts_with("server/")
            || path == "state.rs"
            || path == "frame.rs"
            || ["/server_fns.rs", "/http.rs", "/guard.rs"]
                .iter()
                .any(|end| path.ends_with(end))
    };
    none(&offenders(&["AppState"], adapters), "AppState only in adapters");
}

#[test]
fn no_secret_type_can_be_serialized_or_printed() {
    let secrets = [
        "PlainKey",
        "KeyHash",
        "SetupToken",
        "SessionToken",
        "TokenHash",
        "PasswordHash",
        "NewPassword",
    ];
    let offenders: Vec<String> = sources()
        .iter()
        .flat_map(|source| {
            let lines = &source.lines;
            (1..lines.len())
                .filter(|number| {
                    secrets.iter().any(|secret| {
                        lines[*number]
                            .trim_start_matches("pub ")
                            .trim_start_matches("pub(super) ")
                            .trim_start_matches("pub(crate) ")
                            .starts_with(&format!("struct {secret}("))
                    })
                })
                .filter(|number| {
                    let above = lines[number.saturating_sub(3)..*number].join(" ");
                    above.contains("Serialize") || above.contains("Debug") && !lines[*number].contains("SecretString")
                })
                .map(|number| format!("src/{}:{}", source.path, number + 1))
                .collect::<Vec<_>>()
        })
        .collect();
    none(&offenders, "a secret type has neither Serialize nor a derived Debug");
}

#[test]
fn both_tables_of_leptos_settings_say_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = |file: &str| -> Vec<(String, String)> {
        let text = fs::read_to_string(root.join(file)).expect("the file");
        text.lines()
            .skip_while(|line| *line != "[package.metadata.leptos]")
            .skip(1)
            .take_while(|line| !line.starts_with('['))
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
            .collect()
    };
    let (server, build) = (table("Leptos.toml"), table("Cargo.toml"));
    assert!(!server.is_empty());
    for entry in &server {
        assert!(
            build.contains(entry),
            "Cargo.toml lacks or contradicts {entry:?} of Leptos.toml"
        );
    }
}

#[test]
fn the_security_review_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src"), root.join("tests")];
    let mut tests = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                tests.push_str(&fs::read_to_string(&path).expect("a source file"));
            }
        }
    }
    let review = fs::read_to_string(root.join("docs/security-review.md")).expect("the review");
    let named: Vec<&str> = review
        .split('`')
        .skip(1)
        .step_by(2)
        // A test is a sentence; other names in it are shorter.
        .filter(|name| name.matches('_').count() > 2 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'))
        .collect();
    assert!(named.len() > 50, "{}", named.len());
    let missing: Vec<String> = named
        .iter()
        .filter(|name| !tests.contains(&format!("fn {name}(")))
        .map(|name| (*name).to_owned())
        .collect();
    none(&missing, "docs/security-review.md names tests that are not there");
}

#[test]
fn every_module_says_what_it_promises() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for source in sources() {
        let text = fs::read_to_string(root.join(&source.path)).expect("a source file");
        assert!(
            text.starts_with("//!"),
            "src/{} begins without a word on what it is",
            source.path
        );
    }
}
