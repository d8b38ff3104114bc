//! Keeps the private PostgreSQL running: a thread of its own starts it, passes
//! its words on to the log, and starts it again when it ends unasked.
//!
//! It must be a thread, not a task: the server is told to stop when the thread
//! that started it ends, and this one ends with the process and no sooner.

use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

use super::cluster::Cluster;

const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A server that ran this long was well; the next pause is short again.
const WELL_AFTER: Duration = Duration::from_secs(30);
/// A server that ended this often in a row never started, as far as a start is concerned.
const ENDS_MAX: u32 = 5;
/// How long a stop may take before it is forced; a forced one costs a recovery, no data.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// The thread that keeps the server running.
#[derive(Debug)]
pub(super) struct Supervisor {
    shared: Arc<Shared>,
    ended: watch::Receiver<bool>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopping: bool,
    /// Set while the server runs, and only then: the number is never another's.
    pid: Option<Pid>,
    ends_in_a_row: u32,
    last_words: String,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.state().pid
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::warn!(%error, "the private PostgreSQL can't be told to stop");
        }
    }

    fn stop(&self) {
        self.state().stopping = true;
        self.wake.notify_all();
        self.signal(Signal::INT);
    }
}

impl Supervisor {
    /// Starts the thread, and the server in it.
    pub(super) fn start(cluster: Cluster) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (done, ended) = watch::channel(false);
        let thread = Arc::clone(&shared);
        std::thread::Builder::new().name("postgres".into()).spawn(move || {
            keep_running(&cluster, &thread);
            done.send_replace(true);
        })?;
        Ok(Self { shared, ended })
    }

    /// Why it never started, if it ended too often.
    pub(super) fn gave_up(&self) -> Option<String> {
        let state = self.shared.state();
        (state.ends_in_a_row >= ENDS_MAX).then(|| state.last_words.clone())
    }

    /// Stops the server and waits until it has written everything.
    pub(super) async fn stop(&self) {
        self.shared.stop();
        let mut ended = self.ended.clone();
        if tokio::time::timeout(STOP_TIMEOUT, ended.wait_for(|ended| *ended))
            .await
            .is_err()
        {
            tracing::warn!("the private PostgreSQL takes long to stop; it is stopped at once");
            self.shared.signal(Signal::QUIT);
            if tokio::time::timeout(STOP_TIMEOUT, ended.wait_for(|ended| *ended))
                .await
                .is_err()
            {
                tracing::error!("the private PostgreSQL does not stop");
            }
        }
    }
}

impl Drop for Supervisor {
    /// Whoever forgets to stop it does not leave it running.
    fn drop(&mut self) {
        self.shared.stop();
    }
}

fn keep_running(cluster: &Cluster, shared: &Shared) {
    let mut pause = PAUSE_MIN;
    loop {
        let start = Instant::now();
        run_once(cluster, shared);
        let mut state = shared.state();
        if state.stopping {
            return;
        }
        if start.elapsed() > WELL_AFTER {
            pause = PAUSE_MIN;
            state.ends_in_a_row = 0;
        }
        state.ends_in_a_row += 1;
        tracing::error!(
            last_words = state.last_words,
            pause_ms = pause.as_millis(),
            "the private PostgreSQL ended unasked; it is started again"
        );
        let (state, _) = shared
            .wake
            .wait_timeout_while(state, pause, |state| !state.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        if state.stopping {
            return;
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Runs the server until it ends.
fn run_once(cluster: &Cluster, shared: &Shared) {
    let mut child = {
        // Under the lock, so that a stop finds either no server or its number.
        let mut state = shared.state();
        if state.stopping {
            return;
        }
        // A process group of its own: Ctrl-C is for the bridge, which stops the
        // server last.
        match cluster
            .command()
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
        {
            Ok(child) => {
                state.pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                child
            }
            Err(error) => {
                state.last_words = format!("setpriv: {error}");
                return;
            }
        }
    };
    pass_on_log(&mut child, shared);
    // Not waited for yet, so the number is still this server's.
    shared.state().pid = None;
    match child.wait() {
        Ok(status) => tracing::debug!(%status, "the private PostgreSQL ended"),
        Err(error) => tracing::error!(%error, "the private PostgreSQL can't be waited for"),
    }
}

/// Until the server and all its processes have ended.
fn pass_on_log(child: &mut Child, shared: &Shared) {
    let Some(stderr) = child.stderr.take() else { return };
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if is_news(text) {
            tracing::warn!(target: "odoo_bridge::postgres", "{text}");
            text.clone_into(&mut shared.state().last_words);
        } else {
            tracing::debug!(target: "odoo_bridge::postgres", "{text}");
        }
    }
}

/// Whether a line of the server's log is one that an operator must see.
fn is_news(line: &str) -> bool {
    // A connection that comes too early or is open at the stop.
    let expected = [
        "is starting up",
        "is shutting down",
        "terminating connection due to administrator command",
    ];
    (line.contains("FATAL:") || line.contains("PANIC:") || line.starts_with("setpriv:"))
        && !expected.iter().any(|part| line.contains(part))
}
