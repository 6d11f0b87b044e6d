// Follows images until they are final without occupying all six connections that a browser opens to a server.

import { call } from "./session.js";

/** Runs at most `width` tasks at once. The others wait in order of arrival. */
export function lanes(width) {
  const waiting = [];
  let free = width;
  return async (task) => {
    if (free > 0) free -= 1;
    else await new Promise((resolve) => waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}

const WIDTH = 2;
const inLane = lanes(WIDTH);
const FINAL = ["published", "invalid_content_type", "failed"];

/** Pause after a failed request. */
const PAUSE_MS = 2_000;

let followed = 0;

/** Whether the image's status is final. */
export function isFinal(image) {
  return FINAL.includes(image.status);
}

/**
 * Calls `onImage` after each change of the image until it is final. Calls `onTrouble` when the server cannot be
 * reached, and retries until it can.
 */
export async function follow(id, { onImage, onTrouble, signal }) {
  followed += 1;
  try {
    let tag = null;
    for (;;) {
      const look = await inLane(() => lookAt(id, tag, signal));
      if (look.isTrouble) {
        onTrouble();
        await pause(PAUSE_MS, signal);
      } else if (look.isUnknown) {
        return { status: "failed", reason: "unknown" };
      } else if (look.image) {
        tag = look.tag;
        onImage(look.image);
        if (isFinal(look.image)) return look.image;
      }
    }
  } finally {
    followed -= 1;
  }
}

/**
 * Requests the image once. Returns it if its entity tag differs from `tag`. Uses a long poll only if no other request
 * waits.
 */
async function lookAt(id, tag, signal) {
  const wait = followed > WIDTH ? "1s" : "20s";
  const headers = tag ? { "if-none-match": tag } : {};
  let response;
  try {
    response = await call(`/images/${id}?wait=${tag ? wait : "0s"}`, { headers, signal, cache: "no-store" });
    if (response.status === 404) return { isUnknown: true };
    if (response.status === 304) {
      const seconds = Number(response.headers.get("retry-after"));
      if (seconds > 0) await pause(seconds * 1000, signal);
      return {};
    }
    if (!response.ok) return { isTrouble: true };
    return { image: await response.json(), tag: response.headers.get("etag") };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { isTrouble: true };
  }
}

/** Waits for `ms`, or until the connection is back. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      signal.removeEventListener("abort", end);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(end, ms);
    addEventListener("online", end);
    signal.addEventListener("abort", end);
  });
}
