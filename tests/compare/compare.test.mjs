// scripts/compare-with-browser: what it finds, prints and ends with, and the comparison that docs/FORMATS.md reports.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { crc32, deflateSync } from "node:zlib";

const root = fileURLToPath(new URL("../..", import.meta.url));
const golden = (name) => join(root, "tests/golden/sources", name);
const { DARKROOM_FORMATS: formats } = process.env;

/** Runs the script. `lines` are those of its output. */
function compare(args, env = {}) {
  const script = join(root, "scripts/compare-with-browser");
  const run = spawnSync(script, args, { encoding: "utf8", env: { ...process.env, ...env }, maxBuffer: 1 << 28 });
  return { code: run.status, errors: run.stderr, lines: run.stdout.split("\n").filter((line) => line !== "") };
}

/** Calls `use` with a new folder. */
async function inFolder(use) {
  const folder = await mkdtemp(join(tmpdir(), "compare-test-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A stand-in for darkroom: renders this file instead of each that it is asked for. */
async function renderingOnly(folder, file) {
  const binary = join(folder, `darkroom for ${basename(file)}`);
  const script = `#!/bin/sh\nexec '${process.env.DARKROOM_BINARY}' render --json --out "$4" '${file}'\n`;
  await writeFile(binary, script, { mode: 0o755 });
  return { DARKROOM_BINARY: binary };
}

/** A PNG with one bit a pixel, for sides below 65,536. */
function whitePng(width, height) {
  const chunk = (name, body) => {
    const named = Buffer.concat([Buffer.from(name), body]);
    const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(body.length);
    crc.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, crc]);
  };
  const header = Buffer.from([0, 0, width >> 8, width & 255, 0, 0, height >> 8, height & 255, 1, 0, 0, 0, 0]);
  const row = Buffer.alloc(1 + Math.ceil(width / 8), 255).fill(0, 0, 1);
  const data = deflateSync(Buffer.concat(Array(height).fill(row)));
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

test("files with odd names are compared, whatever is beside them", () => inFolder(async (folder) => {
  const photos = join(folder, "photos");
  await mkdir(join(photos, "deep er"), { recursive: true });
  const names = ["--json", "a b.JPG", "100%25 #1?.jpg", "Füße 🦶.jpeg", "two\nlines.jpg", "'\".jpg", "no extension"];
  const bytes = Buffer.from([0x66, 0xff, 0xfe, 0x2e, 0x6a, 0x70, 0x67]);
  const places = names.map((name) => Buffer.from(join(photos, "deep er", name)));
  places.push(Buffer.concat([Buffer.from(`${photos}/`), bytes]));
  for (const place of places) await copyFile(golden("sampling_420.jpg"), place);
  await writeFile(join(photos, "notes.txt"), "text");
  await writeFile(join(photos, "empty.jpg"), "");
  await symlink("..", join(photos, "circle"));
  await symlink(golden("rgb_8.png"), join(photos, "link.png"));
  const { code, errors, lines } = compare([photos, "--json"]);
  assert.equal(code, 0, errors);
  const { summary } = JSON.parse(lines.pop());
  const reports = lines.map((line) => JSON.parse(line));
  assert.deepEqual(reports.map(({ outcome }) => outcome), Array(places.length + 1).fill("same"));
  const found = reports.map(({ file }) => file);
  for (const place of places) assert.ok(found.includes(place.toString()), `${place} is missing in ${found}`);
  assert.deepEqual([summary.files, summary.same, summary.ignored], [9, 9, 2]);
  const text = compare([photos]);
  assert.equal(text.lines[0], "ignored: 2 neither JPEG nor PNG (1 .jpg, 1 .txt)");
  assert.match(text.lines[1], /^9 files beside Chromium \d+\.[\d.]+: 9 the same$/);
}));

test("a thumbnail of another picture, or of another shape, differs", () => inFolder(async (folder) => {
  const other = await renderingOnly(folder, golden("sampling_444.jpg"));
  for (const [name, words] of [
    ["gray.jpg", /by \d+\.\d levels/],
    ["size_8x8.jpg", /is 97 x 65, the browser shows 8 x 8/],
  ]) {
    const { code, lines } = compare([golden(name)], other);
    assert.equal(code, 1);
    assert.match(lines[0], new RegExp(`^differs  .*${name}: (small|medium|large) `));
    assert.match(lines[0], words);
  }
  const { code, lines } = compare([golden("gray.jpg"), "--max-difference", "255"], other);
  assert.deepEqual([code, lines.length], [0, 2], `only the summary: ${lines}`);
}));

test("a file that only one of them shows fails, and a damaged or large one does not", () => inFolder(async (folder) => {
  const damaged = join(folder, "cut.jpg");
  const bytes = await readFile(golden("sampling_420.jpg"));
  await writeFile(damaged, bytes.subarray(0, bytes.length / 2));
  const header = join(folder, "header.jpg");
  await writeFile(header, bytes.subarray(0, 100));
  const large = join(folder, "large.png");
  await writeFile(large, whitePng(1001, 1000));
  for (const [file, env, code, outcome] of [
    [golden("gray.jpg"), await renderingOnly(folder, damaged), 1, "only browser"],
    [header, await renderingOnly(folder, golden("gray.jpg")), 1, "only darkroom"],
    [damaged, {}, 0, "part"],
    [header, {}, 0, "neither"],
    [large, { DARKROOM_MAX_PIXELS: "1MP" }, 0, "limit"],
  ]) {
    const run = compare([file], env);
    assert.equal(run.code, code, `${outcome}: ${run.lines} ${run.errors}`);
    assert.ok(run.lines[0].startsWith(`${outcome} `), run.lines[0]);
  }
}));

test("what cannot be compared ends with 2", () => inFolder(async (folder) => {
  for (const [args, words] of [
    [[], /name a folder/],
    [["--wrong"], /--wrong/],
    [[folder, "--max-difference", "much"], /much is not a number/],
    [[folder, "--max-difference", "256"], /256 is not a number/],
    [[join(folder, "missing")], /no such file/],
    [[folder], /no JPEG or PNG/],
  ]) {
    const { code, errors } = compare(args);
    assert.equal(code, 2, `${args}: ${errors}`);
    assert.match(errors, words);
  }
  const missing = compare([golden("gray.jpg")], { DARKROOM_BINARY: join(folder, "missing") });
  assert.equal(missing.code, 2);
  assert.match(missing.errors, /DARKROOM_BINARY cannot be used/);
  const { code, lines } = compare(["--help"]);
  assert.equal(code, 0);
  assert.match(lines.join("\n"), /--max-difference LEVELS/);
}));

/** The only files whose thumbnails may differ from what Chromium shows; docs/FORMATS.md explains each. */
const EXCEPTIONS = [
  "apng_hidden_picture.png",
  "no_end_marker.jpg",
  "one_dc_scan.jpg",
  "restart_misnumbered.jpg",
];

test("the generated kinds end as docs/FORMATS.md says", async () => {
  const document = await readFile(join(root, "docs/FORMATS.md"), "utf8");
  const rows = document.matchAll(/^\| `([^`]+)` \|[^|]*\|[^|]*\| ([^|]+) \|/gm);
  const expected = Object.fromEntries([...rows].map(([, name, outcome]) => [name, outcome]));
  const { lines } = compare([formats, "--json"]);
  const { summary } = JSON.parse(lines.pop());
  assert.match(document, new RegExp(`Chromium ${summary.browser.split(".")[0]}\\.`), "the version in the document");
  const reports = lines.map((line) => JSON.parse(line));
  const found = Object.fromEntries(reports.map(({ file, outcome }) => [file.slice(formats.length + 1), outcome]));
  for (const [name, outcome] of Object.entries(expected)) assert.equal(found[name] ?? "ignored", outcome, name);
  for (const name of Object.keys(found)) assert.ok(name in expected, `${name} is missing in the document`);
  const different = Object.keys(found).filter((name) => found[name] === "differs").sort();
  assert.deepEqual(different, EXCEPTIONS);
  assert.ok(summary.files > 90 && summary.maxDifference === 4, JSON.stringify(summary));
});
