/** Starts bridges of our own: each a process with its own port, data and database. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 40_000;
/** Below the range from which the system gives ports to outgoing connections. */
const PORTS = { from: 20_000, to: 32_000 };

/** What is logged where everything is to be seen, as in tests/it/helpers.rs. */
const EVERYTHING =
  'debug,odoo_bridge=trace,hyper=debug,hyper_util=debug,h2=debug,reqwest=debug,rustls=debug,sqlx=debug,tower=debug,leptos_router=debug';

/** The person who is there from the start, unless a test is about the set-up. */
export const ADMIN = { email: 'operator@example.com', password: 'a long walk in the rain' };

export type Odoo = {
  url: string;
  db: string;
  username: string;
  secret: string;
};

export type BridgeSettings = {
  /** Whether there is an account already. */
  account: boolean;
  /** The Odoo behind it; none: the demo Odoo. */
  odoo?: Odoo;
  /** How many calls to it may begin in a second; none: as many as come. */
  callsPerSecond?: number;
};

export type Bridge = {
  origin: string;
  /** What opens /setup; empty if there is an account already. */
  setupToken: string;
  /** Runs another command of the same binary beside it, with the same settings; answers what it printed. */
  run: (...args: string[]) => string;
  /** Puts something into its database; only where TEST_DATABASE_URL says in which server that is. */
  sql: (...statements: string[]) => void;
  stop: () => Promise<void>;
};

/** The real Odoo 19, if the environment names one. */
export function realOdoo(): Odoo | undefined {
  const { TEST_ODOO_URL: url, TEST_ODOO_DB: db, TEST_ODOO_USERNAME: username } = process.env;
  const secret = process.env.TEST_ODOO_API_KEY || process.env.TEST_ODOO_PASSWORD;
  return url && db && username && secret ? { url, db, username, secret } : undefined;
}

/** Starts a bridge and waits until it says that it is ready. */
export async function startBridge(settings: BridgeSettings): Promise<Bridge> {
  const binary = bridgeBinary();
  const home = mkdtempSync(join(tmpdir(), 'odoo-bridge-e2e-'));
  // A bridge that runs as root has its PostgreSQL run as somebody else, who must get through.
  chmodSync(home, 0o755);
  const database = createDatabase();
  const port = await freePort();
  const env = environment(home, port, settings, database?.url);
  const child = spawn(binary, ['serve'], {
    cwd: home,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => {
    log += text;
    // Kept for scripts/leaks.sh, which looks for secrets in it.
    if (process.env.BRIDGE_TEST_LOGS) appendFileSync(join(process.env.BRIDGE_TEST_LOGS, `e2e-${child.pid}.log`), text);
  });
  const stop = async () => {
    await end(child);
    database?.drop();
    rmSync(home, { recursive: true, force: true });
  };
  try {
    // The token is the last thing that it says, in one piece with the address.
    await ready(child, () => log, (text) => /Odoo Bridge is ready: /.test(text) && text.endsWith('\n'));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    origin: `http://127.0.0.1:${port}`,
    setupToken: /one-time token:\s+(\S+)/.exec(log)?.[1] ?? '',
    run: (...args) => execFileSync(binary, args, { cwd: home, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    sql: (...statements) => {
      if (!database) throw new Error('TEST_DATABASE_URL is not set');
      execFileSync('psql', ['-qX', '-v', 'ON_ERROR_STOP=1', '-d', database.url, ...statements.flatMap((text) => ['-c', text])], { stdio: ['ignore', 'ignore', 'inherit'] });
    },
    stop,
  };
}

/** A demo Odoo that runs alone; it accepts only its own credentials. */
export async function startDemoOdoo(): Promise<{ url: string; stop: () => Promise<void> }> {
  const listen = `127.0.0.1:${await freePort()}`;
  const child = spawn(bridgeBinary(), ['demo-odoo', '--listen', listen], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text: string) => (said += text));
  await ready(child, () => said, (text) => text.includes(listen));
  return { url: `http://${listen}`, stop: () => end(child) };
}

function bridgeBinary(): string {
  const binary = resolve(process.env.BRIDGE_BIN || join(__dirname, '../../target/debug/odoo-bridge'));
  if (!existsSync(binary)) throw new Error(`there is no ${binary}: build it, or name another in BRIDGE_BIN`);
  return binary;
}

/** Nothing of our own environment that would steer the bridge. */
function environment(home: string, port: number, settings: BridgeSettings, databaseUrl?: string): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: home,
    LEPTOS_SITE_ADDR: `127.0.0.1:${port}`,
    BRIDGE_DATA_DIR: join(home, 'data'),
    RUST_LOG: process.env.RUST_LOG || (process.env.BRIDGE_TEST_LOGS ? EVERYTHING : 'warn'),
  };
  if (databaseUrl) env.DATABASE_URL = databaseUrl;
  if (settings.account) {
    env.BRIDGE_ADMIN_EMAIL = ADMIN.email;
    env.BRIDGE_ADMIN_PASSWORD = ADMIN.password;
  }
  if (settings.odoo) {
    env.ODOO_URL = settings.odoo.url;
    env.ODOO_DB = settings.odoo.db;
    env.ODOO_USERNAME = settings.odoo.username;
    env.ODOO_API_KEY = settings.odoo.secret;
  }
  if (settings.callsPerSecond) env.ODOO_CALLS_PER_SECOND = String(settings.callsPerSecond);
  return env;
}

/** A database of its own in the server of TEST_DATABASE_URL; without that the bridge brings one. */
function createDatabase(): { url: string; drop: () => void } | undefined {
  const server = process.env.TEST_DATABASE_URL;
  if (!server) return undefined;
  const name = `e2e_${randomBytes(8).toString('hex')}`;
  const psql = (sql: string) => execFileSync('psql', ['-qX', '-v', 'ON_ERROR_STOP=1', '-d', server, '-c', sql]);
  psql(`CREATE DATABASE ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => void psql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from));
    const free = await new Promise<boolean>((done) => {
      const server = createServer();
      server.once('error', () => done(false));
      server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
    });
    if (free) return port;
  }
}

/** Ends when the bridge has said where it is, and fails when it ended or the time is over. */
function ready(child: ChildProcess, log: () => string, isReady: (log: string) => boolean): Promise<void> {
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`the bridge is not ready:\n${log()}`)), START_DEADLINE_MS);
    const settle = (act: () => void) => {
      clearTimeout(timer);
      act();
    };
    child.once('error', (error) => settle(() => fail(error)));
    child.once('exit', () => settle(() => fail(new Error(`the bridge ended at once:\n${log()}`))));
    const look = () => isReady(log()) && settle(done);
    child.stderr?.on('data', look);
    child.stdout?.on('data', look);
  });
}

/** Ends a process of ours, and only that. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((done) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
    child.once('exit', () => {
      clearTimeout(timer);
      done();
    });
    child.kill('SIGTERM');
  });
}
