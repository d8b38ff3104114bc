//! What a running bridge holds. Built by `server::serve`, read by adapters
//! (handlers, server functions) only; a use case takes what it needs.

use std::sync::Arc;

use axum::extract::FromRef;
use leptos::config::LeptosOptions;
use leptos::prelude::use_context;
use sqlx::PgPool;

use crate::alerts::send::Sender;
use crate::calls::idempotency::Idempotency;
use crate::calls::listing::live::Watchers;
use crate::calls::models::Models;
use crate::calls::records::Recorder;
use crate::calls::traces::Traces;
use crate::config::Settings;
use crate::error::{AppError, Result};
use crate::instances::Instances;
use crate::keys::reminders::Reminders;
use crate::keys::verify::KeyVerifier;
use crate::odoo::Odoo;
use crate::sealing::SealingKey;
use crate::server::health::Health;
use crate::server::lookers::Lookers;
use crate::session::sign_in::SetupToken;

/// Cheap to clone: everything in it is shared.
#[derive(Clone)]
pub struct AppState {
    /// The bridge's own database.
    pub pool: PgPool,
    /// All settings, as the start read them.
    pub settings: Arc<Settings>,
    /// The way to Odoo.
    pub odoo: Arc<Odoo>,
    /// What policies have to know of Odoo's models.
    pub models: Arc<Models>,
    /// What somebody should look at, among the keys.
    pub reminders: Reminders,
    /// The other instances of this bridge; `None`: without a Redis they know nothing of each other.
    pub instances: Option<Arc<Instances>>,
    /// Decides whether a key is accepted.
    pub keys: KeyVerifier,
    /// Keeps what was called.
    pub records: Recorder,
    /// Those who look on while calls are made.
    pub watchers: Watchers,
    /// Places for searches that may take long.
    pub lookers: Lookers,
    /// Where traces of calls go; `None`: nobody wants them.
    pub traces: Option<Traces>,
    /// What tells people and programs of changes.
    pub alerts: Arc<Sender>,
    /// The bridge's own key.
    pub sealing: Arc<SealingKey>,
    /// Calls that are safe to repeat.
    pub idempotency: Idempotency,
    /// What `/setup` asks for.
    pub setup_token: SetupToken,
    /// Whether traffic should come here.
    pub health: Health,
    /// What the pages' renderer needs.
    pub leptos_options: LeptosOptions,
}

impl AppState {
    /// Whether the Odoo behind the bridge is the built-in stand-in.
    #[must_use]
    pub fn is_demo(&self) -> bool {
        self.settings.odoo_url.is_none()
    }
}

/// Leptos' renderer takes its options out of the state.
impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.leptos_options.clone()
    }
}

/// The state, inside a server function.
///
/// # Errors
/// `internal` outside of a request.
pub fn state() -> Result<AppState> {
    use_context::<AppState>().ok_or_else(|| AppError::internal("no state in the context"))
}
