// A client of darkroom's API. `npm run types` generates the types in api.d.ts from the server's `GET /openapi.json`.

import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./api.js";

export type Upload = components["schemas"]["Upload"];
export type Image = components["schemas"]["Image"];
type Problem = components["schemas"]["Problem"];

/** In these statuses nothing changes without a new upload. */
const FINAL: readonly Image["status"][] = ["published", "invalid_content_type", "failed"];

/** Error statuses that are worth a retry: a limit of the gateway, an outage, a restart. */
const RETRIED: readonly number[] = [429, 502, 503, 504];
const ATTEMPTS = 6;
const LONGEST_PAUSE_MS = 30_000;

/** The server delays the answer to a status request by up to 20 s. */
const TIMEOUT_MS = 60_000;

/** An upload is one request, which takes as long as the network needs. */
const UPLOAD_TIMEOUT_MS = 300_000;

/** An error answer, or an image that is not final in time. */
export class DarkroomError extends Error {}

/** `url` is the API's address; `token` is one of `DARKROOM_API_TOKEN`, if the server has any. */
export class Darkroom {
  readonly #api: Client<paths>;

  constructor(url: string, token?: string) {
    this.#api = createClient<paths>({
      baseUrl: url.replace(/\/+$/, ""),
      headers: token ? { authorization: `Bearer ${token}` } : {},
      // A Request can be sent once, so each attempt sends a copy.
      fetch: (request) => send(() => fetch(request.clone(), { signal: AbortSignal.timeout(TIMEOUT_MS) })),
    });
  }

  /** Asks for an upload URL that accepts one upload of exactly this type and length. */
  async createImage(contentType: string | null, contentLength: number): Promise<Upload> {
    const { data, error, response } = await this.#api.POST("/images", { body: { contentType, contentLength } });
    return data ?? fail(response, error);
  }

  /** Uploads a file. The URL is signed: it needs no token, and S3 refuses a request with a token. */
  async put({ uploadUrl, uploadMethod, uploadHeaders }: Upload, path: string): Promise<void> {
    const body = new Uint8Array(await readFile(path));
    const response = await send(() => {
      const signal = AbortSignal.timeout(UPLOAD_TIMEOUT_MS);
      return fetch(uploadUrl, { method: uploadMethod, headers: uploadHeaders, body, signal });
    });
    // The URL works once. 412 means that an earlier attempt succeeded, and only its answer was lost.
    if (response.ok || response.status === 412) return;
    const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json");
    fail(response, isProblem ? ((await response.json()) as Problem) : undefined);
  }

  /** Polls the image until its status is final. The server delays each answer until then, for up to 20 s. */
  async waitUntilFinal(id: string, timeoutMs = 600_000): Promise<Image> {
    const deadline = Date.now() + timeoutMs;
    for (let pause = 250; ; pause = Math.min(pause * 2, 5_000)) {
      const params = { path: { id }, query: { until: "final" as const } };
      const { data, error, response } = await this.#api.GET("/images/{id}", { params });
      const image = data ?? fail(response, error);
      if (FINAL.includes(image.status)) return image;
      // A server on AWS Lambda does not wait; its answer says when to ask again.
      const pauseNow = retryAfter(response) ?? pause;
      if (Date.now() + pauseNow > deadline) {
        throw new DarkroomError(`image ${id} is still ${image.status} after ${timeoutMs / 1000} s`);
      }
      await sleep(pauseNow);
    }
  }
}

/** Repeats a request while the server or the network fails, with growing pauses. */
async function send(attempt: () => Promise<Response>): Promise<Response> {
  for (let left = ATTEMPTS - 1, pause = 500; ; left -= 1, pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    let wait: number | undefined;
    try {
      const response = await attempt();
      if (!RETRIED.includes(response.status) || left === 0) return response;
      wait = retryAfter(response);
      await response.body?.cancel();
    } catch (error) {
      if (left === 0) throw error;
    }
    // Clients that failed at the same time should not retry at the same time.
    await sleep(wait ?? pause * (0.5 + Math.random() / 2));
  }
}

/** The milliseconds of `Retry-After`, limited to the longest pause. */
function retryAfter(response: Response): number | undefined {
  const seconds = Number(response.headers.get("retry-after"));
  return seconds > 0 ? Math.min(seconds * 1000, LONGEST_PAUSE_MS) : undefined;
}

/** Throws the server's explanation of an error answer (RFC 9457). */
function fail(response: Response, problem?: Problem): never {
  throw new DarkroomError(`${response.status} ${response.statusText}: ${problem?.detail ?? "no details"}`);
}
