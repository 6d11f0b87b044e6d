// One upload: look at the file's first bytes, ask for an address, put the bytes there.

import { call } from "./session.js";

/** What stopped an upload, in words, and whether it makes sense to try again. */
export class Stopped extends Error {
  constructor(words, { canRetry = false, isNetwork = false } = {}) {
    super(words);
    this.canRetry = canRetry;
    this.isNetwork = isNetwork;
  }
}

/** The connection broke off; whatever was under way can be repeated. */
export function brokenOff() {
  return new Stopped("The connection broke off. Nothing is lost: it can be repeated.", { canRetry: true, isNetwork: true });
}

/** How long an upload may make no progress at all. */
const STALL_MS = 60_000;

/** The type of image that the first bytes tell; null when it is none that is taken. */
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

/** Asks for an address that takes this file and nothing else. */
export async function askForUpload(file, contentType, signal) {
  const body = JSON.stringify({ contentType, contentLength: file.size });
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

/** Whether the address still works. */
export function isUsable(upload) {
  return upload !== null && Date.parse(upload.expiresAt) > Date.now() + 5_000;
}

/**
 * Puts the file; `onProgress` hears the part that is sent, 0 to 1. An object that is there already is as good as a
 * success: the first try arrived, only its answer did not.
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

/** What an answer that is no success means. */
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
