// node scripts/site-files.mjs release|dev FOLDER
// Bundles style/main.css into FOLDER/pkg/odoo-bridge.css, then puts a .br and a .gz beside
// every file in FOLDER that gets smaller by it.
import { readFile, readdir, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import zlib from "node:zlib";
import { bundle } from "lightningcss";

const [mode, site] = process.argv.slice(2);
const release = mode === "release";

let css;
try {
  css = bundle({ filename: "style/main.css", minify: release });
} catch (error) {
  const place = error.loc ? `${error.fileName}:${error.loc.line}:${error.loc.column}` : "style/main.css";
  console.error(`${place}: ${error.data === "ResolverError" ? "imports a file that does not exist" : error.message}`);
  process.exit(1);
}
for (const warning of css.warnings) console.error(`style: ${warning.message}`);
await writeFile(join(site, "pkg/odoo-bridge.css"), css.code);

const compressible = new Set([".css", ".html", ".ico", ".js", ".json", ".svg", ".txt", ".wasm", ".webmanifest", ".xml"]);
const brotli = promisify(zlib.brotliCompress);
const gzip = promisify(zlib.gzip);

async function compress(path) {
  const content = await readFile(path);
  const [br, gz] = await Promise.all([
    brotli(content, {
      params: {
        [zlib.constants.BROTLI_PARAM_QUALITY]: release ? 11 : 2,
        [zlib.constants.BROTLI_PARAM_SIZE_HINT]: content.length,
      },
    }),
    gzip(content, { level: release ? 9 : 1 }),
  ]);
  if (br.length < content.length) await writeFile(`${path}.br`, br);
  if (gz.length < content.length) await writeFile(`${path}.gz`, gz);
  return `${path.slice(site.length + 1)}: ${content.length} bytes, br ${br.length}, gz ${gz.length}`;
}

const entries = await readdir(site, { recursive: true, withFileTypes: true });
const files = entries
  .filter((entry) => entry.isFile() && compressible.has(extname(entry.name)))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
for (const line of await Promise.all(files.map(compress))) console.error(line);
