// A client of darkroom's API for web pages.

/** In these statuses nothing changes without a new upload. */
const FINAL = ["published", "invalid_content_type", "failed"];

/** Error statuses that are worth a retry: a limit of the gateway, an outage, a restart. */
const RETRIED = [429, 502, 503, 504];
const ATTEMPTS = 6;
const LONGEST_PAUSE_MS = 30_000;
const TIMEOUT_MS = 30_000;

/** An error answer, or an image that is not final in time. */
export class DarkroomError extends Error {}

export class Darkroom {
  #url;

  constructor(url) {
    this.#url = url.replace(/\/+$/, "");
  }

  /** Asks for an upload URL that accepts one upload of exactly this type and length. */
  createImage(contentType, contentLength) {
    const headers = { "content-type": "application/json" };
    return this.#call("/images", { method: "POST", headers, body: JSON.stringify({ contentType, contentLength }) });
  }

  /**
   * Polls the image until its status is final. Other clients let the server delay the answer with `?until=final`.
   * A browser has only six connections to a server, and such requests would block the uploads.
   */
  async waitUntilFinal(id, timeoutMs = 600_000) {
    const deadline = Date.now() + timeoutMs;
    for (let pause = 250; ; pause = Math.min(pause * 2, 5_000)) {
      const image = await this.#call(`/images/${id}`, { cache: "no-store" });
      if (FINAL.includes(image.status)) return image;
      if (Date.now() + pause > deadline) throw new DarkroomError(`still ${image.status} after ${timeoutMs / 1000} s`);
      await sleep(pause);
    }
  }

  async #call(path, options) {
    const response = await send(() => fetch(this.#url + path, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) }));
    if (response.ok) return response.json();
    // RFC 9457: `detail` explains the error.
    const problem = await response.json().catch(() => null);
    throw new DarkroomError(problem?.detail ?? `the server answered ${response.status}`);
  }
}

/** Repeats a request while the server or the network fails, with growing pauses. */
async function send(attempt) {
  for (let left = ATTEMPTS - 1, pause = 500; ; left -= 1, pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    let wait = null;
    try {
      const response = await attempt();
      if (!RETRIED.includes(response.status) || left === 0) return response;
      wait = retryAfter(response);
    } catch (error) {
      if (left === 0) throw error;
    }
    // Clients that failed at the same time should not retry at the same time.
    await sleep(wait ?? pause * (0.5 + Math.random() / 2));
  }
}

/** The milliseconds of `Retry-After`, limited to the longest pause. */
function retryAfter(response) {
  const seconds = Number(response.headers.get("retry-after"));
  return seconds > 0 ? Math.min(seconds * 1000, LONGEST_PAUSE_MS) : null;
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
