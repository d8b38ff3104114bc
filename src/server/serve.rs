//! The composition root: starts what a bridge is made of, in order, and ends it
//! in the reverse order, so that nothing that was acknowledged is lost.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use leptos::config::get_config_from_str;
use secrecy::SecretString;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::alerts::outbox::Teller;
use crate::alerts::send::Sender;
use crate::audit::chain;
use crate::calls::idempotency::Idempotency;
use crate::calls::listing::live::Watchers;
use crate::calls::models::Models;
use crate::calls::records::{self, Recorder};
use crate::calls::traces::Traces;
use crate::calls::usage;
use crate::config::{ConfigError, OdooSettings, Settings};
use crate::demo_odoo::{self, DemoOdoo};
use crate::instances::Instances;
use crate::keys::reminders::Reminders;
use crate::keys::verify::KeyVerifier;
use crate::odoo::{Limits, Odoo, Way};
use crate::sealing::SealingKey;
use crate::server::database::{self, Opener};
use crate::server::embedded_postgres::EmbeddedPostgres;
use crate::server::health::Health;
use crate::server::listen::{self, stopping};
use crate::server::lookers::Lookers;
use crate::server::{router, telemetry};
use crate::session::sign_in::{self, SetupToken};
use crate::speed_test::run;
use crate::speed_test::schedules::keep::Keeper;
use crate::state::AppState;

/// How long a stop tries to send the last traces.
const TRACES_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an alert that is on its way may take to arrive once the bridge stops.
const TELL_TIMEOUT: Duration = Duration::from_secs(12);
/// How long requests in flight may take to end once the bridge stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the database may take to end the connections.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

type StartError = Box<dyn std::error::Error + Send + Sync>;

/// Serves until the process is told to stop (SIGTERM, SIGINT).
///
/// # Errors
/// A sentence for the operator, if the start fails.
pub async fn run(settings: Settings) -> Result<(), StartError> {
    let settings = Arc::new(settings);
    let mut stop = StopSignal::listen()?;
    // A start may take as long as a database is waited for.
    let (bridge, embedded) = tokio::select! {
        started = start(&settings) => started?,
        () = stop.told() => {
            tracing::info!("told to stop before it served");
            return Ok(());
        }
    };
    stop.told().await;
    tracing::info!("stopping");
    let pool = bridge.state.pool.clone();
    bridge.stop().await;
    if tokio::time::timeout(CLOSE_TIMEOUT, pool.close()).await.is_err() {
        tracing::warn!("the database did not let go of its connections in time");
    }
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    Ok(())
}

