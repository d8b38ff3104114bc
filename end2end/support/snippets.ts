/** Runs what the guide shows, as its readers do. */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { createContext, runInContext } from 'node:vm';

/** Longer than the bridge takes for any answer here. */
const TIMEOUT_MS = 30_000;

/** The text in a shell; answers what it printed. */
export async function runShell(text: string): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-c', text], { timeout: TIMEOUT_MS });
  return stdout;
}

type FetchOptions = {
  method?: string;
  contentType?: string;
  headers?: Record<string, string>;
  payload?: string;
  muteHttpExceptions?: boolean;
};

/**
 * Defines the script's functions beside stand-ins of Google's services, and runs `call` there.
 * As at Google, requests are synchronous, and a failure throws unless it is muted. There is no window.
 */
export function runAppsScript(text: string, call: string, properties: Record<string, string>): { result: unknown; log: string[] } {
  const log: string[] = [];
  const services = createContext({
    PropertiesService: { getScriptProperties: () => ({ getProperty: (name: string) => properties[name] ?? null }) },
    Logger: { log: (line: string) => void log.push(line) },
    UrlFetchApp: { fetch: fetchWithCurl },
  });
  runInContext(text, services, { timeout: TIMEOUT_MS });
  return { result: runInContext(call, services, { timeout: TIMEOUT_MS }), log };
}

function fetchWithCurl(url: string, options: FetchOptions = {}) {
  const headers = { 'Content-Type': options.contentType ?? 'application/x-www-form-urlencoded', ...options.headers };
  const method = (options.method ?? 'get').toUpperCase();
  const out = execFileSync(
    'curl',
    [
      ...['-sS', '--noproxy', '*', '-X', method, '--data-binary', '@-', '-w', '\n%{http_code}'],
      ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
      url,
    ],
    { input: options.payload ?? '', encoding: 'utf8', timeout: TIMEOUT_MS },
  );
  const end = out.lastIndexOf('\n');
  const status = Number(out.slice(end + 1));
  if (status >= 400 && !options.muteHttpExceptions) throw new Error(`Request failed, returned code ${status}`);
  return { getContentText: () => out.slice(0, end), getResponseCode: () => status };
}
