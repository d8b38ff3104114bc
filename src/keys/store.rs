//! The keys' SQL.

use chrono::{DateTime, NaiveDate, Utc};
use futures_util::Stream;
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder};

use crate::error::Result;
use crate::ids::{ApiKeyId, PolicyId};
use crate::keys::issue::{About, Label, NewKey};
use crate::keys::model::{
    ApiKey, ENDS_SOON_DAYS, Ends, KEYS_PER_PAGE, KeyPage, KeyQuery, KeySort, KeyStatus, UNUSED_DAYS,
};
use crate::keys::policy::Policy;
use crate::keys::secret::{KeyHash, MARK, PublicId};

/// A row, as the queries here read it.
#[derive(sqlx::FromRow)]
struct Row {
    id: ApiKeyId,
    name: String,
    public_id: String,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    disabled_at: Option<DateTime<Utc>>,
    share_reads: bool,
    policy: String,
    replaced_by: Option<ApiKeyId>,
    now: DateTime<Utc>,
}

impl From<Row> for ApiKey {
    fn from(row: Row) -> Self {
        let ends = Ends {
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            disabled_at: row.disabled_at,
        };
        Self {
            id: row.id,
            name: row.name,
            prefix: format!("obk_{}", row.public_id),
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
            share_reads: row.share_reads,
            access: Policy::load(&row.policy).word().to_owned(),
            replaced_by: row.replaced_by,
            status: KeyStatus::at(row.now, ends),
            spark: String::new(),
        }
    }
}

/// What verification needs of a key.
pub(super) struct VerifiableKey {
    pub(super) id: ApiKeyId,
    pub(super) name: String,
    pub(super) hash: KeyHash,
    pub(super) ends: Ends,
    pub(super) share_reads: bool,
    pub(super) policy: String,
    pub(super) limits: String,
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    key: NewKey<'_>,
    public_id: PublicId,
    hash: &KeyHash,
) -> Result<ApiKeyId, sqlx::Error> {
    let id = ApiKeyId(uuid::Uuid::now_v7());
    sqlx::query!(
        "INSERT INTO api_keys (id, name, public_id, hash, expires_at, created_by, share_reads, policy, policy_id, limits, owner)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, left(COALESCE(NULLIF($11, ''), (SELECT email FROM users WHERE id = $6), ''), 200))",
        id.0,
        key.name.as_str(),
        public_id.as_str(),
        hash.as_bytes(),
        key.expires_at,
        key.by.user_id().map(|user| user.0),
        key.share_reads,
        key.policy,
        key.policy_id.map(|policy| policy.0),
        key.limits,
        key.owner,
    )
    .execute(connection)
    .await?;
    Ok(id)
}

pub(super) async fn find(pool: &PgPool, id: ApiKeyId) -> Result<Option<ApiKey>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT api_keys.id AS "id: ApiKeyId", api_keys.name, public_id, api_keys.created_at, expires_at, last_used_at,
                  revoked_at, disabled_at, share_reads, COALESCE(document, policy) AS "policy!",
                  replaced_by AS "replaced_by: ApiKeyId", now() AS "now!"
           FROM api_keys LEFT JOIN policies ON policies.id = policy_id WHERE api_keys.id = $1"#,
        id.0,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(ApiKey::from))
}

/// The names of those keys that are there.
pub(super) async fn labels(pool: &PgPool, ids: &[uuid::Uuid]) -> Result<Vec<Label>> {
    let rows = sqlx::query!("SELECT id, name, public_id FROM api_keys WHERE id = ANY($1)", ids)
        .fetch_all(pool)
        .await?;
    let label = rows.into_iter().map(|row| Label::new(row.id, row.name, &row.public_id));
    Ok(label.collect())
}

/// Keys of exactly that name or public id, two at most.
pub(super) async fn called(pool: &PgPool, name: &str, public_id: &str) -> Result<Vec<Label>> {
    let rows = sqlx::query!(
        "SELECT id, name, public_id FROM api_keys WHERE name = $1 OR public_id = $2 LIMIT 2",
        name,
        public_id
    )
    .fetch_all(pool)
    .await?;
    let label = rows.into_iter().map(|row| Label::new(row.id, row.name, &row.public_id));
    Ok(label.collect())
}

