//! What a speed test is, as the dashboard and the store see it. Pure: no clock,
//! no database, no Odoo.
//!
//! All latencies are milliseconds.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{AppError, ErrorCode, Result};
use crate::ids::SpeedTestId;
use crate::speed_test::summary::Summary;

/// Runs shown on one page of the history.
pub const RUNS_PER_PAGE: u32 = 20;
/// The newest runs that the chart shows.
pub const CHART_RUNS: u32 = 100;
/// Records that the heavy test asks for.
pub const HEAVY_RECORDS: u32 = 25;

/// Which test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestType {
    /// Odoo's version on a new connection: what a handshake costs.
    Light,
    /// Log in, and read sales orders.
    Heavy,
}

impl TestType {
    /// Both, in the order of the page.
    pub const ALL: [Self; 2] = [Self::Light, Self::Heavy];

    /// The word in the URL, the form and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Heavy => "heavy",
        }
    }

    /// The word in the table.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Light => "Light",
            Self::Heavy => "Heavy",
        }
    }

    /// The type of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|test_type| test_type.as_str() == word)
    }

    /// Takes what the form sent.
    ///
    /// # Errors
    /// `invalid_request` if there is no such test.
    pub fn parse(word: &str) -> Result<Self> {
        Self::from_word(word).ok_or_else(|| AppError::invalid("There is no such test. Choose light or heavy."))
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Odoo answered.
    Succeeded,
    /// Odoo did not, or not with what was asked for.
    Failed,
}

impl RunStatus {
    /// Both, in the order of the filter.
    pub const ALL: [Self; 2] = [Self::Succeeded, Self::Failed];

    /// The word in the URL and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// The word in the table.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }

    /// The status of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For the program, and for the advice below the sentence.
    pub code: ErrorCode,
    /// For the person.
    pub message: String,
}

impl Failure {
    /// What to do about it.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self.code {
            ErrorCode::OdooAuthFailed => {
                "Check ODOO_DB, ODOO_USERNAME and ODOO_API_KEY (or ODOO_PASSWORD) on the server, and restart the bridge."
            }
            ErrorCode::OdooUnreachable => {
                "Check that Odoo is running and that ODOO_URL is its address. The command odoo-bridge check says more."
            }
            ErrorCode::OdooTimeout | ErrorCode::OdooUnavailable => {
                "Odoo is overloaded or stuck. Try again in a minute; if it stays, look at Odoo's workers and its log."
            }
            ErrorCode::OdooAccessDenied => {
                "Give the Odoo user behind the bridge the right to read these records; in Odoo, see the user's access rights."
            }
            ErrorCode::Internal => "The cause is in the bridge's own log.",
            _ => "Odoo's own log says more. Try again; if it stays, tell whoever runs that Odoo.",
        }
    }
}

/// One run, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpeedTest {
    /// Its id.
    pub id: SpeedTestId,
    /// Which Odoo: `<url> <database>`.
    pub target: String,
    /// Which test.
    pub test_type: TestType,
    /// Authenticate and query together; of a failed run, until it failed.
    pub latency_ms: f64,
    /// What the log-in took. Heavy test only.
    pub authenticate_ms: Option<f64>,
    /// What the query took. Heavy test only.
    pub query_ms: Option<f64>,
    /// What was read: `sale.order`, or `res.partner` without Sales.
    pub model: Option<String>,
    /// How many records came back.
    pub record_count: Option<i32>,
    /// Why it failed; `None` if it succeeded.
    pub failure: Option<Failure>,
    /// What a reader should know of a successful run.
    pub details: Option<String>,
    /// When it began.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub tested_at: DateTime<Utc>,
}

impl SpeedTest {
    /// How it ended.
    #[must_use]
    pub const fn status(&self) -> RunStatus {
        if self.failure.is_some() {
            RunStatus::Failed
        } else {
            RunStatus::Succeeded
        }
    }

