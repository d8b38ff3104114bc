//! The chain over what was written down: each event's seal is an HMAC, with a key that
//! is not in the database, over the event and the seal before it. Whoever changes, moves
//! or takes out an event breaks it from there on. Taking out the newest events can be
//! seen by comparing with a head that was noted elsewhere: `verify-audit` prints it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use crate::audit::store;
use crate::error::Result;
use crate::sealing::SealingKey;

/// How long an event is without a seal at most, while a bridge runs.
const SEAL_EVERY: Duration = Duration::from_secs(1);
/// How many events are sealed or looked at in one go.
pub(super) const BATCH: i64 = 1_000;

/// An event as the chain holds it: every column, in this order.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Link {
    pub(super) id: i64,
    /// Microseconds since 1970: as exact as the database keeps it.
    #[serde(serialize_with = "micros")]
    pub(super) happened_at: DateTime<Utc>,
    pub(super) user_id: Option<Uuid>,
    pub(super) user_email: Option<String>,
    pub(super) address: Option<String>,
    pub(super) action: String,
    pub(super) subject_id: Uuid,
    pub(super) subject_name: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

fn micros<S: serde::Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(at.timestamp_micros())
}

impl Link {
    /// What its seal is made over: JSON, in which no two different events look the same.
    fn bytes(&self, number: i64, before: &[u8]) -> Vec<u8> {
        let mut bytes = before.to_vec();
        // Numbers, texts and nulls only: this can't fail.
        bytes.extend(serde_json::to_vec(&(number, self)).unwrap_or_default());
        bytes
    }
}

/// A link with its seal.
pub(super) struct Sealed {
    pub(super) number: i64,
    pub(super) seal: Vec<u8>,
    pub(super) key: String,
    pub(super) link: Link,
}

/// The newest seal: its number and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many events are sealed.
    pub number: i64,
    /// The seal; empty before the first.
    pub seal: Vec<u8>,
}

/// What a look at the whole chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Where the chain is whole up to.
    pub head: Head,
    /// Events that have no seal yet.
    pub unsealed: i64,
    /// Where it breaks, if it does.
    pub broken: Option<Broken>,
}

/// A break in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The number of the first seal that is not right, or is missing.
    pub number: i64,
    /// Why, as a sentence.
    pub why: String,
}

/// Seals what has no seal yet, in the order it was written in; how many.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn seal(pool: &PgPool, key: &SealingKey) -> Result<usize> {
    let mut transaction = pool.begin().await?;
    // Two instances must not give the same number.
    store::lock_chain(&mut transaction).await?;
    let unsealed = store::unsealed(&mut transaction).await?;
    let mut head = store::head(&mut transaction).await?;
    let mut seals = Vec::with_capacity(unsealed.len());
    for link in &unsealed {
        let number = head.number + 1;
        head = Head {
            number,
            seal: key.chain(&link.bytes(number, &head.seal)),
        };
        seals.push((link.id, head.clone()));
    }
    store::set_seals(&mut transaction, &seals, key.id()).await?;
    transaction.commit().await?;
    Ok(seals.len())
}

/// Seals for as long as it runs.
pub async fn run(pool: PgPool, key: std::sync::Arc<SealingKey>) {
    loop {
        tokio::time::sleep(SEAL_EVERY).await;
        loop {
            match store::has_unsealed(&pool).await {
                Ok(false) => break,
                Ok(true) => {}
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "no look at what is not sealed"
                    );
                    break;
                }
            }
            if let Err(error) = seal(&pool, &key).await {
                error.log();
                break;
            }
        }
    }
}

/// Looks at the whole chain. `noted` is a head of before, kept elsewhere: it must still
/// be in the chain.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn verify(pool: &PgPool, key: &SealingKey, noted: Option<&Head>) -> Result<Verified> {
    let mut head = Head {
        number: 0,
        seal: Vec::new(),
    };
    let mut broken = None;
    // In the order in which they sealed.
    let mut keys: Vec<String> = Vec::new();
    'chain: loop {
        let links = store::sealed_after(pool, head.number).await?;
        if links.is_empty() {
            break;
        }
        for sealed in links {
            let number = head.number + 1;
            if keys.last() != Some(&sealed.key) {
                keys.push(sealed.key.clone());
            }
            if let Some(why) = flaw(key, &keys, &head, &sealed) {
                broken = Some(Broken { number, why });
                break 'chain;
            }
            head = Head {
                number,
                seal: sealed.seal,
            };
            if noted.is_some_and(|noted| noted.number == head.number && noted.seal != head.seal) {
                let why = format!("Event {number} of the chain is another one than the noted.");
                broken = Some(Broken { number, why });
                break 'chain;
            }
        }
    }
    if broken.is_none()
        && let Some(noted) = noted.filter(|noted| noted.number > head.number)
    {
        let number = head.number + 1;
        let why = format!(
            "The newest events are gone: {} were noted, {} are there.",
            noted.number, head.number
        );
        broken = Some(Broken { number, why });
    }
    Ok(Verified {
        head,
        unsealed: store::count_unsealed(pool).await?,
        broken,
    })
}

/// What is wrong with the link after `head`. The last of `keys` is its own.
fn flaw(key: &SealingKey, keys: &[String], head: &Head, sealed: &Sealed) -> Option<String> {
    let number = head.number + 1;
    if sealed.number != number {
        return Some(format!("Event {number} of the chain is missing."));
    }
    let Some(sealing) = key.called(&sealed.key) else {
        return Some(format!(
            "Event {number} was sealed with another key ({}; this one is {}). Is it one of before? Then set it in \
             BRIDGE_OLD_SECRET_KEYS.",
            sealed.key,
            key.id()
        ));
    };
    // Who has an old key must not be able to go on with it.
    let before = keys.split_last().map(|(_, before)| before).unwrap_or_default();
    if before.contains(&sealed.key) {
        return Some(format!(
            "Event {number} was sealed with a key that another had taken the place of ({}).",
            sealed.key
        ));
    }
    if !sealing.is_chained(&sealed.link.bytes(number, &head.seal), &sealed.seal) {
        return Some(format!(
            "Event {number} of the chain (id {}) is not what it was, or one before it is not.",
            sealed.link.id
        ));
    }
    None
}

impl std::fmt::Display for Head {
    /// `<number>:<seal in hex>`, as `verify-audit --head` takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.number)?;
        self.seal.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a head looks like 12:5f\u{2026}, as verify-audit prints it";
        let (number, hex) = text.trim().split_once(':').ok_or(WRONG)?;
        let number = number.parse().map_err(|_| WRONG)?;
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(WRONG);
        }
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| WRONG);
        let seal = (0..64).step_by(2).map(byte).collect::<Result<_, _>>()?;
        Ok(Self { number, seal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_printed() {
        let head = Head {
            number: 12,
            seal: (0..32).collect(),
        };
        assert_eq!(head.to_string().parse(), Ok(head));
        for wrong in ["", "12", "12:", "x:00", "1:zz", &format!("1:{}", "\u{e4}".repeat(32))] {
            assert!(wrong.parse::<Head>().is_err(), "{wrong}");
        }
    }
}