/// A key that is to be changed.
pub(super) struct Locked {
    pub(super) name: String,
    /// Its own document, or that of the shared policy.
    pub(super) policy: String,
    pub(super) limits: String,
    pub(super) note: String,
    pub(super) owner: String,
    pub(super) share_reads: bool,
    pub(super) is_disabled: bool,
    pub(super) is_revoked: bool,
}

/// Keeps others from changing a key until the transaction ends; `None` if there is none.
pub(super) async fn lock(connection: &mut PgConnection, id: ApiKeyId) -> Result<Option<Locked>, sqlx::Error> {
    sqlx::query_as!(
        Locked,
        r#"SELECT api_keys.name, COALESCE(document, policy) AS "policy!", limits, note, owner, share_reads,
                  disabled_at IS NOT NULL AS "is_disabled!", revoked_at IS NOT NULL AS "is_revoked!"
           FROM api_keys LEFT JOIN policies ON policies.id = policy_id WHERE api_keys.id = $1
           FOR NO KEY UPDATE OF api_keys"#,
        id.0
    )
    .fetch_optional(connection)
    .await
}

pub(super) async fn revoke(connection: &mut PgConnection, id: ApiKeyId) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE api_keys SET revoked_at = now() WHERE id = $1", id.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Switches the key off or on.
pub(super) async fn set_disabled(
    connection: &mut PgConnection,
    id: ApiKeyId,
    disabled: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE api_keys SET disabled_at = CASE WHEN $2 THEN now() END WHERE id = $1",
        id.0,
        disabled
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The document that decides what the key may do; `None` if there is no such key.
pub(super) async fn policy_of(pool: &PgPool, id: ApiKeyId) -> Result<Option<String>> {
    let policy = sqlx::query_scalar!(
        r#"SELECT COALESCE(document, policy) AS "policy!"
           FROM api_keys LEFT JOIN policies ON policies.id = policy_id WHERE api_keys.id = $1"#,
        id.0
    )
    .fetch_optional(pool)
    .await?;
    Ok(policy)
}

/// Gives the key a document of its own.
pub(super) async fn set_policy(connection: &mut PgConnection, id: ApiKeyId, document: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE api_keys SET policy = $2, policy_id = NULL WHERE id = $1",
        id.0,
        document
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The key's limits; `None` if there is no such key.
pub(super) async fn limits_of(pool: &PgPool, id: ApiKeyId) -> Result<Option<String>> {
    let limits = sqlx::query_scalar!("SELECT limits FROM api_keys WHERE id = $1", id.0)
        .fetch_optional(pool)
        .await?;
    Ok(limits)
}

/// What is remembered of a key, and who made it; `None` if there is no such key.
pub(super) async fn about(pool: &PgPool, id: ApiKeyId) -> Result<Option<About>> {
    let row = sqlx::query!(
        r#"SELECT note, owner, email AS "email?" FROM api_keys LEFT JOIN users ON users.id = created_by WHERE api_keys.id = $1"#,
        id.0
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| About {
        note: row.note,
        owner: row.owner,
        made_by: row.email,
    }))
}

/// Sets what is remembered of a key.
pub(super) async fn set_note(connection: &mut PgConnection, id: ApiKeyId, note: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE api_keys SET note = $2 WHERE id = $1", id.0, note)
        .execute(connection)
        .await?;
    Ok(())
}

/// Sets whom to ask about a key.
pub(super) async fn set_owner(connection: &mut PgConnection, id: ApiKeyId, owner: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE api_keys SET owner = $2 WHERE id = $1", id.0, owner)
        .execute(connection)
        .await?;
    Ok(())
}

/// The keys that a person made or owns, and that are not revoked.
pub(super) async fn of_person(pool: &PgPool, email: &str) -> Result<Vec<ApiKeyId>> {
    let ids = sqlx::query_scalar!(
        r#"SELECT api_keys.id AS "id: ApiKeyId" FROM api_keys LEFT JOIN users ON users.id = created_by
           WHERE (users.email = lower($1) OR lower(owner) = lower($1)) AND revoked_at IS NULL ORDER BY api_keys.id"#,
        email
    )
    .fetch_all(pool)
    .await?;
    Ok(ids)
}

/// Whether a key that may be used has this origin.
pub(super) async fn is_origin_of_any(pool: &PgPool, origin: &str) -> Result<bool> {
    let known = sqlx::query_scalar!(
        r#"SELECT EXISTS (
            SELECT FROM api_keys
            WHERE limits LIKE '%"origins"%' AND revoked_at IS NULL AND limits::jsonb -> 'origins' ? $1
        ) AS "known!""#,
        origin
    )
    .fetch_one(pool)
    .await?;
    Ok(known)
}

