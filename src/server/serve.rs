//! The composition root: starts what a bridge is made of, in order, and ends it
//! in the reverse order, so that nothing that was acknowledged is lost.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use leptos::config::get_config_from_str;
use secrecy::SecretString;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::calls::models::Models;
use crate::calls::records::{self, Recorder};
use crate::config::{ConfigError, OdooSettings, Settings};
use crate::demo_odoo::{self, DemoOdoo};
use crate::keys::verify::KeyVerifier;
use crate::odoo::{Limits, Odoo, Way};
use crate::server::database::{self, Opener};
use crate::server::health::Health;
use crate::server::{router, telemetry};
use crate::session::sign_in::{self, SetupToken};
use crate::state::AppState;

/// How long requests in flight may take to end once the bridge stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

type StartError = Box<dyn std::error::Error + Send + Sync>;

/// Serves until the process is told to stop (SIGTERM, SIGINT).
///
/// # Errors
/// A sentence for the operator, if the start fails.
pub async fn run(settings: Settings) -> Result<(), StartError> {
    let settings = Arc::new(settings);
    // First the listener: two bridges on one address must not both touch the data.
    let listener = TcpListener::bind(settings.site_addr).await.map_err(|error| {
        ConfigError(format!(
            "LEPTOS_SITE_ADDR: can't listen on {} ({error}).",
            settings.site_addr
        ))
    })?;
    let (pool, embedded) = database::open_database(&settings, Opener::Serve).await?;
    sign_in::ensure_first_user(&pool, &settings).await?;

    let metrics = match settings.metrics_addr {
        Some(addr) => Some((addr, telemetry::install_metrics()?)),
        None => None,
    };
    let bridge = Bridge::start(Arc::clone(&settings), pool.clone(), listener).await?;
    if let Some((addr, handle)) = metrics {
        let stopping = bridge.stopping();
        tokio::spawn(async move {
            if let Err(error) = telemetry::serve_metrics(addr, handle, stopping).await {
                tracing::error!(error = &error as &dyn std::error::Error, "/metrics is not served");
            }
        });
    }
    greet(&bridge, &pool).await?;
    stop_signal().await;
    tracing::info!("stopping");
    bridge.stop().await;
    pool.close().await;
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    Ok(())
}

/// A bridge that serves: what `run` starts, and what tests start too.
pub struct Bridge {
    /// What it holds.
    pub state: AppState,
    /// Where it listens.
    pub address: SocketAddr,
    /// The stand-in behind it, if no Odoo is set.
    pub demo: Option<DemoOdoo>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    background: Vec<JoinHandle<()>>,
}

impl Bridge {
    /// Starts to serve on `listener`, with a database that has its shape.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn start(settings: Arc<Settings>, pool: PgPool, listener: TcpListener) -> Result<Self, StartError> {
        // reqwest and sqlx take the process's own; a second start finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (stop, _) = watch::channel(false);
        let (odoo_settings, demo) = match settings.odoo()? {
            Some(odoo) => (odoo, None),
            None => start_demo(&stop, settings.way()?)
                .await
                .map(|(odoo, demo)| (odoo, Some(demo)))?,
        };
        let odoo = Arc::new(Odoo::new(odoo_settings, Limits::from(&*settings))?);
        let state = AppState {
            models: Arc::new(Models::new(Arc::clone(&odoo))),
            odoo,
            keys: KeyVerifier::new(pool.clone()),
            records: Recorder::new(records::CAPACITY),
            setup_token: SetupToken::generate(),
            health: Health::default(),
            // Embedded, because the binary is all there is to deploy.
            leptos_options: get_config_from_str(include_str!("../../Leptos.toml"))?,
            settings,
            pool,
        };
        let background = vec![
            tokio::spawn(state.keys.clone().run()),
            tokio::spawn(Arc::clone(&state.odoo).run_probes()),
            tokio::spawn(
                state
                    .records
                    .clone()
                    .run(state.pool.clone(), state.settings.call_records_days),
            ),
        ];
        let address = listener.local_addr()?;
        // Without it the last piece of a large answer waits 40 ms for the client's
        // acknowledgement of the one before.
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(error = &error as &dyn std::error::Error, "TCP_NODELAY is not set");
            }
        });
        let service = router::router(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let stopped = stopping(stop.subscribe());
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(stopped).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the server ended");
            }
        });
        Ok(Self {
            state,
            address,
            demo,
            stop,
            server,
            background,
        })
    }

    /// Ends when the bridge begins to stop.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        stopping(self.stop.subscribe())
    }

    /// Takes no more requests, lets those in flight end, writes what is kept in
    /// memory.
    pub async fn stop(mut self) {
        self.state.health.shutdown.raise();
        self.stop.send_replace(true);
        if tokio::time::timeout(DRAIN_TIMEOUT, &mut self.server).await.is_err() {
            tracing::warn!("requests in flight did not end in time and are cut");
            self.server.abort();
        }
        // Before the tasks end: a batch that is being written is not cut off.
        if let Err(error) = self.state.records.flush(&self.state.pool).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "some call records are not written and are lost"
            );
        }
        for task in &self.background {
            task.abort();
        }
    }
}

async fn stopping(mut stop: watch::Receiver<bool>) {
    // An error means that the bridge is gone: as good as a stop.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Starts the stand-in on a free port of the loopback.
async fn start_demo(stop: &watch::Sender<bool>, way: Option<Way>) -> Result<(OdooSettings, DemoOdoo), StartError> {
    let demo = DemoOdoo::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (served, stopped) = (demo.clone(), stopping(stop.subscribe()));
    tokio::spawn(async move {
        if let Err(error) = demo_odoo::serve(listener, served, stopped).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the demo Odoo ended");
        }
    });
    let settings = OdooSettings {
        url,
        db: demo_odoo::DB.into(),
        username: demo_odoo::USERNAME.into(),
        password: Some(SecretString::from(demo_odoo::PASSWORD)),
        api_key: Some(SecretString::from(demo_odoo::API_KEY)),
        way,
    };
    Ok((settings, demo))
}

/// Says on the terminal where the bridge is, and what a first start needs.
async fn greet(bridge: &Bridge, pool: &PgPool) -> Result<(), StartError> {
    let origin = bridge
        .state
        .settings
        .public_url
        .clone()
        .unwrap_or_else(|| format!("http://{}", bridge.address));
    let mut text = format!("\nOdoo Bridge is ready: {origin}\n");
    if bridge.state.is_demo() {
        text.push_str("No ODOO_URL is set: it talks to the built-in demo Odoo.\n");
    }
    if !sign_in::has_users(pool).await? {
        // Not through the log: a log is kept and shipped, a terminal is not.
        text.push_str(&format!(
            "First start. Open {origin}/setup and enter this one-time token:\n\n    {}\n",
            bridge.state.setup_token.reveal()
        ));
    }
    std::io::stderr().write_all(text.as_bytes())?;
    Ok(())
}

/// Ends when the process is told to stop.
pub(crate) async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
