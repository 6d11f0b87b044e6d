// The upload page in a real browser, operated as a user does.

import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before } from "node:test";
import { axeSource, keepScreenshot, onDisk, photographs } from "./browser.mjs";
import { root, startDarkroom, startGate } from "./darkroom.mjs";
import { choose, expectWords, itemOf, pageTest, site, startSite, thumbnailSizes } from "./page.mjs";

const MIB = 1024 * 1024;

let photos;

before(async () => {
  const browser = await startSite({ DARKROOM_MAX_BYTES: "4MiB" });
  photos = await photographs(browser, [
    { name: "evening over the hills.jpg", width: 1600, height: 1200 },
    { name: "portrait.jpg", width: 900, height: 1200 },
    { name: "drawing.png", width: 640, height: 400, type: "image/png" },
    ...Array.from({ length: 7 }, (_, at) => ({ name: `holiday ${at + 1}.jpg`, width: 800, height: 600 })),
  ]);
});

async function expectAccessible(page, where) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(({ id, nodes }) => `${where}: ${id}: ${nodes.map((node) => node.html).join(" | ")}`);
  assert.deepEqual(found, []);
}

pageTest("chosen photographs get their thumbnails in the right sizes", {}, async (page) => {
  await expectAccessible(page, "empty");
  await keepScreenshot(page, "empty");
  await choose(page, photos.slice(0, 3));
  assert.deepEqual(await thumbnailSizes(page, "evening over the hills.jpg"), [[100, 75], [500, 375], [1000, 750]]);
  assert.deepEqual(await thumbnailSizes(page, "portrait.jpg"), [[75, 100], [375, 500], [750, 1000]]);
  assert.deepEqual(await thumbnailSizes(page, "drawing.png"), [[100, 63], [500, 313], [640, 400]]);
  const caption = itemOf(page, "portrait.jpg").locator(".caption").first();
  assert.match(await caption.textContent(), /^small 75 × 100, [\d.]+ (KiB|bytes)$/);
  assert.equal(await page.locator("#summary").textContent(), "3 done");
  assert.match(await page.locator("#announcements").textContent(), /portrait\.jpg: Ready/);
  await expectAccessible(page, "ready");
  await keepScreenshot(page, "ready");
  await page.getByRole("button", { name: "Clear finished" }).click();
  await page.locator("#uploads").waitFor({ state: "hidden" });
});

pageTest("photographs dragged onto the page are uploaded", {}, async (page, context) => {
  const files = await onDisk(photos.slice(0, 2), join(tmpdir(), `darkroom-drag-${process.pid}`));
  const devtools = await context.newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  const drag = (type) => devtools.send("Input.dispatchDragEvent", { type, x: 500, y: 700, data });
  await drag("dragEnter");
  await drag("dragOver");
  await page.locator("#drop.is-over").waitFor();
  await keepScreenshot(page, "dragging");
  await drag("drop");
  assert.equal((await thumbnailSizes(page, "portrait.jpg")).length, 3);
  assert.equal((await thumbnailSizes(page, "evening over the hills.jpg")).length, 3);
  assert.equal(await page.locator("#drop.is-over").count(), 0);
});

pageTest("what is refused says why", {}, async (page) => {
  const jpeg = photos[0].buffer;
  const refused = (name, buffer) => ({ name, mimeType: "image/jpeg", buffer });
  await choose(page, [
    refused("notes.jpg", Buffer.from("This is a text, whatever its name says.")),
    refused("cut short.jpg", jpeg.subarray(0, jpeg.length / 2)),
    refused("nothing.jpg", Buffer.alloc(0)),
    refused("huge.jpg", Buffer.concat([jpeg, Buffer.alloc(4 * MIB)])),
    photos[1],
  ]);
  await expectWords(page, "notes.jpg", "neither a JPEG nor a PNG");
  await expectWords(page, "cut short.jpg", "damaged or cut short");
  await expectWords(page, "nothing.jpg", "the file is empty");
  await expectWords(page, "huge.jpg", "larger than 4 MiB");
  await expectWords(page, "portrait.jpg", "Ready");
  assert.equal(await page.getByRole("button", { name: /^Retry/ }).count(), 0, "trying again makes no sense");
  assert.equal(await page.locator("#summary").textContent(), "5 done, 4 refused");
  await expectAccessible(page, "refused");
  await keepScreenshot(page, "refused");
});

