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

// So many clients, each with one request at a time. CPU is of `pid` and its children.
export async function fullLoad(core, root, { url, headers, body, keys }, clients, seconds, pid) {
  mkdirSync(root, { recursive: true });
  const script = path.join(root, "request.lua");
  const set = Object.entries(headers).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`).join("\n");
  const rotate = keys ? `local keys = {${keys.map((key) => `"${key}"`).join(",")}}\nlocal i = 0\nfunction request() i = i % #keys + 1; wrk.headers["x-api-key"] = keys[i]; return wrk.format() end` : "";
  writeFileSync(script, `wrk.method = "POST"\nwrk.body = ${JSON.stringify(body)}\n${set}\n${rotate}
function done(s, l, r) io.write(string.format("FIGURES %d %d %d %d %d %d %d\\n", s.requests, s.duration, l:percentile(50), l:percentile(95), l:percentile(99), s.errors.status, s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout)) end\n`);
  const before = pid ? cpuMicros(pid) : 0;
  const { stdout } = await run("taskset", ["-c", String(core), "wrk", "-t1", `-c${clients}`, `-d${seconds}s`, "--timeout", "30s", "-s", script, url], { maxBuffer: 1 << 24 });
  const after = pid ? cpuMicros(pid) : 0;
  const [requests, micros, p50, p95, p99, refused, failed] = stdout.match(/FIGURES (.*)/)[1].split(" ").map(Number);
  if (failed > 0) throw new Error(`${failed} transfers failed`);
  return { requests, refused, rps: requests / (micros / 1e6), p50: p50 / 1000, p95: p95 / 1000, p99: p99 / 1000, cpu_us: pid ? (after - before) / requests : undefined, core_share: pid ? (after - before) / micros : undefined };
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
  if (!rows.every((row) => row[1] === "200")) throw new Error("an answer at a fixed rate is not 200");
  return { requests: rows.length, ...summary(rows.map((row) => Number(row[2]) / 1000)) };
}
