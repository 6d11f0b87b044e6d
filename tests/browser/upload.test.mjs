// Uploads that do not go straight: busy stores, dead URLs, files that change, and files that the page refuses.

import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before } from "node:test";
import { onDisk, photographs } from "./browser.mjs";
import { choose, expectWords, itemOf, pageTest, startSite, thumbnailSizes } from "./page.mjs";

const REFUSALS = /Failed to load resource/;
const SIGNED = /\/objects\//;

/** Answers of S3: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
const error = (status, code) => {
  return { status, contentType: "application/xml", body: `<Error><Code>${code}</Code></Error>` };
};
const CONFLICT = error(409, "ConditionalRequestConflict");
const TIMEOUT = error(400, "RequestTimeout");
const DENIED = error(403, "AccessDenied");
const EXPIRED_TOKEN = error(400, "ExpiredToken");

let photos;

before(async () => {
  const browser = await startSite({ DARKROOM_MAX_BYTES: "4MiB" });
  const names = ["portrait.jpg", "one.jpg", "two.jpg", "three.jpg"];
  photos = await photographs(browser, names.map((name) => ({ name, width: 300, height: 400 })));
});

/**
 * Gives the first uploads these answers, `null` for a broken connection, and forwards the others. Returns how many
 * upload URLs were requested, and how many uploads were sent.
 */
async function answerUploads(page, answers) {
  const counts = { urls: 0, uploads: 0 };
  await page.route(SIGNED, (route) => {
    if (route.request().method() !== "PUT") return route.continue();
    const answer = answers[counts.uploads];
    counts.uploads += 1;
    if (answer === null) return route.abort("connectionreset");
    return answer ? route.fulfill(answer) : route.continue();
  });
  await page.route("**/images", (route) => {
    counts.urls += 1;
    return route.continue();
  });
  return counts;
}

pageTest("what a busy store answers is tried again with the same URL", { complaints: REFUSALS }, async (page) => {
  const counts = await answerUploads(page, [CONFLICT, TIMEOUT]);
  await choose(page, [photos[0]]);
  assert.equal((await thumbnailSizes(page, "portrait.jpg")).length, 3);
  assert.deepEqual(counts, { urls: 1, uploads: 3 });
});

pageTest("a store that stays busy leaves it to the user", { complaints: REFUSALS }, async (page) => {
  const counts = await answerUploads(page, [CONFLICT, CONFLICT, CONFLICT]);
  await choose(page, [photos[0]]);
  await expectWords(page, "portrait.jpg", "The server cannot take it for the moment");
  assert.equal(counts.uploads, 3);
  await page.getByRole("button", { name: "Retry portrait.jpg" }).click();
  assert.equal((await thumbnailSizes(page, "portrait.jpg")).length, 3);
  assert.deepEqual(counts, { urls: 1, uploads: 4 });
});

pageTest("another 400 is a refusal", { complaints: REFUSALS }, async (page) => {
  const counts = await answerUploads(page, [error(400, "InvalidRequest")]);
  await choose(page, [photos[0]]);
  await expectWords(page, "portrait.jpg", "Refused: the server answered 400");
  assert.deepEqual(counts, { urls: 1, uploads: 1 });
});

for (const [clock, now] of [["slow", "2001-01-01"], ["right", null], ["fast", "2099-01-01"]]) {
  pageTest(`a dead URL is replaced where the clock is ${clock}`, { complaints: REFUSALS }, async (page) => {
    if (now) await page.clock.setFixedTime(new Date(now));
    const counts = await answerUploads(page, [DENIED, EXPIRED_TOKEN]);
    await choose(page, [photos[0]]);
    assert.equal((await thumbnailSizes(page, "portrait.jpg")).length, 3);
    assert.deepEqual(counts, { urls: 3, uploads: 3 });
  });

  pageTest(`a URL that works is kept where the clock is ${clock}`, { complaints: /./ }, async (page) => {
    if (now) await page.clock.setFixedTime(new Date(now));
    const counts = await answerUploads(page, [null]);
    await choose(page, [photos[0]]);
    await expectWords(page, "portrait.jpg", "The connection broke off");
    await page.getByRole("button", { name: "Retry portrait.jpg" }).click();
    assert.equal((await thumbnailSizes(page, "portrait.jpg")).length, 3);
    assert.deepEqual(counts, { urls: 1, uploads: 2 });
  });
}

