//! Every setting, as a flag and an environment variable, in one place: the only
//! reader of the environment. A wrong value is one clear sentence.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};

use crate::alerts::send;
use crate::calls::records::Keep;
use crate::odoo::{Rules, Way, destination};
use crate::traffic::rollup;

/// API keys for your Odoo: a gateway with one `POST /call`, and a dashboard.
#[derive(Debug, Parser)]
#[command(name = "odoo-bridge", version, about, long_about = None)]
pub struct Cli {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings, the same for every command.
    #[command(flatten)]
    pub settings: Settings,
}

/// What the one binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the gateway and the dashboard (the default).
    Serve,
    /// Bring the database to this version's shape, and stop.
    Migrate,
    /// Make a person who may sign in to the dashboard.
    CreateUser(CreateUserArgs),
    /// Make an API key and print it once.
    CreateKey(CreateKeyArgs),
    /// Read the settings, try the database and Odoo, and say what is wrong.
    Check,
    /// Revoke all keys that a person made.
    RevokeKeys(RevokeKeysArgs),
    /// Turn the second factor off for a person who lost it.
    ResetSecondFactor(ResetSecondFactorArgs),
    /// Look whether the audit log is what was written down, and print its newest seal.
    VerifyAudit(VerifyAuditArgs),
    /// Say whether a policy or a key lets a call through, and why. Odoo is not called.
    Explain(ExplainArgs),
    /// Serve the demo Odoo alone, to try clients against.
    DemoOdoo(DemoOdooArgs),
}

/// `create-user`
#[derive(Debug, Args)]
pub struct CreateUserArgs {
    /// The address to sign in with.
    #[arg(long)]
    pub email: String,
    /// What they may do: viewer, operator or admin.
    #[arg(long, default_value = "admin", value_parser = ["viewer", "operator", "admin"])]
    pub role: String,
    /// Read the password from standard input (one line) instead of asking for it.
    #[arg(long)]
    pub password_stdin: bool,
}

/// `create-key`
#[derive(Debug, Args)]
pub struct CreateKeyArgs {
    /// What the key is for.
    #[arg(long)]
    pub name: String,
    /// How long it is good for: 90d, 12h, 2w. Never ends if not given.
    #[arg(long, value_parser = parse_duration)]
    pub expires_in: Option<Duration>,
    /// What it may do: full, read-only, or one of sales-app, stock-sync, contacts, website-form.
    #[arg(long, value_name = "ACCESS", conflicts_with = "policy", value_parser = ["full", "read-only", "sales-app", "stock-sync", "contacts", "website-form"])]
    pub access: Option<String>,
    /// A file with a policy document, which says what it may do. Read only if neither is given.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The name of a shared policy that it follows, on the page /policies.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["policy", "access"])]
    pub shared: Option<String>,
    /// Whom to ask about it: a name, or the address of a person.
    #[arg(long, value_name = "WHO", default_value = "")]
    pub owner: String,
    /// A file with limits: pace, quotas, concurrency, addresses, origins (docs/policies.md).
    #[arg(long, value_name = "FILE")]
    pub limits: Option<PathBuf>,
    /// Let identical reads that are in flight at the same time share one call to Odoo.
    #[arg(long)]
    pub share_reads: bool,
    /// Print `{"id","name","prefix","key","expires_at"}` and nothing else.
    #[arg(long)]
    pub json: bool,
}

/// `revoke-keys`
#[derive(Debug, Args)]
pub struct RevokeKeysArgs {
    /// The address that the person signs in with: the keys that they made or own.
    #[arg(long, value_name = "EMAIL")]
    pub made_by: String,
}

/// `reset-second-factor`
#[derive(Debug, Args)]
pub struct ResetSecondFactorArgs {
    /// The address that the person signs in with.
    #[arg(long)]
    pub email: String,
}

