//! `check`: tries everything that the bridge needs and prints one line for each:
//! `OK`, or what is wrong and how to mend it. No secret is printed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::value::RawValue;
use sqlx::PgPool;

use super::{Failure, say};
use crate::alerts::send::Sender;
use crate::config::Settings;
use crate::error::{AppError, ErrorCode};
use crate::instances::Instances;
use crate::odoo::{Call, Limits, Odoo, Party, WayState};
use crate::server::database::migrate::migrations;
use crate::server::database::{self, OLDEST_MAJOR, Opener, explain};

/// How long the database may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a check found: fine (and how it is), or wrong (and how to mend it).
type Finding = Result<String, String>;

struct Report {
    failed: bool,
}

impl Report {
    /// Prints one line.
    fn add(&mut self, what: &str, finding: Finding) -> Result<(), Failure> {
        self.failed |= finding.is_err();
        match finding {
            Ok(text) => say(&format!("OK    {what}: {text}")),
            Err(text) => say(&format!("FAIL  {what}: {text}")),
        }
    }
}

/// Checks everything; later checks run although earlier ones failed.
///
/// # Errors
/// [`Failure::Told`] if a check failed.
pub(super) async fn run(settings: &Settings) -> Result<(), Failure> {
    let mut report = Report { failed: false };
    let valid = settings
        .validate()
        .map(|()| "complete and well-formed".into())
        .map_err(|error| error.0);
    report.add("settings", valid)?;
    report.add("data directory", data_dir(settings))?;
    check_database(settings, &mut report).await?;
    check_redis(settings, &mut report).await?;
    check_odoo(settings, &mut report).await?;
    check_mail(settings, &mut report).await?;
    if report.failed { Err(Failure::Told) } else { Ok(()) }
}

fn data_dir(settings: &Settings) -> Finding {
    let dir = &settings.data_dir;
    let shown = dir.display();
    let metadata = match fs::metadata(dir) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return fs::create_dir_all(dir)
                .and_then(|()| fs::remove_dir(dir))
                .map(|()| format!("{shown} is made at the start"))
                .map_err(|error| {
                    format!(
                        "{shown} can't be made ({error}). Set BRIDGE_DATA_DIR to a place where the bridge may write."
                    )
                });
        }
        Err(error) => {
            return Err(format!(
                "{shown} can't be read ({error}). Set BRIDGE_DATA_DIR to a place of the bridge's own."
            ));
        }
    };
    if !metadata.is_dir() {
        return Err(format!("{shown} is not a directory. Set BRIDGE_DATA_DIR to one."));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(format!(
            "others may write in {shown} (mode {mode:o}). Mend it with: chmod go-w {shown}"
        ));
    }
    let probe = dir.join(format!(".check-{}", std::process::id()));
    fs::write(&probe, b"")
        .and_then(|()| fs::remove_file(&probe))
        .map(|()| format!("{shown} is writable, and by the bridge alone"))
        .map_err(|error| {
            format!("the bridge can't write in {shown} ({error}). Give it to the user that the bridge runs as.")
        })
}

async fn check_database(settings: &Settings, report: &mut Report) -> Result<(), Failure> {
    let (options, embedded) = match database::locate(settings, Opener::Command).await {
        Ok(located) => located,
        Err(error) => return report.add("database", Err(error.to_string())),
    };
    let place = match &embedded {
        None => "DATABASE_URL",
        Some(embedded) if embedded.is_joined() => "private, of the running bridge",
        Some(_) => "private",
    };
    // Not by the pool: it would wait in silence, and hide the reason.
    let connected = match tokio::time::timeout(CONNECT_TIMEOUT, database::try_connect(&options)).await {
        Ok(result) => result.map_err(|error| explain(&error)),
        Err(_) => Err("it does not answer. Check the host and port in DATABASE_URL, and firewalls between.".into()),
    };
    let pool = database::pool(options);
    let result = match connected {
        Err(reason) => report.add("database", Err(reason)),
        Ok(()) => check_connected(&pool, place, report).await,
    };
    pool.close().await;
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    result
}

async fn check_connected(pool: &PgPool, place: &str, report: &mut Report) -> Result<(), Failure> {
    let version = match database::server_version(pool).await {
        Ok((version, major)) if major >= OLDEST_MAJOR => Ok(format!("PostgreSQL {version} answers ({place})")),
        Ok((version, _)) => Err(format!("PostgreSQL {version} is too old. Use {OLDEST_MAJOR} or newer.")),
        Err(error) => Err(explain(&error)),
    };
    report.add("database", version)?;
    let writable = match database::is_writable(pool).await {
        Ok(true) => Ok("the bridge may make its tables and write".into()),
        Ok(false) => Err("it takes no writes from this user. Point DATABASE_URL at the primary server, and GRANT CREATE ON SCHEMA public to the user.".into()),
        Err(error) => Err(explain(&error)),
    };
    report.add("database rights", writable)?;
    let shape = match migrations(pool).await {
        Ok(state) if !state.may_run => Err(format!(
            "it was changed by a newer version of the bridge, beside which this one can't run (migrations: {:?}). \
             Run that version or a newer one.",
            state.unknown
        )),
        Ok(state) if !state.unknown.is_empty() => {
            Ok("was changed by a newer version, beside which this one may run".into())
        }
        Ok(state) if state.pending == 0 => Ok("has this version's shape".into()),
        Ok(state) => Ok(format!(
            "{} migrations are to be applied; `serve` and `migrate` do it",
            state.pending
        )),
        Err(error) => Err(explain(&error)),
    };
    report.add("database shape", shape)
}

