//! Whether the bridge lives (`/healthz`) and whether it should get traffic
//! (`/readyz`). An Odoo that is away is told in the answer but never makes the
//! bridge unready: calls then get a clear error, which no other instance could
//! better.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::watch;

use crate::error::AppError;
use crate::odoo::Odoo;
use crate::server::database::migrate::migrations;
use crate::state::AppState;

/// How long readiness waits for the database, and for Odoo's version.
const PATIENCE: Duration = Duration::from_secs(1);
/// Odoo is asked at most this often.
const ODOO_INTERVAL: Duration = Duration::from_secs(10);
/// A probe that never reported back is given up after this.
const ODOO_PROBE_MAX: Duration = Duration::from_secs(120);

/// Raised once, when the bridge begins to stop: from then on it is not ready.
#[derive(Clone, Debug, Default)]
pub struct ShutdownFlag(Arc<AtomicBool>);

impl ShutdownFlag {
    /// The bridge stops.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the bridge stops.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What the health answers remember between requests.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Raised when the bridge begins to stop.
    pub shutdown: ShutdownFlag,
    odoo: Arc<watch::Sender<Probe>>,
}

#[derive(Debug, Default)]
struct Probe {
    started_at: Option<Instant>,
    running: bool,
    last: OdooHealth,
}

/// How Odoo was when it was last asked: `ok`, an error's code, or `unknown`.
#[derive(Clone, Debug, Serialize)]
struct OdooHealth {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<chrono::DateTime<chrono::Utc>>,
}

impl Default for OdooHealth {
    fn default() -> Self {
        Self {
            status: "unknown",
            version: None,
            checked_at: None,
        }
    }
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    checks: Checks,
    odoo: OdooHealth,
}

/// Each `ok`, or what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Checks {
    database: &'static str,
    migrations: &'static str,
    shutdown: &'static str,
}

impl Checks {
    fn all_ok(self) -> bool {
        [self.database, self.migrations, self.shutdown] == ["ok"; 3]
    }
}

/// `GET /healthz`: the process lives and answers.
pub async fn healthz() -> Response {
    answer(StatusCode::OK, &serde_json::json!({"status": "ok"}))
}

/// `GET /readyz`: 200 if calls can be taken now, else 503; the body says which
/// check fails.
pub async fn readyz(State(state): State<AppState>) -> Response {
    let (checks, odoo) = tokio::join!(
        check(&state.pool, &state.health.shutdown),
        odoo_health(&state.health, &state.odoo),
    );
    let (code, status) = if checks.all_ok() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    answer(code, &Readiness { status, checks, odoo })
}

fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn check(pool: &PgPool, shutdown: &ShutdownFlag) -> Checks {
    let shape = tokio::time::timeout(PATIENCE, migrations(pool)).await;
    let (database, migrations) = match shape {
        Ok(Ok(shape)) if shape.pending == 0 => ("ok", "ok"),
        Ok(Ok(_)) => ("ok", "pending"),
        Ok(Err(error)) => {
            tracing::warn!(cause = &error as &dyn std::error::Error, "the database does not answer");
            ("unreachable", "unknown")
        }
        Err(_) => {
            tracing::warn!("the database does not answer in time");
            ("timeout", "unknown")
        }
    };
    Checks {
        database,
        migrations,
        shutdown: if shutdown.is_raised() { "stopping" } else { "ok" },
    }
}

/// What is known of Odoo; asks it first if that is long ago.
async fn odoo_health(health: &Health, odoo: &Arc<Odoo>) -> OdooHealth {
    let claimed = health.odoo.send_if_modified(|probe| {
        let age = probe.started_at.map(|at| at.elapsed());
        let due = age.is_none_or(|age| age >= if probe.running { ODOO_PROBE_MAX } else { ODOO_INTERVAL });
        if due {
            probe.started_at = Some(Instant::now());
            probe.running = true;
        }
        due
    });
    if claimed {
        let (health, odoo) = (health.clone(), Arc::clone(odoo));
        // A task of its own: a client that goes away does not stop it halfway.
        tokio::spawn(async move {
            let last = ask(&odoo).await;
            health.odoo.send_modify(|probe| {
                probe.running = false;
                probe.last = last;
            });
        });
    }
    let mut receiver = health.odoo.subscribe();
    let ended = tokio::time::timeout(PATIENCE, receiver.wait_for(|probe| !probe.running)).await;
    match ended {
        Ok(Ok(probe)) => probe.last.clone(),
        _ => health.odoo.borrow().last.clone(),
    }
}

async fn ask(odoo: &Odoo) -> OdooHealth {
    let checked_at = Some(chrono::Utc::now());
    match odoo.version().await {
        Ok(version) => OdooHealth {
            status: "ok",
            version: Some(version.server_version),
            checked_at,
        },
        Err(error) => OdooHealth {
            status: AppError::from(error).code.as_str(),
            version: None,
            checked_at,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_that_is_away_or_a_stop_makes_the_bridge_unready() {
        let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(1);
        let pool = PgPool::connect_lazy_with(options);
        let shutdown = ShutdownFlag::default();
        let checks = check(&pool, &shutdown).await;
        assert!(matches!(checks.database, "unreachable" | "timeout"), "{checks:?}");
        assert!(!checks.all_ok());

        assert_eq!(checks.shutdown, "ok");
        shutdown.raise();
        assert_eq!(check(&pool, &shutdown).await.shutdown, "stopping");
    }

    #[test]
    fn ready_means_that_every_check_is_ok() {
        let good = Checks {
            database: "ok",
            migrations: "ok",
            shutdown: "ok",
        };
        assert!(good.all_ok());
        assert!(
            !Checks {
                migrations: "pending",
                ..good
            }
            .all_ok()
        );
        assert!(
            !Checks {
                shutdown: "stopping",
                ..good
            }
            .all_ok()
        );
    }
}
