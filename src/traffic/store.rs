//! The SQL of counted calls.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::error::Result;
use crate::traffic::histogram::Histogram;
use crate::traffic::tally::{Codes, Place, Scope, Subject, Tally, add_codes};
use crate::traffic::window::{Level, Window};

/// The most models that are counted by their name. An Odoo with all its apps has about a thousand.
const MODELS_MAX: i64 = 2_000;

/// Which of these days have no call records any more.
pub(super) async fn gone(connection: &mut PgConnection, days: &[NaiveDate]) -> Result<HashSet<NaiveDate>, sqlx::Error> {
    let gone = sqlx::query_scalar!("SELECT day FROM call_days_gone WHERE day = ANY($1)", days)
        .fetch_all(connection)
        .await?;
    Ok(gone.into_iter().collect())
}

/// Which of these models are counted by their name.
pub(super) async fn named(connection: &mut PgConnection, models: &[&str]) -> Result<HashSet<String>, sqlx::Error> {
    let named = sqlx::query_scalar!(
        "SELECT model FROM traffic_models WHERE model = ANY($1)",
        models as &[&str]
    )
    .fetch_all(connection)
    .await?;
    Ok(named.into_iter().collect())
}

/// From now on these models are counted by their name, as far as there is room.
pub(super) async fn name(connection: &mut PgConnection, models: &[&str]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO traffic_models (model)
         SELECT model FROM unnest($1::text[]) WITH ORDINALITY AS new (model, number)
         WHERE number + (SELECT count(*) FROM traffic_models) <= $2
         ORDER BY number
         ON CONFLICT DO NOTHING",
        models as &[&str],
        MODELS_MAX,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Rows, turned: one array for each column.
struct Columns {
    level: Vec<i16>,
    at: Vec<DateTime<Utc>>,
    scope: Vec<i16>,
    subject: Vec<String>,
    calls: Vec<i64>,
    failures: Vec<i64>,
    bytes: Vec<i64>,
    codes: Vec<Json<Codes>>,
    took: Vec<Option<Vec<u8>>>,
    odoo: Vec<Option<Vec<u8>>>,
}

impl Columns {
    fn of<'a>(rows: impl Iterator<Item = (&'a Place, &'a Tally)> + Clone) -> Self {
        let (places, tallies) = (rows.clone().map(|row| row.0), rows.map(|row| row.1));
        Self {
            level: places.clone().map(|place| place.level.number()).collect(),
            at: places.clone().map(|place| place.at).collect(),
            scope: places.clone().map(|place| place.subject.scope().number()).collect(),
            subject: places.map(|place| place.subject.text()).collect(),
            calls: tallies.clone().map(|tally| tally.calls).collect(),
            failures: tallies.clone().map(Tally::failures).collect(),
            bytes: tallies.clone().map(|tally| tally.bytes).collect(),
            codes: tallies.clone().map(|tally| Json(tally.codes.clone())).collect(),
            took: tallies.clone().map(|tally| tally.took.to_bytes()).collect(),
            odoo: tallies.map(|tally| tally.odoo.to_bytes()).collect(),
        }
    }
}

/// Adds tallies to their rows. All instances take rows in the one order of a [`Place`], first
/// those that are missing and then the others, so that they do not wait for each other in a circle.
pub(super) async fn add(connection: &mut PgConnection, tallies: &BTreeMap<Place, Tally>) -> Result<(), sqlx::Error> {
    let made = make(connection, tallies).await?;
    let is_made = |place: &Place| {
        let key = (
            place.level.number(),
            place.subject.scope().number(),
            place.subject.text(),
            place.at,
        );
        made.contains(&key)
    };
    let others: BTreeMap<&Place, &Tally> = tallies.iter().filter(|(place, _)| !is_made(place)).collect();
    if others.is_empty() {
        return Ok(());
    }
    merge(
        connection,
        Columns::of(others.iter().map(|row| (*row.0, *row.1))),
        &others,
    )
    .await
}

/// Makes the rows that are missing; which.
async fn make(
    connection: &mut PgConnection,
    tallies: &BTreeMap<Place, Tally>,
) -> Result<HashSet<(i16, i16, String, DateTime<Utc>)>, sqlx::Error> {
    let columns = Columns::of(tallies.iter());
    let made = sqlx::query!(
        "INSERT INTO traffic (level, at, scope, subject, calls, failures, bytes, codes, took, odoo)
         SELECT level, at, scope, subject, calls, failures, bytes, codes, took, odoo
         FROM unnest($1::smallint[], $2::timestamptz[], $3::smallint[], $4::text[], $5::bigint[], $6::bigint[],
                $7::bigint[], $8::jsonb[], $9::bytea[], $10::bytea[])
            AS new (level, at, scope, subject, calls, failures, bytes, codes, took, odoo)
         ON CONFLICT (level, scope, subject, at) DO NOTHING
         RETURNING level, scope, subject, at",
        &columns.level,
        &columns.at,
        &columns.scope,
        &columns.subject,
        &columns.calls,
        &columns.failures,
        &columns.bytes,
        &columns.codes as &[Json<Codes>],
        &columns.took as &[Option<Vec<u8>>],
        &columns.odoo as &[Option<Vec<u8>>],
    )
    .fetch_all(connection)
    .await?;
    let made = made.into_iter().map(|row| (row.level, row.scope, row.subject, row.at));
    Ok(made.collect())
}

