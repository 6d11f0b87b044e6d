// The list of this tab, in session storage: a reload restores it, and closing the tab deletes it.

const KEY = "darkroom-list";

/** The format of an image id. */
const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** The saved entries: `{ name, size, id, state, words }`. */
export function savedEntries() {
  try {
    const entries = JSON.parse(sessionStorage.getItem(KEY));
    return Array.isArray(entries) ? entries : [];
  } catch {
    return [];
  }
}

/** Replaces the saved entries. If storage fails, the list lasts until the next reload. */
export function saveEntries(entries) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(entries));
  } catch {
    // The quota is exceeded, or the browser forbids storage.
  }
}

/** The URL of the page for this image. */
export function linkTo(id) {
  return `/#${id}`;
}

/** The image id in the page's URL, or null. */
export function linkedId() {
  const id = location.hash.slice(1);
  return ID.test(id) ? id : null;
}
