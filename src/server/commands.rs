//! What the binary does besides serving. Answers go to stdout, the log goes to
//! stderr. Every command works beside a running server.

mod check;
mod explain;
mod refusal;

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::audit::chain::{self, Head};
use crate::audit::log::Actor;
use crate::config::{Cli, Command, ConfigError, CreateKeyArgs, CreateUserArgs, DemoOdooArgs, Settings};
use crate::demo_odoo::{self, DemoOdoo};
use crate::error::{AppError, ErrorCode};
use crate::ids::ApiKeyId;
use crate::keys::issue::{self, NewKey};
use crate::keys::model::KeyName;
use crate::keys::policy::{self, Policy, presets};
use crate::keys::shared_policies;
use crate::people::accounts;
use crate::sealing::SealingKey;
use crate::server::database::{OpenError, Opener, open_database};
use crate::server::serve::{self, StopSignal};
use crate::server::telemetry;
use crate::session::model::Role;
use crate::session::sign_in;

pub use refusal::parse;

/// Why a command did not do its work, as a sentence for the terminal.
#[derive(Debug)]
pub enum Failure {
    /// A setting or an argument is wrong: exit code 2.
    Settings(String),
    /// Anything else: exit code 1.
    Work(String),
    /// It was told already: exit code 1.
    Told,
}

impl Failure {
    /// Writes the sentence to stderr.
    #[must_use]
    pub fn report(self) -> ExitCode {
        let (text, code) = match self {
            Self::Settings(text) => (text, 2),
            Self::Work(text) => (text, 1),
            Self::Told => return ExitCode::from(1),
        };
        // Without a stderr there is nobody to tell.
        let _ = writeln!(io::stderr(), "odoo-bridge: {text}");
        ExitCode::from(code)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Settings(error.0)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Config(error) => error.into(),
            other => Self::Work(other.to_string()),
        }
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        match (error.code, error.cause()) {
            (ErrorCode::InvalidRequest, _) => Self::Settings(error.message.into_owned()),
            // The operator's terminal, not a caller's: the cause helps.
            (_, Some(cause)) => Self::Work(format!("{} ({cause})", error.message)),
            (_, None) => Self::Work(error.message.into_owned()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Work(format!("Can't read or write: {error}."))
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for Failure {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        let error = match error.downcast::<ConfigError>() {
            Ok(error) => return (*error).into(),
            Err(error) => error,
        };
        let error = match error.downcast::<OpenError>() {
            Ok(error) => return (*error).into(),
            Err(error) => error,
        };
        match error.downcast::<AppError>() {
            Ok(error) => (*error).into(),
            Err(error) => Self::Work(error.to_string()),
        }
    }
}

/// Does what the command line says.
///
/// # Errors
/// A sentence for the terminal.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { command, mut settings } = cli;
    let command = command.unwrap_or(Command::Serve);
    // A command's answer is what it prints; its log is for when something is odd.
    if !matches!(command, Command::Serve | Command::DemoOdoo(_)) && settings.log == "info" {
        settings.log = "warn".into();
    }
    telemetry::init(&settings)?;
    // What encrypts connections, to Odoo and to the database.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if !matches!(command, Command::Check) {
        settings.validate()?;
    }
    match command {
        Command::Serve => serve::run(settings).await.map_err(Into::into),
        Command::Migrate => migrate(&settings).await,
        Command::CreateUser(args) => create_user(&settings, args).await,
        Command::CreateKey(args) => create_key(&settings, args).await,
        Command::Check => check::run(&settings).await,
        Command::RevokeKeys(args) => revoke_keys(&settings, &args.made_by).await,
        Command::ResetSecondFactor(args) => reset_second_factor(&settings, &args.email).await,
        Command::VerifyAudit(args) => verify_audit(&settings, args.head.as_deref()).await,
        Command::Explain(args) => explain::run(&settings, args).await,
        Command::DemoOdoo(args) => demo_odoo(args).await,
    }
}

async fn migrate(settings: &Settings) -> Result<(), Failure> {
    with_database(settings, async |_| say("The database has this version's shape.")).await
}

async fn reset_second_factor(settings: &Settings, email: &str) -> Result<(), Failure> {
    with_database(settings, async |pool| {
        let id = accounts::find(pool, email).await?;
        accounts::reset_factor(pool, id, &Actor::COMMAND_LINE).await?;
        say(&format!(
            "{} signs in with the password alone now. Passkeys are removed.",
            email.trim()
        ))
    })
    .await
}

async fn verify_audit(settings: &Settings, noted: Option<&str>) -> Result<(), Failure> {
    let noted: Option<Head> = noted
        .map(str::parse)
        .transpose()
        .map_err(|why| Failure::Settings(format!("--head: {why}.")))?;
    let key = SealingKey::open(settings)?;
    with_database(settings, async |pool| {
        let verified = chain::verify(pool, &key, noted.as_ref()).await?;
        if let Some(broken) = verified.broken {
            return Err(Failure::Work(format!("The chain is broken. {}", broken.why)));
        }
        say(&format!(
            "The chain is whole: {} events, {} not sealed yet. Its newest seal:\n{}",
            verified.head.number, verified.unsealed, verified.head
        ))
    })
    .await
}

async fn create_user(settings: &Settings, args: CreateUserArgs) -> Result<(), Failure> {
    let password = if args.password_stdin {
        read_password()?
    } else {
        ask_password()?
    };
    with_database(settings, async |pool| {
        // clap takes the words of roles only.
        let role = Role::parse(&args.role).unwrap_or(Role::Viewer);
        sign_in::create_user(pool, &args.email, password, role).await?;
        say(&format!("{} can sign in now.", args.email.trim()))
    })
    .await
}