/// Adds to rows that are there: `columns` are those of `tallies`.
async fn merge(
    connection: &mut PgConnection,
    mut columns: Columns,
    tallies: &BTreeMap<&Place, &Tally>,
) -> Result<(), sqlx::Error> {
    // One after the other by their key, whatever the planner thinks of the table.
    let kept = sqlx::query!(
        r#"SELECT number AS "number!", calls, bytes, codes AS "codes: Json<Codes>", took, odoo
           FROM unnest($1::smallint[], $2::timestamptz[], $3::smallint[], $4::text[]) WITH ORDINALITY
                AS new (level, at, scope, subject, number)
           CROSS JOIN LATERAL (
                SELECT calls, bytes, codes, took, odoo FROM traffic
                WHERE traffic.level = new.level AND traffic.scope = new.scope AND traffic.subject = new.subject
                    AND traffic.at = new.at
                FOR UPDATE
           ) AS kept"#,
        &columns.level,
        &columns.at,
        &columns.scope,
        &columns.subject,
    )
    .fetch_all(&mut *connection)
    .await?;
    let tallies: Vec<&Tally> = tallies.values().copied().collect();
    for kept in kept {
        let row = usize::try_from(kept.number - 1).unwrap_or(usize::MAX);
        let Some(new) = tallies.get(row) else { continue };
        let mut codes = kept.codes.0;
        add_codes(&mut codes, &new.codes);
        columns.calls[row] += kept.calls;
        columns.bytes[row] = columns.bytes[row].saturating_add(kept.bytes);
        columns.failures[row] = codes.values().sum();
        columns.codes[row] = Json(codes);
        columns.took[row] = both(kept.took, &new.took);
        columns.odoo[row] = both(kept.odoo, &new.odoo);
    }
    sqlx::query!(
        "INSERT INTO traffic (level, at, scope, subject, calls, failures, bytes, codes, took, odoo)
         SELECT level, at, scope, subject, calls, failures, bytes, codes, took, odoo
         FROM unnest($1::smallint[], $2::timestamptz[], $3::smallint[], $4::text[], $5::bigint[], $6::bigint[],
                $7::bigint[], $8::jsonb[], $9::bytea[], $10::bytea[])
            AS new (level, at, scope, subject, calls, failures, bytes, codes, took, odoo)
         ON CONFLICT (level, scope, subject, at) DO UPDATE SET calls = EXCLUDED.calls,
            failures = EXCLUDED.failures, bytes = EXCLUDED.bytes, codes = EXCLUDED.codes, took = EXCLUDED.took,
            odoo = EXCLUDED.odoo",
        &columns.level,
        &columns.at,
        &columns.scope,
        &columns.subject,
        &columns.calls,
        &columns.failures,
        &columns.bytes,
        &columns.codes as &[Json<Codes>],
        &columns.took as &[Option<Vec<u8>>],
        &columns.odoo as &[Option<Vec<u8>>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Two histograms in one. What a later version wrote stays as it is: a few calls are missing in
/// its percentiles then, but never in the counts.
fn both(kept: Option<Vec<u8>>, new: &Histogram) -> Option<Vec<u8>> {
    let Some(bytes) = kept else { return new.to_bytes() };
    match Histogram::from_bytes(&bytes) {
        Some(mut kept) => {
            kept.merge(new);
            kept.to_bytes()
        }
        None => Some(bytes),
    }
}

/// Makes the partitions for the rows of a day, unless they are there.
pub(super) async fn make_parts(pool: &PgPool, day: NaiveDate) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT traffic_make_parts($1)", day).execute(pool).await?;
    Ok(())
}

/// Drops rows of minutes, hours and days from before those days; how many partitions.
pub(super) async fn drop_before(pool: &PgPool, [minutes, hours, days]: [NaiveDate; 3]) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT traffic_drop_before($1, $2, $3) AS "dropped!""#,
        minutes,
        hours,
        days
    )
    .fetch_one(pool)
    .await
}

