//! Who the private PostgreSQL runs as. PostgreSQL refuses to run as root, so a
//! root bridge starts it as somebody without rights.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::StartError;

/// What programs get to see of the environment: no settings, no secrets.
const CLEAN_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// In a root bridge, the first of these that exists.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The user that PostgreSQL's programs run as.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// `None`: the bridge's own user.
    switch_to: Option<User>,
}

#[derive(Clone, Debug)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Account {
    /// The owner of `cluster` if there is one, else somebody unprivileged.
    pub(super) fn pick(cluster: &Path) -> Result<Self, StartError> {
        let owner = match fs::metadata(cluster) {
            Ok(metadata) => Some((metadata.uid(), metadata.gid())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(StartError::io("read", cluster)(error)),
        };
        let own_uid = rustix::process::geteuid().as_raw();
        if own_uid != 0 {
            return match owner {
                Some((uid, _)) if uid != own_uid => Err(StartError::SetUp(format!(
                    "{} belongs to another user (number {uid}). Run the bridge as that user, or give it another BRIDGE_DATA_DIR.",
                    cluster.display()
                ))),
                _ => Ok(Self { switch_to: None }),
            };
        }
        let user = match owner {
            Some((0, _)) => {
                return Err(StartError::SetUp(format!(
                    "{0} belongs to root, but PostgreSQL does not run as root. Give it to an unprivileged user: chown -R postgres: {0}",
                    cluster.display()
                )));
            }
            Some((uid, gid)) => User { name: format!("number {uid}"), uid, gid },
            None => unprivileged().ok_or_else(|| {
                StartError::SetUp(
                    "PostgreSQL does not run as root, and there is neither a user postgres nor nobody. Run the bridge as another user.".into(),
                )
            })?,
        };
        Ok(Self { switch_to: Some(user) })
    }

    /// How the user is called in a sentence.
    pub(super) fn name(&self) -> &str {
        self.switch_to.as_ref().map_or("of the bridge", |user| &user.name)
    }

    /// A command that runs `program` as this user, with a clean environment, from
    /// a place that everyone can enter. It gets an interrupt when the thread that
    /// starts it ends, however that comes about: a killed bridge leaves no orphan.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        if let Some(user) = &self.switch_to {
            command
                .arg(format!("--reuid={}", user.uid))
                .arg(format!("--regid={}", user.gid))
                .arg("--clear-groups");
        }
        command.args(["--no-new-privs", "--pdeathsig=INT", "--"]).arg(program);
        command
            .env_clear()
            .env("PATH", CLEAN_PATH)
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    /// Whether the user gets through to `dir`.
    pub(super) fn can_enter(&self, dir: &Path) -> Result<bool, StartError> {
        let status = self
            .command("test")
            .arg("-x")
            .arg(dir)
            .stderr(Stdio::null())
            .status()
            .map_err(no_setpriv)?;
        Ok(status.success())
    }

    /// Gives `path` to the user.
    pub(super) fn give(&self, path: &Path) -> Result<(), StartError> {
        let Some(user) = &self.switch_to else { return Ok(()) };
        chown(path, Some(user.uid), Some(user.gid)).map_err(StartError::io("give away", path))
    }

    /// Whether `metadata` is of something that only this user could have made.
    pub(super) fn owns(&self, metadata: &fs::Metadata) -> bool {
        metadata.uid()
            == self
                .switch_to
                .as_ref()
                .map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid)
    }
}

/// What to say when `setpriv` does not start.
pub(super) fn no_setpriv(error: io::Error) -> StartError {
    if error.kind() == io::ErrorKind::NotFound {
        StartError::SetUp(
            "The program setpriv is missing; the private PostgreSQL is started with it. Install util-linux, or set DATABASE_URL.".into(),
        )
    } else {
        StartError::Io {
            action: "start",
            path: PathBuf::from("setpriv"),
            source: error,
        }
    }
}

fn unprivileged() -> Option<User> {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    UNPRIVILEGED.iter().find_map(|name| {
        accounts
            .lines()
            .find_map(|line| parse(line).filter(|user| user.name == *name))
    })
}

/// A line of /etc/passwd: `name:x:uid:gid:…`
fn parse(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let uid = fields.nth(1)?.parse().ok().filter(|uid| *uid != 0)?;
    let gid = fields.next()?.parse().ok()?;
    Some(User { name, uid, gid })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_account_is_read_and_a_second_root_is_not_taken() {
        let user =
            parse("postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash").expect("a user");
        assert_eq!((user.name.as_str(), user.uid, user.gid), ("postgres", 101, 104));
        for wrong in ["", "postgres", "postgres:x:0:0::/:/bin/sh", "postgres:x:y:1::/:/bin/sh"] {
            assert!(parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
