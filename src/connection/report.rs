//! From what `odoo` reports to what people read.

use crate::connection::model::{ConnectionStatus, Refusal, WayStatus, WayWord};
use crate::odoo::{RefusedCredential, Report, WayReport, WayState};
use crate::session::model::wait_in_words;
use crate::speed_test::model::format_ms;

/// The whole page, from the report and the records of calls written and dropped.
#[must_use]
pub fn status_of(report: Report, written: u64, dropped: u64) -> ConnectionStatus {
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
        records_written: written,
        records_dropped: dropped,
    }
}

/// What every page says while Odoo refuses a credential; `None` if it refuses none.
/// Without the time of the next trial: it would be read out anew on every page.
#[must_use]
pub fn alarm_of(report: &Report) -> Option<String> {
    let settings: Vec<_> = report.refused.iter().map(|refused| refused.setting).collect();
    if settings.is_empty() {
        return None;
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
    use crate::odoo::Way;

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
        }
    }

    #[test]
    fn the_way_that_calls_take_is_in_use_and_another_that_works_is_not() {
        let states = [WayState::Closed, WayState::Works, WayState::Works];
        let status = status_of(report(states, Way::JsonRpc, None), 7, 0);
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
        let status = status_of(report(states, Way::Web, None), 0, 0);
        assert!(status.ways.iter().all(|way| way.state != WayWord::InUse));
        assert_eq!(status.picked, "No way works. Tried first: Web session.");
    }

    #[test]
    fn a_refused_password_comes_with_its_name_its_user_and_the_next_trial() {
        let states = [WayState::Refused, WayState::Refused, WayState::NotConfigured];
        let status = status_of(report(states, Way::Web, Some(42)), 0, 0);
        let refusal = &status.refusals[0];
        assert!(refusal.remedy.starts_with("Check ODOO_PASSWORD"), "{}", refusal.remedy);
        assert!(refusal.remedy.contains("user bot, database prod"), "{}", refusal.remedy);
        assert_eq!(refusal.tried_again, "in 42 seconds");
        let over = status_of(report(states, Way::Web, Some(0)), 0, 0);
        assert_eq!(over.refusals[0].tried_again, "with the next call");
    }

    #[test]
    fn every_page_says_whether_calls_still_get_through() {
        let none = [WayState::Refused, WayState::Closed, WayState::NotConfigured];
        let alarm = alarm_of(&report(none, Way::Web, Some(42))).expect("an alarm");
        assert!(alarm.contains("Odoo refuses ODOO_PASSWORD. Calls fail"), "{alarm}");
        let another = [WayState::Refused, WayState::Refused, WayState::Works];
        let alarm = alarm_of(&report(another, Way::Json2, Some(42))).expect("an alarm");
        assert!(alarm.contains("Calls go over JSON-2 instead."), "{alarm}");
        assert_eq!(alarm_of(&report(another, Way::Json2, None)), None);
    }

    #[test]
    fn before_the_first_request_nothing_is_said_of_reuse() {
        assert_eq!(reused_share(0, 0), None);
        assert_eq!(reused_share(1, 1).as_deref(), Some("0 %"));
    }
}