/// `verify-audit`
#[derive(Debug, Args)]
pub struct VerifyAuditArgs {
    /// A seal that this command printed before: it must still be there.
    #[arg(long, value_name = "NUMBER:SEAL")]
    pub head: Option<String>,
}

/// `explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A file with a policy document.
    #[arg(long, value_name = "FILE", required_unless_present = "key", conflicts_with = "key")]
    pub policy: Option<PathBuf>,
    /// A key, by its prefix: obk_AbCd1234.
    #[arg(long, value_name = "PREFIX")]
    pub key: Option<String>,
    /// Such as sale.order.
    #[arg(long)]
    pub model: String,
    /// Such as search_read.
    #[arg(long)]
    pub method: String,
    /// The positional arguments, a JSON array.
    #[arg(long, default_value = "[]")]
    pub args: String,
    /// The named arguments, a JSON object.
    #[arg(long, default_value = "{}")]
    pub kwargs: String,
}

/// `demo-odoo`
#[derive(Debug, Args)]
pub struct DemoOdooArgs {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:8069")]
    pub listen: SocketAddr,
}

/// Which of Odoo's own interfaces to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// What works and costs least.
    Auto,
    /// `/json/2`, Odoo 19 and later.
    Json2,
    /// `/jsonrpc`, Odoo 8 to 21.
    Jsonrpc,
    /// `/xmlrpc/2`, Odoo 8 to 21.
    Xmlrpc,
    /// A web session, as the browser has it.
    Web,
}

/// All settings.
#[derive(Debug, Args)]
pub struct Settings {
    /// PostgreSQL 14 or newer. Unset: a private one in the data directory.
    #[arg(long, env = "DATABASE_URL", global = true, hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// What the bridge keeps on disk.
    #[arg(long, env = "BRIDGE_DATA_DIR", default_value = "./data", global = true)]
    pub data_dir: PathBuf,
    /// Where the bridge listens.
    #[arg(long, env = "LEPTOS_SITE_ADDR", default_value = "127.0.0.1:3000", global = true)]
    pub site_addr: SocketAddr,
    /// The origin that users see, such as <https://bridge.example.com>. Unset: taken from each request.
    #[arg(long, env = "BRIDGE_PUBLIC_URL", value_parser = parse_origin, global = true)]
    pub public_url: Option<String>,
    /// Where Prometheus reads /metrics. Unset: nowhere.
    #[arg(long, env = "BRIDGE_METRICS_ADDR", global = true)]
    pub metrics_addr: Option<SocketAddr>,

    /// The OpenTelemetry collector that gets a trace of each call, by OTLP over HTTP, such as
    /// <http://localhost:4318>. Unset: none.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = parse_origin, global = true)]
    pub otlp_endpoint: Option<String>,

