// The page of examples/browser in a real browser, on another origin than the API.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { keepScreenshot, photographs, startBrowser } from "./browser.mjs";
import { root, startDarkroom } from "./darkroom.mjs";

/** How long an upload may take until its thumbnails exist, on a busy machine with a debug build. */
const PATIENCE_MS = 120_000;
const MAX_BYTES = 256 * 1024;

const folder = join(root, ".scratch/examples/browser");

/** Why the tests are skipped. */
let skipped;
let darkroom;
let browser;
let site;
let photo;

before(async () => {
  skipped = await build();
  if (skipped) return;
  [site, browser] = await Promise.all([serve(folder), startBrowser()]);
  darkroom = await startDarkroom({ DARKROOM_MAX_BYTES: `${MAX_BYTES / 1024}KiB`, DARKROOM_CORS_ORIGINS: site.origin });
  const index = join(folder, "index.html");
  await writeFile(index, (await readFile(index, "utf8")).replace("http://127.0.0.1:8080", darkroom.url));
  [photo] = await photographs(browser, [{ name: "evening.jpg", width: 800, height: 600 }]);
  assert.ok(photo.buffer.length < MAX_BYTES);
});

after(async () => {
  await browser?.close();
  await darkroom?.stop();
  site?.server.close();
});

/**
 * Builds as the README says, in a copy without the output of earlier builds. Returns a reason to skip the tests if the
 * packages cannot be installed. In CI it fails then.
 */
async function build() {
  const isSource = (path) => !/\/(node_modules|dist)$/.test(path);
  await rm(folder, { recursive: true, force: true });
  await cp(join(root, "examples/browser"), folder, { recursive: true, filter: isSource });
  const npm = (...args) => promisify(execFile)("npm", args, { cwd: folder });
  try {
    await npm("ci", "--fetch-retries=1");
  } catch (error) {
    if (process.env.CI === "true") throw error;
    return "packages from npm cannot be installed";
  }
  await npm("run", "build");
}

/** Serves the page's files on a free port. */
async function serve(dir) {
  const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
  const server = createServer(async ({ url }, response) => {
    const path = new URL(url, "http://localhost").pathname.replace(/\/$/, "/index.html");
    try {
      const content = await readFile(join(dir, path));
      response.writeHead(200, { "content-type": types[extname(path)] ?? "application/octet-stream" }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

/** A test with its own page; a script error on the page fails it. */
function pageTest(name, body) {
  test(name, { timeout: 4 * PATIENCE_MS }, async (t) => {
    if (skipped) return t.skip(skipped);
    const context = await browser.newContext({ viewport: { width: 1000, height: 900 } });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(`${site.origin}/?api=https://elsewhere.example`);
    await body(page);
    await context.close();
    assert.deepEqual(errors, []);
  });
}

async function upload(page, ...files) {
  await page.locator("input.uppy-Dashboard-input[type=file]").first().setInputFiles(files);
  await page.locator(".uppy-StatusBar-actionBtn--upload").click();
}

const resultOf = (page, name) => page.locator("#results li").filter({ hasText: name });

async function expectResult(page, name, status, text) {
  const result = resultOf(page, name).and(page.locator(`[data-status=${status}]`));
  await result.waitFor();
  assert.equal(await result.locator("p").textContent(), text);
}

const named = (name, buffer) => ({ name, mimeType: "image/jpeg", buffer });
const ofLength = (bytes) => Buffer.concat([photo.buffer, Buffer.alloc(bytes - photo.buffer.length)]);

/** Answers the next matching request instead of the API. Returns the arrival times of all matching requests. */
async function answerFirst(page, method, path, status, body) {
  const times = [];
  const headers = {
    "access-control-allow-origin": site.origin,
    "access-control-expose-headers": "retry-after",
    "retry-after": "1",
  };
  await page.route((url) => path.test(url.pathname), (route) => {
    if (route.request().method() !== method) return route.fallback();
    times.push(performance.now());
    return times.length === 1 ? route.fulfill({ status, headers, json: body }) : route.fallback();
  });
  return times;
}

pageTest("a photograph that Uppy uploads gets its thumbnails", async (page) => {
  await upload(page, photo);
  await expectResult(page, photo.name, "published", photo.name);
  const sizes = await resultOf(page, photo.name).locator("img").evaluateAll((images) => Promise.all(
    images.map((image) => image.decode().then(() => [image.naturalWidth, image.naturalHeight])),
  ));
  assert.deepEqual(sizes, [[100, 75], [500, 375], [800, 600]]);
  await keepScreenshot(page, "uppy");
});

pageTest("a file that is refused shows its reason, and the others go on", async (page) => {
  await upload(page, named("notes.jpg", Buffer.from("This is a text, whatever its name says.")), photo);
  const reason = "unsupported_type, the file is neither a JPEG nor a PNG, whatever its name says";
  await expectResult(page, "notes.jpg", "invalid_content_type", `notes.jpg: invalid_content_type, ${reason}`);
  await expectResult(page, photo.name, "published", photo.name);
});

pageTest("a file is as large as the limit at most", async (page) => {
  await upload(page, named("smaller.jpg", ofLength(MAX_BYTES - 1)), named("largest.jpg", ofLength(MAX_BYTES)));
  await expectResult(page, "smaller.jpg", "published", "smaller.jpg");
  await expectResult(page, "largest.jpg", "published", "largest.jpg");
  await page.reload();
  await upload(page, named("huge.jpg", ofLength(MAX_BYTES + 1)));
  const detail = `contentLength is ${MAX_BYTES + 1} bytes, the limit is ${MAX_BYTES}`;
  await expectResult(page, "huge.jpg", "error", `huge.jpg: ${detail}`);
});

pageTest("503 is tried again when the answer says", async (page) => {
  const problem = { detail: "try again in a few seconds" };
  const created = await answerFirst(page, "POST", /^\/images$/, 503, problem);
  const asked = await answerFirst(page, "GET", /^\/images\//, 503, problem);
  await upload(page, photo);
  await expectResult(page, photo.name, "published", photo.name);
  for (const [first, second] of [created, asked]) assert.ok(second - first >= 950, `${second - first} ms`);
});

pageTest("failed is an end", async (page) => {
  const asked = await answerFirst(page, "GET", /^\/images\//, 200, { status: "failed", reason: "killed" });
  await upload(page, photo);
  await expectResult(page, photo.name, "failed", `${photo.name}: failed, killed`);
  assert.equal(asked.length, 1);
});
