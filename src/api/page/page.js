// The page: files in, one list entry each, from the upload to its thumbnails.

import { follow, lanes } from "./follow.js";
import { Stopped, askForUpload, isUsable, put, typeOf } from "./upload.js";
import { bytesInWords, reasonInWords, statusInWords, summaryInWords } from "./words.js";

const limits = { maxBytes: Number(document.body.dataset.maxBytes) };
const inUploadLane = lanes(2);
const items = new Set();
const byId = (id) => document.getElementById(id);

/** One file on its way. `state`: queued, uploading, waiting, ready, refused, stopped. */
class Item {
  constructor(file) {
    this.file = file;
    this.state = "queued";
    this.upload = null;
    this.isStored = false;
    this.isWaitingForNetwork = false;
    this.cancelled = new AbortController();
    this.element = byId("item").content.firstElementChild.cloneNode(true);
    this.part(".name").textContent = file.name;
    this.part(".size").textContent = bytesInWords(file.size);
    this.part("progress").setAttribute("aria-label", `Progress of ${file.name}`);
    for (const [button, act] of [[".retry", () => this.retry()], [".cancel", () => this.cancel()]]) {
      this.part(button).setAttribute("aria-label", `${this.part(button).textContent} ${file.name}`);
      this.part(button).addEventListener("click", act);
    }
    byId("list").append(this.element);
    this.show("queued", "Waiting to be uploaded");
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  /** Shows a state; `progress` is 0 to 1, or null while there is no telling. */
  show(state, words, { progress = null, canRetry = false } = {}) {
    this.state = state;
    this.element.dataset.state = state;
    this.part(".words").textContent = words;
    const bar = this.part("progress");
    bar.hidden = !["uploading", "waiting"].includes(state);
    if (progress === null) bar.removeAttribute("value");
    else bar.value = progress;
    this.part(".retry").hidden = !canRetry;
    this.part(".cancel").hidden = !["queued", "uploading", "stopped"].includes(state);
    if (["ready", "refused", "stopped"].includes(state)) announce(`${this.file.name}: ${words}`);
    showSummary();
  }

  /** Takes the file all the way; every end is shown, none is thrown. */
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
    this.cancelled.signal.throwIfAborted();
    this.show("uploading", "Looking at the file");
    if (this.file.size > limits.maxBytes) throw new Stopped(reasonInWords("too_many_bytes", limits));
    const contentType = await typeOf(this.file);
    if (this.file.size === 0) throw new Stopped(reasonInWords("empty", limits));
    if (contentType === null) throw new Stopped(reasonInWords("unsupported_type", limits));
    if (!isUsable(this.upload)) this.upload = await askForUpload(this.file, contentType, this.cancelled.signal);
    this.show("uploading", "Uploading", { progress: 0 });
    const onProgress = (part) => {
      this.show("uploading", `Uploading, ${Math.floor(part * 100)} %`, { progress: part });
    };
    await put(this.file, this.upload, onProgress, this.cancelled.signal);
    this.isStored = true;
  }

  async follow() {
    this.show("waiting", statusInWords({ status: "waiting_for_upload" }, limits));
    const image = await follow(this.upload.id, {
      onImage: (image) => this.show("waiting", statusInWords(image, limits)),
      onTrouble: () => this.show("waiting", "The server cannot be reached. Still trying."),
      signal: this.cancelled.signal,
    });
    if (image.status === "published") {
      this.showThumbnails(image);
      this.show("ready", statusInWords(image, limits));
    } else {
      // What failed through no fault of the file may be uploaded again, as a new image.
      if (image.status === "failed") [this.upload, this.isStored] = [null, false];
      throw new Stopped(statusInWords(image, limits), { canRetry: image.status === "failed" });
    }
  }

  showThumbnails(image) {
    const list = this.part(".thumbnails");
    list.replaceChildren(...Object.entries(image.thumbnails).map(([name, thumbnail]) => {
      const entry = byId("thumbnail").content.firstElementChild.cloneNode(true);
      const picture = entry.querySelector("img");
      Object.assign(picture, { src: thumbnail.url, width: thumbnail.width, height: thumbnail.height });
      picture.alt = `${this.file.name}, ${name} thumbnail`;
      entry.querySelector("a").href = thumbnail.url;
      const pixels = `${thumbnail.width} × ${thumbnail.height}`;
      entry.querySelector(".caption").textContent = `${name}, ${pixels}, ${bytesInWords(thumbnail.bytes)}`;
      return entry;
    }));
    list.setAttribute("aria-label", `Thumbnails of ${this.file.name}`);
    list.hidden = false;
  }

  retry() {
    this.isWaitingForNetwork = false;
    this.show("queued", "Waiting to be uploaded");
    this.element.focus();
    return this.run();
  }

  cancel() {
    this.cancelled.abort();
    this.remove();
    byId("uploads-title").focus();
  }

  remove() {
    items.delete(this);
    this.element.remove();
    showSummary();
  }
}

function add(files) {
  for (const file of files) {
    const item = new Item(file);
    items.add(item);
    item.run();
  }
  showSummary();
}

function showSummary() {
  const all = [...items];
  const count = (...states) => all.filter((item) => states.includes(item.state)).length;
  const ready = count("ready");
  byId("uploads").hidden = all.length === 0;
  byId("summary").textContent = summaryInWords(ready, all.length);
  byId("retry-all").hidden = retryable().length < 2;
  byId("clear").hidden = count("ready", "refused") === 0;
  document.title = all.length ? `${ready}/${all.length} darkroom` : "darkroom";
}

function retryable() {
  return [...items].filter((item) => !item.part(".retry").hidden);
}

/** Tells who cannot see the list what happened; the last lines are enough. */
function announce(words) {
  const line = document.createElement("p");
  line.textContent = words;
  const log = byId("announcements");
  log.append(line);
  while (log.childElementCount > 20) log.firstElementChild.remove();
}

function showConnection() {
  byId("offline").hidden = navigator.onLine;
  if (navigator.onLine) [...items].filter((item) => item.isWaitingForNetwork).forEach((item) => item.retry());
}

const drop = byId("drop");
byId("files").addEventListener("change", ({ target }) => {
  add(target.files);
  target.value = "";
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("is-over");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) drop.classList.remove("is-over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("is-over");
  add(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => add(event.clipboardData.files));
byId("retry-all").addEventListener("click", () => {
  retryable().forEach((item) => item.retry());
  byId("uploads-title").focus();
});
byId("clear").addEventListener("click", () => {
  [...items].filter((item) => ["ready", "refused"].includes(item.state)).forEach((item) => item.remove());
  byId(items.size ? "uploads-title" : "files").focus();
});
addEventListener("online", showConnection);
addEventListener("offline", showConnection);
addEventListener("beforeunload", (event) => {
  if ([...items].some((item) => ["queued", "uploading"].includes(item.state))) event.preventDefault();
});

byId("limit").textContent = bytesInWords(limits.maxBytes);
for (const element of document.querySelectorAll(".origin")) element.textContent = location.origin;
showConnection();