    /// Odoo's address. Unset: the built-in demo Odoo.
    #[arg(long, env = "ODOO_URL", value_parser = parse_odoo_url, global = true)]
    pub odoo_url: Option<String>,
    /// The name of Odoo's database.
    #[arg(long, env = "ODOO_DB", global = true)]
    pub odoo_db: Option<String>,
    /// The Odoo user that the bridge works as.
    #[arg(long, env = "ODOO_USERNAME", global = true)]
    pub odoo_username: Option<String>,
    /// That user's API key (preferred).
    #[arg(long, env = "ODOO_API_KEY", global = true, hide_env_values = true)]
    pub odoo_api_key: Option<SecretString>,
    /// That user's password.
    #[arg(long, env = "ODOO_PASSWORD", global = true, hide_env_values = true)]
    pub odoo_password: Option<SecretString>,
    /// Which of Odoo's interfaces to use.
    #[arg(long, env = "ODOO_TRANSPORT", value_enum, default_value = "auto", global = true)]
    pub odoo_transport: Transport,
    /// Seconds that a connection to Odoo may take.
    #[arg(long, env = "ODOO_CONNECT_TIMEOUT_SECS", default_value = "5", value_parser = clap::value_parser!(u64).range(1..=600), global = true)]
    pub odoo_connect_timeout_secs: u64,
    /// Seconds until the first byte of Odoo's answer.
    #[arg(long, env = "ODOO_FIRST_BYTE_TIMEOUT_SECS", default_value = "55", value_parser = clap::value_parser!(u64).range(1..=3600), global = true)]
    pub odoo_first_byte_timeout_secs: u64,
    /// Seconds for a whole call to Odoo.
    #[arg(long, env = "ODOO_TIMEOUT_SECS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=3600), global = true)]
    pub odoo_timeout_secs: u64,
    /// The largest answer of Odoo that is passed on, in bytes.
    #[arg(long, env = "ODOO_MAX_ANSWER_BYTES", default_value = "1073741824", value_parser = clap::value_parser!(u64).range(1024..), global = true)]
    pub odoo_max_answer_bytes: u64,
    /// Which bounds Odoo's host sets for calls.
    #[arg(long, env = "ODOO_PRESET", value_enum, default_value = "own", global = true)]
    pub odoo_preset: Preset,
    /// How many calls may be on their way to Odoo at once.
    #[arg(long, env = "ODOO_CONCURRENT_CALLS", default_value = "64", value_parser = clap::value_parser!(u32).range(1..=10_000), global = true)]
    pub odoo_concurrent_calls: u32,
    /// How many calls may begin in a second. Unset: as many as come.
    #[arg(long, env = "ODOO_CALLS_PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=1_000), global = true)]
    pub odoo_calls_per_second: Option<u32>,
    /// How many calls may wait for their turn.
    #[arg(long, env = "ODOO_QUEUE_LENGTH", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=100_000), global = true)]
    pub odoo_queue_length: u32,
    /// Seconds that a call may wait for its turn.
    #[arg(long, env = "ODOO_QUEUE_WAIT_SECS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=3600), global = true)]
    pub odoo_queue_wait_secs: u64,
    /// The largest body that `POST /call` takes, in bytes.
    #[arg(long, env = "BRIDGE_MAX_REQUEST_BYTES", default_value = "8388608", value_parser = clap::value_parser!(u64).range(1024..), global = true)]
    pub max_request_bytes: u64,

    /// How many connections of clients are taken at once.
    #[arg(long, env = "BRIDGE_MAX_CONNECTIONS", default_value = "20000", value_parser = clap::value_parser!(u32).range(1..=1_000_000), global = true)]
    pub max_connections: u32,
    /// Seconds that a stop goes on to take requests while /readyz tells of it already.
    #[arg(long, env = "BRIDGE_STOP_DELAY_SECS", default_value = "0", value_parser = clap::value_parser!(u64).range(0..=600), global = true)]
    pub stop_delay_secs: u64,

    /// How many days the records of calls are kept.
    #[arg(long, env = "BRIDGE_CALL_RECORDS_DAYS", default_value = "30", value_parser = clap::value_parser!(u16).range(1..), global = true)]
    pub call_records_days: u16,
    /// The most that the records of calls take in the database, in MB; the oldest days go first. Unset: no bound.
    #[arg(long, env = "BRIDGE_CALLS_MAX_MB", value_parser = clap::value_parser!(u32).range(1..), global = true)]
    pub calls_max_mb: Option<u32>,
    /// How many days it is kept what was called in each minute.
    #[arg(long, env = "BRIDGE_USE_MINUTES_DAYS", default_value = "8", value_parser = clap::value_parser!(u16).range(2..), global = true)]
    pub use_minutes_days: u16,
    /// The same of each hour.
    #[arg(long, env = "BRIDGE_USE_HOURS_DAYS", default_value = "100", value_parser = clap::value_parser!(u16).range(8..), global = true)]
    pub use_hours_days: u16,
    /// The same of each day.
    #[arg(long, env = "BRIDGE_USE_DAYS", default_value = "731", value_parser = clap::value_parser!(u16).range(31..), global = true)]
    pub use_days: u16,