async fn check_redis(settings: &Settings, report: &mut Report) -> Result<(), Failure> {
    let redis = match settings.redis() {
        Ok(Some(redis)) => redis,
        Ok(None) => return report.add("Redis", Ok("not set; each instance holds limits by itself".into())),
        // Told with the settings.
        Err(_) => return Ok(()),
    };
    let instances = match Instances::new(redis) {
        Ok(instances) => instances,
        Err(error) => return report.add("Redis", Err(error.0)),
    };
    let place = instances.report().place;
    let finding = match instances.check().await {
        Ok(()) => Ok(format!("answers at {place}; limits are shared through it")),
        Err(why) => Err(format!(
            "{place}: {why}. Check REDIS_URL, that Redis or Valkey runs there and lets this user run scripts, and the network between. Until then each instance holds its share of the limits."
        )),
    };
    report.add("Redis", finding)
}

async fn check_mail(settings: &Settings, report: &mut Report) -> Result<(), Failure> {
    let sender = match settings.mail() {
        Ok(None) => return report.add("mail", Ok("not set; alerts go to webhooks only".into())),
        // Told with the settings.
        Err(_) => return Ok(()),
        Ok(mail) => match Sender::new(mail, None) {
            Ok(sender) => sender,
            Err(error) => return report.add("mail", Err(error.0)),
        },
    };
    let finding = match sender.check_mail().await {
        Ok(()) => Ok("the mail server takes the bridge's sign-in".into()),
        Err(why) => Err(format!("{why}. Check BRIDGE_SMTP_URL, and the network between.")),
    };
    report.add("mail", finding)
}

async fn check_odoo(settings: &Settings, report: &mut Report) -> Result<(), Failure> {
    let odoo = match settings.odoo() {
        Ok(None) => return report.add("Odoo", Ok("the built-in demo; set ODOO_URL for a real one".into())),
        // Told with the settings.
        Err(_) => return Ok(()),
        Ok(Some(odoo)) => match Odoo::new(odoo, Limits::from(settings)) {
            Ok(odoo) => odoo,
            Err(error) => return report.add("Odoo", Err(error.0)),
        },
    };
    match odoo.version().await {
        Ok(version) => report.add(
            "Odoo",
            Ok(format!(
                "version {} answers at {}",
                version.server_version,
                odoo.target()
            )),
        )?,
        // What follows can only fail for the same reason.
        Err(error) => return report.add("Odoo", Err(wrong(error))),
    }
    match odoo.authenticate().await {
        Ok(uid) => report.add("Odoo sign-in", Ok(format!("accepted, as user number {uid}")))?,
        Err(error) => return report.add("Odoo sign-in", Err(wrong(error))),
    }
    let read = read_one_contact(&odoo).await;
    report.add(
        "Odoo reading",
        read.map(|()| "contacts can be read".into()).map_err(wrong),
    )?;
    check_ways(&odoo, report).await
}

/// One line for each way in: what it came to, which is picked, and why. A way that
/// does not work is no failure while another does.
async fn check_ways(odoo: &Odoo, report: &mut Report) -> Result<(), Failure> {
    odoo.probe().await;
    let told = odoo.report();
    for way in &told.ways {
        let cost = way.cost_ms.map(|ms| format!(" {ms:.1} ms a call."));
        let picked = if way.picked {
            format!(" Picked: {}", told.picked_because)
        } else {
            String::new()
        };
        let text = format!("{}{}{picked}", way.reason, cost.unwrap_or_default());
        let usable = told.ways.iter().any(|way| way.state == WayState::Works);
        let finding = if usable { Ok(text) } else { Err(text) };
        report.add(&format!("Odoo by {}", way.way.label()), finding)?;
    }
    Ok(())
}

async fn read_one_contact(odoo: &Odoo) -> Result<(), AppError> {
    let args: &RawValue = serde_json::from_str("[[]]").map_err(AppError::internal)?;
    let kwargs: &RawValue = serde_json::from_str("{\"limit\": 1}").map_err(AppError::internal)?;
    let call = Call {
        model: "res.partner",
        method: "search",
        args,
        kwargs,
    };
    odoo.execute(call, Party::BRIDGE, None).await?;
    Ok(())
}

/// What Odoo's error means for the operator.
fn wrong(error: impl Into<AppError>) -> String {
    let error: AppError = error.into();
    let remedy = match error.code {
        ErrorCode::OdooUnreachable | ErrorCode::OdooTimeout | ErrorCode::OdooUnavailable => {
            "Check ODOO_URL, that Odoo runs there, and the network between."
        }
        ErrorCode::OdooAuthFailed => "Check ODOO_DB, ODOO_USERNAME and ODOO_API_KEY (or ODOO_PASSWORD).",
        ErrorCode::OdooAccessDenied => "Give the user the rights in Odoo that the callers need.",
        ErrorCode::OdooError | ErrorCode::OdooNotFound => "Check ODOO_DB, and Odoo's own log.",
        _ => "Look in Odoo's log.",
    };
    format!("{} {remedy}", error.message)
}
