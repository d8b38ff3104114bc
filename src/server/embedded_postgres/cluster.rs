//! The files of the private PostgreSQL: which programs to use, where the data
//! and the socket are, and making the data once, whole or not at all.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest as _, Sha256};

use super::account::{Account, no_setpriv};
use super::{NAME, POLL, PORT, StartError};
use crate::config;
use crate::server::database::OLDEST_MAJOR;

/// Where packages put PostgreSQL's programs, one folder a version.
const VERSIONED: [&str; 2] = ["/usr/lib/postgresql", "/usr/local/lib/postgresql"];
/// Where the data goes when its user can't enter the data directory.
const ELSEWHERE: &str = "/var/lib/odoo-bridge";
/// The longest path of a unix socket, in bytes.
const SOCKET_PATH_MAX: usize = 107;
/// How long a server that its bridge left behind may take to stop.
const LEFTOVER_TIMEOUT: Duration = Duration::from_secs(60);

/// Small: the bridge's tables are, and the machine may be.
const SETTINGS: [&str; 16] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "shared_buffers=24MB",
    "max_connections=40",
    "max_wal_size=256MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum_max_workers=1",
    "max_parallel_workers_per_gather=0",
    "jit=off",
    "timezone=UTC",
    "logging_collector=off",
    // No statement and no value in the log: the bridge logs what it was refused.
    "log_min_messages=log",
    "log_min_error_statement=panic",
    "log_checkpoints=off",
    "log_line_prefix=",
];

/// A folder with data that the server can be started on.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) socket_dir: PathBuf,
    dir: PathBuf,
    programs: PathBuf,
    account: Account,
}

impl Cluster {
    /// Finds the programs and the data; makes the data if there is none. Blocks.
    pub(super) fn prepare(data_dir: &Path) -> Result<Self, StartError> {
        let at = data_dir.join("postgres");
        let account = Account::pick(&at)?;
        let made_by = fs::read_to_string(at.join("PG_VERSION"))
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let programs = find_programs(made_by, &at)?;
        if !at.exists() {
            initialize(data_dir, &at, &programs, &account)?;
        }
        let dir = at.canonicalize().map_err(StartError::io("enter", &at))?;
        if !account.can_enter(&dir)? {
            return Err(StartError::SetUp(format!(
                "PostgreSQL runs as the user {}, who can't enter {}. Let others through the folders above it (chmod o+x), or give the bridge another BRIDGE_DATA_DIR.",
                account.name(),
                dir.display()
            )));
        }
        let socket_dir = socket_dir(&dir, &account)?;
        Ok(Self {
            socket_dir,
            dir,
            programs,
            account,
        })
    }

    /// The server's command. Stays in the foreground and logs to stderr.
    pub(super) fn command(&self) -> Command {
        let mut command = self.account.command(self.programs.join("postgres"));
        command.arg("-D").arg(&self.dir).arg("-p").arg(PORT.to_string());
        command.arg("-k").arg(&self.socket_dir);
        for setting in SETTINGS {
            command.arg("-c").arg(setting);
        }
        command
    }

