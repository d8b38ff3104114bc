//! When keys were last used: only ever moved forward, in the transaction that
//! keeps the calls themselves.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::ids::ApiKeyId;
use crate::keys::store;

/// Notes that each key was used at an instant. A key is there at most once.
///
/// # Errors
/// The database's.
pub async fn touch(connection: &mut PgConnection, uses: &[(ApiKeyId, DateTime<Utc>)]) -> Result<(), sqlx::Error> {
    if uses.is_empty() {
        return Ok(());
    }
    let (ids, instants): (Vec<_>, Vec<_>) = uses.iter().map(|(id, at)| (id.0, *at)).unzip();
    store::touch_last_used(connection, &ids, &instants).await
}
