//! The binary as an operator runs it: processes, exit codes, what is on stdout
//! and stderr, and what a kill leaves.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use odoo_bridge::config;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::helpers;

const PATIENCE: Duration = Duration::from_secs(60);

/// A machine with nothing on it but a data directory.
pub struct Machine {
    _folder: TempDir,
    pub data_dir: PathBuf,
}

impl Machine {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).expect("its mode");
        let data_dir = folder.path().join("data");
        Self {
            _folder: folder,
            data_dir,
        }
    }

    /// The binary with a clean environment: no setting of the tester's machine.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_odoo-bridge"));
        command.args(args).env_clear().env("BRIDGE_DATA_DIR", &self.data_dir);
        command.env("PATH", std::env::join_paths(config::search_path()).expect("a path"));
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("it runs")
    }

    fn serve(&self) -> Serving {
        self.serve_by(self.command(&["serve"]))
    }

    /// Starts what this command starts, on a free port.
    pub fn serve_by(&self, mut command: Command) -> Serving {
        let kept = helpers::logs_folder();
        if kept.is_some() && !command.get_envs().any(|(name, _)| name == "RUST_LOG") {
            command.env("RUST_LOG", helpers::EVERYTHING);
        }
        let mut child = command
            .args(["--site-addr", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().expect("its log"));
        let sink = Arc::clone(&log);
        let mut kept = kept.map(|folder| {
            fs::File::create(folder.join(format!("binary-{}.log", child.id()))).expect("a file for the log")
        });
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Some(kept) = &mut kept {
                    writeln!(kept, "{line}").expect("the log is kept");
                }
                let mut log = sink.lock().expect("the log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut serving = Serving {
            child,
            log,
            url: String::new(),
        };
        eventually("the bridge is ready", || {
            let log = serving.log();
            assert!(
                serving.child.try_wait().expect("its state").is_none(),
                "it ended:\n{log}"
            );
            let url = log
                .lines()
                .find_map(|line| line.strip_prefix("Odoo Bridge is ready: ").map(str::to_owned));
            url.map(|url| serving.url = url).is_some()
        });
        serving
    }

    fn create_key(&self, name: &str) -> Value {
        let output = self.run(&["create-key", "--name", name, "--json"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("nothing but JSON on stdout")
    }

    fn postgres_pid(&self) -> Option<i32> {
        let text = fs::read_to_string(self.data_dir.join("postgres/postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }
}

/// A running `serve`; killed when the test ends.
pub struct Serving {
    child: Child,
    log: Arc<Mutex<String>>,
    pub url: String,
}

impl Serving {
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// As an operator stops it; gives the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a number")).expect("a number");
        kill_process(pid, Signal::TERM).expect("told to stop");
        let mut code = None;
        eventually("it stops", || {
            self.child
                .try_wait()
                .expect("its state")
                .map(|status| code = status.code())
                .is_some()
        });
        code
    }

    fn get(&self, path: &str) -> (u16, Value) {
        request(reqwest::Method::GET, &format!("{}{path}", self.url), None, None)
    }

    fn call(&self, key: &Value) -> (u16, Value) {
        let body = json!({"model": "res.partner", "method": "search_count", "args": [[]]});
        request(
            reqwest::Method::POST,
            &format!("{}/call", self.url),
            key.as_str(),
            Some(&body),
        )
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(method: reqwest::Method, url: &str, key: Option<&str>, body: Option<&Value>) -> (u16, Value) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(PATIENCE).build().expect("a client");
        let mut request = client.request(method, url);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    })
}

#[expect(clippy::disallowed_methods, reason = "no runtime is blocked here")]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether the process does anything still: one that ended and that nobody has
/// asked about yet is gone.
fn runs(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[test]
fn create_key_json_prints_exactly_that_object() {
    let machine = Machine::new();
    let output = machine.run(&[
        "create-key",
        "--name",
        "Nightly export",
        "--expires-in",
        "90d",
        "--json",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed: Value = serde_json::from_slice(&output.stdout).expect("nothing but JSON on stdout");
    let mut fields: Vec<&String> = printed.as_object().expect("an object").keys().collect();
    fields.sort();
    assert_eq!(fields, ["expires_at", "id", "key", "name", "prefix"]);
    assert_eq!(printed["name"], "Nightly export");
    let key = printed["key"].as_str().expect("a key");
    assert!(key.starts_with(&format!("{}_", printed["prefix"].as_str().expect("a prefix"))));
    assert_eq!(key.len(), "obk_".len() + 8 + 1 + 32 + 6);
    let end =
        chrono::DateTime::parse_from_rfc3339(printed["expires_at"].as_str().expect("an end")).expect("an instant");
    let days = (end.to_utc() - chrono::Utc::now()).num_hours();
    assert!((90 * 24 - 1..=90 * 24).contains(&days), "{end}");
    assert!(!text(&output.stderr).contains(key), "the key is in the log");

    assert_eq!(machine.create_key("Without an end")["expires_at"], Value::Null);
    assert!(machine.postgres_pid().is_none(), "a command left its database running");
}

#[test]
fn a_wrong_setting_stops_with_exit_code_2_and_one_sentence_that_names_it() {
    let machine = Machine::new();
    for (name, value) in [
        ("LEPTOS_SITE_ADDR", "here"),
        ("ODOO_URL", "https://admin:hunter2@odoo.example.com"),
        ("ODOO_URL", "ftp://odoo.example.com"),
        ("ODOO_URL", "https://odoo.example.com:0"),
        ("ODOO_URL", "http://169.254.169.254"),
        ("ODOO_URL", "http://[::ffff:169.254.169.254]:8069"),
        ("ODOO_TRANSPORT", "pigeon"),
        ("ODOO_DB", "without an address"),
        ("ODOO_TIMEOUT_SECS", "soon"),
        ("BRIDGE_SECRET_KEY", "hunter2"),
        ("BRIDGE_ADMIN_EMAIL", "without@a.password"),
        ("DATABASE_URL", "mysql://root:hunter2@localhost/db"),
        ("DATABASE_URL", "postgres://root:hunter2@localhost:port/db"),
        ("RUST_LOG", "odoo_bridge=loud"),
    ] {
        let output = machine.command(&["serve"]).env(name, value).output().expect("it runs");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{name}: {stderr}");
        let needle = if name == "ODOO_DB" { "ODOO_URL" } else { name };
        assert!(stderr.contains(needle), "{name} is not named: {stderr}");
        assert!(!stderr.contains("hunter2"), "a secret is printed: {stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn subcommands_work_beside_a_running_serve() {
    let machine = Machine::new();
    let mut serving = machine.serve();
    let key = machine.create_key("Beside");
    let (status, answer) = serving.call(&key["key"]);
    assert_eq!((status, &answer["success"]), (200, &json!(true)), "{answer}");

    assert!(machine.run(&["migrate"]).status.success());
    let mut child = machine
        .command(&["create-user", "--email", "operator@example.com", "--password-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    child
        .stdin
        .take()
        .expect("its stdin")
        .write_all(b"correct horse battery staple\n")
        .expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("operator@example.com"));
    let check = machine.run(&["check"]);
    assert!(check.status.success(), "{}", text(&check.stdout));
    assert!(
        text(&check.stdout).lines().all(|line| line.starts_with("OK")),
        "{}",
        text(&check.stdout)
    );

    let (status, answer) = serving.get("/readyz");
    assert_eq!((status, &answer["status"]), (200, &json!("ready")), "{answer}");
    let postgres = machine.postgres_pid().expect("a database");
    assert_eq!(serving.terminate(), Some(0));
    assert!(!runs(postgres), "the database runs on after the bridge");
}

#[test]
fn a_second_serve_on_the_same_data_directory_says_so() {
    let machine = Machine::new();
    let first = machine.serve();
    let second = machine.run(&["serve", "--site-addr", "127.0.0.1:0"]);
    let stderr = text(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains(&format!("process {}", first.child.id())) && stderr.contains("BRIDGE_DATA_DIR"),
        "{stderr}"
    );
    assert_eq!(first.get("/readyz").0, 200);
}

#[test]
fn a_killed_bridge_leaves_no_orphan_and_loses_nothing_that_was_acknowledged() {
    let machine = Machine::new();
    let serving = machine.serve();
    let before = machine.create_key("Acknowledged");
    let postgres = machine.postgres_pid().expect("a database");
    serving.kill();
    // At once, while the old database may still be stopping.
    let serving = machine.serve();
    eventually("the database of the killed bridge is gone", || !runs(postgres));
    let (status, answer) = serving.call(&before["key"]);
    assert_eq!(status, 200, "{answer}");

    let postgres = machine.postgres_pid().expect("a database");
    serving.kill();
    eventually("the database ends with its bridge", || !runs(postgres));
}

#[test]
fn the_bridge_recovers_by_itself_when_its_database_dies() {
    let machine = Machine::new();
    let serving = machine.serve();
    let key = machine.create_key("Patient");
    let postgres = machine.postgres_pid().expect("a database");
    kill_process(Pid::from_raw(postgres).expect("a number"), Signal::KILL).expect("killed");
    eventually("the bridge is ready again", || {
        machine.postgres_pid().is_some_and(|pid| pid != postgres) && serving.get("/readyz").0 == 200
    });
    assert_eq!(serving.call(&key["key"]).0, 200);
    assert_eq!(serving.get("/healthz").0, 200);
    assert!(
        serving.log().contains("ended unasked"),
        "nothing in the log:\n{}",
        serving.log()
    );
}

/// Starts what is told to stop before it is ready: as soon as `is_time` says so of what it logged.
fn stopped_early(mut command: Command, is_time: impl Fn(&str) -> bool) -> (Option<i32>, String) {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut log = String::new();
    for line in BufReader::new(child.stderr.take().expect("its log"))
        .lines()
        .map_while(Result::ok)
    {
        log.push_str(&line);
        log.push('\n');
        if is_time(&line) {
            let pid = Pid::from_raw(i32::try_from(child.id()).expect("a number")).expect("a number");
            kill_process(pid, Signal::TERM).expect("told to stop");
        }
    }
    (child.wait().expect("it ends").code(), log)
}

#[test]
fn told_to_stop_while_it_waits_for_its_database_it_ends_with_0() {
    let machine = Machine::new();
    let nowhere = "postgres://127.0.0.1:1/none";
    let command = machine.command(&["serve", "--site-addr", "127.0.0.1:0", "--database-url", nowhere]);
    let began = Instant::now();
    let (code, log) = stopped_early(command, |line| line.contains("waiting for the database"));
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("told to stop before it served"), "{log}");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "it does not wait to the end: {:?}",
        began.elapsed()
    );
}

#[test]
fn told_to_stop_while_its_own_database_starts_it_ends_with_0_and_leaves_no_process() {
    let machine = Machine::new();
    let mut command = machine.command(&["serve", "--site-addr", "127.0.0.1:0"]);
    // The private database's own words come into the log as soon as it runs.
    command.env("RUST_LOG", "info,odoo_bridge=debug");
    let (code, log) = stopped_early(command, |line| line.contains("starting PostgreSQL"));
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("Odoo Bridge is ready"), "it was early: {log}");
    eventually("its database is gone", || !machine.postgres_pid().is_some_and(runs));
}

#[test]
fn check_says_what_is_wrong_and_how_to_mend_it() {
    let machine = Machine::new();
    // A port on which nobody listens any more.
    let closed = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let output = machine
        .command(&["check"])
        .env("ODOO_URL", format!("http://{closed}"))
        .env("ODOO_DB", "prod")
        .env("ODOO_USERNAME", "bridge")
        .env("ODOO_PASSWORD", "hunter2")
        .output()
        .expect("it runs");
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    let failures: Vec<&str> = stdout.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert!(
        matches!(failures[..], [only] if only.starts_with("FAIL  Odoo: ") && only.contains("ODOO_URL")),
        "{stdout}"
    );
    assert!(stdout.contains("OK    database: PostgreSQL "), "{stdout}");

    let output = machine
        .command(&["check"])
        .env("DATABASE_URL", format!("postgres://bridge:hunter3@{closed}/bridge"))
        .output()
        .expect("it runs");
    let all = format!("{stdout}{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{all}");
    assert!(
        text(&output.stdout).contains("FAIL  database: it can't be reached"),
        "{all}"
    );
    assert!(!all.contains("hunter"), "a secret is printed: {all}");

    let output = machine
        .command(&["check"])
        .env("BRIDGE_SMTP_URL", format!("smtp://{closed}"))
        .env("BRIDGE_MAIL_FROM", "bridge@example.com")
        .output()
        .expect("it runs");
    let all = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{all}");
    assert!(
        all.contains("FAIL  mail: no connection to the mail server. Check BRIDGE_SMTP_URL"),
        "{all}"
    );

    fs::set_permissions(&machine.data_dir, fs::Permissions::from_mode(0o777)).expect("its mode");
    let output = machine.run(&["check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("FAIL  data directory: others may write"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn check_names_a_wrong_setting_and_goes_on() {
    let machine = Machine::new();
    let output = machine
        .command(&["check"])
        .env("ODOO_DB", "prod")
        .output()
        .expect("it runs");
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(
        stdout.contains("FAIL  settings: ODOO_URL is missing") && stdout.contains("OK    database: "),
        "{stdout}"
    );
}

/// Runs a demo Odoo meanwhile, and tells the settings that point at it.
fn beside_a_demo_odoo<T>(machine: &Machine, work: impl FnOnce(&[(String, String)]) -> T) -> T {
    let mut child = machine
        .command(&["demo-odoo", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("its stdout"));
    let line = stdout
        .by_ref()
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains("ODOO_URL="))
        .expect("the settings");
    let settings: Vec<_> = line
        .split_whitespace()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let result = work(&settings);
    let _ = child.kill();
    let _ = child.wait();
    result
}

#[test]
fn the_demo_odoo_says_how_to_point_a_bridge_at_it() {
    let machine = Machine::new();
    let check = beside_a_demo_odoo(&machine, |settings| {
        machine.command(&["check"]).envs(settings.iter().cloned()).output()
    });
    let check = check.expect("it runs");
    let stdout = text(&check.stdout);
    assert!(check.status.success(), "{stdout}");
    assert!(stdout.contains("OK    Odoo sign-in: "), "{stdout}");
}

#[test]
fn explain_asks_a_configured_odoo_what_fields_lead_to() {
    let machine = Machine::new();
    let file = machine.data_dir.with_file_name("orders.json");
    let policy = r#"{"access":"rules","rules":[{"model":"sale.order","operations":["read"]},
        {"model":"res.partner","operations":["read"],"read_fields":["name"]}]}"#;
    fs::write(&file, policy).expect("a policy");
    let path = file.to_str().expect("a path");
    beside_a_demo_odoo(&machine, |settings| {
        for (domain, code, said) in [
            (r#"[[["partner_id.name","=",7]]]"#, 0, "Allowed by rule 1."),
            (
                r#"[[["partner_id.email","=",7]]]"#,
                1,
                "Refused by \"read_fields\" (email)",
            ),
            (
                r#"[[["partner_id","ilike","x"]]]"#,
                1,
                "Refused by \"read_fields\" (partner_id)",
            ),
        ] {
            let call = ["--model", "sale.order", "--method", "search", "--args", domain];
            let explain = [&["explain", "--policy", path], &call[..]].concat();
            let output = machine
                .command(&explain)
                .envs(settings.iter().cloned())
                .output()
                .expect("it runs");
            let stdout = text(&output.stdout);
            assert_eq!(output.status.code(), Some(code), "{domain}: {stdout}");
            assert!(stdout.contains(said), "{domain}: {stdout}");
        }
    });
}

#[test]
fn explain_says_by_which_rule_a_call_is_let_through_and_exits_by_it() {
    let machine = Machine::new();
    let file = machine.data_dir.with_file_name("policy.json");
    let policy = r#"{"access":"rules","rules":[{"model":"res.partner","operations":["read"],"read_fields":["name"]}]}"#;
    fs::write(&file, policy).expect("a policy");
    let path = file.to_str().expect("a path");
    let explain = |more: &[&str]| {
        let output = machine.run(&[&["explain", "--policy", path], more].concat());
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let (code, said) = explain(&["--model", "res.partner", "--method", "search_read", "--args", "[[]]"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("Allowed by rule 1.") && said.contains(r#"kwargs {"fields":["name"]}"#),
        "{said}"
    );
    let (code, said) = explain(&["--model", "res.users", "--method", "read", "--args", "[[1]]"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Refused by \"model\" (res.users)"), "{said}");
    let (code, said) = explain(&[
        "--model",
        "res.partner",
        "--method",
        "search",
        "--args",
        r#"[[["name.x","=",1]]]"#,
    ]);
    assert!(code == Some(1) && said.contains("only Odoo tells"), "{said}");
    fs::write(&file, r#"{"access":"everything"}"#).expect("no policy");
    let output = machine.run(&["explain", "--policy", path, "--model", "a", "--method", "read"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("everything"));
}

#[test]
fn a_key_is_made_with_a_preset_or_a_file_and_explained_by_its_prefix() {
    let machine = Machine::new();
    let made = |more: &[&str]| {
        let output = machine.run(&[&["create-key", "--name", "made", "--json"], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        printed["prefix"].as_str().expect("a prefix").to_owned()
    };
    let explained = |prefix: &str, method: &str, args: &str| {
        let call = ["--model", "res.partner", "--method", method, "--args", args];
        machine.run(&[&["explain", "--key", prefix], &call[..]].concat())
    };
    let explain = |prefix: &str, method: &str, args: &str| explained(prefix, method, args).status.code();
    let (reader, full, contacts) = (made(&[]), made(&["--access", "full"]), made(&["--access", "contacts"]));
    for (prefix, read, unlink) in [(&reader, 0, 1), (&full, 0, 0), (&contacts, 0, 1)] {
        assert_eq!(
            (
                explain(prefix, "read", r#"[[1],["name"]]"#),
                explain(prefix, "unlink", "[[1]]")
            ),
            (Some(read), Some(unlink)),
            "{prefix}"
        );
    }
    // All fields but secret ones: which those are, only Odoo tells.
    let all = explained(&reader, "read", "[[1]]");
    assert!(
        all.status.code() == Some(1) && String::from_utf8_lossy(&all.stdout).contains("only Odoo tells"),
        "{all:?}"
    );
    let refused = machine.run(&["create-key", "--name", "x", "--access", "root"]);
    assert_eq!(refused.status.code(), Some(2));

    let policy = machine.data_dir.with_file_name("full.json");
    fs::write(&policy, r#"{"access":"full"}"#).expect("a policy");
    let policy = policy.to_str().expect("a path");
    for (access, warns) in [
        (["--access", "full"], true),
        (["--policy", policy], true),
        (["--access", "contacts"], false),
    ] {
        let output = machine.run(&[&["create-key", "--name", "warned", "--json"], &access[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            said.contains("warning: this key has full access"),
            warns,
            "{access:?}: {said}"
        );
        serde_json::from_slice::<Value>(&output.stdout).expect("one object and nothing else");
    }
    let unknown = machine.run(&["create-key", "--name", "x", "--shared", "Robots"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no such policy"));
}
