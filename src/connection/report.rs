//! From what `odoo` reports to what people read.

use crate::connection::model::{ConnectionStatus, Refusal, WayStatus, WayWord};
use crate::instances::InstancesReport;
use crate::odoo::{RefusedCredential, Report, Rules, WayReport, WayState};
use crate::session::model::wait_in_words;
use crate::speed_test::model::format_ms;

/// The whole page, from the reports and the records of calls written and dropped.
#[must_use]
pub fn status_of(
    report: Report,
    instances: Option<&InstancesReport>,
    (written, dropped): (u64, u64),
) -> ConnectionStatus {
    ConnectionStatus {
        picked: picked_of(&report),
        fixed: report.fixed,
        refusals: report
            .refused
            .iter()
            .map(|refused| refusal_of(refused, &report.username, &report.db))
            .collect(),
        ways: report.ways.into_iter().map(way_of).collect(),
        url: report.url,
        db: report.db,
        username: report.username,
        calls: report.calls,
        connections_opened: report.connections_opened,
        reused: reused_share(report.calls, report.connections_opened),
        bounds: bounds_of(report.rules),
        line: format!("{} on their way, {} wait", report.load.running, report.load.waiting),
        sent_away: report.load.sent_away,
        left_alone: report.breaker.open_for.map(|open| {
            let secs = u32::try_from(open.as_secs()).unwrap_or(u32::MAX);
            format!(
                "Odoo failed too often in a row and is left alone, since {}. Calls are refused at once; one a second is let through to find out whether it answers again.",
                wait_in_words(secs)
            )
        }),
        times_left_alone: report.breaker.opened,
        limits: match instances {
            None => "Held by each instance by itself: REDIS_URL is not set".to_owned(),
            Some(InstancesReport { place, gone: None, .. }) => format!("Shared by all instances, through Redis at {place}"),
            Some(InstancesReport { place, .. }) => format!("Each instance holds its share: Redis at {place} is gone"),
        },
        instances: instances.map(|instances| instances.alive),
        times_redis_gone: instances.map(|instances| instances.times_gone),
        redis_gone: instances.and_then(redis_gone),
        records_written: written,
        records_dropped: dropped,
    }
}

fn redis_gone(instances: &InstancesReport) -> Option<String> {
    let (since, why) = instances.gone.as_ref()?;
    let secs = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
    Some(format!(
        "Redis at {} is gone, since {} ({why}). Calls go on: this instance holds one part in {} of each limit by itself. Redis is tried again all the time.",
        instances.place,
        wait_in_words(secs),
        instances.alive,
    ))
}

/// What every page says while something is wrong with Odoo or Redis; `None` if nothing is.
#[must_use]
pub fn alarm_of(report: &Report, instances: Option<&InstancesReport>) -> Option<String> {
    let gone = instances.is_some_and(|instances| instances.gone.is_some());
    let redis = gone.then(|| "Redis is gone: each instance holds its share of the limits by itself.".to_owned());
    let alarms: Vec<_> = odoo_alarm(report).into_iter().chain(redis).collect();
    (!alarms.is_empty()).then(|| alarms.join(" "))
}

/// Without the time of the next trial: it would be read out anew on every page.
fn odoo_alarm(report: &Report) -> Option<String> {
    let settings: Vec<_> = report.refused.iter().map(|refused| refused.setting).collect();
    if settings.is_empty() {
        // Without how long: it would be read out anew on every page.
        let words =
            "Odoo failed too often in a row and is left alone for a moment. Calls are refused until it answers again.";
        return report.breaker.open_for.map(|_| words.to_owned());
    }
    let way_left = report
        .ways
        .iter()
        .find(|way| way.picked && way.state == WayState::Works);
    let effect = match way_left {
        Some(way) => format!("Calls go over {} instead.", way.way.label()),
        None => "Calls fail until it is mended.".to_owned(),
    };
    let settings = settings.join(" and ");
    Some(format!(
        "Odoo refuses {settings}. {effect} Set the right value and restart the bridge."
    ))
}

fn bounds_of(rules: Rules) -> String {
    let pace = match rules.interval.as_secs_f64() {
        0.0 => "as many a second as come".to_owned(),
        secs => format!("{:.0} a second at most", 1.0 / secs),
    };
    format!(
        "{} at once, {pace}; {} may wait, for {}",
        rules.concurrent,
        rules.line,
        wait_in_words(u32::try_from(rules.wait.as_secs()).unwrap_or(u32::MAX))
    )
}

