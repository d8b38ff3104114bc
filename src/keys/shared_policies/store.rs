//! The shared policies' SQL.

use sqlx::{PgConnection, PgPool};

use crate::error::Result;
use crate::ids::{ApiKeyId, PolicyId};
use crate::keys::shared_policies::SharedPolicy;

/// All shared policies, by name, and how many keys follow each.
pub(super) async fn list(pool: &PgPool) -> Result<Vec<SharedPolicy>> {
    let rows = sqlx::query!(
        r#"SELECT policies.id AS "id: PolicyId", policies.name, document, count(api_keys.id) AS "keys!"
           FROM policies LEFT JOIN api_keys ON api_keys.policy_id = policies.id AND api_keys.revoked_at IS NULL
           GROUP BY policies.id ORDER BY lower(policies.name), policies.id"#
    )
    .fetch_all(pool)
    .await?;
    let policy = rows.into_iter().map(|row| SharedPolicy {
        id: row.id,
        name: row.name,
        document: row.document,
        keys: u64::try_from(row.keys).unwrap_or(0),
    });
    Ok(policy.collect())
}

/// Their names, as [`list`] sorts them.
pub(super) async fn names(pool: &PgPool) -> Result<Vec<String>> {
    Ok(
        sqlx::query_scalar!("SELECT name FROM policies ORDER BY lower(name), id")
            .fetch_all(pool)
            .await?,
    )
}

/// The shared policy of this name.
pub(super) async fn called(pool: &PgPool, name: &str) -> Result<Option<(PolicyId, String)>> {
    let row = sqlx::query!(
        r#"SELECT id AS "id: PolicyId", document FROM policies WHERE name = $1"#,
        name
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| (row.id, row.document)))
}

/// The shared policy that a key follows.
pub(super) async fn followed_by(pool: &PgPool, key: ApiKeyId) -> Result<Option<PolicyId>> {
    let id = sqlx::query_scalar!(
        r#"SELECT policy_id AS "id: PolicyId" FROM api_keys WHERE id = $1"#,
        key.0
    )
    .fetch_optional(pool)
    .await?;
    Ok(id.flatten())
}

pub(super) async fn insert(connection: &mut PgConnection, name: &str, document: &str) -> Result<PolicyId, sqlx::Error> {
    let id = PolicyId(uuid::Uuid::now_v7());
    sqlx::query!(
        "INSERT INTO policies (id, name, document) VALUES ($1, $2, $3)",
        id.0,
        name,
        document
    )
    .execute(connection)
    .await?;
    Ok(id)
}

/// A shared policy that is to be changed or followed.
pub(super) struct Locked {
    pub(super) name: String,
    pub(super) document: String,
}

/// Keeps others from changing a shared policy until the transaction ends.
pub(super) async fn lock(connection: &mut PgConnection, id: PolicyId) -> Result<Option<Locked>, sqlx::Error> {
    sqlx::query_as!(
        Locked,
        "SELECT name, document FROM policies WHERE id = $1 FOR UPDATE",
        id.0
    )
    .fetch_optional(connection)
    .await
}

/// Lets a key follow a shared policy; gives its prefix.
pub(super) async fn follow(connection: &mut PgConnection, key: ApiKeyId, id: PolicyId) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!(
        r#"UPDATE api_keys SET policy_id = $2 WHERE id = $1 RETURNING 'obk_' || public_id AS "prefix!""#,
        key.0,
        id.0
    )
    .fetch_one(connection)
    .await
}

/// The different limits of the keys that follow a shared policy.
pub(super) async fn limits_of_followers(
    connection: &mut PgConnection,
    id: PolicyId,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT DISTINCT limits FROM api_keys WHERE policy_id = $1 AND revoked_at IS NULL",
        id.0
    )
    .fetch_all(connection)
    .await
}

/// Changes a shared policy; gives the prefixes of the keys that follow it.
pub(super) async fn change(
    connection: &mut PgConnection,
    id: PolicyId,
    document: &str,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query!("UPDATE policies SET document = $2 WHERE id = $1", id.0, document)
        .execute(&mut *connection)
        .await?;
    sqlx::query_scalar!(
        r#"SELECT 'obk_' || public_id AS "prefix!" FROM api_keys WHERE policy_id = $1"#,
        id.0
    )
    .fetch_all(connection)
    .await
}

pub(super) async fn rename(connection: &mut PgConnection, id: PolicyId, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE policies SET name = $2 WHERE id = $1", id.0, name)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes a shared policy that only revoked keys follow; those get its document as
/// their own. Whether it is removed: not while another key follows it.
pub(super) async fn remove(connection: &mut PgConnection, id: PolicyId) -> Result<bool, sqlx::Error> {
    sqlx::query!(
        "UPDATE api_keys SET policy = document, policy_id = NULL
         FROM policies WHERE policies.id = $1 AND policy_id = $1 AND revoked_at IS NOT NULL",
        id.0
    )
    .execute(&mut *connection)
    .await?;
    let removed = sqlx::query!(
        "DELETE FROM policies WHERE id = $1 AND NOT EXISTS (SELECT FROM api_keys WHERE policy_id = $1)",
        id.0
    )
    .execute(connection)
    .await?;
    Ok(removed.rows_affected() > 0)
}
