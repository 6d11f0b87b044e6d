// Calls of the API, with the token that the server may ask for. It is kept until the tab is closed.

const KEY = "darkroom-token";

const dialog = document.getElementById("token-dialog");
const input = document.getElementById("token");
const trouble = document.getElementById("token-trouble");

/** The question that is on the screen, so that several calls share one. */
let question = null;

/** As `fetch`. While the server asks for a token, so does the page, and the call is repeated with it. */
export async function call(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const response = await fetch(path, { ...options, headers });
    if (response.status !== 401) return response;
    await settled(askForToken(token), options.signal);
  }
}

/** Asks for another token than `refused`, unless one was given meanwhile. */
function askForToken(refused) {
  if (sessionStorage.getItem(KEY) !== refused) return Promise.resolve();
  question ??= new Promise((resolve) => {
    trouble.hidden = refused === null;
    input.value = "";
    dialog.addEventListener("close", function end() {
      // Without a token nothing goes on: Escape brings the question back.
      if (sessionStorage.getItem(KEY) === refused) return dialog.showModal();
      dialog.removeEventListener("close", end);
      question = null;
      resolve();
    });
    dialog.showModal();
  });
  return question;
}

/** Waits, or until the call is given up. */
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
  // Anything else cannot stand in a header.
  if (!/^[!-~]+$/.test(token)) {
    trouble.hidden = false;
    return;
  }
  sessionStorage.setItem(KEY, token);
  dialog.close();
});