    /// Ends a server that a killed bridge left behind. Only for who holds the lock.
    pub(super) async fn end_leftover(&self) -> Result<(), StartError> {
        let Some(pid) = self.leftover() else { return Ok(()) };
        tracing::warn!(
            pid = pid.as_raw_nonzero().get(),
            "waiting for the PostgreSQL of a bridge that was killed"
        );
        let start = Instant::now();
        let mut signal = Signal::INT;
        // Most often it is stopping already; then this changes nothing.
        let _ = kill_process(pid, signal);
        while self.leftover() == Some(pid) {
            if start.elapsed() > LEFTOVER_TIMEOUT && signal == Signal::INT {
                signal = Signal::QUIT;
                let _ = kill_process(pid, signal);
            }
            if start.elapsed() > LEFTOVER_TIMEOUT + LEFTOVER_TIMEOUT / 4 {
                return Err(StartError::SetUp(format!(
                    "A PostgreSQL (process {}) still runs on {} and does not stop. Stop it, then start the bridge again.",
                    pid.as_raw_nonzero(),
                    self.dir.display()
                )));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// The process of a server that runs on this data. The number in its file may
    /// be another program's by now.
    fn leftover(&self) -> Option<Pid> {
        let pid = Postmaster::read(&self.dir)?.pid;
        let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
        let runs = match fs::read_link(process.join("cwd")) {
            // A server works in its data's folder.
            Ok(cwd) => cwd == self.dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            // Not allowed to look: its name must do.
            Err(_) => fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "postgres"),
        };
        runs.then_some(pid)
    }
}

/// Takes away a socket's folder outside of the data, when its server has stopped.
pub(super) fn remove_socket_dir(socket_dir: &Path) {
    // The data's own folder is not empty, so it stays.
    let _ = fs::remove_dir(socket_dir);
}

/// What a running server writes into its data's folder.
#[derive(Debug)]
struct Postmaster {
    pid: Pid,
    socket_dir: PathBuf,
}

impl Postmaster {
    /// Lines: process, data, start time, port, socket's folder, …
    fn read(dir: &Path) -> Option<Self> {
        let text = fs::read_to_string(dir.join("postmaster.pid")).ok()?;
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok().and_then(Pid::from_raw)?;
        let socket_dir = lines.nth(3)?.trim();
        (!socket_dir.is_empty()).then(|| Self {
            pid,
            socket_dir: PathBuf::from(socket_dir),
        })
    }
}

/// Where the server that runs on `data_dir` has its socket.
pub(super) fn socket_dir_of_running(data_dir: &Path) -> Option<PathBuf> {
    Postmaster::read(&data_dir.join("postgres")).map(|postmaster| postmaster.socket_dir)
}

/// The folder of the newest server programs; of the version that made the data,
/// if there is data.
fn find_programs(made_by: Option<u32>, data: &Path) -> Result<PathBuf, StartError> {
    let versioned = VERSIONED
        .iter()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flatten()
        .flatten();
    let versioned = versioned.map(|entry| entry.path().join("bin"));
    // Of one version: what the system's packages brought, then PATH in its order.
    let mut found: Vec<(u32, PathBuf)> = versioned
        .chain(config::search_path())
        .filter(|dir| dir.join("initdb").is_file())
        .filter_map(|dir| major_version(&dir.join("postgres")).map(|major| (major, dir)))
        .filter(|(major, _)| *major >= OLDEST_MAJOR)
        .collect();
    found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    let mut found = found.into_iter();
    let pick = match made_by {
        Some(made_by) => found.find(|(major, _)| *major == made_by),
        None => found.next(),
    };
    pick.map(|(_, dir)| dir).ok_or_else(|| {
        StartError::SetUp(match made_by {
            Some(made_by) => format!(
                "The data in {} was made by PostgreSQL {made_by}, which is not installed. Install it (apt-get install postgresql-{made_by}), or bring the data to the installed version with pg_upgrade.",
                data.display()
            ),
            None => format!(
                "DATABASE_URL is not set, so the bridge needs the server programs of PostgreSQL {OLDEST_MAJOR} or newer, and there are none. Install them (apt-get install postgresql), or set DATABASE_URL."
            ),
        })
    })
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` → 15
fn major_version(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").env_clear().output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split(' ').nth(2)?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Makes the data aside and then puts it in place in one step, so that a kill in
/// between leaves nothing half.
fn initialize(data_dir: &Path, at: &Path, programs: &Path, account: &Account) -> Result<(), StartError> {
    tracing::info!(data_dir = %data_dir.display(), "making a private PostgreSQL");
    let (parent, place) = if account.can_enter(data_dir)? {
        (data_dir.to_owned(), at.to_owned())
    } else {
        let parent = PathBuf::from(ELSEWHERE);
        fs::create_dir_all(&parent).map_err(StartError::io("make", &parent))?;
        let place = parent.join(format!("postgres-{}", uuid::Uuid::now_v7().simple()));
        tracing::info!(user = account.name(), place = %place.display(), "the server's user can't enter the data directory; its data goes to a place of its own");
        (parent, place)
    };
    let aside = place.with_extension("new");
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(StartError::io("remove", &aside))?;
    }
    DirBuilder::new()
        .mode(0o700)
        .create(&aside)
        .map_err(StartError::io("make", &aside))?;
    account.give(&aside)?;
    run_initdb(&aside, programs, account)?;
    fs::rename(&aside, &place).map_err(StartError::io("rename", &aside))?;
    if place != at {
        // A link whose end is gone would be in the way.
        if at.is_symlink() {
            fs::remove_file(at).map_err(StartError::io("remove", at))?;
        }
        symlink(&place, at).map_err(StartError::io("make", at))?;
        sync(data_dir)?;
    }
    sync(&parent)
}

fn run_initdb(dir: &Path, programs: &Path, account: &Account) -> Result<(), StartError> {
    let output = account
        .command(programs.join("initdb"))
        .arg("-D")
        .arg(dir)
        // Whoever can reach the socket is the bridge's own user, or root.
        .args(["-U", NAME, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-instructions"])
        .output()
        .map_err(no_setpriv)?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let reason = words
        .lines()
        .rfind(|line| line.contains("error:") || line.contains("FATAL:") || line.starts_with("setpriv:"));
    Err(StartError::SetUp(format!(
        "The private PostgreSQL could not be made: {}.",
        reason
            .or(words.lines().last())
            .unwrap_or("initdb failed without a word")
            .trim_end_matches('.')
    )))
}

/// The data's own folder, which only the server's user can enter; a short one
/// where that path is too long for a socket.
fn socket_dir(dir: &Path, account: &Account) -> Result<PathBuf, StartError> {
    let bytes = dir.as_os_str().as_encoded_bytes();
    let fits = bytes.len() + format!("/.s.PGSQL.{PORT}").len() <= SOCKET_PATH_MAX;
    // The server reads its setting as a list.
    if fits && !bytes.iter().any(|byte| b",\"".contains(byte)) {
        return Ok(dir.to_owned());
    }
    let digest = Sha256::digest(bytes);
    let name = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let short = PathBuf::from(format!("/tmp/odoo-bridge-{name}"));
    match DirBuilder::new().mode(0o700).create(&short) {
        Ok(()) => account.give(&short)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(StartError::io("make", &short)(error)),
    }
    // Everyone may write in /tmp: what is there must be ours.
    let metadata = fs::symlink_metadata(&short).map_err(StartError::io("read", &short))?;
    if !metadata.is_dir() || !account.owns(&metadata) || metadata.mode() & 0o077 != 0 {
        return Err(StartError::SetUp(format!(
            "{} should be a private folder for the database's socket, but is somebody else's. Remove it.",
            short.display()
        )));
    }
    Ok(short)
}

fn sync(dir: &Path) -> Result<(), StartError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(StartError::io("sync", dir))
}
