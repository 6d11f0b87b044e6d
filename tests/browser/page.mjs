// What the tests of the upload page share: a browser, a darkroom, and the page as a user sees it.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startBrowser } from "./browser.mjs";
import { startDarkroom } from "./darkroom.mjs";

/** How long an upload may take until its thumbnails exist, on a busy machine with a debug build. */
export const PATIENCE_MS = 120_000;

/** The darkroom and the browser of a test file, once its tests run. */
export const site = {};

/** Starts both until the tests of a file end. Returns the browser. */
export async function startSite(settings) {
  [site.darkroom, site.browser] = await Promise.all([startDarkroom(settings), startBrowser()]);
  return site.browser;
}

after(async () => {
  await site.browser?.close();
  await site.darkroom?.stop();
});

/** A test with its own page. An unexpected complaint of the browser fails the test. */
export function pageTest(name, options, body) {
  test(name, { timeout: 4 * PATIENCE_MS }, async () => {
    const { complaints: expected = /^$/, ...contextOptions } = options;
    const context = await site.browser.newContext({ viewport: { width: 1000, height: 800 }, ...contextOptions });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(site.darkroom.url);
    await body(page, context);
    await context.close();
    assert.deepEqual(complaints.filter((complaint) => !expected.test(complaint)), []);
  });
}

export const choose = (page, files) => page.setInputFiles("#files", files);
export const itemOf = (page, name) => page.locator(".item").filter({ has: page.getByText(name, { exact: true }) });

export async function expectWords(page, name, words) {
  await itemOf(page, name).locator(".words", { hasText: words }).waitFor();
}

/** Waits for an image's thumbnails; returns their natural sizes after the browser has decoded them. */
export async function thumbnailSizes(page, name) {
  await expectWords(page, name, "Ready");
  const pictures = await itemOf(page, name).locator("img").all();
  return Promise.all(pictures.map((picture) => picture.evaluate(async (image) => {
    await image.decode();
    return [image.naturalWidth, image.naturalHeight];
  })));
}
