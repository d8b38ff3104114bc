//! What keys called lately, held against a policy: a draft, before anybody saves it.
//! Odoo is asked for the fields of models, and for nothing else.

pub(super) mod store;

use sqlx::PgPool;

use crate::calls::models::{Asking, Models};
use crate::error::Result;
use crate::ids::{ApiKeyId, PolicyId};
use crate::keys::policy::usage::{Needs, Used, WouldRefuse, learn, needs, never_used, would_refuse};
use crate::keys::policy::{Document, Knowledge, Policy, Unknown};
use crate::odoo::Party;

/// Of so many days, today included.
pub const DAYS: i32 = store::USAGE_DAYS;

/// The most kinds of calls that are looked at, most frequent first.
pub const KINDS_MAX: i64 = store::READ_MAX;

/// What came of holding a policy against the calls of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// How many calls there were.
    pub calls: u64,
    /// Those that it would refuse.
    pub refused: Vec<WouldRefuse>,
    /// What it allows and the key never used.
    pub unused: Vec<String>,
    /// If the key follows a shared policy: of how many keys that follow it how many
    /// calls would be refused.
    pub followers: Option<Followers>,
    /// Whether fields could not be looked at, because Odoo can't be asked for them.
    pub by_name_only: bool,
    /// Whether there were more kinds of calls than are looked at.
    pub is_cut: bool,
}

/// Of the keys that follow a shared policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followers {
    /// That called something.
    pub keys: u64,
    /// Of which calls would be refused.
    pub refused_keys: u64,
    /// How many.
    pub refused_calls: u64,
}

/// Holds a policy against what a key called, and, if it follows a shared policy, against
/// what all its keys called.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn replay(
    pool: &PgPool,
    models: &Models,
    policy: &Policy,
    key: ApiKeyId,
    shared: Option<PolicyId>,
) -> Result<Replay> {
    let used = store::of_key(pool, key).await?;
    let is_cut_here = is_cut(used.len());
    let mut lookup = Lookup::of(models);
    let (needs, used) = lookup.needs(used).await;
    let mut replay = Replay {
        calls: used.iter().map(|used| used.calls).sum(),
        refused: lookup.would_refuse(policy, used).await,
        unused: never_used(policy, &needs),
        followers: None,
        by_name_only: false,
        is_cut: is_cut_here,
    };
    if let Some(shared) = shared {
        let mut followers = Followers::default();
        let of_followers = store::of_followers(pool, shared).await?;
        replay.is_cut |= is_cut(of_followers.values().map(Vec::len).sum());
        for used in of_followers.into_values() {
            let refused = lookup.would_refuse(policy, used).await;
            followers.keys += 1;
            followers.refused_keys += u64::from(!refused.is_empty());
            followers.refused_calls += refused.iter().map(|one| one.calls).sum::<u64>();
        }
        replay.followers = Some(followers);
    }
    replay.by_name_only = lookup.has_failed;
    Ok(replay)
}

fn is_cut(kinds: usize) -> bool {
    i64::try_from(kinds).is_ok_and(|kinds| kinds >= KINDS_MAX)
}

/// The least policy that covers what a key called; `None` if it called nothing that a
/// policy below full access gives.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn least_policy(pool: &PgPool, models: &Models, key: ApiKeyId, current: &Policy) -> Result<Option<Document>> {
    let used = store::of_key(pool, key).await?;
    let (needs, _) = Lookup::of(models).needs(used).await;
    Ok(learn(&needs, current))
}

/// The models that all keys called most of late, `most` at most.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn most_called(pool: &PgPool, most: usize) -> Result<Vec<String>> {
    store::most_called(pool, i64::try_from(most).unwrap_or(i64::MAX)).await
}

/// Asks for the fields of one model after the other, as they turn out to be needed.
struct Lookup<'m> {
    models: &'m Models,
    known: Knowledge,
    has_failed: bool,
}

impl<'m> Lookup<'m> {
    fn of(models: &'m Models) -> Self {
        Self {
            models,
            known: Knowledge::default(),
            has_failed: false,
        }
    }

    /// If Odoo can't be asked, calls are judged by model and method.
    async fn judge<T>(
        &mut self,
        mut used: Vec<Used>,
        judge: impl Fn(&[Used], &Knowledge) -> Result<T, Unknown>,
    ) -> (T, Vec<Used>) {
        loop {
            let unknown = match judge(&used, &self.known) {
                Ok(judged) => return (judged, used),
                Err(unknown) => unknown,
            };
            if let Err(error) = self
                .models
                .learn(&mut self.known, unknown, &mut Asking::of(Party::BRIDGE))
                .await
            {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "calls are judged without Odoo's fields"
                );
                self.has_failed = true;
                for used in &mut used {
                    used.shape = None;
                }
            }
        }
    }

    async fn needs(&mut self, used: Vec<Used>) -> (Needs, Vec<Used>) {
        self.judge(used, needs).await
    }

    async fn would_refuse(&mut self, policy: &Policy, used: Vec<Used>) -> Vec<WouldRefuse> {
        self.judge(used, |used, known| would_refuse(policy, used, known))
            .await
            .0
    }
}