    /// How many days speed test runs are kept.
    #[arg(long, env = "BRIDGE_SPEED_RUNS_DAYS", default_value = "365", value_parser = clap::value_parser!(u16).range(1..), global = true)]
    pub speed_runs_days: u16,
    /// The mail server for alerts: smtps://user:password@mail.example.com, or
    /// smtp://user:password@mail.example.com:587?tls=required. Unset: no letters.
    #[arg(long, env = "BRIDGE_SMTP_URL", global = true, hide_env_values = true)]
    pub smtp_url: Option<SecretString>,
    /// Whom letters are from: Odoo Bridge <bridge@example.com>.
    #[arg(long, env = "BRIDGE_MAIL_FROM", global = true)]
    pub mail_from: Option<String>,

    /// Email of the first user, made only while there is none.
    #[arg(long, env = "BRIDGE_ADMIN_EMAIL", global = true)]
    pub admin_email: Option<String>,
    /// Password of the first user.
    #[arg(long, env = "BRIDGE_ADMIN_PASSWORD", global = true, hide_env_values = true)]
    pub admin_password: Option<SecretString>,
    /// 32 bytes in base64 that seal stored credentials.
    #[arg(long, env = "BRIDGE_SECRET_KEY", global = true, hide_env_values = true)]
    pub secret_key: Option<SecretString>,
    /// Those that `secret_key` took the place of, separated by commas: what they sealed opens, nothing new is sealed.
    #[arg(
        long,
        env = "BRIDGE_OLD_SECRET_KEYS",
        value_delimiter = ',',
        global = true,
        hide_env_values = true
    )]
    pub old_secret_keys: Vec<SecretString>,
    /// Redis or Valkey, through which several instances share limits. Unset: each holds its own.
    #[arg(long, env = "REDIS_URL", global = true, hide_env_values = true)]
    pub redis_url: Option<SecretString>,
    /// Addresses of reverse proxies whose X-Forwarded-For is believed, separated by commas.
    #[arg(long, env = "BRIDGE_TRUSTED_PROXIES", value_delimiter = ',', global = true)]
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// How the log is written.
    #[arg(long, env = "BRIDGE_LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub log_format: LogFormat,
    /// What is logged, such as `info` or `odoo_bridge=debug`.
    #[arg(long, env = "RUST_LOG", default_value = "info", global = true)]
    pub log: String,
}

/// Bounds that Odoo's host sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// None but those of the other settings.
    Own,
    /// Odoo Online: one call a second, none in parallel.
    Online,
}

/// The log's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The mail server that the settings name.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// `smtps://` or `smtp://`, perhaps with user and password.
    pub url: SecretString,
    /// Whom letters are from.
    pub from: Mailbox,
}

/// A setting that can't be; the sentence says which and how to mend it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// The Odoo that the settings name.
#[derive(Clone, Debug)]
pub struct OdooSettings {
    /// Scheme, host and port, perhaps a path; no slash at the end.
    pub url: String,
    /// The database's name.
    pub db: String,
    /// The login.
    pub username: String,
    /// That user's password, for a web session or JSON-RPC.
    pub password: Option<SecretString>,
    /// That user's API key, for JSON-2 or JSON-RPC.
    pub api_key: Option<SecretString>,
    /// The one way in to take; `None`: the cheapest that works.
    pub way: Option<Way>,
}

impl Settings {
    /// How long a call may take at most: its wait for a turn, all that is done for it at
    /// Odoo then (a login, a second try), and what is around them.
    #[must_use]
    pub const fn longest_call(&self) -> Duration {
        Duration::from_secs(self.odoo_queue_wait_secs + self.odoo_timeout_secs + 5)
    }

