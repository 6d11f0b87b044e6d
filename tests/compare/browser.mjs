// Headless Chromium, and a server that gives it the files.

import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(fileURLToPath(new URL("../../.scratch/browser/", import.meta.url)));
const { chromium } = require("playwright-core");

/** How long the browser may take for one file. */
const PATIENCE_MS = 180_000;

/** A page is replaced after this many files, which frees the memory of its pictures. */
const FILES_PER_PAGE = 100;

export class Browser {
  #browser;
  #server;
  #directory;
  #idle = [];

  /** Starts the browser. It can only fetch files under `directory`. */
  static async start(directory) {
    const browser = new Browser();
    browser.#directory = directory;
    browser.#server = createServer((request, response) => serve(directory, request, response));
    await new Promise((resolve) => browser.#server.listen(0, "127.0.0.1", resolve));
    const quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"];
    browser.#browser = await chromium.launch({
      executablePath: process.env.CHROMIUM,
      args: ["--no-sandbox", "--disable-gpu", "--disable-sync", "--force-color-profile=srgb", ...quiet],
    });
    browser.version = browser.#browser.version();
    return browser;
  }

  /** Shows a rendered file and compares it with its thumbnails. */
  async compare({ original, thumbnails }) {
    const url = (path) => `/${encodeURI(relative(this.#directory, path))}`;
    const files = thumbnails.map(({ size, path }) => ({ size, url: url(path) }));
    const page = this.#idle.pop() ?? { files: 0, tab: await this.#open() };
    try {
      const work = page.tab.evaluate(
        async (file) => (await import("/in_page.mjs")).compareInPage(file),
        { original: url(original), thumbnails: files },
      );
      const shown = await inTime(work);
      page.files += 1;
      if (page.files < FILES_PER_PAGE) this.#idle.push(page);
      else await page.tab.close();
      return shown;
    } catch (error) {
      // The page crashed, or it takes too long.
      await page.tab.close().catch(() => {});
      return { isShown: false, error: error.message.split("\n")[0] };
    }
  }

  async stop() {
    await this.#browser.close();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #open() {
    const tab = await this.#browser.newPage();
    await tab.goto(`http://127.0.0.1:${this.#server.address().port}/`);
    return tab;
  }
}

function serve(directory, request, response) {
  const path = decodeURI(request.url);
  response.setHeader("Cache-Control", "no-store");
  if (path === "/in_page.mjs") {
    response.setHeader("Content-Type", "text/javascript");
    createReadStream(new URL("in_page.mjs", import.meta.url)).pipe(response);
    return;
  }
  if (!/^\/\d+\/[^/]+$/.test(path)) {
    response.setHeader("Content-Type", "text/html");
    response.end("<!doctype html>");
    return;
  }
  // The browser detects the format of an image by its bytes.
  createReadStream(join(directory, path)).on("error", () => response.destroy()).pipe(response);
}

async function inTime(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  work.catch(() => {});
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
