// The browser, and photographs for it: landscapes that the browser draws and encodes.

import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { root } from "./darkroom.mjs";

const require = createRequire(join(root, ".scratch/browser/"));
const { chromium } = require("playwright-core");

export const axeSource = require("axe-core").source;

const SCREENS = join(root, ".scratch/browser/screens");

export async function startBrowser() {
  const quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"];
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-sync", ...quiet],
  });
}

/** Saves a screenshot of the page for review. */
export async function keepScreenshot(page, name, options = {}) {
  await mkdir(SCREENS, { recursive: true });
  await page.screenshot({ path: join(SCREENS, `${name}.png`), fullPage: true, ...options });
}

/** Files for a file chooser: `{ name, mimeType, buffer }`. */
export async function photographs(browser, sizes) {
  const page = await browser.newPage();
  const files = [];
  for (const [seed, { name, width, height, type = "image/jpeg" }] of sizes.entries()) {
    const base64 = await page.evaluate(drawLandscape, { seed: seed + 1, width, height, type });
    files.push({ name, mimeType: type, buffer: Buffer.from(base64, "base64") });
  }
  await page.close();
  return files;
}

/** Writes the files to a folder, from which a test can drag them. */
export async function onDisk(files, dir) {
  await mkdir(dir, { recursive: true });
  return Promise.all(files.map(async ({ name, buffer }) => {
    const path = join(dir, name);
    await writeFile(path, buffer);
    return path;
  }));
}

/** Runs in the browser: evening over hills, different for each seed. */
async function drawLandscape({ seed, width, height, type }) {
  let state = seed * 2654435761;
  const random = () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822507) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 4294967296;
  };
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  const hue = (seed * 67 + 200) % 360;
  const sky = context.createLinearGradient(0, 0, 0, height);
  sky.addColorStop(0, `hsl(${hue} 55% 30%)`);
  sky.addColorStop(0.55, `hsl(${(hue + 50) % 360} 70% 68%)`);
  sky.addColorStop(0.75, `hsl(${(hue + 80) % 360} 85% 82%)`);
  context.fillStyle = sky;
  context.fillRect(0, 0, width, height);
  const sun = { x: width * (0.2 + 0.6 * random()), y: height * 0.48, r: height * 0.07 };
  const glow = context.createRadialGradient(sun.x, sun.y, sun.r * 0.5, sun.x, sun.y, sun.r * 5);
  glow.addColorStop(0, "rgb(255 250 225 / 1)");
  glow.addColorStop(0.2, "rgb(255 240 200 / 0.55)");
  glow.addColorStop(1, "rgb(255 240 200 / 0)");
  context.fillStyle = glow;
  context.fillRect(0, 0, width, height);
  for (let layer = 0; layer < 5; layer += 1) {
    const base = height * (0.52 + layer * 0.11);
    const waves = [1, 2, 3, 4].map((n) => ({ n, phase: random() * 7, size: (height * 0.09 * random()) / n }));
    context.fillStyle = `hsl(${(hue + 30 - layer * 8 + 360) % 360} ${28 + layer * 4}% ${52 - layer * 10}%)`;
    context.beginPath();
    context.moveTo(0, height);
    for (let x = 0; x <= width; x += 4) {
      const rise = waves.reduce((sum, wave) => sum + wave.size * Math.sin((x / width) * 5 * wave.n + wave.phase), 0);
      context.lineTo(x, base + rise);
    }
    context.lineTo(width, height);
    context.fill();
  }
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, type, 0.9));
  const url = await new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(blob);
  });
  return url.slice(url.indexOf(",") + 1);
}