/// Sets how many calls a writer lost in some minutes.
pub(super) async fn lose(pool: &PgPool, writer: Uuid, lost: &BTreeMap<DateTime<Utc>, i64>) -> Result<(), sqlx::Error> {
    let (at, calls): (Vec<_>, Vec<_>) = lost.iter().map(|(at, calls)| (*at, *calls)).unzip();
    sqlx::query!(
        "INSERT INTO traffic_losses (at, writer, calls)
         SELECT at, $1, calls FROM unnest($2::timestamptz[], $3::bigint[]) AS lost (at, calls)
         ON CONFLICT (at, writer) DO UPDATE SET calls = EXCLUDED.calls",
        writer,
        &at,
        &calls,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// How many calls were lost from an instant on until another.
pub(super) async fn lost(pool: &PgPool, from: DateTime<Utc>, until: DateTime<Utc>) -> Result<i64> {
    let lost = sqlx::query_scalar!(
        r#"SELECT COALESCE(sum(calls), 0)::bigint AS "lost!" FROM traffic_losses WHERE at >= $1 AND at < $2"#,
        from,
        until,
    )
    .fetch_one(pool)
    .await?;
    Ok(lost)
}

/// Since when calls are counted, if there were some before.
pub(super) async fn begun(pool: &PgPool) -> Result<Option<DateTime<Utc>>> {
    let begun = sqlx::query_scalar!("SELECT at FROM traffic_begun")
        .fetch_optional(pool)
        .await?;
    Ok(begun)
}

/// The rows of a subject in a window, the oldest first.
pub(super) async fn of(pool: &PgPool, subject: &Subject, window: &Window) -> Result<Vec<(DateTime<Utc>, Tally)>> {
    let rows = sqlx::query!(
        r#"SELECT at, calls, bytes, codes AS "codes: Json<Codes>", took, odoo FROM traffic
           WHERE level = $1 AND scope = $2 AND subject = $3 AND at >= $4 AND at < $5 ORDER BY at"#,
        window.level.number(),
        subject.scope().number(),
        subject.text(),
        window.from,
        window.until,
    )
    .fetch_all(pool)
    .await?;
    let tallies = rows.into_iter().map(|row| {
        let tally = Tally {
            calls: row.calls,
            bytes: row.bytes,
            codes: row.codes.0,
            took: read(row.took),
            odoo: read(row.odoo),
        };
        (row.at, tally)
    });
    Ok(tallies.collect())
}

fn read(bytes: Option<Vec<u8>>) -> Histogram {
    bytes
        .and_then(|bytes| Histogram::from_bytes(&bytes))
        .unwrap_or_default()
}

/// The subjects of a scope that were called most in a window, with how often, how many of it
/// failed and the bytes.
pub(super) async fn most(
    pool: &PgPool,
    scope: Scope,
    window: &Window,
    limit: i64,
) -> Result<Vec<(String, i64, i64, i64)>> {
    let rows = sqlx::query!(
        r#"SELECT subject, sum(calls)::bigint AS "calls!", sum(failures)::bigint AS "failures!",
                  sum(bytes)::bigint AS "bytes!"
           FROM traffic WHERE level = $1 AND scope = $2 AND at >= $3 AND at < $4
           GROUP BY subject ORDER BY sum(calls) DESC, subject LIMIT $5"#,
        window.coarse.number(),
        scope.number(),
        window.from,
        window.until,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let subjects = rows
        .into_iter()
        .map(|row| (row.subject, row.calls, row.failures, row.bytes));
    Ok(subjects.collect())
}

/// How long the calls of these subjects took in a window, and Odoo's part.
pub(super) async fn times(
    pool: &PgPool,
    scope: Scope,
    subjects: &[String],
    window: &Window,
) -> Result<HashMap<String, (Histogram, Histogram)>> {
    let rows = sqlx::query!(
        "SELECT subject, took, odoo FROM traffic
         WHERE level = $1 AND scope = $2 AND subject = ANY($3) AND at >= $4 AND at < $5",
        window.coarse.number(),
        scope.number(),
        subjects,
        window.from,
        window.until,
    )
    .fetch_all(pool)
    .await?;
    let mut times: HashMap<String, (Histogram, Histogram)> = HashMap::new();
    for row in rows {
        let (took, odoo) = times.entry(row.subject).or_default();
        took.merge(&read(row.took));
        odoo.merge(&read(row.odoo));
    }
    Ok(times)
}

/// How many calls each of these keys made in each hour from an instant on.
pub(super) async fn hours(
    pool: &PgPool,
    keys: &[String],
    from: DateTime<Utc>,
) -> Result<Vec<(String, DateTime<Utc>, i64)>> {
    let rows = sqlx::query!(
        "SELECT subject, at, calls FROM traffic WHERE level = $1 AND scope = $2 AND subject = ANY($3) AND at >= $4",
        Level::Hour.number(),
        Scope::Key.number(),
        keys,
        from,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.subject, row.at, row.calls)).collect())
}
