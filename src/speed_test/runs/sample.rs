//! A sample, a run, and how a run stands. Times are milliseconds.

use chrono::{DateTime, Utc};

use crate::ids::{SpeedRunId, SpeedScheduleId};
use crate::odoo::{Split, Way};
use crate::speed_test::model::{Failure, TestType};
use crate::speed_test::runs::history::Kind;
use crate::ui::badge::Tone;

/// Where the time of a sample went. All but `total` follow each other and make it up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parts {
    /// A new connection, TLS included; 0 if one was kept.
    pub connect: f64,
    /// The way's login; 0 if it is known or the way has none.
    pub authenticate: f64,
    /// Waiting for the turn and the pace.
    pub queue: f64,
    /// From the request to the first byte of the answer.
    pub odoo: f64,
    /// Reading the answer.
    pub transfer: f64,
    /// From the begin to the last byte.
    pub total: f64,
}

impl Parts {
    /// The parts by name, in the order in which they follow each other on a page.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, f64); 5] {
        [
            ("Connect and TLS", self.connect),
            ("Authenticate", self.authenticate),
            ("Queue", self.queue),
            ("Odoo", self.odoo),
            ("Transfer", self.transfer),
        ]
    }

    /// What statistics are made of: the whole without the waiting, which is the pace's
    /// and the line's doing and would drown what is to be seen.
    #[must_use]
    pub fn latency(&self) -> f64 {
        (self.total - self.queue).max(0.0)
    }
}

impl From<Split> for Parts {
    fn from(split: Split) -> Self {
        let ms = |part: std::time::Duration| part.as_secs_f64() * 1_000.0;
        Self {
            connect: ms(split.connect),
            authenticate: ms(split.authenticate),
            queue: ms(split.queue),
            odoo: ms(split.odoo),
            transfer: ms(split.transfer),
            total: ms(split.total),
        }
    }
}

/// One call that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Of which run.
    pub run: SpeedRunId,
    /// By which way.
    pub way: Way,
    /// From 1.
    pub number: u16,
    /// Where its time went.
    pub parts: Parts,
    /// Records that came; `None` for the light test or without an answer.
    pub records: Option<i32>,
    /// Of the result; `None` without an answer.
    pub bytes: Option<i64>,
    /// Why there is no answer.
    pub failure: Option<Failure>,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It goes on.
    Running,
    /// All its samples were taken.
    Finished,
    /// Somebody ended it.
    Cancelled,
    /// Its bridge stopped, or lost its database.
    Interrupted,
}

impl RunState {
    /// All, in the order of the filter.
    pub const ALL: [Self; 4] = [Self::Running, Self::Finished, Self::Cancelled, Self::Interrupted];

    /// The word in the database and the address.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// The word on the page.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Finished => "Finished",
            Self::Cancelled => "Cancelled",
            Self::Interrupted => "Interrupted",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// What it feels like.
    #[must_use]
    pub const fn tone(self) -> Tone {
        match self {
            Self::Finished => Tone::Good,
            Self::Running | Self::Cancelled => Tone::Muted,
            Self::Interrupted => Tone::Warning,
        }
    }
}

/// A run, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: SpeedRunId,
    /// Which Odoo: `<url> <database>`.
    pub target: String,
    /// Which test.
    pub kind: TestType,
    /// Whether each sample logs in anew, over a new connection.
    pub is_cold: bool,
    /// By which ways.
    pub ways: Vec<Way>,
    /// Asked for, of each way.
    pub samples: u16,
    /// How it stands.
    pub state: RunState,
    /// What the heavy test read.
    pub model: Option<String>,
    /// As Odoo told it.
    pub odoo_version: Option<String>,
    /// Of this program, then.
    pub bridge_version: String,
    /// By whom: an email address.
    pub started_by: String,
    /// By which schedule; `None` if a person did, or the schedule is gone.
    pub schedule: Option<SpeedScheduleId>,
    /// Who ended it.
    pub cancelled_by: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; `None` while it goes on.
    pub ended_at: Option<DateTime<Utc>>,
}

impl Run {
    /// Cold or warm.
    #[must_use]
    pub const fn start(&self) -> &'static str {
        if self.is_cold { "cold" } else { "warm" }
    }

    /// With what it can be compared.
    #[must_use]
    pub fn kind_measured(&self) -> Kind {
        Kind {
            target: self.target.clone(),
            test: self.kind,
            is_cold: self.is_cold,
        }
    }

    /// How many samples it takes, by all ways.
    #[must_use]
    pub fn wanted(&self) -> usize {
        usize::from(self.samples) * self.ways.len()
    }
}