pageTest("the summary counts what is done while the rest is on its way", {}, async (page) => {
  let isHeld = true;
  const held = [];
  await page.route("**/images", (route) => {
    // Let the first file through.
    if (isHeld && route.request().postDataJSON().contentLength !== photos[0].buffer.length) held.push(route);
    else route.continue();
  });
  await choose(page, [photos[0], photos[1], { name: "notes.jpg", mimeType: "image/jpeg", buffer: Buffer.from("text") }]);
  await page.locator("#summary", { hasText: /^2 of 3 done, 1 refused$/ }).waitFor();
  assert.equal(await page.title(), "2/3 darkroom");
  isHeld = false;
  await Promise.all(held.map((route) => route.continue()));
  await page.locator("#summary", { hasText: /^3 done, 1 refused$/ }).waitFor();
});

pageTest("a reload keeps the list, with a link to each image", { complaints: /ERR_|404/ }, async (page, context) => {
  const text = { name: "notes.jpg", mimeType: "image/jpeg", buffer: Buffer.from("text") };
  const cut = { ...photos[2], name: "cut short.png", buffer: photos[2].buffer.subarray(0, photos[2].buffer.length / 2) };
  await choose(page, [photos[0], text, photos[1], cut]);
  await page.locator("#summary", { hasText: "4 done, 2 refused" }).waitFor();
  await page.route("**/images", (route) => route.abort("connectionreset"));
  await choose(page, [photos[3]]);
  await expectWords(page, photos[3].name, "The connection broke off");
  const link = await page.getByRole("link", { name: `Link to ${photos[0].name}` }).getAttribute("href");

  await page.reload();
  const names = [photos[0].name, "notes.jpg", "portrait.jpg", "cut short.png", photos[3].name];
  assert.deepEqual(await page.locator(".name").allTextContents(), names);
  assert.deepEqual(await thumbnailSizes(page, photos[0].name), [[100, 75], [500, 375], [1000, 750]]);
  assert.equal((await thumbnailSizes(page, "portrait.jpg")).length, 3);
  await expectWords(page, "notes.jpg", "neither a JPEG nor a PNG");
  await expectWords(page, "cut short.png", "damaged or cut short");
  await expectWords(page, photos[3].name, "Choose the file again");
  await page.locator("#summary", { hasText: "4 of 5 done, 2 refused, 1 stopped" }).waitFor();
  assert.equal(await page.getByRole("button", { name: /^Retry/ }).count(), 0, "the file is gone");
  assert.equal(await page.locator("#announcements p").count(), 1, "only what changed is announced");
  await expectAccessible(page, "after a reload");
  await keepScreenshot(page, "reloaded");
  await page.getByRole("button", { name: `Cancel ${photos[3].name}` }).click();
  await page.getByRole("button", { name: "Clear finished" }).click();
  await page.reload();
  assert.equal(await page.locator(".item").count(), 0, "what was cleared stays away");

  const other = await context.newPage();
  await other.goto(site.darkroom.url + link);
  await other.locator("#summary", { hasText: "1 done" }).waitFor();
  assert.equal((await thumbnailSizes(other, link.slice(2))).length, 3);
  assert.match(await other.locator(".size").textContent(), /(KiB|bytes)$/);
  await other.goto(`${site.darkroom.url}/#no-such-image`);
  await expectWords(other, "no-such-image", "does not know this image");
  await other.goto(`${site.darkroom.url}/#no+image`);
  assert.equal(await other.locator(".item").count(), 2, "what is no id is no link");
  await other.close();
});

pageTest("a reload while an image is worked on follows it", {}, async (page) => {
  let isHeld = true;
  await page.route("**/images/*", async (route) => {
    if (!isHeld) return route.continue();
    const { pathname } = new URL(route.request().url());
    const json = { id: pathname.split("/").pop(), status: "waiting_for_thumbnails", createdAt: "", updatedAt: "" };
    return route.fulfill({ json, headers: { etag: '"held"' } });
  });
  await choose(page, [photos[1]]);
  await expectWords(page, "portrait.jpg", "Making thumbnails");
  await page.reload();
  await expectWords(page, "portrait.jpg", "Making thumbnails");
  isHeld = false;
  assert.equal((await thumbnailSizes(page, "portrait.jpg")).length, 3);
  await page.locator("#announcements", { hasText: "portrait.jpg: Ready" }).waitFor({ state: "attached" });
});