    /// The parts that were timed apart: `authenticate 331.0 ms · query 6.1 ms`;
    /// `None` if there are none.
    #[must_use]
    pub fn parts(&self) -> Option<String> {
        let parts = [("authenticate", self.authenticate_ms), ("query", self.query_ms)];
        let parts: Vec<String> = parts
            .into_iter()
            .filter_map(|(name, ms)| Some(format!("{name} {}", format_ms(ms?))))
            .collect();
        (!parts.is_empty()).then(|| parts.join(" \u{b7} "))
    }
}

/// Which runs the history shows; lives in the URL's query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryQuery {
    /// Only those of this test.
    pub test_type: Option<TestType>,
    /// Only those that ended so.
    pub status: Option<RunStatus>,
    /// From 1.
    pub page: u32,
    /// Names of the fields in the address that can't be, with blanks between: `type status page`.
    #[serde(default)]
    pub wrong: String,
}

impl Default for HistoryQuery {
    /// All runs, newest first.
    fn default() -> Self {
        Self {
            test_type: None,
            status: None,
            page: 1,
            wrong: String::new(),
        }
    }
}

impl HistoryQuery {
    /// Reads it from the URL: `type`, `status`, `page`. What is unknown there is
    /// as if absent, and named: a link never breaks the page.
    pub fn from_params(get: impl Fn(&str) -> Option<String>) -> Self {
        let mut query = Self::default();
        let mut wrong = Vec::new();
        for name in ["type", "status", "page"] {
            let Some(word) = get(name).filter(|word| !word.is_empty()) else {
                continue;
            };
            let is_read = match name {
                "type" => {
                    query.test_type = TestType::from_word(&word);
                    query.test_type.is_some()
                }
                "status" => {
                    query.status = RunStatus::from_word(&word);
                    query.status.is_some()
                }
                _ => {
                    let page = word.parse().unwrap_or(0);
                    query.page = page.max(1);
                    page > 0
                }
            };
            if !is_read {
                wrong.push(name);
            }
        }
        query.wrong = wrong.join(" ");
        query
    }

    /// The page's address with this query; what is the default is left out.
    #[must_use]
    pub fn href(&self) -> String {
        ["/speed-test", &self.search()].concat()
    }

    fn search(&self) -> String {
        let mut pairs = Vec::new();
        if let Some(test_type) = self.test_type {
            pairs.push(format!("type={}", test_type.as_str()));
        }
        if let Some(status) = self.status {
            pairs.push(format!("status={}", status.as_str()));
        }
        if self.page > 1 {
            pairs.push(format!("page={}", self.page));
        }
        if pairs.is_empty() {
            String::new()
        } else {
            ["?", &pairs.join("&")].concat()
        }
    }

    /// The address of the same runs as CSV.
    #[must_use]
    pub fn csv_href(&self) -> String {
        let all = Self {
            page: 1,
            ..self.clone()
        };
        ["/speed-test.csv", &all.search()].concat()
    }

    /// Whether it leaves any run out.
    #[must_use]
    pub const fn is_filtered(&self) -> bool {
        self.test_type.is_some() || self.status.is_some()
    }
}

/// What is known of one test at this Odoo.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LastRuns {
    /// The last run that succeeded: its latency is the last latency.
    pub succeeded: Option<SpeedTest>,
    /// The last run if it failed.
    pub failed_since: Option<SpeedTest>,
}

/// The chart, drawn twice: text must be readable at both widths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chart {
    /// An `<svg>` for wide screens.
    pub wide_svg: String,
    /// An `<svg>` for phones.
    pub narrow_svg: String,
}