pub(super) async fn set_limits(connection: &mut PgConnection, id: ApiKeyId, limits: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE api_keys SET limits = $2 WHERE id = $1", id.0, limits)
        .execute(connection)
        .await?;
    Ok(())
}

/// How often the key was used on a day, and in its month up to then: with all whose place
/// it took and that took its place, so that a quota is not begun anew by rolling.
pub(super) async fn calls_of_day_and_month(pool: &PgPool, id: ApiKeyId, day: NaiveDate) -> Result<(u64, u64)> {
    let used = sqlx::query!(
        r#"WITH RECURSIVE chain (id, replaced_by) AS (
               SELECT id, replaced_by FROM api_keys WHERE id = $1
               UNION
               SELECT api_keys.id, api_keys.replaced_by
               FROM chain JOIN api_keys ON api_keys.replaced_by = chain.id OR api_keys.id = chain.replaced_by
           )
           SELECT COALESCE(sum(calls) FILTER (WHERE day = $2), 0)::bigint AS "of_day!",
                  COALESCE(sum(calls), 0)::bigint AS "of_month!"
           FROM key_uses WHERE api_key_id IN (SELECT id FROM chain) AND day BETWEEN date_trunc('month', $2::date)::date AND $2"#,
        id.0,
        day
    )
    .fetch_one(pool)
    .await?;
    let count = |calls: i64| u64::try_from(calls).unwrap_or(0);
    Ok((count(used.of_day), count(used.of_month)))
}

/// What a key that takes another's place has of it.
pub(super) struct Successor {
    pub(super) name: String,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) share_reads: bool,
    pub(super) policy: String,
    pub(super) policy_id: Option<PolicyId>,
    pub(super) limits: String,
}

/// Locks a key that is to be rolled; `None` if there is none that is accepted.
pub(super) async fn lock_for_roll(
    connection: &mut PgConnection,
    id: ApiKeyId,
) -> Result<Option<Successor>, sqlx::Error> {
    sqlx::query_as!(
        Successor,
        r#"SELECT name, expires_at, share_reads, policy, policy_id AS "policy_id: PolicyId", limits FROM api_keys
           WHERE id = $1 AND revoked_at IS NULL AND disabled_at IS NULL AND replaced_by IS NULL
               AND (expires_at IS NULL OR expires_at > now())
           FOR UPDATE"#,
        id.0
    )
    .fetch_optional(connection)
    .await
}

