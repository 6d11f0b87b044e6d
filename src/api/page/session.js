// Calls the API, with a token if the server requires one. The token is kept until the tab is closed.

const KEY = "darkroom-token";

const dialog = document.getElementById("token-dialog");
const input = document.getElementById("token");
const trouble = document.getElementById("token-trouble");

/** The open token dialog. Concurrent calls share it. */
let question = null;

/** Like `fetch`, with a path below the base path. On 401 it asks the user for a token and repeats the request. */
export async function call(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const response = await fetch(document.body.dataset.basePath + path, { ...options, headers });
    if (response.status !== 401) return response;
    await settled(askForToken(token), options.signal);
  }
}

/** Asks for a token other than `refused`, unless the user has already entered one. */
function askForToken(refused) {
  if (sessionStorage.getItem(KEY) !== refused) return Promise.resolve();
  question ??= new Promise((resolve) => {
    trouble.hidden = refused === null;
    input.value = "";
    dialog.addEventListener("close", function end() {
      // A token is required: Escape opens the dialog again.
      if (sessionStorage.getItem(KEY) === refused) return dialog.showModal();
      dialog.removeEventListener("close", end);
      question = null;
      resolve();
    });
    dialog.showModal();
  });
  return question;
}

/** Waits for the promise, or until the request is aborted. */
function settled(promise, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    promise.then(resolve, reject);
  });
}

dialog.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = input.value.trim();
  // A header cannot carry other characters.
  if (!/^[!-~]+$/.test(token)) {
    trouble.hidden = false;
    return;
  }
  sessionStorage.setItem(KEY, token);
  dialog.close();
});