/// One page of the history and all that is shown around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// At most [`RUNS_PER_PAGE`], newest first.
    pub runs: Vec<SpeedTest>,
    /// How many the query finds on all pages.
    pub found: u64,
    /// This page, from 1; the last one if the query asked for more.
    pub page: u32,
    /// How many pages there are, at least 1.
    pub pages: u32,
    /// The Odoo that a test would ask now: `<url> <database>`.
    pub target: String,
    /// The light test at this Odoo.
    pub light: LastRuns,
    /// The heavy test at this Odoo.
    pub heavy: LastRuns,
    /// The newest [`CHART_RUNS`] runs that the query finds; `None` if it finds none.
    pub chart: Option<Chart>,
    /// Their latencies.
    pub summaries: Vec<Summary>,
    /// What of the address can't be, in sentences; empty if all of it can.
    pub wrong: String,
}

/// A latency for people: `12.3 ms`. Not by the formatter of floats, which would be
/// 11 kB of WASM.
#[must_use]
pub fn format_ms(ms: f64) -> String {
    let tenths = (ms * 10.0).round() as u64;
    format!("{}.{} ms", tenths / 10, tenths % 10)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn run_at(test_type: TestType, latency_ms: f64, secs: i64, failed: bool) -> SpeedTest {
        SpeedTest {
            id: SpeedTestId(uuid::Uuid::nil()),
            target: "http://odoo.example.com db".into(),
            test_type,
            latency_ms,
            authenticate_ms: None,
            query_ms: None,
            model: None,
            record_count: None,
            failure: failed.then(|| Failure {
                code: ErrorCode::OdooUnreachable,
                message: "Odoo did not answer.".into(),
            }),
            details: None,
            tested_at: DateTime::from_timestamp(1_790_000_000 + secs, 0).expect("an instant"),
        }
    }

    #[test]
    fn a_broken_link_shows_the_first_page_of_all_runs() {
        let query = HistoryQuery::from_params(|name| Some(format!("{name}-nonsense")));
        assert_eq!(query.wrong, "type status page", "and each field is named");
        let whole = HistoryQuery {
            wrong: String::new(),
            ..query
        };
        assert_eq!(whole, HistoryQuery::default());
        let zero = HistoryQuery::from_params(|name| (name == "page").then(|| "0".into()));
        assert_eq!((zero.page, &*zero.wrong), (1, "page"));
    }

    #[test]
    fn a_query_survives_the_way_through_the_address() {
        for (query, href) in [
            (HistoryQuery::default(), "/speed-test"),
            (
                HistoryQuery {
                    page: 3,
                    ..HistoryQuery::default()
                },
                "/speed-test?page=3",
            ),
            (
                HistoryQuery {
                    test_type: Some(TestType::Heavy),
                    status: Some(RunStatus::Failed),
                    page: 2,
                    wrong: String::new(),
                },
                "/speed-test?type=heavy&status=failed&page=2",
            ),
        ] {
            assert_eq!(query.href(), href);
            let (_, search) = href.split_once('?').unwrap_or((href, ""));
            let read = HistoryQuery::from_params(|name| {
                search
                    .split('&')
                    .filter_map(|pair| pair.split_once('='))
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.to_owned())
            });
            assert_eq!(read, query);
        }
    }

    #[test]
    fn a_heavy_run_tells_what_was_timed_apart_as_far_as_it_came() {
        let mut run = run_at(TestType::Heavy, 337.0, 0, false);
        assert_eq!(run.parts(), None);
        run.authenticate_ms = Some(331.04);
        assert_eq!(run.parts().as_deref(), Some("authenticate 331.0 ms"));
        run.query_ms = Some(6.06);
        assert_eq!(
            run.parts().as_deref(),
            Some("authenticate 331.0 ms \u{b7} query 6.1 ms")
        );
    }

    #[test]
    fn only_the_two_tests_there_are_can_be_asked_for() {
        assert_eq!(TestType::parse("light").ok(), Some(TestType::Light));
        for wrong in ["", "Light", "medium", "light "] {
            let error = TestType::parse(wrong).expect_err(wrong);
            assert_eq!(error.code, ErrorCode::InvalidRequest);
        }
    }
}
