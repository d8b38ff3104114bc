// Google's services as a script sees them, as far as the guide's snippet uses them: calls are
// synchronous, the content type is that of a form unless it is set, and a failure throws unless
// muteHttpExceptions is set. There is no window.
const { execFileSync } = require("node:child_process");

const PropertiesService = {
  getScriptProperties: () => ({ getProperty: (name) => process.env[`PROPERTY_${name}`] ?? null }),
};

const Logger = { log: (text) => console.log(text) };

const UrlFetchApp = {
  fetch(url, options = {}) {
    const headers = { "Content-Type": options.contentType ?? "application/x-www-form-urlencoded", ...options.headers };
    const args = ["-sS", "--noproxy", "*", "-X", (options.method ?? "get").toUpperCase(), "--data-binary", "@-", "-w", "\n%{http_code}"];
    for (const [name, value] of Object.entries(headers)) args.push("-H", `${name}: ${value}`);
    const out = execFileSync("curl", [...args, url], { input: options.payload ?? "", encoding: "utf8" });
    const end = out.lastIndexOf("\n");
    const [text, status] = [out.slice(0, end), Number(out.slice(end + 1))];
    if (status >= 400 && !options.muteHttpExceptions) throw new Error(`Request failed, returned code ${status}`);
    return { getContentText: () => text, getResponseCode: () => status };
  },
};
