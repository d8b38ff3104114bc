//! A private PostgreSQL for whoever sets no `DATABASE_URL`: it lives in the data
//! directory, is reached by a unix socket only, and is started and stopped with
//! the bridge. It runs with fsync on, comes back by itself when it dies, and
//! ends when the bridge is killed. One bridge owns it at a time; commands beside
//! a running server join its database.

mod account;
mod cluster;
mod supervisor;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::server::database;
use cluster::Cluster;
use supervisor::Supervisor;

/// The role and the database that the bridge works with.
const NAME: &str = "bridge";
/// Part of the socket's name; nothing listens on it.
const PORT: u16 = 5432;
/// How long a server waits for the data directory to become free.
const OWN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a command waits for the server beside it to be ready.
const JOIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a stop waits for commands that joined.
const GUESTS_TIMEOUT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// Why the private PostgreSQL can't be used; a sentence with its remedy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another server owns the data directory.
    #[error("Another bridge{} works on the data directory {} already. Stop it, or give this one another BRIDGE_DATA_DIR.", of_process(.pid), .data_dir.display())]
    InUse {
        /// Which directory.
        data_dir: PathBuf,
        /// The other bridge's process, if it left its number.
        pid: Option<u32>,
    },
    /// Another bridge owns the data directory, but its database does not answer.
    #[error("The bridge that runs on {} does not answer with its database. Look in its log.", .0.display())]
    NoAnswer(PathBuf),
    /// It can't be set up on this machine as it is.
    #[error("{0}")]
    SetUp(String),
    /// A file or directory can't be used.
    #[error("Can't {action} {}: {source}.", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It ends as soon as it starts.
    #[error("The private PostgreSQL in {} does not start: {reason}", .data_dir.display())]
    Ends {
        /// Which directory.
        data_dir: PathBuf,
        /// Its own last words.
        reason: String,
    },
    /// It runs but refuses to work.
    #[error("The private PostgreSQL refuses to work: {0}.")]
    Refuses(#[from] sqlx::Error),
}

fn of_process(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl StartError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// A running private PostgreSQL: the bridge's own, or one that it joined.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    socket_dir: PathBuf,
    role: Role,
}

#[derive(Debug)]
enum Role {
    Owner {
        supervisor: Supervisor,
        guests: File,
        /// Last, so that it is let go when all else is done.
        _lock: File,
    },
    /// The shared lock keeps the owner from stopping under this one's feet.
    Guest { _lock: File },
}

