// What stands in a bridge's database: keys that are known here, and as many more keys and
// records as an old installation has.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";

export const sql = (database, text) => execFileSync("psql", ["-qAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", text], { encoding: "utf8", maxBuffer: 1 << 26 });

// A well-formed key: the checksum is CRC-32/ISO-HDLC in base62.
export function wellFormedKey(index, fill) {
  const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const body = `obk_${String(index).padStart(8, fill)}_${"A".repeat(32)}`;
  let crc = 0xffffffff;
  for (const byte of Buffer.from(body)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  crc = (crc ^ 0xffffffff) >>> 0;
  let sum = "";
  for (let i = 0; i < 6; i++) { sum = digits[crc % 62] + sum; crc = Math.floor(crc / 62); }
  return body + sum;
}

// So many keys with their hashes; what they are is known here only.
export function insertKeys(database, keys) {
  const rows = keys.map((key) => `(gen_random_uuid(), 'in use', '${key.slice(4, 12)}', '\\x${createHash("sha256").update(key).digest("hex")}')`);
  sql(database, `INSERT INTO api_keys (id, name, public_id, hash) VALUES ${rows.join(",")}`);
}

// A million records of the first key in use, spread over its present day, and 100,000 keys beside.
export function seedMany(database, keys) {
  sql(database, `INSERT INTO api_keys (id, name, public_id, hash, created_at, last_used_at)
    SELECT gen_random_uuid(), 'seeded ' || n, 'z' || lpad(n::text, 7, '0'), sha256(n::text::bytea), now() - n * interval '1 minute', now() - n * interval '7 second' FROM generate_series(1, 100000) n`);
  insertKeys(database, keys);
  sql(database, `SELECT call_records_make_day((now() AT TIME ZONE 'utc')::date);
    INSERT INTO call_records (called_at, id, api_key_id, model, method, code, way, duration_ms, odoo_ms, answer_bytes, request_id)
    SELECT date_trunc('day', now() AT TIME ZONE 'utc') AT TIME ZONE 'utc' + n * interval '1 millisecond', gen_random_uuid(), keys.id, 'sale.order', 'search_read', 'ok', 'web', 5, 4, 700, 'seeded'
    FROM generate_series(1, 1000000) n, (SELECT id FROM api_keys WHERE public_id = '${keys[0].slice(4, 12)}') keys`);
  // The database's own work after such a load is not what is measured.
  for (const work of ["VACUUM (ANALYZE) api_keys", "VACUUM (ANALYZE) call_records", "CHECKPOINT"]) sql(database, work);
}
