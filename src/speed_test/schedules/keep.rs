//! Begins what is due, in the background of every instance: each time by one of them. A time
//! that passed while nobody looked is skipped, not made up; so is one at which Odoo is left
//! alone. Once an hour it throws old runs away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;

use crate::error::{ErrorCode, Result};
use crate::odoo::Odoo;
use crate::speed_test::runs::run::{self, Starter};
use crate::speed_test::schedules::store::{self, Due};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How late a run may begin, in seconds: another one may be at it.
const LATE_SECS: f64 = 600.0;
/// How often old runs are thrown away.
const TIDY_EVERY: Duration = Duration::from_secs(3_600);

/// What begins runs.
pub struct Keeper {
    /// The bridge's own database.
    pub pool: PgPool,
    /// The way to Odoo.
    pub odoo: Arc<Odoo>,
    /// What that Odoo is called: only its schedules are looked at.
    pub target: String,
    /// Whether the bridge stops.
    pub is_stopping: Arc<dyn Fn() -> bool + Send + Sync>,
    /// How many days runs are kept.
    pub days: u16,
}

impl Keeper {
    /// Goes on until the bridge stops.
    pub async fn run(self) {
        let (mut tidied, mut is_told) = (None::<Instant>, false);
        while !(self.is_stopping)() {
            let done = async {
                while self.begin_one().await? {}
                if tidied.is_none_or(|at| at.elapsed() >= TIDY_EVERY) {
                    tidied = Some(Instant::now());
                    let thrown = store::tidy(&self.pool, self.days).await?;
                    if thrown > 0 {
                        tracing::info!(runs = thrown, "old speed runs are thrown away");
                    }
                }
                Ok::<_, crate::error::AppError>(())
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

    /// Begins a run that is due; whether there may be another.
    async fn begin_one(&self) -> Result<bool> {
        let Some(due) = store::claim(&self.pool, &self.target).await? else {
            return Ok(false);
        };
        let left_out = |why: &'static str| {
            tracing::warn!(schedule.id = %due.schedule.id, reason = why, "a scheduled speed run is left out");
        };
        if due.late_secs > LATE_SECS {
            left_out("its time is over");
            return Ok(true);
        }
        let (_, breaker) = self.odoo.line();
        if breaker.open_for.is_some() {
            left_out("Odoo is left alone");
            return Ok(true);
        }
        self.start(&due).await
    }

    async fn start(&self, due: &Due) -> Result<bool> {
        let is_stopping = Arc::clone(&self.is_stopping);
        let schedule = &due.schedule;
        let started = run::start(
            &self.pool,
            &self.odoo,
            self.target.clone(),
            schedule.plan.clone(),
            Starter::Schedule(schedule.id, &schedule.name),
            move || is_stopping(),
        )
        .await;
        match started {
            Ok(_) => Ok(true),
            Err(error) if error.code == ErrorCode::Conflict => {
                // Another run is at it: its turn comes as soon as that one is over.
                store::give_back(&self.pool, due).await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