pageTest("the page names the sizes that are set, and its commands have its address", {}, async (page) => {
  const own = await startDarkroom({ DARKROOM_SIZES: "icon:64,poster:1200" });
  await page.goto(own.url);
  assert.equal(await page.locator("#sizes").textContent(), "icon (64 pixels) and poster (1200 pixels)");
  await page.getByText("From the command line").click();
  const commands = await page.locator("pre").innerText();
  assert.equal(commands.split(`${own.url}/images`).length, 3, commands);
  assert.match(commands, /^curl -sSf -X POST http.*\ncurl -sSf -T photo\.jpg/);
  await expectAccessible(page, "commands");
  await keepScreenshot(page, "commands");
  await own.stop();
});

pageTest("ten files at once stay in order", {}, async (page) => {
  await choose(page, photos);
  assert.deepEqual(await page.locator(".name").allTextContents(), photos.map(({ name }) => name));
  for (const { name } of photos) assert.equal((await thumbnailSizes(page, name)).length, 3, name);
  assert.equal(await page.locator("#summary").textContent(), "10 done");
  assert.equal(await page.title(), "10/10 darkroom");
  assert.deepEqual(await page.locator(".name").allTextContents(), photos.map(({ name }) => name));
  await keepScreenshot(page, "ten");
});

const NETWORK = /Failed to load resource|net::ERR_/;

pageTest("offline in the middle of an upload, and back", { complaints: NETWORK }, async (page, context) => {
  const gate = await startGate(site.darkroom.url);
  await page.goto(gate.url);
  gate.hold(MIB);
  await choose(page, [{ ...photos[0], buffer: Buffer.concat([photos[0].buffer, Buffer.alloc(3 * MIB)]) }]);
  await expectWords(page, photos[0].name, /Uploading, (\d+ %|almost there)/);
  await gate.held;
  await keepScreenshot(page, "uploading");
  await context.setOffline(true);
  gate.cut();
  await expectWords(page, photos[0].name, "The connection broke off");
  await page.getByText("You are offline.").waitFor();
  await expectAccessible(page, "offline");
  await keepScreenshot(page, "offline");
  gate.open();
  await context.setOffline(false);
  await expectWords(page, photos[0].name, "Ready");
  await page.getByText("You are offline.").waitFor({ state: "hidden" });
  await gate.stop();
});

pageTest("an upload that broke off is repeated by hand", { complaints: NETWORK }, async (page) => {
  let tries = 0;
  await page.route(/signature|\/objects\//, async (route) => {
    if (route.request().method() !== "PUT") return route.continue();
    tries += 1;
    return tries === 1 ? route.abort("connectionreset") : route.continue();
  });
  await choose(page, [photos[1]]);
  await expectWords(page, "portrait.jpg", "The connection broke off");
  await page.getByRole("button", { name: "Retry portrait.jpg" }).click();
  assert.equal((await thumbnailSizes(page, "portrait.jpg")).length, 3);
  assert.equal(tries, 2);
});

pageTest("an upload that arrived although its answer did not is found on a retry", { complaints: /./ }, async (page) => {
  const answers = [];
  await page.route(/signature|\/objects\//, async (route) => {
    if (route.request().method() !== "PUT") return route.continue();
    const response = await route.fetch();
    answers.push(response.status());
    return answers.length === 1 ? route.abort("connectionreset") : route.fulfill({ response });
  });
  await choose(page, [photos[1]]);
  await expectWords(page, "portrait.jpg", "The connection broke off");
  await page.getByRole("button", { name: "Retry portrait.jpg" }).click();
  assert.equal((await thumbnailSizes(page, "portrait.jpg")).length, 3);
  assert.deepEqual(answers, [200, 412]);
});

