//! Finding runs. What is asked for stands in the address, so that a link keeps it; a filter
//! that can't be is refused by name, and the others stay.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::calls::listing::search::instant;
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::{SpeedRunId, SpeedScheduleId};
use crate::odoo::Way;
use crate::speed_test::model::TestType;
use crate::speed_test::runs::history::Point;
use crate::speed_test::runs::sample::{Run, RunState, Sample};
use crate::speed_test::runs::statistics::Statistics;
use crate::speed_test::runs::store;

/// Runs on a page.
pub const PAGE: i64 = 20;
/// Runs in a CSV at most.
pub const CSV_MAX: i64 = 1_000;
/// The newest runs of a range that its averages and its chart are made of.
pub const RANGE_MAX: i64 = 1_000;

/// Which runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this test.
    pub kind: Option<TestType>,
    /// Cold ones, or warm ones.
    pub is_cold: Option<bool>,
    /// That measured this way, beside others.
    pub way: Option<Way>,
    /// That stand so.
    pub state: Option<RunState>,
    /// Whose: an email address.
    pub by: Option<String>,
    /// At this Odoo, as [`Run::target`] names it.
    pub odoo: Option<String>,
    /// Of this schedule.
    pub schedule: Option<SpeedScheduleId>,
    /// Begun from then on.
    pub from: Option<DateTime<Utc>>,
    /// Begun before.
    pub until: Option<DateTime<Utc>>,
    /// Older than this one: the next page.
    pub before: Option<SpeedRunId>,
}

/// What was asked for in an address, as it stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `light` or `heavy`.
    pub kind: String,
    /// `cold` or `warm`.
    pub begin: String,
    /// The word of a way.
    pub via: String,
    /// The word of a state.
    pub state: String,
    /// See [`Filter::by`].
    pub by: String,
    /// See [`Filter::odoo`].
    pub odoo: String,
    /// A schedule's id.
    pub schedule: String,
    /// A day or an instant in UTC: `2026-11-24`, `2026-11-24T13:05`.
    pub from: String,
    /// The same; a day is included.
    pub to: String,
    /// Milliseconds: the threshold that p95 is held against. No filter.
    pub over: String,
    /// A run's id.
    pub before: String,
}

/// What an address asks for, understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Understood {
    /// What can be filtered by.
    pub filter: Filter,
    /// Milliseconds that p95 is held against.
    pub threshold_ms: Option<f64>,
    /// A sentence for each field that can't be.
    pub wrong: Vec<String>,
}

impl Asked {
    /// What an address asks for.
    #[must_use]
    pub fn parse(pairs: &[(String, String)]) -> Self {
        let mut asked = Self::default();
        for (name, value) in pairs {
            let place = match &**name {
                "kind" => &mut asked.kind,
                "begin" => &mut asked.begin,
                "via" => &mut asked.via,
                "state" => &mut asked.state,
                "by" => &mut asked.by,
                "odoo" => &mut asked.odoo,
                "schedule" => &mut asked.schedule,
                "from" => &mut asked.from,
                "to" => &mut asked.to,
                "over" => &mut asked.over,
                "before" => &mut asked.before,
                _ => continue,
            };
            // A NUL is in no text of the database.
            *place = value.trim().replace('\0', "");
        }
        asked
    }

    /// The same address, for the page of runs older than `before`.
    #[must_use]
    pub fn query(&self, before: Option<SpeedRunId>) -> String {
        let before = before.map(|id| id.to_string()).unwrap_or_default();
        let pairs = [
            ("kind", &self.kind),
            ("begin", &self.begin),
            ("via", &self.via),
            ("state", &self.state),
            ("by", &self.by),
            ("odoo", &self.odoo),
            ("schedule", &self.schedule),
            ("from", &self.from),
            ("to", &self.to),
            ("over", &self.over),
            ("before", &before),
        ];
        let set: Vec<_> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        serde_urlencoded::to_string(set).unwrap_or_default()
    }

    /// What can be filtered by, and a sentence for each that can't.
    #[must_use]
    pub fn understand(&self) -> Understood {
        let mut wrong = Vec::new();
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (from, until) = range(&self.from, &self.to, &mut wrong);
        let threshold_ms = read(
            &self.over,
            |text| text.parse().ok().filter(|ms: &f64| ms.is_finite() && *ms > 0.0),
            &mut wrong,
            "Threshold: write milliseconds, such as 500.",
        );
        let filter = Filter {
            kind: read(
                &self.kind,
                TestType::from_word,
                &mut wrong,
                "Test: there is none like that.",
            ),
            is_cold: read(
                &self.begin,
                |word| match word {
                    "cold" => Some(true),
                    "warm" => Some(false),
                    _ => None,
                },
                &mut wrong,
                "Start: it is cold or warm.",
            ),
            way: read(
                &self.via,
                |word| Way::ALL.into_iter().find(|way| way.as_str() == word),
                &mut wrong,
                "Way in: there is none like that.",
            ),
            state: read(
                &self.state,
                RunState::from_word,
                &mut wrong,
                "State: there is none like that.",
            ),
            by: text(&self.by).map(|email| email.to_ascii_lowercase()),
            odoo: text(&self.odoo),
            schedule: read(
                &self.schedule,
                |id| id.parse().ok(),
                &mut wrong,
                "Schedule: there is none like that.",
            ),
            from,
            until,
            before: read(
                &self.before,
                |id| id.parse().ok(),
                &mut wrong,
                "The page: there is none like that.",
            ),
        };
        Understood {
            filter,
            threshold_ms,
            wrong,
        }
    }
}

