// Load: wrk for as much as goes, h2load for a fixed rate.

import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

import { cpuMicros } from "./processes.mjs";

const run = promisify(execFile);
export const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
export const summary = (samples) => {
  const sorted = [...samples].sort((a, b) => a - b);
  return { p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95), p99: percentile(sorted, 0.99) };
};

// So many clients, each with one request at a time. CPU is of `pid` and its children;
// that of `database` (a process as well) is told apart.
export async function fullLoad(core, root, { url, headers, body, keys }, clients, seconds, pid, database) {
  mkdirSync(root, { recursive: true });
  const script = path.join(root, "request.lua");
  const set = Object.entries(headers).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`).join("\n");
  const rotate = keys ? `local keys = {${keys.map((key) => `"${key}"`).join(",")}}\nlocal i = 0\nfunction request() i = i % #keys + 1; wrk.headers["x-api-key"] = keys[i]; return wrk.format() end` : "";
  writeFileSync(script, `wrk.method = "POST"\nwrk.body = ${JSON.stringify(body)}\n${set}\n${rotate}
function done(s, l, r) io.write(string.format("FIGURES %d %d %d %d %d %d %d\\n", s.requests, s.duration, l:percentile(50), l:percentile(95), l:percentile(99), s.errors.status, s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout)) end\n`);
  const used = () => [pid, database].map((one) => (one ? cpuMicros(one) : 0));
  const before = used();
  const { stdout } = await run("taskset", ["-c", String(core), "wrk", "-t1", `-c${clients}`, `-d${seconds}s`, "--timeout", "30s", "-s", script, url], { maxBuffer: 1 << 24 });
  const [cpu, databaseCpu] = used().map((micros, i) => micros - before[i]);
  const [requests, micros, p50, p95, p99, refused, failed] = stdout.match(/FIGURES (.*)/)[1].split(" ").map(Number);
  if (failed > 0) throw new Error(`${failed} transfers failed`);
  return tell([{ requests, refused, micros, p50, p95, p99, cpu, databaseCpu }]);
}

const sum = (rows, name) => rows.reduce((total, row) => total + row[name], 0);
// One row of some rounds: counts and CPU of all of them, of the percentiles the median round.
function tell(rounds) {
  const [requests, micros, cpu] = ["requests", "micros", "cpu"].map((name) => sum(rounds, name));
  const middle = (name) => percentile(rounds.map((row) => row[name]).sort((a, b) => a - b), 0.5) / 1000;
  return {
    requests, refused: sum(rounds, "refused"), rps: requests / (micros / 1e6), p50: middle("p50"), p95: middle("p95"), p99: middle("p99"),
    cpu_us: cpu / requests, database_cpu_us: sum(rounds, "databaseCpu") / requests, core_share: cpu / micros, rounds,
  };
}

// Each of the runs in turn, so many times: what disturbs the machine for a while hits all.
export async function inTurn(rounds, runs) {
  const rows = Object.fromEntries(Object.keys(runs).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) for (const [name, run] of Object.entries(runs)) rows[name].push(...(await run()).rounds);
  return Object.fromEntries(Object.entries(rows).map(([name, all]) => [name, tell(all)]));
}

// So many requests a second, whatever the answers take.
export async function fixedRate(core, root, { url, headers, body }, rps, seconds) {
  const clients = 16;
  const [data, log] = [path.join(root, "body.json"), path.join(root, "times.log")];
  writeFileSync(data, body);
  writeFileSync(log, "");
  const args = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  await run("taskset", ["-c", String(core), "h2load", "--h1", "-t1", `-c${clients}`, "-D", String(seconds), "--warm-up-time", "1", `--rps=${Math.max(1, Math.round(rps / clients))}`, "-d", data, `--log-file=${log}`, ...args, url], { maxBuffer: 1 << 24 });
  const rows = readFileSync(log, "utf8").trim().split("\n").map((line) => line.split("\t"));
  const others = rows.filter((row) => row[1] !== "200");
  if (others.length) throw new Error(`${others.length} of ${rows.length} answers at a fixed rate are not 200, such as ${others[0][1]}`);
  return { requests: rows.length, ...summary(rows.map((row) => Number(row[2]) / 1000)) };
}
