// The list of this tab, kept in session storage: a reload shows it again, and closing the tab forgets it.

const KEY = "darkroom-list";

/** What an image's id looks like. */
const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** The entries that were saved last: `{ name, size, id, state, words }`. */
export function savedEntries() {
  try {
    const entries = JSON.parse(sessionStorage.getItem(KEY));
    return Array.isArray(entries) ? entries : [];
  } catch {
    return [];
  }
}

/** Replaces the entries. Where nothing can be stored the list lasts until the next reload. */
export function saveEntries(entries) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(entries));
  } catch {
    // The quota is used up, or the browser forbids it.
  }
}

/** A link to the page that shows this image. */
export function linkTo(id) {
  return `/#${id}`;
}

/** The image that the page's own address links to; null when it is none. */
export function linkedId() {
  const id = location.hash.slice(1);
  return ID.test(id) ? id : null;
}
