// One upload: detects the file's type, requests an upload URL and sends the file.

import { call } from "./session.js";

/** Why an upload stopped, and whether a retry makes sense. */
export class Stopped extends Error {
  constructor(words, { canRetry = false, isNetwork = false } = {}) {
    super(words);
    this.canRetry = canRetry;
    this.isNetwork = isNetwork;
  }
}

/** The connection failed. The interrupted request can be repeated. */
export function brokenOff() {
  return new Stopped("The connection broke off. Nothing is lost: it can be repeated.", { canRetry: true, isNetwork: true });
}

/** How long an upload may make no progress. */
const STALL_MS = 60_000;

/** The image type from the file's first bytes, or null if it is not supported. */
export async function typeOf(file) {
  let head;
  try {
    head = new Uint8Array(await file.slice(0, 8).arrayBuffer());
  } catch {
    throw new Stopped("This cannot be read. Is it a folder?");
  }
  const begins = (...bytes) => bytes.every((byte, at) => head[at] === byte);
  if (begins(0xff, 0xd8, 0xff)) return "image/jpeg";
  if (begins(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return "image/png";
  return null;
}

/** Requests an upload URL that is valid only for this file. */
export async function askForUpload(file, contentType, signal) {
  const checksumSha256 = document.body.dataset.requiresChecksum === "true" ? await sha256(file) : undefined;
  const body = JSON.stringify({ contentType, contentLength: file.size, checksumSha256 });
  let response;
  try {
    response = await call("/images", { method: "POST", body, headers: { "content-type": "application/json" }, signal });
  } catch (error) {
    throw error.name === "AbortError" ? error : brokenOff();
  }
  if (response.status === 403) throw new Stopped(`Refused: ${detailOf(await response.text())}.`);
  if (!response.ok) throw await stoppedBy(response.status, () => response.text());
  return response.json();
}

/** The SHA-256 of the file in base64. Browsers compute it on secure pages only. */
async function sha256(file) {
  if (!crypto.subtle) throw new Stopped("This server wants a checksum, which browsers compute over HTTPS only.");
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return btoa(String.fromCharCode(...hash));
}

/** Whether the upload URL has not expired. */
export function isUsable(upload) {
  return upload !== null && Date.parse(upload.expiresAt) > Date.now() + 5_000;
}

/**
 * Uploads the file. Calls `onProgress` with the part that was sent, 0 to 1. An object that already exists counts as a
 * success: an earlier attempt arrived, but its response was lost.
 */
export function put(file, upload, onProgress, signal) {
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
    request.onloadend = async () => {
      clearTimeout(stalled);
      const { status } = request;
      if ((status >= 200 && status < 300) || status === 412) resolve();
      else if (status === 0) reject(brokenOff());
      else reject(await stoppedBy(status, () => request.responseText));
    };
    signal.addEventListener("abort", () => request.abort());
    request.open(upload.uploadMethod, upload.uploadUrl);
    for (const [name, value] of Object.entries(upload.uploadHeaders)) request.setRequestHeader(name, value);
    isAlive();
    request.send(file);
  });
}

/** The meaning of an error response. */
async function stoppedBy(status, text) {
  const detail = detailOf(await text());
  if (status === 403) return new Stopped("The upload's address has expired.", { canRetry: true });
  if (status === 507) return new Stopped("The server's disk is full. Try again later.", { canRetry: true });
  const isPassing = status >= 500 || status === 408 || status === 429;
  if (isPassing) return new Stopped("The server cannot take it for the moment.", { canRetry: true });
  return new Stopped(`Refused: ${detail || `the server answered ${status}`}.`);
}

function detailOf(text) {
  try {
    return JSON.parse(text).detail;
  } catch {
    return "";
  }
}
