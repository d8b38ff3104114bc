//! What was done to a key: its own changes, and those of the shared policy that it follows,
//! since it does.

use sqlx::PgPool;

use crate::audit::log::{self, Action, EVENTS_SHOWN, Event};
use crate::error::Result;
use crate::ids::ApiKeyId;
use crate::keys::shared_policies;

/// The newest changes, newest first.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn of_key(pool: &PgPool, id: ApiKeyId) -> Result<Vec<Event>> {
    let mut events = log::of_subjects(pool, &[id.0]).await?;
    let Some(policy) = shared_policies::followed_by(pool, id).await? else {
        return Ok(events);
    };
    // If it is not among them any more, all that are shown happened since.
    let began = [Action::KeyFollowsPolicy, Action::KeyCreated].map(Action::as_str);
    let since = events.iter().find(|event| began.contains(&&*event.action));
    let since = since.or(events.last()).map(|event| event.happened_at);
    let of_policy = log::of_subjects(pool, &[policy.0]).await?.into_iter();
    events.extend(of_policy.filter(|event| since.is_none_or(|since| event.happened_at > since)));
    events.sort_by_key(|event| std::cmp::Reverse(event.happened_at));
    events.truncate(usize::try_from(EVENTS_SHOWN).unwrap_or(usize::MAX));
    Ok(events)
}