fn picked_of(report: &Report) -> String {
    match report.ways.iter().find(|way| way.picked) {
        None => report.picked_because.clone(),
        Some(way) if matches!(way.state, WayState::Works | WayState::Untried) => {
            format!("Calls go over {}. {}", way.way.label(), report.picked_because)
        }
        Some(way) => format!("No way works. Tried first: {}.", way.way.label()),
    }
}

fn way_of(report: WayReport) -> WayStatus {
    WayStatus {
        name: report.way.label().to_owned(),
        state: match report.state {
            WayState::Works if report.picked => WayWord::InUse,
            WayState::Works => WayWord::Works,
            WayState::Closed => WayWord::Closed,
            WayState::Refused => WayWord::Refused,
            WayState::NotConfigured => WayWord::NotSet,
            WayState::Untried => WayWord::Untried,
        },
        cost: report.cost_ms.map(format_ms),
        reason: report.reason,
        since: report.since,
    }
}

fn refusal_of(refused: &RefusedCredential, username: &str, db: &str) -> Refusal {
    let what = if refused.setting == "ODOO_API_KEY" {
        "it was made by this user in this database, is not deleted and has not expired"
    } else {
        "it is this user's password in this database"
    };
    let secs = u32::try_from(refused.retry_in.as_secs()).unwrap_or(u32::MAX);
    Refusal {
        setting: refused.setting.to_owned(),
        remedy: format!(
            "Check {}: that {what} (user {username}, database {db}). Then restart the bridge with the right value.",
            refused.setting
        ),
        tried_again: if refused.retry_in.is_zero() {
            "with the next call".to_owned()
        } else {
            format!("in {}", wait_in_words(secs))
        },
        refused_at: refused.refused_at,
    }
}