    /// How much is kept of what was called.
    #[must_use]
    pub fn keep(&self) -> Keep {
        Keep {
            days: self.call_records_days,
            most_bytes: self.calls_max_mb.map(|mb| i64::from(mb) * 1_000_000),
            rollups: rollup::Keep {
                minutes_days: self.use_minutes_days,
                hours_days: self.use_hours_days,
                days: self.use_days,
            },
        }
    }

    /// How many calls to Odoo, how often, and how many may wait.
    #[must_use]
    pub fn turns(&self) -> Rules {
        let (concurrent, interval) = match self.odoo_preset {
            Preset::Own => {
                let interval = self.odoo_calls_per_second.map(|calls| Duration::from_secs(1) / calls);
                (self.odoo_concurrent_calls, interval.unwrap_or_default())
            }
            // A little more than a second: they have to be that far apart over there, also
            // when one of them is longer on its way.
            Preset::Online => (1, Duration::from_millis(1_050)),
        };
        Rules {
            concurrent: concurrent as usize,
            interval,
            line: self.odoo_queue_length as usize,
            wait: Duration::from_secs(self.odoo_queue_wait_secs),
        }
    }

    /// The one way into Odoo that is set; `None`: the cheapest that works.
    ///
    /// # Errors
    /// For a way that this version does not know.
    pub fn way(&self) -> Result<Option<Way>, ConfigError> {
        Ok(match self.odoo_transport {
            Transport::Auto => None,
            Transport::Json2 => Some(Way::Json2),
            Transport::Jsonrpc => Some(Way::JsonRpc),
            Transport::Web => Some(Way::Web),
            Transport::Xmlrpc => {
                return Err(ConfigError(
                    "ODOO_TRANSPORT: this version does not speak XML-RPC. Set it to auto, web, jsonrpc or json2."
                        .into(),
                ));
            }
        })
    }

    /// The Odoo that is set; `None` means the demo Odoo.
    ///
    /// # Errors
    /// When only a part of the settings is there, or a value can't be honored.
    pub fn odoo(&self) -> Result<Option<OdooSettings>, ConfigError> {
        let way = self.way()?;
        let held = |secret: &Option<SecretString>| secret.clone().filter(|secret| !secret.expose_secret().is_empty());
        let (api_key, password) = (held(&self.odoo_api_key), held(&self.odoo_password));
        let Some(url) = self.odoo_url.clone() else {
            if self.odoo_db.is_some() || self.odoo_username.is_some() || api_key.is_some() || password.is_some() {
                return Err(ConfigError(
                    "ODOO_URL is missing, but other ODOO_ settings are there. Set ODOO_URL, or unset all of them for the demo Odoo.".into(),
                ));
            }
            return Ok(None);
        };
        let missing = |name: &str| ConfigError(format!("{name} is missing: ODOO_URL is set, so the bridge needs it."));
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let db = filled(&self.odoo_db).ok_or_else(|| missing("ODOO_DB"))?;
        let username = filled(&self.odoo_username).ok_or_else(|| missing("ODOO_USERNAME"))?;
        let (need_key, need_password) = match way {
            Some(Way::Json2) => (api_key.is_none(), false),
            Some(Way::Web) => (false, password.is_none()),
            Some(Way::JsonRpc) | None => (api_key.is_none() && password.is_none(), false),
        };
        if need_key || need_password {
            return Err(match way {
                Some(Way::Json2) => missing("ODOO_API_KEY"),
                Some(Way::Web) => missing("ODOO_PASSWORD"),
                Some(Way::JsonRpc) | None => missing("ODOO_API_KEY (or ODOO_PASSWORD)"),
            });
        }
        Ok(Some(OdooSettings {
            url,
            db,
            username,
            password,
            api_key,
            way,
        }))
    }

