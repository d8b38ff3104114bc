//! What the dashboard asks of the server about keys. Each needs a signed-in
//! person; an API key never reaches any of them.

use leptos::prelude::*;

use crate::calls::model::KeyCalls;
use crate::error::Result;
use crate::ids::ApiKeyId;
use crate::keys::model::{ApiKey, CreatedKey, KeyPage, KeyQuery};

/// One page of the keys that `query` finds.
///
/// # Errors
/// `unauthenticated`, `unavailable`.
#[server(prefix = "/api", endpoint = "list_keys", input = server_fn::codec::Json)]
pub async fn list_keys(
    /// Which keys.
    query: KeyQuery,
) -> Result<KeyPage> {
    use crate::error::answer;
    use crate::session::guard::signed_in;
    use crate::state::state;

    answer(async {
        signed_in()?;
        let state = state()?;
        let mut page = crate::keys::issue::list(&state.pool, &query).await?;
        page.reminder = state.reminders.tell(&state.pool).await?;
        page.accesses = crate::keys::printed::accesses(crate::keys::shared_policies::names(&state.pool).await?);
        crate::traffic::spark::add(&state.pool, &mut page.keys, chrono::Utc::now()).await?;
        Ok(page)
    })
    .await
}

/// One key.
///
/// # Errors
/// `unauthenticated`, `not_found`, `unavailable`.
#[server(prefix = "/api", endpoint = "find_key", input = server_fn::codec::Json)]
pub async fn find_key(
    /// Which key.
    id: ApiKeyId,
) -> Result<ApiKey> {
    use crate::error::answer;
    use crate::session::guard::signed_in;
    use crate::state::state;

    answer(async {
        signed_in()?;
        crate::keys::issue::find(&state()?.pool, id).await
    })
    .await
}

/// Makes a key. `expiry` and `date` as in [`crate::keys::model::parse_expiry`].
/// The answer is the only place where the key's plaintext ever is.
///
/// # Errors
/// `invalid_request`, `unauthenticated`, `unavailable`.
#[server(prefix = "/api", endpoint = "create_key", input = server_fn::codec::Json)]
pub async fn create_key(
    /// What it is for.
    name: String,
    /// `never`, a number of days, or `date`.
    expiry: String,
    /// The day, if `expiry` is `date`; else empty.
    date: String,
    /// Whether identical reads in flight may share one call to Odoo.
    #[server(default)]
    share_reads: bool,
    /// What it may do: a preset's id, `full`, or `shared:` and the name of a shared policy; empty: read only.
    #[server(default)]
    access: String,
) -> Result<CreatedKey> {
    use crate::error::answer;
    use crate::keys::issue::NewKey;
    use crate::keys::model::{KeyName, parse_expiry};
    use crate::keys::shared_policies;
    use crate::session::guard::actor;
    use crate::state::state;

    answer(async {
        let by = actor()?;
        let name = KeyName::parse(&name)?;
        let expires_at = parse_expiry(&expiry, &date, chrono::Utc::now())?;
        let state = state()?;
        let (policy, policy_id) = shared_policies::chosen(&state.pool, &access).await?;
        let new = NewKey {
            expires_at,
            by: &by,
            share_reads,
            policy: &policy,
            policy_id,
            ..NewKey::named(&name)
        };
        let created = crate::keys::issue::create(&state.pool, new).await?;
        // Used right away, it is found here without waiting for the news of it.
        state.keys.forget(&created.key.prefix);
        Ok(created)
    })
    .await
}

/// Revokes a key for good; to revoke it again changes nothing. A plain form can
/// call it too.
///
/// # Errors
/// `unauthenticated`, `not_found`, `unavailable`.
#[server(prefix = "/api", endpoint = "revoke_key")]
pub async fn revoke_key(
    /// Which key.
    id: ApiKeyId,
) -> Result<ApiKey> {
    use crate::error::answer;
    use crate::session::guard::actor;
    use crate::state::state;

    answer(async {
        let by = actor()?;
        let state = state()?;
        crate::keys::issue::revoke(&state.pool, &state.keys, id, &by).await
    })
    .await
}

/// Sets whether identical reads of a key that are in flight may share one call to
/// Odoo. A plain form can call it too; there, what is left out is "no".
///
/// # Errors
/// `unauthenticated`, `not_found`, `unavailable`.
#[server(prefix = "/api", endpoint = "set_share_reads")]
pub async fn set_share_reads(
    /// Which key.
    id: ApiKeyId,
    /// Whether they may.
    #[server(default)]
    share_reads: bool,
) -> Result<ApiKey> {
    use crate::error::answer;
    use crate::session::guard::actor;
    use crate::state::state;

    answer(async {
        let by = actor()?;
        let state = state()?;
        crate::keys::issue::set_share_reads(&state.pool, &state.keys, id, share_reads, &by).await
    })
    .await
}

/// The newest calls of a key, and how many there were in the last 24 hours. A key
/// that is not there has none.
///
/// # Errors
/// `unauthenticated`, `unavailable`.
#[server(name = FindKeyCalls, prefix = "/api", endpoint = "key_calls", input = server_fn::codec::Json)]
pub async fn key_calls(
    /// Which key.
    id: ApiKeyId,
) -> Result<KeyCalls> {
    use crate::error::answer;
    use crate::session::guard::signed_in;
    use crate::state::state;

    answer(async {
        signed_in()?;
        crate::calls::records::of_key(&state()?.pool, id).await
    })
    .await
}

/// What a key may do, [`key_calls`] and its history, as HTML for the key's page.
///
/// # Errors
/// `unauthenticated`, `unavailable`.
#[server(prefix = "/api", endpoint = "print_key_calls", input = server_fn::codec::Json)]
pub async fn print_key_calls(
    /// Which key.
    id: ApiKeyId,
) -> Result<String> {
    use crate::audit;
    use crate::keys::{history, issue, policy_page, printed};

    let calls = key_calls(id).await?;
    let pool = crate::state::state()?.pool;
    let summary = match issue::find(&pool, id).await {
        Ok(key) => policy_page::print_summary(&key, &issue::policy_of(&pool, id).await?),
        // A key that is not there has nothing to say.
        Err(_) => String::new(),
    };
    let history = history::of_key(&pool, id).await?;
    Ok(summary + &printed::recent_calls(id, calls) + &audit::printed::history(history))
}
