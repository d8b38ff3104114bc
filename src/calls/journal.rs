//! Records of calls that are not in the database yet, on disk: a process that is killed
//! loses none whose answer went out. A record is appended before its answer ends; what
//! the operating system holds outlives the process (not the machine: nothing waits for
//! the disk). Two files take turns, each emptied once all in it is in the database.
//!
//! A file is locked for as long as its process lives. One that nobody holds is of a
//! process that is gone: whoever starts next on the same folder writes what is in it.
//! Never arguments or results, as in the table. Why it is our own: ADR 24.

mod line;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use uuid::Uuid;

use crate::calls::records::{CallRecord, Numbered};

const EXTENSION: &str = "journal";
/// What the lines hold on to once they are in the file, in bytes.
const LINES_KEPT: usize = 64 * 1_024;

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
struct OwnedLine {
    id: Uuid,
    record: CallRecord,
}

/// Where records are until they are written. Not for several threads at once.
pub(super) struct Journal {
    /// Which of them takes new records.
    active: usize,
    files: [Locked; 2],
    /// What is not in the active file yet.
    lines: Vec<u8>,
}

/// A file that is gone when it is let go of with nothing in it.
struct Locked {
    file: File,
    path: PathBuf,
    is_empty: bool,
    /// The last record was written in part, as on a full disk.
    is_torn: bool,
}

impl Journal {
    /// In a folder that is made if it is missing.
    ///
    /// # Errors
    /// The folder or a file can't be made.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            active: 0,
            files: [Locked::make(folder)?, Locked::make(folder)?],
            lines: Vec::new(),
        })
    }

    /// Takes a record, which is kept with the next [`Journal::keep`].
    ///
    /// # Errors
    /// It can't be told in JSON.
    pub(super) fn append(&mut self, record: &Numbered) -> io::Result<()> {
        let before = self.lines.len();
        let put = line::put(&mut self.lines, record);
        if put.is_err() {
            self.lines.truncate(before);
        } else {
            self.lines.push(b'\n');
        }
        put
    }

    /// Keeps what was taken: one write for all of it. Does not wait for the disk.
    ///
    /// # Errors
    /// It can't be written, such as on a disk that is full.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let active = &mut self.files[self.active];
        if active.is_torn {
            // On a line of its own, or it would be lost with what is torn.
            self.lines.insert(0, b'\n');
        }
        active.is_empty = false;
        let written = active.file.write_all(&self.lines);
        active.is_torn = written.is_err();
        self.lines.clear();
        self.lines.shrink_to(LINES_KEPT);
        written
    }

    /// From now on the other file takes what comes, if there is nothing in it. Says
    /// whether it does. What was taken before has to be kept before.
    pub(super) fn turn(&mut self) -> bool {
        let other = 1 - self.active;
        let turns = self.files[other].is_empty;
        if turns {
            self.active = other;
        }
        turns
    }

    /// All that came before the last [`Journal::turn`] is in the database.
    ///
    /// # Errors
    /// The file can't be emptied: then it is tried again.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        let old = &mut self.files[1 - self.active];
        if !old.is_empty {
            old.file.set_len(0)?;
            old.is_empty = true;
            old.is_torn = false;
        }
        Ok(())
    }
}