    /// The Redis or Valkey that instances share limits through; `None`: each holds its own.
    ///
    /// # Errors
    /// When it is no address of one.
    pub fn redis(&self) -> Result<Option<redis::ConnectionInfo>, ConfigError> {
        let Some(url) = &self.redis_url else { return Ok(None) };
        let url = url.expose_secret().trim();
        // Not the client's own words: they could repeat what was typed, a password included.
        let wrong = || {
            ConfigError(
                "REDIS_URL must look like redis://:password@redis.example.com:6379/0, or rediss:// for TLS.".into(),
            )
        };
        if !["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(wrong());
        }
        let info = redis::IntoConnectionInfo::into_connection_info(url).map_err(|_| wrong())?;
        // A round trip for each call: it must not wait for more to send.
        let tcp = redis::io::tcp::TcpSettings::default().set_nodelay(true);
        Ok(Some(info.set_tcp_settings(tcp)))
    }

    /// The mail server for alerts; `None`: no letters.
    ///
    /// # Errors
    /// When only one of the two settings is there, or one can't be. It is not repeated.
    pub fn mail(&self) -> Result<Option<MailSettings>, ConfigError> {
        let (url, from) = match (&self.smtp_url, &self.mail_from) {
            (None, None) => return Ok(None),
            (Some(url), Some(from)) => (url, from),
            _ => {
                return Err(ConfigError(
                    "BRIDGE_SMTP_URL and BRIDGE_MAIL_FROM go together: set both or none.".into(),
                ));
            }
        };
        let from = from
            .parse()
            .map_err(|_| ConfigError("BRIDGE_MAIL_FROM must be a mailbox: Odoo Bridge <bridge@example.com>.".into()))?;
        let mail = MailSettings { url: url.clone(), from };
        send::transport(&mail.url)?;
        let parsed = reqwest::Url::parse(mail.url.expose_secret()).ok();
        let is_open = parsed.is_some_and(|url| {
            let is_required = url
                .query_pairs()
                .any(|(name, value)| name == "tls" && value == "required");
            url.scheme() == "smtp" && url.password().is_some() && !is_required
        });
        if is_open {
            return Err(ConfigError(
                "BRIDGE_SMTP_URL would send its password in the open. Add ?tls=required, or use smtps://.".into(),
            ));
        }
        Ok(Some(mail))
    }

    /// Checks what clap can't: values that depend on each other.
    ///
    /// # Errors
    /// One sentence for the first wrong value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.odoo()?;
        if self.admin_email.is_some() != self.admin_password.is_some() {
            return Err(ConfigError(
                "BRIDGE_ADMIN_EMAIL and BRIDGE_ADMIN_PASSWORD go together: set both or none.".into(),
            ));
        }
        let present = self.secret_key.iter().map(|key| ("BRIDGE_SECRET_KEY", key));
        let old = self.old_secret_keys.iter().map(|key| ("BRIDGE_OLD_SECRET_KEYS", key));
        for (name, key) in present.chain(old) {
            let bytes = base64::engine::general_purpose::STANDARD.decode(key.expose_secret().trim());
            if !bytes.is_ok_and(|bytes| bytes.len() == 32) {
                return Err(ConfigError(format!(
                    "{name} must be 32 bytes in base64. Make one with: openssl rand -base64 32"
                )));
            }
        }
        self.redis()?;
        self.mail()?;
        if let Some(url) = &self.database_url
            && !["postgres://", "postgresql://"]
                .iter()
                .any(|scheme| url.expose_secret().starts_with(scheme))
        {
            return Err(ConfigError("DATABASE_URL must begin with postgres:// .".into()));
        }
        Ok(())
    }
}

/// The folders in which programs are looked for.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "here the environment is read")]
pub fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default()
}

