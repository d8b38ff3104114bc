//! Which public ids there are: every key's, perhaps some that are gone. Eight bytes
//! a key, so that what is not there needs no question to the database.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use crate::keys::secret::PublicId;

/// `None` until loaded.
#[derive(Default)]
pub(super) struct KnownIds(RwLock<Option<HashSet<PublicId>>>);

impl KnownIds {
    /// Whether the set is loaded and lacks this id.
    pub(super) fn lacks(&self, id: PublicId) -> bool {
        let ids = self.0.read().unwrap_or_else(PoisonError::into_inner);
        ids.as_ref().is_some_and(|ids| !ids.contains(&id))
    }

    /// Adds an id, if the set is loaded: what is loaded later has it anyway.
    pub(super) fn add(&self, id: PublicId) {
        if self.lacks(id)
            && let Some(ids) = &mut *self.0.write().unwrap_or_else(PoisonError::into_inner)
        {
            ids.insert(id);
        }
    }

    pub(super) fn set(&self, ids: Option<HashSet<PublicId>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ids;
    }
}