/** Holds requests for upload URLs; returns a promise of `count` of them, and a function that lets all go on. */
async function holdUploads(page, count) {
  const held = [];
  let isOpen = false;
  let report;
  const reached = new Promise((resolve) => (report = resolve));
  await page.route("**/images", (route) => {
    if (isOpen) return route.continue();
    held.push(route);
    if (held.length === count) report();
  });
  const open = () => {
    isOpen = true;
    return Promise.all(held.map((route) => route.continue()));
  };
  return { reached, open };
}

pageTest("a file that changes once it is read is uploaded as it was", { complaints: /./ }, async (page) => {
  const folder = join(tmpdir(), `darkroom-changed-${process.pid}`);
  const [path] = await onDisk([photos[0]], folder);
  const { reached, open } = await holdUploads(page, 1);
  const counts = { uploads: 0 };
  await page.route(SIGNED, (route) => {
    if (route.request().method() !== "PUT") return route.continue();
    counts.uploads += 1;
    return counts.uploads === 1 ? route.abort("connectionreset") : route.continue();
  });
  await choose(page, path);
  await reached;
  await writeFile(path, "Other bytes, and fewer of them.");
  await open();
  await expectWords(page, "portrait.jpg", "The connection broke off");
  await rm(path);
  await page.getByRole("button", { name: "Retry portrait.jpg" }).click();
  assert.equal((await thumbnailSizes(page, "portrait.jpg")).length, 3);
  assert.equal(counts.uploads, 2);
});

pageTest("a file that is gone before it is read has to be chosen again", { complaints: /./ }, async (page) => {
  const folder = join(tmpdir(), `darkroom-gone-${process.pid}`);
  const paths = await onDisk(photos.slice(1, 4), folder);
  // Two uploads at once: the third waits for them.
  const { reached, open } = await holdUploads(page, 2);
  await choose(page, paths);
  await reached;
  await rm(paths[2]);
  await open();
  await expectWords(page, "three.jpg", "choose the file again");
  assert.equal(await page.getByRole("button", { name: /^Retry/ }).count(), 0, "trying again makes no sense");
  for (const name of ["one.jpg", "two.jpg"]) assert.equal((await thumbnailSizes(page, name)).length, 3);
});

/** A file of the ISO base media format with these brands. */
function media(name, major, ...compatible) {
  const brands = Buffer.from([major, "\0\0\0\0", ...compatible].join(""), "latin1");
  const size = Buffer.alloc(4);
  size.writeUInt32BE(8 + brands.length);
  return { name, mimeType: "image/jpeg", buffer: Buffer.concat([size, Buffer.from("ftyp"), brands, Buffer.alloc(64)]) };
}

pageTest("HEIC is named, and how to send a JPEG instead", {}, async (page) => {
  const counts = await answerUploads(page, []);
  const heic = [
    media("major.heic", "heic", "mif1"),
    media("compatible.jpg", "mif1", "miaf", "heix"),
    media("any.heif", "mif1", "miaf"),
    media("burst.heic", "msf1", "hevc"),
    media("both.heic", "mif1", "heic", "avif"),
  ];
  const others = [media("photo.avif", "avif", "mif1", "miaf"), media("video.mp4", "isom", "mp42")];
  await choose(page, [...heic, ...others]);
  for (const { name } of heic) {
    await expectWords(page, name, /HEIC photograph.*JPEG.*iPhone.*Most Compatible.*Mac.*Preview/);
  }
  for (const { name } of others) await expectWords(page, name, "neither a JPEG nor a PNG");
  assert.equal(await page.getByRole("button", { name: /^Retry/ }).count(), 0, "trying again makes no sense");
  assert.deepEqual(counts, { urls: 0, uploads: 0 });
});

pageTest("the server's detail says what else a file is", {}, async (page) => {
  const lossless = Buffer.from(photos[0].buffer);
  lossless[lossless.indexOf(Buffer.from([0xff, 0xc0])) + 1] = 0xc3;
  await choose(page, [{ ...photos[0], buffer: lossless }]);
  await expectWords(page, "portrait.jpg", "Refused: the file is a JPEG of a rare kind (lossless");
  assert.equal(await itemOf(page, "portrait.jpg").getByRole("button", { name: /^Retry/ }).count(), 0);
});
