//! The times that traffic is shown of: an hour, a day, a week, a month, up to an instant, in steps
//! that rows of one level fill exactly.

use chrono::{DateTime, TimeDelta, Utc};

/// How long a row's time is. In the table a number, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day in UTC.
    Day,
}

impl Level {
    /// All of them: a call is counted in each.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Its number in the table.
    #[must_use]
    pub const fn number(self) -> i16 {
        self as i16
    }

    const fn secs(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// When the row of an instant begins.
    #[must_use]
    pub fn begin(self, at: DateTime<Utc>) -> DateTime<Utc> {
        begin(at, self.secs())
    }
}

/// The last multiple of so many seconds up to an instant.
fn begin(at: DateTime<Utc>, secs: i64) -> DateTime<Utc> {
    let start = at.timestamp().div_euclid(secs) * secs;
    DateTime::from_timestamp(start, 0).unwrap_or(at)
}

/// How long a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Range {
    /// 60 minutes.
    Hour,
    /// 24 hours.
    #[default]
    Day,
    /// Seven days in UTC.
    Week,
    /// Thirty days in UTC.
    Month,
}

impl Range {
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The word in an address.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// What a word stands for.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.word() == word)
    }

    /// What a person reads.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hour => "Hour",
            Self::Day => "Day",
            Self::Week => "Week",
            Self::Month => "Month",
        }
    }

    /// A step of it, in words.
    #[must_use]
    pub const fn step_label(self) -> &'static str {
        match self {
            Self::Hour => "minute",
            Self::Day => "quarter of an hour",
            Self::Week => "hour",
            Self::Month => "day",
        }
    }

    const fn step_secs(self) -> i64 {
        match self {
            Self::Hour => 60,
            Self::Day => 900,
            Self::Week => 3_600,
            Self::Month => 86_400,
        }
    }
}

/// A time and its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How long.
    pub range: Range,
    /// When it begins.
    pub from: DateTime<Utc>,
    /// When its last step ends.
    pub until: DateTime<Utc>,
    /// The rows that its steps are made of.
    pub level: Level,
    /// Fewer rows that are exactly as long as all of it.
    pub coarse: Level,
}

impl Window {
    /// The time up to an instant, the step of that instant included.
    #[must_use]
    pub fn of(range: Range, last: DateTime<Utc>) -> Self {
        let (level, coarse, from) = match range {
            Range::Hour => (
                Level::Minute,
                Level::Minute,
                Level::Minute.begin(last) - TimeDelta::minutes(59),
            ),
            Range::Day => (
                Level::Minute,
                Level::Hour,
                Level::Hour.begin(last) - TimeDelta::hours(23),
            ),
            Range::Week => (Level::Hour, Level::Day, Level::Day.begin(last) - TimeDelta::days(6)),
            Range::Month => (Level::Day, Level::Day, Level::Day.begin(last) - TimeDelta::days(29)),
        };
        let step = range.step_secs();
        Self {
            range,
            from,
            until: begin(last, step) + TimeDelta::seconds(step),
            level,
            coarse,
        }
    }

    /// How long a step is.
    #[must_use]
    pub fn step(&self) -> TimeDelta {
        TimeDelta::seconds(self.range.step_secs())
    }

    /// How many steps it has.
    #[must_use]
    pub fn steps(&self) -> usize {
        usize::try_from((self.until - self.from).num_seconds() / self.range.step_secs()).unwrap_or(0)
    }

    /// In which step an instant is; `None`: in none.
    #[must_use]
    pub fn step_of(&self, at: DateTime<Utc>) -> Option<usize> {
        let after = (at - self.from).num_seconds();
        let step = usize::try_from(after.div_euclid(self.range.step_secs())).ok()?;
        (step < self.steps()).then_some(step)
    }

    /// When a step begins.
    #[must_use]
    pub fn begin_of(&self, step: usize) -> DateTime<Utc> {
        let secs = i64::try_from(step).unwrap_or(0) * self.range.step_secs();
        self.from + TimeDelta::seconds(secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    #[test]
    fn each_range_ends_with_the_step_of_its_instant_and_begins_with_a_row() {
        let last = at("2026-11-28T10:41:30Z");
        for (range, from, until, steps) in [
            (Range::Hour, "2026-11-28T09:42:00Z", "2026-11-28T10:42:00Z", 60),
            (Range::Day, "2026-11-27T11:00:00Z", "2026-11-28T10:45:00Z", 95),
            (Range::Week, "2026-11-22T00:00:00Z", "2026-11-28T11:00:00Z", 155),
            (Range::Month, "2026-10-30T00:00:00Z", "2026-11-29T00:00:00Z", 30),
        ] {
            let window = Window::of(range, last);
            assert_eq!(
                (window.from, window.until, window.steps()),
                (at(from), at(until), steps)
            );
            assert_eq!(window.coarse.begin(window.from), window.from, "{range:?}");
            assert_eq!(window.step_of(last), Some(steps - 1));
            assert_eq!(window.step_of(window.from), Some(0));
            assert_eq!(window.step_of(window.from - TimeDelta::seconds(1)), None);
            assert_eq!(window.step_of(window.until), None);
            assert_eq!(window.begin_of(steps - 1) + window.step(), window.until);
            assert_eq!(Range::parse(range.word()), Some(range));
        }
    }
}