impl EmbeddedPostgres {
    /// Starts the server of `data_dir`, which must be nobody else's. Makes what
    /// is not there yet.
    ///
    /// # Errors
    /// When another bridge owns it for longer than five seconds, or it can't start.
    pub async fn own(data_dir: &Path) -> Result<Self, StartError> {
        let data_dir = prepare(data_dir)?;
        let deadline = Instant::now() + OWN_TIMEOUT;
        loop {
            if let Some(lock) = try_own(&data_dir)? {
                return Self::start(data_dir, lock).await;
            }
            if Instant::now() > deadline {
                let pid = fs::read_to_string(lock_path(&data_dir))
                    .ok()
                    .and_then(|text| text.trim().parse().ok());
                return Err(StartError::InUse { data_dir, pid });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Joins the server of `data_dir` if a bridge runs on it, else starts it.
    ///
    /// # Errors
    /// When the running one does not answer within 30 seconds, or it can't start.
    pub async fn own_or_join(data_dir: &Path) -> Result<Self, StartError> {
        let data_dir = prepare(data_dir)?;
        let deadline = Instant::now() + JOIN_TIMEOUT;
        loop {
            let guest = open_lock(&guests_path(&data_dir))?;
            let welcome = taken(guest.try_lock_shared(), &guests_path(&data_dir))?;
            if let Some(lock) = try_own(&data_dir)? {
                drop(guest);
                return Self::start(data_dir, lock).await;
            }
            if welcome
                && let Some(socket_dir) = cluster::socket_dir_of_running(&data_dir)
                && answers(&connect_options(&socket_dir)).await
            {
                return Ok(Self {
                    socket_dir,
                    role: Role::Guest { _lock: guest },
                });
            }
            if Instant::now() > deadline {
                return Err(StartError::NoAnswer(data_dir));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn start(data_dir: PathBuf, lock: File) -> Result<Self, StartError> {
        let guests = open_lock(&guests_path(&data_dir))?;
        let cluster = {
            let data_dir = data_dir.clone();
            tokio::task::spawn_blocking(move || Cluster::prepare(&data_dir))
                .await
                .map_err(|error| {
                    StartError::SetUp(format!("Setting up the private PostgreSQL broke off: {error}."))
                })??
        };
        cluster.end_leftover().await?;
        let socket_dir = cluster.socket_dir.clone();
        let options = connect_options(&socket_dir);
        let supervisor = Supervisor::start(cluster).map_err(StartError::io("watch over the server of", &data_dir))?;
        let ready = Self::until_ready(&supervisor, &options, &data_dir).await;
        match ready {
            Ok(()) => Ok(Self {
                socket_dir,
                role: Role::Owner {
                    supervisor,
                    guests,
                    _lock: lock,
                },
            }),
            Err(error) => {
                supervisor.stop().await;
                Err(error)
            }
        }
    }

    /// Recovery after a crash takes as long as it takes; a server that ends over
    /// and over is given up.
    async fn until_ready(
        supervisor: &Supervisor,
        options: &PgConnectOptions,
        data_dir: &Path,
    ) -> Result<(), StartError> {
        let mut told_at = Instant::now();
        loop {
            match database::ensure_database(options, NAME).await {
                Ok(()) => return Ok(()),
                Err(sqlx::Error::Io(_)) => {}
                // Starting, or in recovery.
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("57P03") => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(reason) = supervisor.gave_up() {
                return Err(StartError::Ends {
                    data_dir: data_dir.to_owned(),
                    reason,
                });
            }
            if told_at.elapsed() > Duration::from_secs(10) {
                told_at = Instant::now();
                tracing::info!("the private PostgreSQL is still starting");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// How to connect to it.
    #[must_use]
    pub fn connect_options(&self) -> PgConnectOptions {
        connect_options(&self.socket_dir)
    }

    /// Whether another bridge runs it, and this one only joined.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        matches!(self.role, Role::Guest { .. })
    }

    /// Ends it if it is the bridge's own: waits for commands that joined, up to
    /// five seconds, then for what it has to write.
    pub async fn stop(self) {
        let Role::Owner {
            supervisor,
            guests,
            _lock,
        } = self.role
        else {
            return;
        };
        let deadline = Instant::now() + GUESTS_TIMEOUT;
        while guests.try_lock().is_err() && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
        supervisor.stop().await;
        cluster::remove_socket_dir(&self.socket_dir);
    }
}

fn connect_options(socket_dir: &Path) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_dir)
        .port(PORT)
        .username(NAME)
        .database(NAME)
        .ssl_mode(PgSslMode::Disable)
        .application_name("odoo-bridge")
}

async fn answers(options: &PgConnectOptions) -> bool {
    match options.connect().await {
        Ok(connection) => connection.close().await.is_ok(),
        Err(_) => false,
    }
}

/// Makes the data directory if it is not there: nobody else may list it, but the
/// unprivileged user of the server must get through it.
fn prepare(data_dir: &Path) -> Result<PathBuf, StartError> {
    if !data_dir.exists() {
        fs::create_dir_all(data_dir).map_err(StartError::io("make", data_dir))?;
        let mode = if account::is_root() { 0o711 } else { 0o700 };
        fs::set_permissions(data_dir, fs::Permissions::from_mode(mode))
            .map_err(StartError::io("set the mode of", data_dir))?;
    }
    data_dir.canonicalize().map_err(StartError::io("enter", data_dir))
}

fn lock_path(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres.lock")
}

fn guests_path(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres.guests.lock")
}

fn open_lock(path: &Path) -> Result<File, StartError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(StartError::io("open", path))
}

/// The lock of the data directory, with this process' number in it, if it is free.
fn try_own(data_dir: &Path) -> Result<Option<File>, StartError> {
    let path = lock_path(data_dir);
    let mut lock = open_lock(&path)?;
    if !taken(lock.try_lock(), &path)? {
        return Ok(None);
    }
    lock.set_len(0)
        .and_then(|()| writeln!(lock, "{}", std::process::id()))
        .map_err(StartError::io("write", &path))?;
    Ok(Some(lock))
}

fn taken(result: Result<(), TryLockError>, path: &Path) -> Result<bool, StartError> {
    match result {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(StartError::Io {
            action: "lock",
            path: path.to_owned(),
            source,
        }),
    }
}