/// Gives a key what is remembered of the one whose place it takes.
pub(super) async fn inherit(connection: &mut PgConnection, id: ApiKeyId, of: ApiKeyId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE api_keys SET note = old.note, owner = old.owner, created_by = old.created_by
         FROM api_keys AS old WHERE api_keys.id = $1 AND old.id = $2",
        id.0,
        of.0
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a key that another takes the place of: not later than it would have ended.
pub(super) async fn replace(
    connection: &mut PgConnection,
    id: ApiKeyId,
    by: ApiKeyId,
    grace_secs: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE api_keys SET replaced_by = $2, expires_at = LEAST(expires_at, now() + make_interval(secs => $3)) WHERE id = $1",
        id.0,
        by.0,
        f64::from(grace_secs)
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets whether the key shares identical reads in flight.
pub(super) async fn set_share_reads(
    connection: &mut PgConnection,
    id: ApiKeyId,
    share_reads: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE api_keys SET share_reads = $2 WHERE id = $1", id.0, share_reads)
        .execute(connection)
        .await?;
    Ok(())
}

/// The filter of `query`, after a WHERE.
fn push_filter(sql: &mut QueryBuilder<Postgres>, query: &KeyQuery) {
    sql.push(match query.status {
        None => "true",
        Some(KeyStatus::Active) => {
            "revoked_at IS NULL AND disabled_at IS NULL AND (expires_at IS NULL OR expires_at > now())"
        }
        Some(KeyStatus::Disabled) => {
            "revoked_at IS NULL AND disabled_at IS NOT NULL AND (expires_at IS NULL OR expires_at > now())"
        }
        Some(KeyStatus::Expired) => "revoked_at IS NULL AND expires_at <= now()",
        Some(KeyStatus::Revoked) => "revoked_at IS NOT NULL",
    });
    if !query.search.is_empty() {
        let escaped: String = query
            .search
            .chars()
            .flat_map(|char| {
                matches!(char, '%' | '_' | '\\')
                    .then_some('\\')
                    .into_iter()
                    .chain([char])
            })
            .collect();
        let search = query.search.to_lowercase();
        sql.push(" AND (name_search LIKE lower(")
            .push_bind(format!("%{escaped}%"))
            .push(")");
        // Every prefix begins with the mark: for other words it needs no look.
        if search.starts_with(MARK) || MARK.starts_with(&search) {
            sql.push(" OR lower('obk_' || public_id) LIKE lower(")
                .push_bind(format!("{escaped}%"))
                .push(")");
        }
        sql.push(")");
    }
}

pub(super) async fn list(pool: &PgPool, query: &KeyQuery) -> Result<KeyPage> {
    let total = sqlx::query_scalar!(r#"SELECT count(*) AS "total!" FROM api_keys"#)
        .fetch_one(pool)
        .await?;
    let found: i64 = if query.search.is_empty() && query.status.is_none() {
        total
    } else {
        let mut count = QueryBuilder::new("SELECT count(*) FROM api_keys WHERE ");
        push_filter(&mut count, query);
        count.build_query_scalar().fetch_one(pool).await?
    };
    let found = u64::try_from(found).unwrap_or(0);
    let pages = u32::try_from(found.div_ceil(u64::from(KEYS_PER_PAGE)).max(1)).unwrap_or(u32::MAX);
    let page = query.page.clamp(1, pages);

    let mut sql = QueryBuilder::new(
        "SELECT api_keys.id, api_keys.name, public_id, api_keys.created_at, expires_at, last_used_at, revoked_at,
            disabled_at, share_reads, COALESCE(document, policy) AS policy, replaced_by, now() AS now
         FROM api_keys LEFT JOIN policies ON policies.id = policy_id WHERE ",
    );
    push_filter(&mut sql, query);
    sql.push(" ORDER BY ").push(match query.sort {
        KeySort::CreatedAt => "api_keys.created_at",
        KeySort::Name => "lower(api_keys.name)",
        KeySort::ExpiresAt => "expires_at",
        KeySort::LastUsedAt => "last_used_at",
    });
    // Where nothing is null, the plain order is the index's.
    sql.push(match (query.sort, query.descending) {
        (KeySort::CreatedAt | KeySort::Name, true) => " DESC, api_keys.id DESC",
        (KeySort::CreatedAt | KeySort::Name, false) => ", api_keys.id",
        (_, true) => " DESC NULLS LAST, api_keys.id DESC",
        (_, false) => " NULLS LAST, api_keys.id",
    });
    sql.push(" LIMIT ").push_bind(i64::from(KEYS_PER_PAGE));
    sql.push(" OFFSET ")
        .push_bind(i64::from(page - 1) * i64::from(KEYS_PER_PAGE));
    let rows: Vec<Row> = if found == 0 {
        Vec::new()
    } else {
        sql.build_query_as().fetch_all(pool).await?
    };

    Ok(KeyPage {
        keys: rows.into_iter().map(ApiKey::from).collect(),
        found,
        total: u64::try_from(total).unwrap_or(0),
        page,
        pages,
        reminder: String::new(),
        accesses: String::new(),
    })
}

/// How many of the keys that are accepted end soon, and how many were not used for long.
/// Looks at every key.
pub(super) async fn ending_and_unused(pool: &PgPool) -> Result<(i64, i64)> {
    let counts = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE ends_soon) AS "ending!", count(*) FILTER (WHERE is_unused) AS "unused!"
           FROM (
               SELECT COALESCE(expires_at < now() + make_interval(days => $1) AND replaced_by IS NULL, false) AS ends_soon,
                      COALESCE(last_used_at, created_at) < now() - make_interval(days => $2) AS is_unused
               FROM api_keys
               WHERE revoked_at IS NULL AND disabled_at IS NULL AND (expires_at IS NULL OR expires_at > now())
           ) AS accepted"#,
        i32::try_from(ENDS_SOON_DAYS).unwrap_or(i32::MAX),
        i32::try_from(UNUSED_DAYS).unwrap_or(i32::MAX),
    )
    .fetch_one(pool)
    .await?;
    Ok((counts.ending, counts.unused))
}

/// How many of the keys that are accepted, and that none took the place of, end within so
/// many days.
pub(super) async fn ending_within(pool: &PgPool, days: i32) -> Result<i64> {
    let ending = sqlx::query_scalar!(
        r#"SELECT count(*) AS "ending!" FROM api_keys
           WHERE expires_at > now() AND expires_at < now() + make_interval(days => $1)
               AND revoked_at IS NULL AND disabled_at IS NULL AND replaced_by IS NULL"#,
        days
    )
    .fetch_one(pool)
    .await?;
    Ok(ending)
}

pub(super) async fn find_verifiable(pool: &PgPool, public_id: PublicId) -> Result<Option<VerifiableKey>> {
    let row = sqlx::query!(
        r#"SELECT api_keys.id AS "id: ApiKeyId", api_keys.name, hash, expires_at, revoked_at, disabled_at, share_reads,
                  COALESCE(document, policy) AS "policy!", limits
           FROM api_keys LEFT JOIN policies ON policies.id = policy_id WHERE public_id = $1"#,
        public_id.as_str(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.and_then(|row| {
        Some(VerifiableKey {
            id: row.id,
            name: row.name,
            hash: KeyHash::from_bytes(&row.hash)?,
            ends: Ends {
                expires_at: row.expires_at,
                revoked_at: row.revoked_at,
                disabled_at: row.disabled_at,
            },
            share_reads: row.share_reads,
            policy: row.policy,
            limits: row.limits,
        })
    }))
}

/// The keys that changed after `since`, and when.
pub(super) async fn changed_since(
    pool: &PgPool,
    since: DateTime<Utc>,
) -> Result<Vec<(PublicId, DateTime<Utc>)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT public_id, updated_at FROM api_keys WHERE updated_at > $1",
        since
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .iter()
        .filter_map(|row| Some((PublicId::parse(&row.public_id)?, row.updated_at)))
        .collect())
}

/// The database's clock.
pub(super) async fn now(pool: &PgPool) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
        .fetch_one(pool)
        .await
}

/// The public ids of all keys, one after the other.
pub(super) fn public_ids(pool: &PgPool) -> impl Stream<Item = Result<String, sqlx::Error>> + '_ {
    sqlx::query_scalar!("SELECT public_id FROM api_keys").fetch(pool)
}

/// Moves last-used instants forward, never back. Rows are locked in one order, so
/// that two instances do not wait for each other.
pub(super) async fn touch_last_used(
    connection: &mut PgConnection,
    ids: &[uuid::Uuid],
    instants: &[DateTime<Utc>],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE api_keys SET last_used_at = used.at
         FROM (
            SELECT api_keys.id, later.at
            FROM unnest($1::uuid[], $2::timestamptz[]) AS later (id, at) JOIN api_keys ON api_keys.id = later.id
            WHERE api_keys.last_used_at IS NULL OR api_keys.last_used_at < later.at
            ORDER BY api_keys.id
            FOR NO KEY UPDATE OF api_keys
         ) AS used
         WHERE api_keys.id = used.id",
        ids,
        instants,
    )
    .execute(connection)
    .await?;
    Ok(())
}
