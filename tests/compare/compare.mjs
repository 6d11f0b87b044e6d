// Compares darkroom's thumbnails with what a browser shows. scripts/compare-with-browser has the help text.

import * as fs from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { parseArgs } from "node:util";
import { Browser } from "./browser.mjs";
import { render } from "./render.mjs";

const JPEG = Buffer.from([0xff, 0xd8]);
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Files that are compared at the same time. */
const AT_ONCE = 2;

/** Refusals that settings and the machine decide, not the file alone. */
const LIMITS = ["too_many_bytes", "too_many_pixels", "too_much_work", "render_timeout"];

/** What a comparison can end with, in the order of the summary, and the summary's words. */
const OUTCOMES = {
  same: "the same",
  differs: "differ",
  "only browser": "only in the browser",
  "only darkroom": "only in darkroom",
  part: "damaged, and shown in part by the browser",
  limit: "over a limit of darkroom",
  neither: "shown by neither",
};
const FAILURES = ["differs", "only browser", "only darkroom"];

/** Finds the pictures, in a stable order. A name is bytes: not every name is valid UTF-8. */
class Search {
  pictures = [];
  ignored = [];
  unreadable = [];

  add(path) {
    try {
      // Links to files are followed, links to folders are not: they can form circles.
      if (fs.lstatSync(path).isDirectory()) {
        const names = fs.readdirSync(path, { encoding: "buffer" }).sort(Buffer.compare);
        for (const name of names) this.add(Buffer.concat([path, Buffer.from("/"), name]));
      } else if (fs.statSync(path).isFile()) {
        (isPicture(path) ? this.pictures : this.ignored).push(path);
      }
    } catch (error) {
      this.unreadable.push(error.message);
    }
  }
}

function isPicture(path) {
  const file = fs.openSync(path);
  try {
    const bytes = Buffer.alloc(PNG.length);
    const start = bytes.subarray(0, fs.readSync(file, bytes, 0, bytes.length, 0));
    return start.equals(PNG) || start.subarray(0, JPEG.length).equals(JPEG);
  } finally {
    fs.closeSync(file);
  }
}

/** Renders a file and shows it. Returns what both did. */
async function compare(path, directory, browser, maxDifference) {
  const rendered = await render(path, directory);
  const shown = await browser.compare(rendered);
  await rm(directory, { recursive: true });
  const report = { file: path.toString(), ...verdict(rendered, shown, maxDifference) };
  if (rendered.error) report.darkroom = { reason: rendered.reason ?? null, error: rendered.error };
  if (!shown.isShown) report.browser = { error: shown.error };
  else report.browser = { width: shown.width, height: shown.height };
  if (shown.thumbnails?.length > 0) report.thumbnails = shown.thumbnails;
  return report;
}

function verdict(rendered, shown, maxDifference) {
  if (rendered.error) {
    const why = rendered.reason ? `${rendered.reason}: ${rendered.error}` : rendered.error;
    if (LIMITS.includes(rendered.reason)) return { outcome: "limit", why };
    if (!shown.isShown) return { outcome: "neither", why };
    return { outcome: shown.isWhole ? "only browser" : "part", why };
  }
  if (!shown.isShown) return { outcome: "only darkroom", why: shown.error };
  const [farthest] = shown.thumbnails.toSorted((a, b) => (b.mean ?? Infinity) - (a.mean ?? Infinity));
  const { size, width, height, error, mean, worst } = farthest;
  if (error) return { outcome: "differs", why: `${size} is ${width} x ${height}, the browser shows ${sides(shown)}` };
  if (mean <= maxDifference) return { outcome: "same" };
  return { outcome: "differs", why: `${size} by ${levels(mean)} levels, the worst part by ${levels(worst)}` };
}

const sides = ({ width, height }) => `${width} x ${height}`;
const levels = (number) => number.toFixed(1);

/** Names can hold anything. A line of the report is one line. */
const oneLine = (text) => text.replace(/[\p{Cc}\u2028\u2029]/gu, (c) => JSON.stringify(c).slice(1, -1));

