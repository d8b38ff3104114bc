// Starting servers for a benchmark, and what the kernel says of them.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import http from "node:http";
import net from "node:net";

const TICKS_PER_SECOND = Number(execFileSync("getconf", ["CLK_TCK"]));
const running = new Set();

// A program pinned to one core; it is ended with the benchmark.
export function start(core, program, args, options = {}) {
  const child = spawn("taskset", ["-c", String(core), program, ...args], { stdio: ["ignore", "ignore", "inherit"], ...options });
  running.add(child);
  child.on("exit", () => running.delete(child));
  return child;
}

export async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.on("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}

export const stopAll = () => Promise.all([...running].map(stop));

export function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// Milliseconds until the address answers 200.
export async function ready(url, child) {
  const began = performance.now();
  for (;;) {
    const answered = await new Promise((resolve) =>
      http.get(url, (response) => { response.resume(); resolve(response.statusCode === 200); }).on("error", () => resolve(false)));
    if (answered) return performance.now() - began;
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${child.spawnargs.join(" ")} ended`);
    if (performance.now() - began > 60_000) throw new Error(`${url} is not ready after 60 s`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

// The process and all that it started.
function family(pid) {
  const children = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)
    .filter((other) => existsSync(`/proc/${other}/stat`) && parentOf(other) === pid);
  return [pid, ...children.flatMap(family)];
}

const statOf = (pid) => {
  try { return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" "); } catch { return null; }
};
const parentOf = (pid) => Number(statOf(pid)?.[1] ?? -1);

// Microseconds of CPU that a process and its children have used.
export function cpuMicros(pid) {
  const ticks = family(pid).map(statOf).filter(Boolean).reduce((sum, stat) => sum + Number(stat[11]) + Number(stat[12]), 0);
  return (ticks / TICKS_PER_SECOND) * 1e6;
}

// Resident memory in MB, now and at its highest.
export function memory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name) => Number(status.match(new RegExp(`${name}:\\s+(\\d+)`))[1]) / 1024;
  return { now: of("VmRSS"), peak: of("VmHWM") };
}

// How many files and connections it has open.
export const openFiles = (pid) => readdirSync(`/proc/${pid}/fd`).length;

// Forgets the peak, so that the next one is of what comes.
export const forgetPeak = (pid) => execFileSync("sh", ["-c", `echo 5 > /proc/${pid}/clear_refs`]);
