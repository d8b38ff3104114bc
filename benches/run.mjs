// Every figure of docs/performance.md, in one run:  make bench [QUICK=1] [BENCH_PARTS=odoo,stub,size]
//
//   odoo   a real Odoo 19: the bridge against direct clients, steady and after its cache was cleared
//   stub   the bridge against nginx before the same stub, one core each
//   size   100,000 keys and 1,000,000 records
//   profile   not by default: where the bridge's time goes under full load, by perf, to target/bench/perf.data
//
// Environment: BRIDGE_BIN, TEST_ODOO_URL, _DB, _USERNAME, _PASSWORD, _API_KEY (scripts/odoo.sh env),
// BENCH_DATABASE_URL (a superuser's), BENCH_MINUTES (full load for the memory figure, 1),
// BENCH_KEY=full (a key with full access and without limits, to see what policies and limits cost).

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";

import { fixedRate, fullLoad, inTurn, summary } from "./load.mjs";
import { LIGHT, afterClear, clients, post, steady } from "./odoo.mjs";
import { forgetPeak, freePort, memory, openFiles, ready, start, stop, stopAll } from "./processes.mjs";
import { insertKeys, seedMany, sql, wellFormedKey } from "./seed.mjs";
import { SIZES, result, startProxy, startStub } from "./stub.mjs";

const env = (name) => process.env[name] ?? fail(`${name} is not set; run make bench`);
const fail = (text) => { console.error(text); process.exit(2); };
const quick = Boolean(process.env.QUICK);
const parts = (process.env.BENCH_PARTS || "odoo,stub,size").split(",");
// Each load: so many rounds of so many seconds.
const [rounds, seconds] = quick ? [3, 1] : [4, 2];
const bin = path.resolve(process.env.BRIDGE_BIN ?? "target/dist/odoo-bridge");
const server = env("BENCH_DATABASE_URL");
const root = mkdtempSync(path.join(os.tmpdir(), "odoo-bridge-bench-"));
chmodSync(root, 0o755);
// The one under test has core 0 for itself; stub, load and all else are on core 1.
const [UNDER_TEST, BESIDE] = [0, 1];

const figures = {};
const limits = [];
const limit = (what, value, most, unit = "") => limits.push({ what, measured: `${value.toFixed(2)}${unit}`, "at most": `${most}${unit}`, reached: value <= most ? "yes" : "NO" });

// The database writes the records: beside, too, with all that it starts from now on.
const databasePid = () => Number(readFileSync(path.join(sql(server, "SHOW data_directory").trim(), "postmaster.pid"), "utf8").split("\n")[0]);
// Its processes are sessions, each with a share of a core of its own (autogroups); false where the
// kernel has none, or we may not.
function databaseStandsAside(nice) {
  const set = (process) => {
    try { writeFileSync(`/proc/${process}/autogroup`, String(nice)); return true; } catch { return false; /* or it has ended */ }
  };
  const postmaster = databasePid();
  for (const process of execFileSync("pgrep", ["-P", String(postmaster)], { encoding: "utf8" }).trim().split("\n")) set(process);
  return set(postmaster);
}
function pinDatabase(cores) {
  for (const process of [databasePid(), ...sql(server, "SELECT pid FROM pg_stat_activity").trim().split("\n")]) {
    try { execFileSync("taskset", ["-cp", cores, String(process)], { stdio: "ignore" }); } catch { /* it has ended */ }
  }
}

