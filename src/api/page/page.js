// The page: accepts files and shows a list entry for each. The list survives a reload.

import { Item } from "./item.js";
import { linkedId, saveEntries, savedEntries } from "./saved.js";
import { bytesInWords, summaryInWords } from "./words.js";

const limits = { maxBytes: Number(document.body.dataset.maxBytes) };
const items = new Set();
const byId = (id) => document.getElementById(id);

/** States that change only when the user acts. */
const ENDS = ["ready", "refused", "stopped"];

const list = {
  limits,
  changed(item) {
    if (ENDS.includes(item.state) && !item.isOldNews) announce(`${item.name}: ${item.words}`);
    listChanged();
  },
  removed(item) {
    items.delete(item);
    item.element.remove();
    listChanged();
  },
};

function add(description) {
  const item = new Item(description, list);
  items.add(item);
  byId("list").append(item.element);
  return item;
}

function addFiles(files) {
  for (const file of files) {
    const item = add({ name: file.name, size: file.size, file });
    item.show("queued", "Waiting to be uploaded");
    item.run();
  }
  listChanged();
}

/** Restores a list entry after a reload. The file itself is no longer available. */
function restore({ name, size, id, state, words }) {
  const item = add({ name, size, id });
  if (id !== null) item.run();
  else if (state === "refused") item.show("refused", words);
  else {
    // The reload itself stopped the upload.
    item.isOldNews = false;
    item.show("stopped", "The page was reloaded before the upload ended. Choose the file again.");
  }
}

/** Shows the image that the page's URL links to, including images that others uploaded. */
function showLinked() {
  const id = linkedId();
  if (id === null) return;
  let item = [...items].find((item) => item.id === id);
  if (!item) {
    item = add({ name: id, id });
    item.run();
  }
  item.element.scrollIntoView({ block: "nearest" });
}

function listChanged() {
  const all = [...items];
  const count = (...states) => all.filter((item) => states.includes(item.state)).length;
  const done = count("ready", "refused");
  byId("uploads").hidden = all.length === 0;
  const [refused, stopped] = [count("refused"), count("stopped")];
  byId("summary").textContent = summaryInWords({ all: all.length, done, refused, stopped });
  byId("retry-all").hidden = retryable().length < 2;
  byId("clear").hidden = done === 0;
  document.title = all.length ? `${done}/${all.length} darkroom` : "darkroom";
  saveEntries(all.map((item) => item.entry));
  showConnection();
}

function retryable() {
  return [...items].filter((item) => !item.part(".retry").hidden);
}

/** Announces changes to screen readers. Keeps only the last lines. */
function announce(words) {
  const line = document.createElement("p");
  line.textContent = words;
  const log = byId("announcements");
  log.append(line);
  while (log.childElementCount > 20) log.firstElementChild.remove();
}

/** Browsers report "offline" even if the server runs on this machine, so only failed requests count. */
function showConnection() {
  byId("offline").hidden = navigator.onLine || !waitingForNetwork().length;
}

function waitingForNetwork() {
  return [...items].filter((item) => item.isWaitingForNetwork);
}

const drop = byId("drop");
byId("files").addEventListener("change", ({ target }) => {
  addFiles(target.files);
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
  addFiles(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => addFiles(event.clipboardData.files));
byId("retry-all").addEventListener("click", () => {
  retryable().forEach((item) => item.retry());
  byId("uploads-title").focus();
});
byId("clear").addEventListener("click", () => {
  [...items].filter((item) => ["ready", "refused"].includes(item.state)).forEach((item) => list.removed(item));
  byId(items.size ? "uploads-title" : "files").focus();
});
addEventListener("online", () => {
  waitingForNetwork().forEach((item) => item.retry());
  showConnection();
});
addEventListener("offline", showConnection);
addEventListener("hashchange", showLinked);
addEventListener("beforeunload", (event) => {
  if ([...items].some((item) => ["queued", "uploading"].includes(item.state))) event.preventDefault();
});

byId("limit").textContent = bytesInWords(limits.maxBytes);
for (const element of document.querySelectorAll(".origin")) {
  element.textContent = location.origin + document.body.dataset.basePath;
}
savedEntries().forEach(restore);
showLinked();
