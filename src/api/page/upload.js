// One upload: reads the file, detects its type, requests an upload URL and sends the file.

import { call } from "./session.js";

/** Why an upload stopped, and whether a retry makes sense. */
export class Stopped extends Error {
  constructor(words, { canRetry = false, isNetwork = false, repeats = null } = {}) {
    super(words);
    this.canRetry = canRetry;
    this.isNetwork = isNetwork;
    /** How the page repeats the upload by itself: with `SAME_URL`, with a `NEW_URL`, or null. */
    this.repeats = repeats;
  }
}

const SAME_URL = "same";
export const NEW_URL = "new";

/** The connection failed. The interrupted request can be repeated. */
export function brokenOff() {
  const words = "The connection broke off. Nothing is lost: it can be repeated.";
  return new Stopped(words, { canRetry: true, isNetwork: true });
}

/** How long an upload may make no progress. */
const STALL_MS = 60_000;

/** How many bytes of a file are read at once. */
const PIECE_BYTES = 16 * 1024 * 1024;

/**
 * A copy of the file. A picker of Android may take the file back at any time, and browsers do not send a file that has
 * changed since it was chosen: neither matters once the bytes are read.
 */
export async function copyOf(file) {
  const pieces = [];
  try {
    do {
      const at = pieces.length * PIECE_BYTES;
      // A browser may keep blobs on disk, but not the buffers.
      pieces.push(new Blob([await file.slice(at, at + PIECE_BYTES).arrayBuffer()]));
    } while (pieces.length * PIECE_BYTES < file.size);
  } catch {
    throw new Stopped("This cannot be read. Is it a folder? Otherwise choose the file again.");
  }
  return new Blob(pieces);
}

/** Brands of HEIC and AVIF, and those of every HEIF file. */
const HEIC = /^(hei[cmsx]|hev[cmsx])$/;
const AVIF = /^avi[fs]$/;
const HEIF = /^(mif1|msf1)$/;

/** The type of a file by its first bytes: `image/jpeg`, `image/png`, `image/heic`, or null if it is another one. */
export async function typeOf(blob) {
  const head = new Uint8Array(await blob.slice(0, 256).arrayBuffer());
  const begins = (...bytes) => bytes.every((byte, at) => head[at] === byte);
  if (begins(0xff, 0xd8, 0xff)) return "image/jpeg";
  if (begins(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return "image/png";
  const brands = brandsOf(head);
  const brand = brands.find((it) => HEIC.test(it) || AVIF.test(it)) ?? brands.find((it) => HEIF.test(it)) ?? "";
  return HEIC.test(brand) || HEIF.test(brand) ? "image/heic" : null;
}

/** The major and the compatible brands of a file of the ISO base media format. */
function brandsOf(head) {
  const wordAt = (at) => String.fromCharCode(...head.subarray(at * 4, at * 4 + 4));
  const words = Array.from({ length: Math.floor(head.length / 4) }, (_, at) => wordAt(at));
  if (words[1] !== "ftyp") return [];
  const size = new DataView(head.buffer).getUint32(0);
  return [words[2], ...words.slice(4, Math.floor(size / 4))];
}

/** Requests an upload URL that is valid only for this file. */
export async function askForUpload(blob, contentType, signal) {
  const checksumSha256 = document.body.dataset.requiresChecksum === "true" ? await sha256(blob) : undefined;
  const body = JSON.stringify({ contentType, contentLength: blob.size, checksumSha256 });
  let response;
  try {
    response = await call("/images", { method: "POST", body, headers: { "content-type": "application/json" }, signal });
  } catch (error) {
    throw error.name === "AbortError" ? error : brokenOff();
  }
  if (response.status === 403) throw new Stopped(`Refused: ${detailOf(await response.text())}.`);
  if (!response.ok) throw stoppedBy(response.status, await response.text());
  return response.json();
}

/** The SHA-256 of the file in base64. Browsers compute it on secure pages only. */
async function sha256(blob) {
  if (!crypto.subtle) throw new Stopped("This server wants a checksum, which browsers compute over HTTPS only.");
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return btoa(String.fromCharCode(...hash));
}

/**
 * Uploads the file. Calls `onProgress` with the part that was sent, 0 to 1. An object that already exists counts as a
 * success: an earlier attempt arrived, but its response was lost.
 */
export function put(blob, upload, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let stalled;
    const isAlive = () => {
      clearTimeout(stalled);
      stalled = setTimeout(() => request.abort(), STALL_MS);
    };
    request.upload.onprogress = (event) => {
      isAlive();
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.onloadend = () => {
      clearTimeout(stalled);
      const { status } = request;
      if ((status >= 200 && status < 300) || status === 412) resolve();
      else if (status === 0) reject(brokenOff());
      else reject(stoppedBy(status, request.responseText));
    };
    signal.addEventListener("abort", () => request.abort());
    request.open(upload.uploadMethod, upload.uploadUrl);
    for (const [name, value] of Object.entries(upload.uploadHeaders)) request.setRequestHeader(name, value);
    isAlive();
    request.send(blob);
  });
}

/** The meaning of an error response. */
function stoppedBy(status, text) {
  const code = /<Code>(\w+)<\/Code>/.exec(text)?.[1];
  // The URL has expired, whatever the clock of this device says, or the credentials that signed it have.
  if (status === 403 || code === "ExpiredToken") {
    return new Stopped("The upload's address does not work any more.", { canRetry: true, repeats: NEW_URL });
  }
  if (status === 507) return new Stopped("The server's disk is full. Try again later.", { canRetry: true });
  // S3 answers 409 while another request to the same object is in progress, and 400 RequestTimeout when no data arrive.
  const isBusy = status === 409 || status === 408 || code === "RequestTimeout";
  if (isBusy || status === 429 || status >= 500) {
    const repeats = isBusy ? SAME_URL : null;
    return new Stopped("The server cannot take it for the moment.", { canRetry: true, repeats });
  }
  return new Stopped(`Refused: ${detailOf(text) || `the server answered ${status}`}.`);
}

function detailOf(text) {
  try {
    return JSON.parse(text).detail;
  } catch {
    return "";
  }
}