let databases = 0;
async function startBridge(odoo, { cores = UNDER_TEST, seed = () => {} } = {}) {
  const name = `bench_${process.pid}_${databases++}`;
  sql(server, `CREATE DATABASE ${name}`);
  const database = server.replace(/\/[^/]*$/, `/${name}`);
  const [port, metrics] = [await freePort(), await freePort()];
  const settings = {
    PATH: process.env.PATH, DATABASE_URL: database, BRIDGE_DATA_DIR: root, RUST_LOG: "info", LEPTOS_SITE_ADDR: `127.0.0.1:${port}`, BRIDGE_METRICS_ADDR: `127.0.0.1:${metrics}`,
    ODOO_MAX_ANSWER_BYTES: "1000000000", BRIDGE_ADMIN_EMAIL: "bench@example.com", BRIDGE_ADMIN_PASSWORD: "a password for the benchmark", ...odoo,
  };
  const run = () => start(cores, bin, ["serve"], { env: settings, stdio: ["ignore", "ignore", "ignore"] });
  const url = `http://127.0.0.1:${port}`;
  // The first start makes the tables; the second is what a restart takes.
  const first = run();
  await ready(`${url}/readyz`, first);
  await stop(first);
  seed(database);
  const child = run();
  const readyMs = await ready(`${url}/readyz`, child);
  // With all that a call can be held against: the rules of the largest preset, pace, quotas and concurrency.
  const [policy, bounds] = [path.join(root, "policy.json"), path.join(root, "limits.json")];
  const preset = JSON.parse(readFileSync(new URL("../src/keys/policy/presets/sales_app.json", import.meta.url)));
  writeFileSync(policy, JSON.stringify({ ...preset, rules: [...preset.rules, { model: "bench.*", operations: ["read"] }] }));
  writeFileSync(bounds, JSON.stringify({ per_minute: 100_000_000, per_day: 1_000_000_000, per_month: 1_000_000_000, concurrent: 10_000 }));
  const makeKey = (label) => JSON.parse(execFileSync(bin, ["create-key", "--name", label, ...(process.env.BENCH_KEY === "full" ? ["--access", "full"] : ["--policy", policy, "--limits", bounds]), "--json"], { env: settings })).key;
  return { url, child, database, name, readyMs, makeKey, key: makeKey("bench") };
}
const dropDatabase = (bridge) => sql(server, `DROP DATABASE ${bridge.name} WITH (FORCE)`);

async function partOdoo() {
  const odoo = { url: env("TEST_ODOO_URL"), db: env("TEST_ODOO_DB"), username: env("TEST_ODOO_USERNAME"), password: env("TEST_ODOO_PASSWORD"), key: env("TEST_ODOO_API_KEY") };
  const bridge = await startBridge({ ODOO_URL: odoo.url, ODOO_DB: odoo.db, ODOO_USERNAME: odoo.username, ODOO_PASSWORD: odoo.password, ODOO_API_KEY: odoo.key }, { cores: `0-${os.cpus().length - 1}` });
  const set = await clients(odoo, bridge);
  const calm = await steady(set, quick ? 100 : 300);
  const cleared = await afterClear(set, quick ? 6 : 20);
  set.close();
  figures.odoo = { steady_ms: calm, after_clear_ms: cleared, "light call, p50 in ms": await besideSpeedRun(odoo, bridge) };
  await stop(bridge.child);
  dropDatabase(bridge);
  limit("real Odoo, steady, p50: bridge ÷ direct JSON-RPC", calm.bridge.p50 / calm["JSON-RPC"].p50, 1);
  limit("real Odoo, steady, p50: bridge ÷ direct JSON-2", calm.bridge.p50 / calm["JSON-2"].p50, 0.5);
  limit("real Odoo, first call after its cache was cleared: bridge ÷ direct JSON-RPC", cleared.bridge.p50 / cleared["JSON-RPC"].p50, 0.1);
}