impl Locked {
    fn make(folder: &Path) -> io::Result<Self> {
        // Under a name that nobody looks for until it is locked.
        let path = folder.join(Uuid::now_v7().to_string()).with_extension(EXTENSION);
        let draft = path.with_extension("new");
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.lock()?;
        fs::rename(&draft, &path)?;
        Ok(Self {
            file,
            path,
            is_empty: true,
            is_torn: false,
        })
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if self.is_empty {
            // At worst an empty file stays, which the next start removes.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What a process that is gone left behind. Removed by [`Left::remove`] only, so that a
/// failure on the way loses nothing.
pub(super) struct Left {
    /// Locked: of two that start at once one takes it.
    _file: File,
    path: PathBuf,
    /// As far as they are whole: the last line may be cut.
    pub(super) records: Vec<Numbered>,
    /// Whole lines that this version can't read: another one can.
    foreign: Vec<u8>,
}

impl Left {
    /// They are in the database. What this version could not read stays, for the one that can.
    pub(super) fn remove(self) -> io::Result<()> {
        if self.foreign.is_empty() {
            return fs::remove_file(&self.path);
        }
        tracing::warn!(
            path = %self.path.display(),
            "call records of another version of the bridge were left behind, and stay there for it"
        );
        let draft = self.path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(&self.foreign)?;
        fs::rename(&draft, &self.path)
    }
}

/// All that is left behind in a folder, one file after the other.
///
/// # Errors
/// The folder can't be read. A file that can't is told in the log and left alone.
pub(super) fn left_behind(folder: &Path) -> io::Result<Vec<Left>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            match take(&path) {
                Ok(Some(left)) => all.push(left),
                Ok(None) => {}
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    path = %path.display(),
                    "call records that were left behind can't be read"
                ),
            }
        }
    }
    Ok(all)
}

/// `None` if somebody holds it.
fn take(path: &Path) -> io::Result<Option<Left>> {
    let file = File::open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    let bytes = match fs::read(path) {
        // Whoever had it before has just written it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let mut left = Left {
        _file: file,
        path: path.to_owned(),
        records: Vec::new(),
        foreign: Vec::new(),
    };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match serde_json::from_slice::<OwnedLine>(line) {
            Ok(OwnedLine { id, record }) => left.records.push(Numbered { id, record }),
            Err(error) if error.is_data() => left.foreign.extend_from_slice(line),
            // Torn.
            Err(_) => {}
        }
    }
    Ok(Some(left))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::ids::ApiKeyId;
    use crate::server::request_id::RequestId;

    fn record() -> Numbered {
        let nobody = http::HeaderMap::new();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Numbered {
            id: Uuid::now_v7(),
            record: CallRecord::begin(
                chrono::Utc::now(),
                ApiKeyId(Uuid::nil()),
                RequestId::of(&nobody),
                address,
            ),
        }
    }

    fn ids(records: &[Numbered]) -> Vec<Uuid> {
        records.iter().map(|record| record.id).collect()
    }

    #[test]
    fn a_record_after_one_that_was_torn_by_a_full_disk_is_not_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut journal = Journal::open(folder.path()).expect("a journal");
        let (before, torn, after) = (record(), record(), record());
        journal.append(&before).and(journal.keep()).expect("kept");
        let full = OpenOptions::new().write(true).open("/dev/full").expect("the full disk");
        let mut disk = std::mem::replace(&mut journal.files[0].file, full);
        assert!(journal.append(&torn).and(journal.keep()).is_err(), "the disk is full");
        // A part of it went out.
        disk.write_all(b"{\"id\":\"01").expect("written");
        journal.files[0].file = disk;
        journal.append(&after).and(journal.keep()).expect("kept");
        for file in &mut journal.files {
            file.file.unlock().expect("as of a process that is gone");
        }
        let left = left_behind(folder.path()).expect("read");
        let found: Vec<Uuid> = left.iter().flat_map(|left| ids(&left.records)).collect();
        assert_eq!(found, [before.id, after.id]);
    }

    #[test]
    fn what_another_version_wrote_stays_for_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut journal = Journal::open(folder.path()).expect("a journal");
        let own = record();
        journal.append(&own).and(journal.keep()).expect("kept");
        let foreign = b"{\"id\":\"of tomorrow\",\"record\":{\"new\":1}}\n";
        journal.files[0].file.write_all(foreign).expect("written");
        drop(journal);
        for _ in 0..2 {
            for left in left_behind(folder.path()).expect("read") {
                left.remove().expect("removed");
            }
        }
        let files: Vec<PathBuf> = fs::read_dir(folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("a file").path())
            .collect();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(fs::read(&files[0]).expect("read"), foreign);
    }
}
