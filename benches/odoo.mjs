// A real Odoo: the same call through the bridge and directly by each of Odoo's own
// ways, interleaved, so that noise hits all alike.

import http from "node:http";

import { summary } from "./load.mjs";

// One request; resolves to the parsed body and the milliseconds it took.
export function post(url, agent, headers, body) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: "POST", agent, headers: { "content-type": "application/json", "content-length": Buffer.byteLength(text), ...headers } }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => {
        const ms = performance.now() - began;
        const all = Buffer.concat(chunks).toString();
        let json = null;
        try { json = JSON.parse(all); } catch { /* a page */ }
        resolve({ ms, status: response.statusCode, headers: response.headers, json });
      });
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(text);
  });
}

const rpc = (service, method, args) => ({ jsonrpc: "2.0", method: "call", id: 1, params: { service, method, args } });

// What is asked: a model, a method, and its arguments by position and by name.
export const ORDERS = { model: "sale.order", method: "search_read", args: [[]], kwargs: { limit: 5, fields: ["name", "state"] }, first: "domain" };
// What a light speed run of the bridge asks (src/speed_test/runs/run.rs).
export const LIGHT = { model: "res.users", method: "fields_get", args: [], kwargs: { allfields: ["login"], attributes: ["type"] } };

// The clients: each a function that does the call and gives its records.
export async function clients(odoo, bridge, { model, method, args, kwargs, first } = ORDERS) {
  const named = first ? { [first]: args[0], ...kwargs } : kwargs;
  const uid = (await post(`${odoo.url}/jsonrpc`, false, {}, rpc("common", "authenticate", [odoo.db, odoo.username, odoo.password, {}]))).json.result;
  const login = await post(`${odoo.url}/web/session/authenticate`, false, {}, { jsonrpc: "2.0", method: "call", id: 1, params: { db: odoo.db, login: odoo.username, password: odoo.password } });
  const cookie = login.headers["set-cookie"].at(-1).split(";")[0];
  const agent = new http.Agent({ keepAlive: true });
  const execute = (m, f, a, k) => post(`${odoo.url}/jsonrpc`, false, {}, rpc("object", "execute_kw", [odoo.db, uid, odoo.password, m, f, a, k]));
  return {
    close: () => agent.destroy(),
    // Ordinary work that clears Odoo's cache in every worker.
    clearCache: () => execute("product.template", "create", [{ name: "Bench", active: false }], {}),
    calls: {
      bridge: async () => { const a = await post(`${bridge.url}/call`, agent, { "x-api-key": bridge.key }, { model, method, args, kwargs }); return [a.ms, a.json.data]; },
      "JSON-RPC": async () => { const a = await execute(model, method, args, kwargs); return [a.ms, a.json.result]; },
      "JSON-2": async () => { const a = await post(`${odoo.url}/json/2/${model}/${method}`, false, { authorization: `bearer ${odoo.key}` }, named); return [a.ms, a.json]; },
      "web session": async () => { const a = await post(`${odoo.url}/web/dataset/call_kw/${model}.${method}`, false, { cookie }, { jsonrpc: "2.0", method: "call", id: 1, params: { model, method, args, kwargs } }); return [a.ms, a.json.result]; },
    },
  };
}

// Rounds that are not measured: Odoo's workers and the clients are slower at first.
const WARM_UP = 40;

// Milliseconds of each client, steady: who goes first rotates.
export async function steady({ calls }, rounds) {
  const names = Object.keys(calls);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -WARM_UP; round < rounds; round++) {
    const records = {};
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + Math.abs(round)) % names.length];
      const [ms, data] = await calls[name]();
      records[name] = JSON.stringify(data);
      if (round >= 0) samples[name].push(ms);
    }
    if (new Set(Object.values(records)).size !== 1) throw new Error(`the answers differ: ${JSON.stringify(records)}`);
  }
  return Object.fromEntries(names.map((name) => [name, summary(samples[name])]));
}

// Milliseconds of each client's first call after the cache was cleared.
export async function afterClear({ calls, clearCache }, rounds) {
  const samples = Object.fromEntries(Object.keys(calls).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of Object.keys(calls)) {
      await clearCache();
      samples[name].push((await calls[name]())[0]);
    }
  }
  return Object.fromEntries(Object.entries(samples).map(([name, values]) => [name, summary(values)]));
}
