// Uploads images to darkroom and prints the URLs of their thumbnails.

import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { Darkroom, type Image } from "./darkroom.js";

const USAGE = `Usage: node dist/upload.js FILE...

DARKROOM_URL    the API's address, http://127.0.0.1:8080 unless set
DARKROOM_TOKEN  a token, if the server asks for one

Exit codes: 0 every image is published, 1 at least one is not, 2 wrong arguments.`;

const TYPES: Record<string, string> = { ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png" };

/** Uploads one file and waits for its final status. */
async function upload(darkroom: Darkroom, path: string): Promise<Image> {
  // The upload must have the declared type. The server determines the real type from the bytes.
  const contentType = TYPES[extname(path).toLowerCase()] ?? null;
  const wanted = await darkroom.createImage(contentType, (await stat(path)).size);
  await darkroom.put(wanted, path);
  return darkroom.waitUntilFinal(wanted.id);
}

/** Prints the result for an image, and returns whether it is published. */
function report(path: string, { status, reason, detail, thumbnails = {} }: Image): boolean {
  if (status !== "published") {
    console.error(`${path}: ${[status, reason, detail].filter(Boolean).join(", ")}`);
    return false;
  }
  for (const [name, { width, height, url }] of Object.entries(thumbnails)) {
    console.log(`${path}: ${name} ${width}x${height} ${url}`);
  }
  return true;
}

/** `fetch` puts the network error into `cause`. */
function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

async function main(paths: string[]): Promise<number> {
  if (paths.length === 0 || paths.some((path) => path.startsWith("-"))) {
    console.error(USAGE);
    return 2;
  }
  const darkroom = new Darkroom(process.env.DARKROOM_URL ?? "http://127.0.0.1:8080", process.env.DARKROOM_TOKEN);
  let arePublished = true;
  for (const path of paths) {
    try {
      arePublished = report(path, await upload(darkroom, path)) && arePublished;
    } catch (error) {
      console.error(`${path}: ${inWords(error)}`);
      arePublished = false;
    }
  }
  return arePublished ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