/// All that comes before it serves. Dropped on the way, it leaves nothing running.
async fn start(settings: &Arc<Settings>) -> Result<(Bridge, Option<EmbeddedPostgres>), StartError> {
    // First the listener: two bridges on one address must not both touch the data.
    let listener = TcpListener::bind(settings.site_addr).await.map_err(|error| {
        ConfigError(format!(
            "LEPTOS_SITE_ADDR: can't listen on {} ({error}).",
            settings.site_addr
        ))
    })?;
    let (pool, embedded) = database::open_database(settings, Opener::Serve).await?;
    sign_in::ensure_first_user(&pool, settings).await?;

    if settings.metrics_addr.is_some() {
        telemetry::install_metrics();
    }
    let bridge = Bridge::start(Arc::clone(settings), pool.clone(), listener).await?;
    if let Some(addr) = settings.metrics_addr {
        let (stopping, odoo) = (bridge.stopping(), Arc::clone(&bridge.state.odoo));
        let (instances, pool) = (bridge.state.instances.clone(), pool.clone());
        tokio::spawn(async move {
            match usage::most_called(&pool, telemetry::calls::MODELS).await {
                Ok(models) => telemetry::admit_models(models.iter().map(String::as_str)),
                // They come in as they are called.
                Err(error) => tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "it is not known which models were called most"
                ),
            }
            if let Err(error) = telemetry::serve::serve_metrics(addr, odoo, instances, pool, stopping).await {
                tracing::error!(error = &error as &dyn std::error::Error, "/metrics is not served");
            }
        });
    }
    greet(&bridge, &pool).await?;
    Ok((bridge, embedded))
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
    /// The stand-in ends when this is dropped: after the last call.
    _demo_stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    /// Ends by itself: a delivery that is on its way is not cut off.
    telling: JoinHandle<()>,
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
        let ((stop, _), (demo_stop, _)) = (watch::channel(false), watch::channel(false));
        let (odoo_settings, demo) = match settings.odoo()? {
            Some(odoo) => (odoo, None),
            None => start_demo(&demo_stop, settings.way()?)
                .await
                .map(|(odoo, demo)| (odoo, Some(demo)))?,
        };
        let odoo = Arc::new(Odoo::new(odoo_settings, Limits::from(&*settings))?);
        let instances = settings.redis()?.map(Instances::new).transpose()?.map(Arc::new);
        if let Some(instances) = &instances {
            // Before the first call, so that it finds the limits shared.
            instances.connect("").await;
        }
        let state = AppState {
            models: Arc::new(Models::new(Arc::clone(&odoo))),
            reminders: Reminders::default(),
            odoo,
            instances,
            keys: KeyVerifier::new(pool.clone()),
            records: Recorder::new(records::CAPACITY),
            watchers: Watchers::default(),
            lookers: Lookers::default(),
            traces: settings.otlp_endpoint.as_deref().map(Traces::to).transpose()?,
            alerts: Arc::new(Sender::new(settings.mail()?, settings.public_url.clone())?),
            sealing: Arc::new(SealingKey::open(&settings)?),
            idempotency: Idempotency::new(pool.clone(), settings.longest_call()),
            setup_token: SetupToken::generate(),
            health: Health::default(),
            // Embedded, because the binary is all there is to deploy.
            leptos_options: get_config_from_str(include_str!("../../Leptos.toml"))?,
            settings,
            pool,
        };
        let journals = state.settings.data_dir.join("calls");
        if let Err(error) = state.records.keep_journal(&journals) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                path = %journals.display(),
                "no journal of call records: a kill would lose those of the last second; set BRIDGE_DATA_DIR"
            );
        }
        let mut background = vec![
            tokio::spawn(state.keys.clone().run()),
            tokio::spawn(state.idempotency.clone().run()),
            tokio::spawn(Arc::clone(&state.odoo).run_probes()),
            tokio::spawn(chain::run(state.pool.clone(), Arc::clone(&state.sealing))),
            tokio::spawn(state.records.clone().run(state.pool.clone(), state.settings.keep())),
        ];
        if let Some(instances) = &state.instances {
            background.push(tokio::spawn(share(Arc::clone(instances), Arc::clone(&state.odoo))));
        }
        background.push(tokio::spawn(keeper(&state).run()));
        let telling = tokio::spawn(teller(&state).run());
        let address = listener.local_addr()?;
        let (service, most) = (router::Service::new(state.clone()), state.settings.max_connections);
        let server = tokio::spawn(listen::serve(listener, service, most, stop.subscribe()));
        Ok(Self {
            state,
            address,
            demo,
            stop,
            _demo_stop: demo_stop,
            server,
            telling,
            background,
        })
    }

    /// Ends when the bridge begins to stop.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        stopping(self.stop.subscribe())
    }

    /// Says that it stops, takes no more requests after the delay that is set, lets those
    /// in flight end, writes what is kept in memory.
    pub async fn stop(mut self) {
        self.state.health.shutdown.raise();
        tokio::time::sleep(Duration::from_secs(self.state.settings.stop_delay_secs)).await;
        self.stop.send_replace(true);
        let idempotency = self.state.idempotency.clone();
        let drained = async {
            // That it panicked would be in the log already.
            let _ = (&mut self.server).await;
            idempotency.ended().await;
        };
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::warn!("requests in flight did not end in time and are cut");
            self.server.abort();
        }
        if tokio::time::timeout(TELL_TIMEOUT, &mut self.telling).await.is_err() {
            tracing::warn!("an alert that is on its way is cut; it is told again");
            self.telling.abort();
        }
        // Before the tasks end: a batch that is being written is not cut off.
        if let Err(error) = self.state.records.flush(&self.state.pool).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "some call records are not written and are lost"
            );
        }
        if let Some(traces) = self.state.traces.clone() {
            let sent = tokio::task::spawn_blocking(move || traces.shut_down(TRACES_TIMEOUT));
            // That it panicked would be in the log already.
            let _ = sent.await;
        }
        if let Err(error) = chain::seal(&self.state.pool, &self.state.sealing).await {
            error.log();
        }
        for task in &self.background {
            task.abort();
        }
        if let Some(instances) = &self.state.instances {
            instances.leave().await;
        }
    }
}

/// What begins scheduled runs.
fn keeper(state: &AppState) -> Keeper {
    Keeper {
        pool: state.pool.clone(),
        odoo: Arc::clone(&state.odoo),
        target: run::target(&state.odoo, state.is_demo()),
        is_stopping: is_stopping(state),
        days: state.settings.speed_runs_days,
    }
}

/// What tells of alerts.
fn teller(state: &AppState) -> Teller {
    Teller {
        pool: state.pool.clone(),
        sealing: Arc::clone(&state.sealing),
        sender: Arc::clone(&state.alerts),
        is_stopping: is_stopping(state),
    }
}

fn is_stopping(state: &AppState) -> Arc<dyn Fn() -> bool + Send + Sync> {
    let shutdown = state.health.shutdown.clone();
    Arc::new(move || shutdown.is_raised())
}

/// Keeps in touch with the other instances, and tells how many share what Odoo is asked.
async fn share(instances: Arc<Instances>, odoo: Arc<Odoo>) {
    let mut alive = instances.watch_alive();
    let tell = async {
        loop {
            odoo.share_among(*alive.borrow_and_update());
            // It can't fail while the instances are held here.
            if alive.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::join!(instances.run(), tell);
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

/// SIGTERM and SIGINT, listened for from when it is made: one that comes early is not the
/// end of the process, which would leave with another status than 0.
pub(crate) struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    /// From now on.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Ends when the process is told to stop.
    pub(crate) async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