/// Rounded down, so that 100 % means that none was opened.
fn reused_share(calls: u64, opened: u64) -> Option<String> {
    let reused = calls.saturating_sub(opened);
    reused
        .saturating_mul(100)
        .checked_div(calls)
        .map(|percent| format!("{percent} %"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::Utc;

    use super::*;
    use crate::odoo::{BreakerState, Load, Way};

    fn report(states: [WayState; 3], picked: Way, refused: Option<u64>) -> Report {
        let ways = Way::ALL.into_iter().zip(states).map(|(way, state)| WayReport {
            way,
            state,
            picked: way == picked,
            cost_ms: (state == WayState::Works).then_some(4.24),
            reason: "Because.".into(),
            since: None,
        });
        Report {
            url: "https://odoo.example.com".into(),
            db: "prod".into(),
            username: "bot".into(),
            fixed: false,
            ways: ways.collect(),
            refused: refused
                .map(|secs| RefusedCredential {
                    setting: "ODOO_PASSWORD",
                    retry_in: Duration::from_secs(secs),
                    refused_at: Utc::now(),
                })
                .into_iter()
                .collect(),
            picked_because: "It costs least of those that work.".into(),
            calls: 200,
            connections_opened: 3,
            rules: Rules {
                concurrent: 1,
                interval: Duration::from_secs(1),
                line: 10,
                wait: Duration::from_secs(30),
            },
            load: Load::default(),
            breaker: BreakerState::default(),
        }
    }

    #[test]
    fn the_way_that_calls_take_is_in_use_and_another_that_works_is_not() {
        let states = [WayState::Closed, WayState::Works, WayState::Works];
        let status = status_of(report(states, Way::JsonRpc, None), None, (7, 0));
        let words: Vec<_> = status.ways.iter().map(|way| way.state).collect();
        assert_eq!(words, [WayWord::Closed, WayWord::InUse, WayWord::Works]);
        assert_eq!(
            status.picked,
            "Calls go over JSON-RPC. It costs least of those that work."
        );
        assert_eq!(status.ways[1].cost.as_deref(), Some("4.2 ms"));
        assert_eq!(status.reused.as_deref(), Some("98 %"), "never rounded up to 100 %");
    }

    #[test]
    fn a_way_that_is_picked_only_to_be_tried_is_not_said_to_be_in_use() {
        let states = [WayState::Refused, WayState::Closed, WayState::NotConfigured];
        let status = status_of(report(states, Way::Web, None), None, (0, 0));
        assert!(status.ways.iter().all(|way| way.state != WayWord::InUse));
        assert_eq!(status.picked, "No way works. Tried first: Web session.");
    }

    #[test]
    fn a_refused_password_comes_with_its_name_its_user_and_the_next_trial() {
        let states = [WayState::Refused, WayState::Refused, WayState::NotConfigured];
        let status = status_of(report(states, Way::Web, Some(42)), None, (0, 0));
        let refusal = &status.refusals[0];
        assert!(refusal.remedy.starts_with("Check ODOO_PASSWORD"), "{}", refusal.remedy);
        assert!(refusal.remedy.contains("user bot, database prod"), "{}", refusal.remedy);
        assert_eq!(refusal.tried_again, "in 42 seconds");
        let over = status_of(report(states, Way::Web, Some(0)), None, (0, 0));
        assert_eq!(over.refusals[0].tried_again, "with the next call");
    }

    #[test]
    fn every_page_says_whether_calls_still_get_through() {
        let none = [WayState::Refused, WayState::Closed, WayState::NotConfigured];
        let alarm = alarm_of(&report(none, Way::Web, Some(42)), None).expect("an alarm");
        assert!(alarm.contains("Odoo refuses ODOO_PASSWORD. Calls fail"), "{alarm}");
        let another = [WayState::Refused, WayState::Refused, WayState::Works];
        let alarm = alarm_of(&report(another, Way::Json2, Some(42)), None).expect("an alarm");
        assert!(alarm.contains("Calls go over JSON-2 instead."), "{alarm}");
        assert_eq!(alarm_of(&report(another, Way::Json2, None), None), None);
    }

    #[test]
    fn the_bounds_the_line_and_whether_odoo_is_left_alone_are_told() {
        let mut shown = report([WayState::Works; 3], Way::Web, None);
        shown.load = Load {
            running: 1,
            waiting: 7,
            sent_away: 2,
        };
        let status = status_of(shown.clone(), None, (0, 0));
        assert_eq!(
            status.bounds,
            "1 at once, 1 a second at most; 10 may wait, for 30 seconds"
        );
        assert_eq!((&*status.line, status.left_alone), ("1 on their way, 7 wait", None));
        shown.breaker.open_for = Some(Duration::from_secs(12));
        assert!(alarm_of(&shown, None).is_some_and(|alarm| alarm.contains("left alone")));
        let left_alone = status_of(shown, None, (0, 0)).left_alone.expect("it is");
        assert!(left_alone.contains("since 12 seconds"), "{left_alone}");
    }

    #[test]
    fn it_is_told_whether_limits_are_shared_and_when_redis_is_gone() {
        let shown = || report([WayState::Works; 3], Way::Web, None);
        let alone = status_of(shown(), None, (0, 0));
        assert!(alone.limits.contains("REDIS_URL is not set"), "{}", alone.limits);
        assert_eq!((alone.instances, alarm_of(&shown(), None)), (None, None));
        let mut instances = InstancesReport {
            place: "redis:6379".into(),
            alive: 2,
            gone: None,
            times_gone: 1,
        };
        let shared = status_of(shown(), Some(&instances), (0, 0));
        assert_eq!(shared.limits, "Shared by all instances, through Redis at redis:6379");
        assert_eq!((shared.instances, shared.redis_gone), (Some(2), None));
        assert_eq!(alarm_of(&shown(), Some(&instances)), None);
        instances.gone = Some((Duration::from_secs(5), "refused".into()));
        let gone = status_of(shown(), Some(&instances), (0, 0)).redis_gone.expect("told");
        assert!(
            gone.contains("since 5 seconds (refused)") && gone.contains("one part in 2"),
            "{gone}"
        );
        let alarm = alarm_of(&shown(), Some(&instances)).expect("an alarm");
        assert!(alarm.starts_with("Redis is gone"), "{alarm}");
    }

    #[test]
    fn before_the_first_request_nothing_is_said_of_reuse() {
        assert_eq!(reused_share(0, 0), None);
        assert_eq!(reused_share(1, 1).as_deref(), Some("0 %"));
    }
}
