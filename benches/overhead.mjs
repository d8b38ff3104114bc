// What a call through the bridge costs more than the client's own JSON-RPC call,
// on a real Odoo: one run, interleaved, so that noise hits both alike.
//
//   node benches/overhead.mjs            (make bench does the set-up)
//
// Environment: BRIDGE_BIN (target/release/odoo-bridge), TEST_ODOO_URL, _DB,
// _USERNAME, _API_KEY (scripts/odoo.sh env), PAIRS (400), MAX_ADDED_MS (2).
// Exit 1 if the median call costs more than MAX_ADDED_MS on top.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync, mkdirSync, chmodSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const env = (name) => process.env[name] ?? fail(`${name} is not set; run make bench`);
const fail = (text) => { console.error(text); process.exit(2); };

const bin = path.resolve(process.env.BRIDGE_BIN ?? "target/release/odoo-bridge");
const odoo = { url: env("TEST_ODOO_URL"), db: env("TEST_ODOO_DB"), username: env("TEST_ODOO_USERNAME"), key: env("TEST_ODOO_API_KEY") };
const pairs = Number(process.env.PAIRS ?? 400);
const maxAddedMs = Number(process.env.MAX_ADDED_MS ?? 2);
const args = [[]];
const kwargs = { limit: 5, fields: ["name", "state"] };

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// One request; resolves to the parsed body and the milliseconds it took.
function post(url, agent, headers, body) {
  const text = JSON.stringify(body);
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: "POST", agent, headers: { "content-type": "application/json", "content-length": Buffer.byteLength(text), ...headers } }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ ms: performance.now() - started, status: response.statusCode, json: JSON.parse(Buffer.concat(chunks)) }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(text);
  });
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const summary = (samples) => {
  const sorted = [...samples].sort((a, b) => a - b);
  return { p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95), p99: percentile(sorted, 0.99) };
};

const dataDir = mkdtempSync(path.join(os.tmpdir(), "odoo-bridge-bench-"));
// A private database runs as an unprivileged user, who must be able to get here.
chmodSync(dataDir, 0o755);
const port = await freePort();
const settings = {
  PATH: process.env.PATH,
  BRIDGE_DATA_DIR: dataDir,
  LEPTOS_SITE_ADDR: `127.0.0.1:${port}`,
  ODOO_URL: odoo.url, ODOO_DB: odoo.db, ODOO_USERNAME: odoo.username, ODOO_API_KEY: odoo.key,
  RUST_LOG: "warn",
};
const started = performance.now();
const bridge = spawn(bin, ["serve"], { env: settings, stdio: ["ignore", "ignore", "inherit"] });
const stop = () => new Promise((resolve) => { bridge.on("exit", resolve); bridge.kill("SIGTERM"); });

try {
  const base = `http://127.0.0.1:${port}`;
  for (;;) {
    if (bridge.exitCode !== null) throw new Error("the bridge ended");
    const ready = await new Promise((resolve) => http.get(`${base}/readyz`, (response) => { response.resume(); resolve(response.statusCode === 200); }).on("error", () => resolve(false)));
    if (ready) break;
    if (performance.now() - started > 60_000) throw new Error("the bridge is not ready after 60 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { key } = JSON.parse(execFileSync(bin, ["create-key", "--name", "bench", "--json"], { env: settings }));
  const uid = (await post(`${odoo.url}/jsonrpc`, undefined, {}, { jsonrpc: "2.0", method: "call", id: 1, params: { service: "common", method: "authenticate", args: [odoo.db, odoo.username, odoo.key, {}] } })).json.result;

  const agent = new http.Agent({ keepAlive: true });
  const direct = () => post(`${odoo.url}/jsonrpc`, false, {}, { jsonrpc: "2.0", method: "call", id: 1, params: { service: "object", method: "execute_kw", args: [odoo.db, uid, odoo.key, "sale.order", "search_read", args, kwargs] } });
  const bridged = () => post(`${base}/call`, agent, { "x-api-key": key }, { model: "sale.order", method: "search_read", args, kwargs });

  const samples = { direct: [], bridge: [] };
  for (let i = -20; i < pairs; i++) {
    // Who goes first alternates, so that neither always finds the warmer worker.
    const order = i % 2 === 0 ? ["direct", "bridge"] : ["bridge", "direct"];
    const answers = {};
    for (const way of order) {
      answers[way] = await (way === "direct" ? direct() : bridged());
      if (i >= 0) samples[way].push(answers[way].ms);
    }
    if (JSON.stringify(answers.direct.json.result) !== JSON.stringify(answers.bridge.json.data)) throw new Error("the two answers differ");
  }
  agent.destroy();

  const result = { direct_ms: summary(samples.direct), bridge_ms: summary(samples.bridge) };
  result.added_ms = Object.fromEntries(["p50", "p95", "p99"].map((p) => [p, result.bridge_ms[p] - result.direct_ms[p]]));
  result.ratio = Object.fromEntries(["p50", "p95", "p99"].map((p) => [p, result.bridge_ms[p] / result.direct_ms[p]]));
  const report = { what: "search_read of 5 sale orders, real Odoo, interleaved", pairs, date: new Date().toISOString(), machine: `${os.cpus().length} x ${os.cpus()[0].model}`, ...result };
  console.table(Object.fromEntries(Object.entries(result).map(([name, row]) => [name, Object.fromEntries(Object.entries(row).map(([p, value]) => [p, value.toFixed(2)]))])));
  mkdirSync("target/bench", { recursive: true });
  writeFileSync("target/bench/overhead.json", `${JSON.stringify(report, null, 2)}\n`);
  const good = result.added_ms.p50 <= maxAddedMs;
  console.log(`the median call costs ${result.added_ms.p50.toFixed(2)} ms more than a direct one (at most ${maxAddedMs} wanted): ${good ? "good" : "TOO MUCH"}`);
  process.exitCode = good ? 0 : 1;
} finally {
  await stop();
  rmSync(dataDir, { recursive: true, force: true });
}
