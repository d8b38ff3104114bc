//! Every setting, as a flag and an environment variable, in one place: the only
//! reader of the environment. A wrong value is one clear sentence.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use secrecy::{ExposeSecret as _, SecretString};

use crate::odoo::Way;

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
    /// The address that the person signs in with.
    #[arg(long, value_name = "EMAIL")]
    pub made_by: String,
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

    /// Odoo's address. Unset: the built-in demo Odoo.
    #[arg(long, env = "ODOO_URL", value_parser = parse_origin, global = true)]
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
    /// The largest body that `POST /call` takes, in bytes.
    #[arg(long, env = "BRIDGE_MAX_REQUEST_BYTES", default_value = "8388608", value_parser = clap::value_parser!(u64).range(1024..), global = true)]
    pub max_request_bytes: u64,

    /// How many days the records of calls are kept.
    #[arg(long, env = "BRIDGE_CALL_RECORDS_DAYS", default_value = "30", value_parser = clap::value_parser!(u16).range(1..), global = true)]
    pub call_records_days: u16,

    /// Email of the first user, made only while there is none.
    #[arg(long, env = "BRIDGE_ADMIN_EMAIL", global = true)]
    pub admin_email: Option<String>,
    /// Password of the first user.
    #[arg(long, env = "BRIDGE_ADMIN_PASSWORD", global = true, hide_env_values = true)]
    pub admin_password: Option<SecretString>,
    /// 32 bytes in base64 that seal stored credentials.
    #[arg(long, env = "BRIDGE_SECRET_KEY", global = true, hide_env_values = true)]
    pub secret_key: Option<SecretString>,
    /// Shared limits for several instances.
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

/// The log's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
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
        if let Some(key) = &self.secret_key {
            let bytes = base64::engine::general_purpose::STANDARD.decode(key.expose_secret().trim());
            if !bytes.is_ok_and(|bytes| bytes.len() == 32) {
                return Err(ConfigError(
                    "BRIDGE_SECRET_KEY must be 32 bytes in base64. Make one with: openssl rand -base64 32".into(),
                ));
            }
        }
        if self.redis_url.is_some() {
            return Err(ConfigError(
                "REDIS_URL: in this version each instance holds its own limits, so it does not take the setting. Unset it.".into(),
            ));
        }
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