pageTest("a server that cannot be reached is asked until it can", { complaints: NETWORK }, async (page) => {
  let isDown = true;
  await page.route("**/images/*", (route) => (isDown ? route.abort("connectionrefused") : route.continue()));
  await choose(page, [photos[1]]);
  await expectWords(page, "portrait.jpg", "The server cannot be reached");
  isDown = false;
  await expectWords(page, "portrait.jpg", "Ready");
});

pageTest("everything works by keyboard", { complaints: NETWORK }, async (page) => {
  await page.route("**/images", (route) => route.abort("connectionreset"), { times: 1 });
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "files");
  // Wait for the chooser before the screenshot: the browser must know about the listener before the key press.
  const chooser = page.waitForEvent("filechooser");
  await keepScreenshot(page, "focus");
  await page.keyboard.press("Enter");
  await (await chooser).setFiles([photos[1]]);
  await expectWords(page, "portrait.jpg", "The connection broke off");
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
  while ((await focused()) !== "Retry portrait.jpg") await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expectWords(page, "portrait.jpg", "Ready");
  assert.equal(await page.evaluate(() => document.activeElement.className), "item", "the focus stays in the list");
  while ((await focused()) !== "Clear finished") await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Space");
  await page.locator("#uploads").waitFor({ state: "hidden" });
  assert.equal(await page.evaluate(() => document.activeElement.id), "files");
});

pageTest("a server with a token is asked for it, once for all files and until the tab is closed", { complaints: /401/ }, async (page, context) => {
  const token = "a-token-of-the-browser-test";
  const guarded = await startDarkroom({ DARKROOM_API_TOKEN: token });
  await page.goto(guarded.url);
  await choose(page, photos.slice(0, 3));
  const dialog = page.getByRole("dialog", { name: "This server asks for a token" });
  await dialog.waitFor();
  await expectAccessible(page, "token");
  await keepScreenshot(page, "token");
  await page.getByLabel("Token", { exact: true }).fill("a-token-that-is-not-the-one");
  await page.keyboard.press("Enter");
  await page.getByText("The server does not know this token.").waitFor();
  await expectAccessible(page, "wrong token");
  await page.keyboard.press("Escape");
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Use this token" }).click();
  await dialog.waitFor({ state: "hidden" });
  for (const { name } of photos.slice(0, 3)) assert.equal((await thumbnailSizes(page, name)).length, 3, name);

  await page.reload();
  await choose(page, [photos[3]]);
  assert.equal((await thumbnailSizes(page, photos[3].name)).length, 3);
  assert.equal(await dialog.count(), 0, "the token was kept");

  const other = await context.newPage();
  await other.goto(guarded.url);
  await choose(other, [photos[3]]);
  await other.getByRole("dialog").waitFor();
  await other.close();
  await guarded.stop();
});

pageTest("on a phone", { viewport: { width: 375, height: 720 }, isMobile: true, hasTouch: true }, async (page) => {
  const long = { ...photos[1], name: `${"a very long name without an end ".repeat(4)}.jpg` };
  await choose(page, [photos[0], { ...long, name: long.name.replaceAll(" ", "_") }]);
  await page.locator("#summary", { hasText: "2 done" }).waitFor();
  await thumbnailSizes(page, photos[0].name);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 375, "nothing is wider than the phone");
  await expectAccessible(page, "phone");
  await keepScreenshot(page, "phone");
});

pageTest("in the dark", { colorScheme: "dark" }, async (page) => {
  await choose(page, [photos[0], { name: "notes.jpg", mimeType: "image/jpeg", buffer: Buffer.from("text") }]);
  await thumbnailSizes(page, photos[0].name);
  await expectWords(page, "notes.jpg", "Refused");
  await expectAccessible(page, "dark");
  await keepScreenshot(page, "dark");
});

pageTest("a picture of the page for the README", { viewport: { width: 900, height: 800 } }, async (page) => {
  const asItComes = await startDarkroom();
  await page.goto(asItComes.url);
  await choose(page, [photos[0], { name: "notes.jpg", mimeType: "image/jpeg", buffer: Buffer.from("text") }]);
  await thumbnailSizes(page, photos[0].name);
  await expectWords(page, "notes.jpg", "Refused");
  const picture = process.env.DARKROOM_PICTURE;
  await keepScreenshot(page, "picture", picture ? { path: join(root, picture) } : {});
  await asItComes.stop();
});