/** Calls `work` for each item, a few at a time, and `report` with each result, in the order of the items. */
async function inOrder(items, work, report) {
  const results = new Map();
  let [next, reported] = [0, 0];
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results.set(index, await work(items[index], index));
      for (; results.has(reported); reported += 1) {
        report(results.get(reported));
        results.delete(reported);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function summaryOf(reports, ignored, browser, maxDifference) {
  const outcomes = Object.fromEntries(Object.keys(OUTCOMES).map((outcome) => [outcome, 0]));
  for (const { outcome } of reports) outcomes[outcome] += 1;
  const means = reports.flatMap(({ thumbnails = [] }) => thumbnails).flatMap(({ mean }) => mean ?? []);
  const mean = means.length > 0 ? means.reduce((sum, it) => sum + it, 0) / means.length : null;
  const largest = means.reduce((most, it) => Math.max(most, it), 0);
  return { files: reports.length, ...outcomes, ignored: ignored.length, mean, largest, maxDifference, browser };
}

/** The ignored files by the end of their names, most frequent first. */
function kindsOf(ignored) {
  const counts = new Map();
  for (const path of ignored) {
    const kind = oneLine(extname(path.toString()).toLowerCase()) || "no extension";
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${count} ${kind}`);
  return sorted.slice(0, 8).join(", ") + (sorted.length > 8 ? ", ..." : "");
}

function printSummary(summary, ignored) {
  if (ignored.length > 0) console.log(`ignored: ${ignored.length} neither JPEG nor PNG (${kindsOf(ignored)})`);
  const counts = Object.entries(OUTCOMES).filter(([outcome]) => summary[outcome] > 0);
  const listed = counts.map(([outcome, words]) => `${summary[outcome]} ${words}`).join(", ");
  console.log(`${summary.files} files beside Chromium ${summary.browser}: ${listed}`);
  if (summary.mean === null) return;
  const { mean, largest, maxDifference } = summary;
  console.log(`difference: ${levels(mean)} levels in the mean, at most ${levels(largest)} (allowed: ${maxDifference})`);
}

/** Replaces the last line of a terminal. */
function progress(line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
}

function fail(message) {
  console.error(`compare-with-browser: ${message}`);
  process.exit(2);
}

function parse() {
  try {
    const options = { "max-difference": { type: "string", default: "4" }, json: { type: "boolean", default: false } };
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const maxDifference = Number(values["max-difference"]);
    if (values["max-difference"].trim() === "" || !(maxDifference >= 0 && maxDifference <= 255)) {
      fail(`--max-difference ${values["max-difference"]} is not a number of levels from 0 to 255`);
    }
    if (positionals.length === 0) fail("name a folder; --help lists the options");
    return { maxDifference, json: values.json, paths: positionals };
  } catch (error) {
    return fail(`${error.message}; --help lists the options`);
  }
}

const { maxDifference, json, paths } = parse();
try {
  fs.accessSync(process.env.DARKROOM_BINARY, fs.constants.X_OK);
} catch (error) {
  fail(`DARKROOM_BINARY cannot be used: ${error.message}`);
}
const search = new Search();
for (const path of paths) search.add(Buffer.from(path));
for (const message of search.unreadable) console.error(`compare-with-browser: ${oneLine(message)}`);
if (search.unreadable.length === 0 && search.pictures.length === 0) fail("there is no JPEG or PNG in these folders");

const directory = await mkdtemp(join(tmpdir(), "darkroom-compare-"));
// Also when the user interrupts.
process.once("exit", () => fs.rmSync(directory, { recursive: true, force: true }));
const browser = await Browser.start(directory);
const reports = [];
await inOrder(
  search.pictures,
  // A name of its own for each: the browser keeps the picture of an address.
  (path, index) => compare(path, join(directory, String(index)), browser, maxDifference),
  (report) => {
    reports.push(report);
    progress("");
    if (json) console.log(JSON.stringify(report));
    else if (report.outcome !== "same") {
      console.log(`${report.outcome.padEnd(13)}  ${oneLine(report.file)}: ${oneLine(report.why)}`);
    }
    progress(`${reports.length} of ${search.pictures.length}`);
  },
);
progress("");
await browser.stop();
const summary = summaryOf(reports, search.ignored, browser.version, maxDifference);
if (json) console.log(JSON.stringify({ summary }));
else printSummary(summary, search.ignored);
if (search.unreadable.length > 0) process.exitCode = 2;
else process.exitCode = FAILURES.some((outcome) => summary[outcome] > 0) ? 1 : 0;
