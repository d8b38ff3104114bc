//! What is to be told waits in the database, written in the transaction that changes something,
//! until it was told. Every instance looks, one of them takes each, and what one took and did
//! not tell is taken again. So a kill between the telling and the note that it was done tells
//! twice, and nothing else does; the delivery's id is the same both times.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::alerts::channels::context;
use crate::alerts::model::Target;
use crate::alerts::send::{Sender, Told};
use crate::alerts::store::{self, Due};
use crate::error::{AppError, Result};
use crate::ids::{AlertRuleId, SpeedRunId};
use crate::sealing::SealingKey;

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often old deliveries are thrown away.
const TIDY_EVERY: Duration = Duration::from_secs(3_600);

/// A change that all channels are told of.
#[derive(Clone, Debug)]
pub struct News {
    /// Which rule.
    pub rule: AlertRuleId,
    /// By which run it changed.
    pub run: SpeedRunId,
    /// Whether it fires from now on, or is over.
    pub is_firing: bool,
    /// All that is told.
    pub body: Value,
}

/// Writes a change down for every channel, in the transaction that makes it.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn write(connection: &mut PgConnection, news: &News) -> Result<()> {
    store::write(connection, news).await
}

/// What tells.
pub struct Teller {
    /// The bridge's own database.
    pub pool: PgPool,
    /// Opens what channels are sealed with.
    pub sealing: Arc<SealingKey>,
    /// What sends.
    pub sender: Arc<Sender>,
    /// Whether the bridge stops: then what is on its way arrives, and nothing else begins.
    pub is_stopping: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Teller {
    /// Goes on until the bridge stops.
    pub async fn run(self) {
        let (mut tidied, mut is_told) = (None::<Instant>, false);
        while !(self.is_stopping)() {
            let done = async {
                if tidied.is_none_or(|at| at.elapsed() >= TIDY_EVERY) {
                    tidied = Some(Instant::now());
                    store::tidy(&self.pool).await?;
                }
                while !(self.is_stopping)() {
                    let Some(due) = store::claim(&self.pool).await? else {
                        break;
                    };
                    self.tell(&due).await?;
                }
                Ok::<_, AppError>(())
            };
            // Once for each time that the database is away.
            match done.await {
                Ok(()) => is_told = false,
                Err(error) if !is_told => {
                    is_told = true;
                    error.log();
                }
                Err(_) => {}
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn tell(&self, due: &Due) -> Result<()> {
        let text = |name: &str| due.body[name].as_str().unwrap_or_default();
        let told = Told {
            id: due.id,
            subject: format!("{}: {}", text("event"), text("schedule")),
            body: due.body.clone(),
            page: format!("/speed-test/runs/{}", due.run),
        };
        let sent = match open(&self.sealing, due) {
            Some(target) => self.sender.send(&target, &told).await,
            None => Err("another bridge's key sealed its address: add the channel anew".to_owned()),
        };
        let Err(why) = sent else {
            store::sent(&self.pool, due.id).await?;
            tracing::info!(alert.delivery = %due.id, alert.channel = %due.channel, "an alert was told");
            return Ok(());
        };
        let given_up = store::failed(&self.pool, due, &why).await?;
        tracing::warn!(
            alert.delivery = %due.id,
            alert.channel = %due.channel,
            attempts = due.attempts,
            given_up = given_up.is_some(),
            reason = why,
            "an alert was not told"
        );
        Ok(())
    }
}

fn open(sealing: &SealingKey, due: &Due) -> Option<Target> {
    let plain = sealing.unseal(&context(due.channel), &due.sealed)?;
    Target::from_text(std::str::from_utf8(plain.expose_secret()).ok()?)
}
