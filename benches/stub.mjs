// The upstream of the gateway benchmark, and its peer: nginx twice. Once as a stub
// that answers as Odoo does, once as a reverse proxy with a map of keys before it.

import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { freePort, ready, start } from "./processes.mjs";

export const SIZES = { small: 700, ten: 10_000, mega: 1_000_000, huge: 100_000_000 };

// A result of about so many bytes, as search_read gives one.
export function result(bytes) {
  const record = '{"id": 1, "name": "S00001", "partner_id": [10, "Gemini Furniture"], "amount_total": 2240.0, "note": false}';
  return `[${Array(Math.max(1, Math.round(bytes / (record.length + 2)))).fill(record).join(", ")}]`;
}

const rpc = (value) => `{"jsonrpc": "2.0", "id": 1, "result": ${value}}`;

const common = (dir) => `
daemon off; worker_processes 1; pid ${dir}/pid; error_log ${dir}/error.log;
events { worker_connections 4096; }`;
const paths = (dir) => ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${dir}/${name};`).join(" ");

async function nginx(core, dir, config, url) {
  mkdirSync(dir, { recursive: true });
  writeFileSync(path.join(dir, "nginx.conf"), config);
  const child = start(core, "nginx", ["-p", dir, "-c", path.join(dir, "nginx.conf"), "-e", path.join(dir, "error.log")]);
  await ready(url, child);
  return child;
}

// Answers the web session's login and calls of the models bench.small … bench.huge.
export async function startStub(core, root) {
  const dir = path.join(root, "stub");
  mkdirSync(dir, { recursive: true });
  for (const [name, bytes] of Object.entries(SIZES)) writeFileSync(path.join(dir, `${name}.json`), rpc(result(bytes)));
  const port = await freePort();
  const files = Object.keys(SIZES).filter((name) => name !== "small").map((name) => `
    location = /web/dataset/call_kw/bench.${name}.search_read { error_page 405 =200 /${name}.json; return 405; }
    location = /${name}.json { internal; }`).join("");
  const config = `${common(dir)}
http { ${paths(dir)} access_log off; sendfile on; default_type application/json; keepalive_requests 1000000000; keepalive_timeout 300s;
  server { listen 127.0.0.1:${port} backlog=4096; root ${dir};
    location = /ready { return 200 'ok'; }
    location = /web/session/authenticate { add_header Set-Cookie 'session_id=bench; Path=/'; return 200 '${rpc('{"uid": 2}')}'; }
    location = /web/dataset/call_kw/res.users.context_get { return 200 '${rpc('{"uid": 2}')}'; }
    location = /web/dataset/call_kw/bench.small.search_read { return 200 '${rpc(result(SIZES.small))}'; }${files}
  } }`;
  const url = `http://127.0.0.1:${port}`;
  return { url, child: await nginx(core, dir, config, `${url}/ready`) };
}

// The peer: a key out of a map, an access log, connections to the stub kept.
export async function startProxy(core, root, stubUrl, key) {
  const dir = path.join(root, "proxy");
  const port = await freePort();
  const config = `${common(dir)}
http { ${paths(dir)} access_log ${dir}/access.log; default_type application/json; keepalive_requests 1000000000; keepalive_timeout 300s;
  map_hash_bucket_size 128;
  map $http_x_api_key $known { default 0; "${key}" 1; }
  upstream stub { server ${new URL(stubUrl).host}; keepalive 128; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:${port} backlog=4096;
    location = /ready { return 200 'ok'; }
    location / {
      if ($known = 0) { return 401 '{"success":false}'; }
      proxy_pass http://stub; proxy_http_version 1.1; proxy_set_header Connection "";
    } } }`;
  const url = `http://127.0.0.1:${port}`;
  return { url, child: await nginx(core, dir, config, `${url}/ready`) };
}