/// An origin or base address: http or https, without a slash at the end.
fn parse_origin(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text.trim())
        .map_err(|error| format!("not an address ({error}); it looks like https://odoo.example.com"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("must begin with http:// or https://".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not hold a ? or #".into());
    }
    Ok(text.trim().trim_end_matches('/').to_owned())
}

/// The same, and an address at which an Odoo can be.
fn parse_odoo_url(text: &str) -> Result<String, String> {
    let text = parse_origin(text)?;
    let url = reqwest::Url::parse(&text).map_err(|error| error.to_string())?;
    destination::check(&url).map(|()| text)
}

/// `90d`, `12h`, `30m`, `45s`, `2w`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and a unit: 90d, 12h, 30m, 45s or 2w".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let secs: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    if count == 0 {
        return Err("must be more than nothing".into());
    }
    // A hundred years: more than any key lives, and no overflow in a date.
    count
        .checked_mul(secs)
        .filter(|secs| *secs <= 36_500 * 86_400)
        .map(Duration::from_secs)
        .ok_or_else(|| "is too long; at most 36500d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &[&str]) -> Settings {
        let args = [&["odoo-bridge"], args].concat();
        Cli::try_parse_from(args).expect("the arguments parse").settings
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn half_an_odoo_is_refused_by_the_name_of_what_is_missing() {
        let error = settings(&["--odoo-url", "https://odoo.example.com"])
            .odoo()
            .expect_err("refused");
        assert!(error.to_string().starts_with("ODOO_DB is missing"), "{error}");
        let error = settings(&["--odoo-db", "prod"]).odoo().expect_err("refused");
        assert!(error.to_string().starts_with("ODOO_URL is missing"), "{error}");
    }

    #[test]
    fn durations_have_a_unit_and_a_bound() {
        assert_eq!(parse_duration("90d"), Ok(Duration::from_secs(90 * 86_400)));
        for wrong in ["", "90", "d", "-1d", "0d", "1y", "99999999999w", "1é"] {
            assert!(parse_duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_origin_is_an_address_without_secrets() {
        assert_eq!(
            parse_origin("https://odoo.example.com/").as_deref(),
            Ok("https://odoo.example.com")
        );
        for wrong in [
            "odoo.example.com",
            "ftp://odoo",
            "https://user:pw@odoo",
            "https://odoo/?db=x",
        ] {
            assert!(parse_origin(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_redis_is_an_address_and_a_wrong_one_is_not_repeated() {
        for url in ["redis://127.0.0.1", "rediss://:secret@redis.example.com:6380/2"] {
            assert!(settings(&["--redis-url", url]).validate().is_ok(), "{url}");
        }
        for url in [
            "",
            "127.0.0.1:6379",
            "http://redis",
            "redis+unix:///hunter2",
            "redis://:hunter2@host/no-number",
        ] {
            let error = settings(&["--redis-url", url]).validate().expect_err(url);
            assert!(error.to_string().starts_with("REDIS_URL"), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_mail_server_has_a_sender_and_sends_no_password_in_the_open() {
        let mail = |args: &[&str]| settings(args).mail();
        let from = ["--mail-from", "Odoo Bridge <bridge@example.com>"];
        let with = |url: &'static str| mail(&[&["--smtp-url", url][..], &from].concat());
        assert!(mail(&[]).expect("none").is_none());
        for fine in [
            "smtps://ann:hunter2@mail.example.com",
            "smtp://ann:hunter2@mail.example.com:587?tls=required",
            "smtp://127.0.0.1:2525",
        ] {
            assert!(with(fine).expect(fine).is_some());
        }
        for (error, part) in [
            (mail(&from), "go together"),
            (mail(&["--smtp-url", "smtp://127.0.0.1"]), "go together"),
            (with("smtp://ann:hunter2@mail.example.com"), "in the open"),
            (with("http://ann:hunter2@mail.example.com"), "must look like"),
            (
                mail(&["--smtp-url", "smtp://127.0.0.1", "--mail-from", "nobody"]),
                "BRIDGE_MAIL_FROM",
            ),
        ] {
            let error = error.expect_err(part).to_string();
            assert!(error.contains(part) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let settings = settings(&[
            "--odoo-password",
            "hunter2",
            "--database-url",
            "postgres://u:hunter2@h/d",
        ]);
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