/// One line of standard input.
fn read_password() -> Result<SecretString, Failure> {
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::Settings(
            "--password-stdin: there is no password on standard input.".into(),
        ));
    }
    Ok(SecretString::from(password))
}

/// Asks twice, without showing what is typed.
fn ask_password() -> Result<SecretString, Failure> {
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map(SecretString::from).map_err(|_| {
            Failure::Settings(
                "There is no terminal to ask for the password. Give it on standard input, with --password-stdin."
                    .into(),
            )
        })
    };
    let password = ask("Password: ")?;
    if ask("Again: ")?.expose_secret() != password.expose_secret() {
        return Err(Failure::Work("The two passwords differ. Nobody was made.".into()));
    }
    Ok(password)
}

/// What `create-key --json` prints.
#[derive(Serialize)]
struct PrintedKey<'a> {
    id: ApiKeyId,
    name: &'a str,
    prefix: &'a str,
    key: &'a str,
    expires_at: Option<DateTime<Utc>>,
}

async fn create_key(settings: &Settings, args: CreateKeyArgs) -> Result<(), Failure> {
    let name = KeyName::parse(&args.name)?;
    let expires_at = match args.expires_in {
        Some(life) => {
            let life = TimeDelta::from_std(life).map_err(|_| Failure::Settings("--expires-in is too long.".into()))?;
            Some(Utc::now() + life)
        }
        None => None,
    };
    let policy = match (&args.policy, args.access.as_deref()) {
        (Some(file), _) => read_policy(file)?,
        (None, access) => {
            let id = access.unwrap_or_default().replace('-', "_");
            presets::document(&id).map_err(AppError::from)?.to_owned()
        }
    };
    let limits = match &args.limits {
        Some(file) => read_file("limits", file)?,
        None => "{}".to_owned(),
    };
    let new = NewKey {
        expires_at,
        share_reads: args.share_reads,
        policy: &policy,
        limits: &limits,
        owner: args.owner.trim(),
        ..NewKey::named(&name)
    };
    with_database(settings, async |pool| {
        let created = match &args.shared {
            None => issue::create(pool, new).await?,
            Some(name) => {
                let (id, document) = shared_policies::called(pool, name).await?;
                let new = NewKey {
                    policy: &document,
                    policy_id: Some(id),
                    ..new
                };
                issue::create(pool, new).await?
            }
        };
        let key = &created.key;
        if key.access == "full" {
            warn(
                "this key has full access: whoever holds it is the Odoo user behind the bridge, and can read every secret in Odoo, run code there and give itself rights.",
            );
        }
        if args.json {
            let printed = PrintedKey {
                id: key.id,
                name: &key.name,
                prefix: &key.prefix,
                key: &created.plaintext,
                expires_at: key.expires_at,
            };
            let text = serde_json::to_string(&printed).map_err(|error| Failure::Work(error.to_string()))?;
            return say(&text);
        }
        let end = key
            .expires_at
            .map_or("never".to_owned(), |end| end.format("%Y-%m-%d %H:%M UTC").to_string());
        say(&format!(
            "Key \"{}\" ({}), expires: {end}.\n{}\nIt is shown this once, so keep it now:\n\n    {}\n",
            key.name,
            key.prefix,
            policy::in_words(&Policy::load(&issue::policy_of(pool, key.id).await?)).join("\n"),
            created.plaintext
        ))
    })
    .await
}

/// Says something on stderr that does not stop the work.
fn warn(text: &str) {
    // Without a stderr there is nobody to tell.
    let _ = writeln!(io::stderr(), "odoo-bridge: warning: {text}");
}

async fn revoke_keys(settings: &Settings, email: &str) -> Result<(), Failure> {
    with_database(settings, async |pool| {
        let revoked = issue::revoke_all_of(pool, email, &Actor::COMMAND_LINE).await?;
        say(&format!(
            "{revoked} keys that {} made or owns are revoked.",
            email.trim()
        ))
    })
    .await
}

fn read_file(argument: &str, file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::Settings(format!("--{argument}: can't read {} ({error}).", file.display())))
}

/// A policy document out of a file, checked.
fn read_policy(file: &Path) -> Result<String, Failure> {
    let text = read_file("policy", file)?;
    Policy::parse(&text).map_err(|error| Failure::Settings(format!("--policy: {error}")))?;
    Ok(text)
}

async fn demo_odoo(args: DemoOdooArgs) -> Result<(), Failure> {
    let mut stop = StopSignal::listen()?;
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| Failure::Settings(format!("--listen: can't listen on {} ({error}).", args.listen)))?;
    say(&format!(
        "The demo Odoo listens. Point a bridge at it:\n\n    ODOO_URL=http://{} ODOO_DB={} ODOO_USERNAME={} ODOO_PASSWORD={} odoo-bridge serve\n",
        listener.local_addr()?,
        demo_odoo::DB,
        demo_odoo::USERNAME,
        demo_odoo::PASSWORD,
    ))?;
    demo_odoo::serve(listener, DemoOdoo::new(), async move { stop.told().await }).await?;
    Ok(())
}

/// Opens the database, joining a running server's, and closes it after `work`.
async fn with_database(
    settings: &Settings,
    work: impl AsyncFnOnce(&PgPool) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (pool, embedded) = open_database(settings, Opener::Command).await?;
    let result = work(&pool).await;
    pool.close().await;
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    result
}

/// One answer on stdout.
fn say(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()?;
    Ok(())
}