fn range(from: &str, to: &str, wrong: &mut Vec<String>) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let how = "write a day as 2026-11-24, or an instant as 2026-11-24T13:05, in UTC.";
    let from = read(from, |text| instant(text, 0), wrong, &format!("From: {how}"));
    let until = read(to, |text| instant(text, 1), wrong, &format!("To: {how}"));
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        wrong.push("To: this is not after the beginning.".to_owned());
    }
    (from, until)
}

fn read<T>(word: &str, of: impl Fn(&str) -> Option<T>, wrong: &mut Vec<String>, sentence: &str) -> Option<T> {
    let found = of(word);
    if !word.is_empty() && found.is_none() {
        wrong.push(sentence.to_owned());
    }
    found
}

/// A run with its numbers.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The run.
    pub run: Run,
    /// Of each of its ways.
    pub statistics: Vec<Statistics>,
}

/// A run with all that is known of it.
#[derive(Clone, Debug)]
pub struct Detailed {
    /// The run.
    pub run: Run,
    /// All samples, in the order in which they were taken.
    pub samples: Vec<Sample>,
    /// Of each of its ways.
    pub statistics: Vec<Statistics>,
    /// The medians of earlier runs of its kind; of some ways none.
    pub baseline: Vec<(Way, f64)>,
}

/// The newest runs that a filter finds, `limit` at most. Runs that were cut are told to be.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn search(pool: &PgPool, filter: &Filter, limit: i64) -> Result<Vec<Listed>> {
    store::settle(pool).await?;
    let runs = store::list(pool, filter, limit).await?;
    let ids: Vec<SpeedRunId> = runs.iter().map(|run| run.id).collect();
    let samples = store::samples(pool, &ids).await?;
    let listed = runs.into_iter().map(|run| {
        // They come run by run.
        let begin = samples.partition_point(|sample| sample.run < run.id);
        let end = samples.partition_point(|sample| sample.run <= run.id);
        let of_run = &samples[begin..end];
        Listed {
            statistics: run.ways.iter().map(|way| Statistics::of(*way, of_run)).collect(),
            run,
        }
    });
    Ok(listed.collect())
}

/// What the newest [`RANGE_MAX`] runs of a filter's range came to, by way, oldest first,
/// whatever page is shown; and whether the range has more.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn range_points(pool: &PgPool, filter: &Filter) -> Result<(Vec<Point>, bool)> {
    let whole = Filter {
        before: None,
        ..filter.clone()
    };
    let mut runs = store::list(pool, &whole, RANGE_MAX + 1).await?;
    let has_more = runs.len() as i64 > RANGE_MAX;
    runs.truncate(RANGE_MAX as usize);
    Ok((store::points(pool, runs).await?, has_more))
}

/// Every Odoo that was measured.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn targets(pool: &PgPool) -> Result<Vec<String>> {
    store::targets(pool).await
}

/// One run.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn find(pool: &PgPool, id: &str) -> Result<Detailed> {
    let nothing = || AppError::new(ErrorCode::NotFound, "There is no such run.");
    let id: SpeedRunId = id.parse().map_err(|_| nothing())?;
    store::settle(pool).await?;
    let run = store::find(pool, id).await?.ok_or_else(nothing)?;
    let samples = store::samples(pool, &[id]).await?;
    Ok(Detailed {
        statistics: run.ways.iter().map(|way| Statistics::of(*way, &samples)).collect(),
        baseline: store::baseline(pool, &run.target, run.kind, run.is_cold, Some(id)).await?,
        samples,
        run,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).expect("pairs");
        Asked::parse(&pairs)
    }

    #[test]
    fn a_filter_that_can_not_be_is_refused_by_name_and_the_others_stay() {
        let told = asked("kind=heavy&begin=hot&via=soap&state=x&before=7&by=Ann@exa%00mple.com").understand();
        assert_eq!(told.filter.kind, Some(TestType::Heavy));
        assert_eq!(told.filter.by.as_deref(), Some("ann@example.com"), "without the NUL");
        assert_eq!(told.wrong.len(), 4, "{:?}", told.wrong);
        let told = asked("begin=cold&via=json2&state=finished&over=12.5").understand();
        assert_eq!((told.filter.is_cold, told.filter.way), (Some(true), Some(Way::Json2)));
        assert_eq!((told.filter.state, told.wrong.len()), (Some(RunState::Finished), 0));
        assert_eq!(told.threshold_ms, Some(12.5));
        for (query, name) in [
            ("from=2026-13-01", "From: "),
            ("to=tomorrow", "To: "),
            ("from=2026-11-24&to=2026-11-23", "To: "),
            ("over=-1", "Threshold: "),
            ("over=0", "Threshold: "),
            ("over=NaN", "Threshold: "),
            ("schedule=x", "Schedule: "),
        ] {
            let told = asked(query).understand();
            assert!(
                told.wrong.len() == 1 && told.wrong[0].starts_with(name),
                "{query}: {told:?}"
            );
        }
        let day = asked("from=2026-11-24&to=2026-11-24").understand();
        let (from, until) = (
            day.filter.from.expect("an instant"),
            day.filter.until.expect("an instant"),
        );
        assert_eq!((until - from).num_hours(), 24, "the day itself is in it");
    }

    #[test]
    fn an_address_keeps_its_filters_from_page_to_page() {
        let id = SpeedRunId(uuid::Uuid::nil());
        let asked = asked("over=12&kind=heavy&by=a%2Bb@example.com&test=light&from=2026-11-24");
        assert_eq!(
            asked.query(None),
            "kind=heavy&by=a%2Bb%40example.com&from=2026-11-24&over=12"
        );
        assert!(
            asked
                .query(Some(id))
                .ends_with("&before=00000000-0000-0000-0000-000000000000")
        );
    }
}
