//! How wrong passwords are slowed: after some failures in a row a lock of 30
//! seconds, twice as long with each further failure, at most 15 minutes. It
//! holds for an account (whether it exists or not) and for an address. A browser in which
//! the owner signed in before is counted in the account's place: whoever guesses elsewhere
//! does not lock the owner out.
//!
//! An attempt is counted before the password is checked, and forgiven if it was
//! right: a thousand guesses at the same instant count as a thousand.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use chrono::{DateTime, Duration, Utc};
use sha2::{Digest as _, Sha256};

use crate::session::token::TokenHash;

const FIRST_LOCK_SECS: i64 = 30;
const LONGEST_LOCK_SECS: i64 = 15 * 60;
/// After this long without a failure the count begins anew.
pub(super) const MEMORY: Duration = Duration::hours(24);

/// Whose failures are counted.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// Its key in the table.
    pub(super) key: String,
    /// So many failures in a row bring the first lock.
    pub(super) allowed: i32,
}

impl Subject {
    /// The account of an email, there or not; the email itself is not kept.
    pub(super) fn account(email: &str) -> Self {
        Self::of_email("account:", email)
    }

    /// The codes of an account's second factor. Counted apart: who knows the password
    /// could forget the account's failures by giving it again.
    pub(super) fn codes(email: &str) -> Self {
        Self::of_email("codes:", email)
    }

    /// A browser in which the account's owner signed in before, in the account's place.
    pub(super) fn device(token: &TokenHash) -> Self {
        Self::hexed("device:", token.as_bytes())
    }

    fn of_email(kind: &str, email: &str) -> Self {
        Self::hexed(kind, &Sha256::digest(email.trim().to_lowercase()))
    }

    fn hexed(kind: &str, bytes: &[u8]) -> Self {
        let mut key = kind.to_owned();
        for byte in bytes {
            // Writing to a string can't fail.
            let _ = write!(key, "{byte:02x}");
        }
        Self { key, allowed: 5 }
    }

    /// Where a request comes from. Of IPv6 the first 64 bits count: the rest is
    /// the caller's to choose.
    pub(super) fn address(address: IpAddr) -> Self {
        let key = match address.to_canonical() {
            IpAddr::V4(v4) => format!("address:{v4}"),
            IpAddr::V6(v6) => {
                let network = Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX));
                format!("address:{network}/64")
            }
        };
        Self { key, allowed: 20 }
    }
}

/// What is known of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failures {
    /// In a row.
    pub(super) count: i32,
    /// The last one.
    pub(super) last_at: DateTime<Utc>,
    /// Until then every attempt is refused unseen.
    pub(super) locked_until: Option<DateTime<Utc>>,
}

impl Failures {
    /// How long it is locked from `now` on, if it is.
    pub(super) fn locked_for(&self, now: DateTime<Utc>) -> Option<Duration> {
        self.locked_until
            .map(|end| end - now)
            .filter(|left| *left > Duration::zero())
    }

    /// With one more failure at `now`.
    pub(super) fn and_one_more(&self, allowed: i32, now: DateTime<Utc>) -> Self {
        let before = if now - self.last_at > MEMORY { 0 } else { self.count };
        let count = before.saturating_add(1);
        let locked_until = lock_secs(count, allowed).map(|secs| now + Duration::seconds(secs));
        Self {
            count,
            last_at: now,
            locked_until,
        }
    }
}

/// The lock that the `count`th failure brings.
fn lock_secs(count: i32, allowed: i32) -> Option<i64> {
    let doublings = u32::try_from(count - allowed).ok()?;
    Some(
        FIRST_LOCK_SECS
            .saturating_mul(1 << doublings.min(30))
            .min(LONGEST_LOCK_SECS),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-24T12:00:00Z".parse().expect("an instant")
    }

    #[test]
    fn the_lock_doubles_up_to_fifteen_minutes() {
        let locks: Vec<_> = (1..=12).map(|count| lock_secs(count, 5)).collect();
        let expected =
            [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900].map(|secs| Some(secs).filter(|secs| *secs > 0));
        assert_eq!(locks, expected);
        assert_eq!(lock_secs(i32::MAX, 5), Some(900));
    }

    #[test]
    fn a_lock_ends_at_its_very_instant() {
        let failures = Failures {
            count: 5,
            last_at: now(),
            locked_until: Some(now() + Duration::seconds(30)),
        };
        assert!(failures.locked_for(now() + Duration::seconds(29)).is_some());
        assert!(failures.locked_for(now() + Duration::seconds(30)).is_none());
    }

    #[test]
    fn after_a_day_of_peace_the_count_begins_anew() {
        let failures = Failures {
            count: 9,
            last_at: now(),
            locked_until: None,
        };
        assert_eq!(failures.and_one_more(5, now() + Duration::hours(23)).count, 10);
        assert_eq!(failures.and_one_more(5, now() + Duration::hours(25)).count, 1);
    }

    #[test]
    fn an_account_is_one_whatever_the_case_and_its_email_is_not_kept() {
        let key = Subject::account("Operator@Example.com ").key;
        assert_eq!(key, Subject::account("operator@example.com").key);
        assert!(!key.contains("operator"));
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let key = |text: &str| Subject::address(text.parse().expect("an address")).key;
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
