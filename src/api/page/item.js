// One file or image of the list, from the upload to its thumbnails.

import { follow, isFinal, lanes, pause } from "./follow.js";
import { linkTo } from "./saved.js";
import { NEW_URL, Stopped, askForUpload, copyOf, put, typeOf } from "./upload.js";
import { HEIC_IN_WORDS, bytesInWords, reasonInWords, statusInWords, uploadInWords } from "./words.js";

const inUploadLane = lanes(2);

/** The pauses before an upload is tried again. After the last try the user decides. */
const PAUSES_MS = [1_000, 3_000];

const template = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

/**
 * `state`: queued, uploading, waiting, ready, refused, stopped. `file` is null after a reload, or when the page was
 * opened by a link. `id` is the id of the stored image.
 *
 * `list` has the `limits` of the server. The item calls its `changed(item)` and `removed(item)`.
 */
export class Item {
  constructor({ name, size = null, file = null, id = null }, list) {
    Object.assign(this, { name, size, file, id, list });
    this.state = "queued";
    this.words = "";
    /** The bytes of the file, and its type by them. */
    this.blob = null;
    this.contentType = null;
    /** The upload URL and what belongs to it. */
    this.upload = null;
    this.isStored = id !== null;
    this.isWaitingForNetwork = false;
    /** Whether the item is shown exactly as it was before a reload. */
    this.isOldNews = file === null;
    this.cancelled = new AbortController();
    this.element = template("item");
    this.part(".name").textContent = name;
    this.part(".size").textContent = size === null ? "" : bytesInWords(size);
    this.part("progress").setAttribute("aria-label", `Progress of ${name}`);
    this.part(".link").setAttribute("aria-label", `Link to ${name}`);
    for (const [button, act] of [[".retry", () => this.retry()], [".cancel", () => this.cancel()]]) {
      this.part(button).setAttribute("aria-label", `${this.part(button).textContent} ${name}`);
      this.part(button).addEventListener("click", act);
    }
  }

  /** The data to restore the item after a reload. */
  get entry() {
    const { name, size, id, state, words } = this;
    return { name, size, id, state, words };
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  /** Shows a state. `progress` is 0 to 1, or null when it is unknown. */
  show(state, words, { progress = null, canRetry = false } = {}) {
    const isNews = state !== this.state || state === "stopped";
    [this.state, this.words] = [state, words];
    if (["ready", "refused"].includes(state)) this.blob = null;
    this.element.dataset.state = state;
    this.part(".words").textContent = words;
    const bar = this.part("progress");
    bar.hidden = !["uploading", "waiting"].includes(state);
    if (progress === null) bar.removeAttribute("value");
    else bar.value = progress;
    this.part(".retry").hidden = !canRetry;
    const canCancel = ["queued", "uploading", "stopped"].includes(state) || (state === "waiting" && this.file === null);
    this.part(".cancel").hidden = !canCancel;
    this.part(".link").hidden = this.id === null;
    if (this.id !== null) this.part(".link").href = linkTo(this.id);
    if (isNews) this.list.changed(this);
  }

  /** Uploads the file and follows its image to the end. Shows every outcome and never throws. */
  async run() {
    try {
      if (!this.isStored) await inUploadLane(() => this.send());
      await this.follow();
    } catch (error) {
      if (this.cancelled.signal.aborted) return;
      const { message, canRetry, isNetwork } = error instanceof Stopped ? error : new Stopped(String(error));
      this.isWaitingForNetwork = isNetwork;
      this.show(canRetry ? "stopped" : "refused", message, { canRetry });
    }
  }

  async send() {
    const { limits } = this.list;
    this.cancelled.signal.throwIfAborted();
    this.show("uploading", "Looking at the file");
    if (this.file.size > limits.maxBytes) throw new Stopped(reasonInWords("too_many_bytes", limits));
    this.blob ??= await copyOf(this.file);
    this.contentType = await typeOf(this.blob);
    if (this.blob.size === 0) throw new Stopped(reasonInWords("empty", limits));
    if (this.contentType === "image/heic") throw new Stopped(HEIC_IN_WORDS);
    if (this.contentType === null) throw new Stopped(reasonInWords("unsupported_type", limits));
    for (const ms of PAUSES_MS) {
      try {
        return await this.sendOnce();
      } catch (error) {
        if (!(error instanceof Stopped) || error.repeats === null) throw error;
        this.show("uploading", "Trying again");
        await pause(ms, this.cancelled.signal);
      }
    }
    return this.sendOnce();
  }

  async sendOnce() {
    const { signal } = this.cancelled;
    this.upload ??= await askForUpload(this.blob, this.contentType, signal);
    this.show("uploading", "Uploading", { progress: 0 });
    const onProgress = (part) => {
      this.show("uploading", uploadInWords(part), { progress: part });
    };
    try {
      await put(this.blob, this.upload, onProgress, signal);
    } catch (error) {
      if (error.repeats === NEW_URL) this.upload = null;
      throw error;
    }
    [this.id, this.isStored] = [this.upload.id, true];
  }

  async follow() {
    const { limits } = this.list;
    this.show("waiting", statusInWords({ status: "waiting_for_upload" }, limits));
    const image = await follow(this.id, {
      onImage: (image) => {
        if (!isFinal(image)) this.isOldNews = false;
        this.show("waiting", statusInWords(image, limits));
      },
      onTrouble: () => this.show("waiting", "The server cannot be reached. Still trying."),
      signal: this.cancelled.signal,
    });
    if (this.size === null && image.original) {
      this.size = image.original.bytes;
      this.part(".size").textContent = bytesInWords(this.size);
    }
    if (image.status === "published") {
      this.showThumbnails(image);
      this.show("ready", statusInWords(image, limits));
    } else {
      // The failure is not the file's fault, so the user may upload it again as a new image.
      const canRetry = image.status === "failed" && this.file !== null;
      if (canRetry) [this.upload, this.isStored] = [null, false];
      throw new Stopped(statusInWords(image, limits), { canRetry });
    }
  }

  showThumbnails(image) {
    const list = this.part(".thumbnails");
    list.replaceChildren(...Object.entries(image.thumbnails).map(([name, thumbnail]) => {
      const entry = template("thumbnail");
      const picture = entry.querySelector("img");
      Object.assign(picture, { src: thumbnail.url, width: thumbnail.width, height: thumbnail.height });
      picture.alt = `${this.name}, ${name} thumbnail`;
      entry.querySelector("a").href = thumbnail.url;
      const pixels = `${thumbnail.width} × ${thumbnail.height}`;
      entry.querySelector("strong").textContent = name;
      entry.querySelector("span").textContent = `${pixels}, ${bytesInWords(thumbnail.bytes)}`;
      return entry;
    }));
    list.setAttribute("aria-label", `Thumbnails of ${this.name}`);
    list.hidden = false;
  }

  retry() {
    this.isWaitingForNetwork = false;
    if (!this.isStored) this.id = null;
    this.show("queued", "Waiting to be uploaded");
    this.element.focus();
    return this.run();
  }

  cancel() {
    this.cancelled.abort();
    this.list.removed(this);
    document.getElementById("uploads-title").focus();
  }
}