// What the bridge's own speed test measures, beside direct clients that ask the same.
async function besideSpeedRun(odoo, bridge) {
  const samples = quick ? 30 : 100;
  const { calls: { bridge: _, ...calls }, close } = await clients(odoo, bridge, LIGHT);
  const direct = await steady({ calls }, samples);
  close();
  const cookie = await signIn(bridge);
  const form = `test=light&start=warm&way=web&way=jsonrpc&way=json2&samples=${samples}`;
  const begun = await post(`${bridge.url}/speed-test/runs`, false, { cookie, "content-type": "application/x-www-form-urlencoded", origin: bridge.url, accept: "text/html" }, form);
  if (begun.status !== 303) throw new Error(`the speed run answers ${begun.status}`);
  for (;;) {
    const csv = await (await fetch(`${bridge.url}/speed-test/runs.csv`, { headers: { cookie } })).text();
    const [names, ...lines] = csv.trim().split("\n").map((line) => line.split(","));
    const of = (line, name) => line[names.indexOf(name)];
    if (lines.length === 3 && lines.every((line) => of(line, "state") === "finished")) {
      const p50 = Object.fromEntries(lines.map((line) => [of(line, "way"), Number(of(line, "p50_ms"))]));
      return Object.fromEntries([["web session", "web"], ["JSON-RPC", "jsonrpc"], ["JSON-2", "json2"]].map(([name, way]) => [name, { "direct client": direct[name].p50, "speed run": p50[way] }]));
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

const rpcBody = (size) => JSON.stringify({ jsonrpc: "2.0", method: "call", id: 1, params: { model: `bench.${size}`, method: "search_read", args: [[]], kwargs: { limit: 5, fields: ["name", "state"] } } });
const callBody = (size) => JSON.stringify({ model: `bench.${size}`, method: "search_read", args: [[]], kwargs: { limit: 5, fields: ["name", "state"] } });
const json = { "content-type": "application/json" };

const toStub = { ODOO_DB: "bench", ODOO_USERNAME: "bench", ODOO_PASSWORD: "bench" };

async function partStub() {
  const stub = await startStub(BESIDE, root);
  const bridge = await startBridge({ ...toStub, ODOO_URL: stub.url });
  const proxy = await startProxy(UNDER_TEST, root, stub.url, bridge.key);
  const targets = (size) => ({
    bridge: { url: `${bridge.url}/call`, headers: { ...json, "x-api-key": bridge.key }, body: callBody(size), pid: bridge.child.pid },
    nginx: { url: `${proxy.url}/web/dataset/call_kw/bench.${size}.search_read`, headers: { ...json, "x-api-key": bridge.key }, body: rpcBody(size), pid: proxy.child.pid },
    "no proxy": { url: `${stub.url}/web/dataset/call_kw/bench.${size}.search_read`, headers: json, body: rpcBody(size), pid: stub.child.pid },
  });
  const database = databasePid();
  const load = (target, count, time = seconds) => fullLoad(BESIDE, root, target, count, time, target.pid, database);
  const each = (set, count) => inTurn(rounds, Object.fromEntries(Object.entries(set).map(([name, target]) => [name, () => load(target, count)])));
  figures.stub = { idle_memory_mb: memory(bridge.child.pid).now };
  // Before any load: memory that was freed after it would hide what the large answer takes.
  figures.stub.huge = await largeAnswer(bridge, targets("huge").bridge);
  for (const size of ["small", "ten", "mega"]) {
    for (const count of [1, 16, 64]) {
      figures.stub[`${size}, ${count} clients`] = await each(targets(size), count);
    }
  }
  const busiest = figures.stub["small, 64 clients"];
  limit("stub, 0.7 kB, CPU a request: bridge ÷ nginx", busiest.bridge.cpu_us / busiest.nginx.cpu_us, 2);
  limit("stub, 0.7 kB, 64 clients, requests a second: nginx ÷ bridge", busiest.nginx.rps / busiest.bridge.rps, 2);

  const half = busiest.bridge.rps / 2;
  const [paced, bare] = [await fixedRate(BESIDE, root, targets("small").bridge, half, rounds * seconds), await fixedRate(BESIDE, root, targets("small")["no proxy"], half, rounds * seconds)];
  figures.stub.half_rate = { rps: half, bridge: paced, "no proxy": bare };
  limit("added p99 at half the top rate", paced.p99 - bare.p99, 2, " ms");
  // The database writes the records on the core of load and stub. Here it takes what they leave, as if
  // it had one of its own: what is left of the p99 is the bridge's.
  if (databaseStandsAside(19)) {
    figures.stub.half_rate["bridge, the database standing aside"] = await fixedRate(BESIDE, root, targets("small").bridge, half, rounds * seconds);
    databaseStandsAside(0);
  }

  const accepted = targets("small").bridge;
  const unknown = Array.from({ length: 5000 }, (_, index) => wellFormedKey(index, "z"));
  const keys = await each({ accepted, malformed: { ...accepted, keys: ["obk_nonsense"] }, unknown: { ...accepted, keys: unknown } }, 16);
  figures.stub["refused keys, 16 clients"] = keys;
  for (const name of ["malformed", "unknown"]) {
    if (keys[name].refused !== keys[name].requests) throw new Error(`${name} keys were not all refused`);
    limit(`refused key (${name}), CPU a request ÷ an accepted one`, keys[name].cpu_us / keys.accepted.cpu_us, 0.5);
  }

  const minutes = Number(process.env.BENCH_MINUTES ?? (quick ? 0.1 : 1));
  // The highest of each quarter: at one moment it is some megabytes more or less, by how many records
  // wait for the database just then.
  const [course, files] = [[], []];
  const peakBefore = memory(bridge.child.pid).peak;
  for (let i = 0; i < 4; i++) {
    forgetPeak(bridge.child.pid);
    await load(accepted, 64, Math.max(1, Math.round((minutes * 60) / 4)));
    course.push(memory(bridge.child.pid).peak);
    files.push(openFiles(bridge.child.pid));
  }
  await new Promise((resolve) => setTimeout(resolve, 2000));
  figures.stub.memory_mb = { "highest in each quarter of the load": course, "open files after each": files, minutes, after: memory(bridge.child.pid).now, "highest before": peakBefore };
  limit("memory when idle", figures.stub.idle_memory_mb, 40, " MB");
  limit(`memory in ${minutes} minutes at full load, at its highest`, Math.max(...course), 100, " MB");
  limit("the same: growth of the highest in the second half", Math.max(course[2], course[3]) - Math.max(course[0], course[1]), 2, " MB");

  limit("a 100 MB answer: growth of the bridge's memory", figures.stub.huge.growth_mb, 8, " MB");
  limit("start to ready, on a database that is there", bridge.readyMs / 1000, 1, " s");
  await stop(bridge.child);
  dropDatabase(bridge);
  await stop(proxy.child);
  await stop(stub.child);
}

// How much the memory grew at its highest, once the answer is known to be the right one.
async function largeAnswer(bridge, target) {
  await download({ ...target, body: callBody("small") }, 0);
  const before = memory(bridge.child.pid).now;
  forgetPeak(bridge.child.pid);
  const data = Buffer.from(result(SIZES.huge));
  const answer = await download(target, data.length);
  const grown = memory(bridge.child.pid).peak - before;
  if (answer.sha256 !== createHash("sha256").update(data).digest("hex")) throw new Error(`the large answer is another (${answer.bytes} bytes came)`);
  return { bytes: answer.bytes, before_mb: before, growth_mb: grown };
}

// The whole answer's length, and the hash of so many bytes from where Odoo's own begin.
function download({ url, headers, body }, length) {
  const start = Buffer.byteLength('{"success":true,"data":');
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: "POST", headers: { ...headers, "content-length": Buffer.byteLength(body) } }, (response) => {
      const hash = createHash("sha256");
      let bytes = 0;
      response.on("data", (chunk) => {
        hash.update(chunk.subarray(Math.max(0, start - bytes), Math.max(0, start + length - bytes)));
        bytes += chunk.length;
      });
      response.on("end", () => resolve({ bytes, sha256: hash.digest("hex") }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

// The cookies of whoever is signed in.
async function signIn(bridge) {
  const form = "email=bench%40example.com&password=a+password+for+the+benchmark&next=";
  const signedIn = await post(`${bridge.url}/api/sign_in`, false, { "content-type": "application/x-www-form-urlencoded", origin: bridge.url, accept: "text/html" }, form);
  return signedIn.headers["set-cookie"].map((line) => line.split(";")[0]).join("; ");
}

async function pages(bridge, extra = {}) {
  const agent = new http.Agent({ keepAlive: true });
  const cookie = await signIn(bridge);
  const result = {};
  const wanted = { "/keys": "/keys", "/keys?sort=used": "/keys?sort=used", "/keys?q=bench": "/keys?q=bench", "/speed-test": "/speed-test", ...extra };
  for (const [name, page] of Object.entries(wanted)) {
    const times = [];
    for (let i = 0; i < 25; i++) {
      const began = performance.now();
      const status = await new Promise((resolve, reject) => http.get(`${bridge.url}${page}`, { agent, headers: { cookie, accept: "text/html" } }, (response) => { response.resume(); response.on("end", () => resolve(response.statusCode)); }).on("error", reject));
      if (status !== 200) throw new Error(`${page} answers ${status}`);
      if (i >= 5) times.push(performance.now() - began);
    }
    result[name] = summary(times);
  }
  agent.destroy();
  return result;
}

async function partSize() {
  const stub = await startStub(BESIDE, root);
  // In use are all of the few keys, and a thousand of the many.
  const inUse = { "10 keys": 10, "100,000 keys, 1,000,000 records": 1000 };
  const bridges = {}, runs = {};
  for (const [name, count] of Object.entries(inUse)) {
    const keys = Array.from({ length: count }, (_, index) => wellFormedKey(index, "y"));
    const bridge = await startBridge({ ...toStub, ODOO_URL: stub.url }, { seed: (database) => (count > 10 ? seedMany : insertKeys)(database, keys) });
    const target = { url: `${bridge.url}/call`, headers: json, body: callBody("small"), keys };
    bridges[name] = { bridge, keys };
    runs[name] = () => fullLoad(BESIDE, root, target, 1, seconds, bridge.child.pid, databasePid());
  }
  // The first round remembers the keys.
  await inTurn(1, runs);
  const calls = await inTurn(rounds * 2, runs);
  figures.size = { call: calls };
  for (const [name, { bridge, keys }] of Object.entries(bridges)) {
    const id = sql(bridge.database, `SELECT id FROM api_keys WHERE public_id = '${keys[0].slice(4, 12)}'`).trim();
    figures.size[`pages_ms, ${name}`] = await pages(bridge, { "/keys/<id> with its calls": `/keys/${id}` });
    figures.size[`ready_ms, ${name}`] = bridge.readyMs;
  }
  const [small, large] = Object.keys(inUse);
  limit("100,000 keys and 1,000,000 records: p50 of /call ÷ that with 10 keys", calls[large].p50 / calls[small].p50, 1.05);
  for (const [page, times] of Object.entries(figures.size[`pages_ms, ${large}`])) limit(`the same: ${page}, p50`, times.p50, 50, " ms");
  for (const { bridge } of Object.values(bridges)) {
    await stop(bridge.child);
    dropDatabase(bridge);
  }
  await stop(stub.child);
}

async function partProfile() {
  const stub = await startStub(BESIDE, root);
  const bridge = await startBridge({ ...toStub, ODOO_URL: stub.url });
  const target = { url: `${bridge.url}/call`, headers: { ...json, "x-api-key": bridge.key }, body: callBody("small"), pid: bridge.child.pid };
  await fullLoad(BESIDE, root, target, 64, 2, target.pid);
  mkdirSync("target/bench", { recursive: true });
  const perf = spawn("perf", ["record", "-q", "-F", "1999", "-g", "-o", "target/bench/perf.data", "-p", String(bridge.child.pid), "--", "sleep", "5"], { stdio: "inherit" });
  figures.profile = { "while perf looks on": await fullLoad(BESIDE, root, target, 64, 6, target.pid) };
  await new Promise((resolve) => (perf.exitCode === null ? perf.on("exit", resolve) : resolve()));
  await stop(bridge.child);
  dropDatabase(bridge);
  await stop(stub.child);
}

const flat = (row) => Object.fromEntries(Object.entries(row).filter(([, value]) => typeof value === "number").map(([name, value]) => [name, Number(value.toFixed(2))]));
function print(name, value) {
  const rows = Object.entries(value).filter(([, row]) => row && typeof row === "object");
  if (rows.length && rows.every(([, row]) => Object.values(row).every((cell) => typeof cell !== "object" || Array.isArray(cell)))) {
    console.log(`\n${name}`);
    console.table(Object.fromEntries(rows.map(([label, row]) => [label, flat(row)])));
  } else for (const [label, row] of rows) print(`${name}: ${label}`, row);
}

try {
  pinDatabase(String(BESIDE));
  if (parts.includes("odoo")) await partOdoo();
  if (parts.includes("stub")) await partStub();
  if (parts.includes("size")) await partSize();
  if (parts.includes("profile")) await partProfile();
  for (const [name, value] of Object.entries(figures)) print(name, value);
  console.log("\nmust reach");
  console.table(limits);
  const version = (command, args) => execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  const report = {
    date: new Date().toISOString(), machine: `${os.cpus().length} x ${os.cpus()[0].model}, ${os.release()}`, quick,
    versions: { bridge: version(bin, ["--version"]), binary_bytes: statSync(bin).size, node: process.version, postgresql: sql(server, "SHOW server_version").trim(), nginx: execFileSync("sh", ["-c", "nginx -v 2>&1"], { encoding: "utf8" }).trim() },
    limits, figures,
  };
  mkdirSync("target/bench", { recursive: true });
  const file = `target/bench/${report.date.slice(0, 19).replaceAll(":", "")}.json`;
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`all of it: ${file}`);
  if (process.argv.includes("--strict") && limits.some((row) => row.reached === "NO")) process.exitCode = 1;
} finally {
  await stopAll();
  pinDatabase(`0-${os.cpus().length - 1}`);
  rmSync(root, { recursive: true, force: true });
}
