// The texts of the page: sizes, statuses, reasons and problems.

/** Formats bytes, such as `3.2 MiB`. */
export function bytesInWords(bytes) {
  if (bytes < 1024) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  const units = ["KiB", "MiB", "GiB"];
  let value = bytes / 1024;
  while (value >= 1000 && units.length > 1) {
    value /= 1024;
    units.shift();
  }
  const digits = value < 10 && !Number.isInteger(value) ? 1 : 0;
  return `${value.toFixed(digits)} ${units[0]}`;
}

/** Why the page refuses HEIC, and how to send a JPEG instead. */
export const HEIC_IN_WORDS =
  "Refused: this is a HEIC photograph. Send it as a JPEG: on an iPhone, share it with Options > Most Compatible, or " +
  "choose Settings > Camera > Formats > Most Compatible for new photographs; on a Mac, export it in Preview.";

const STATUSES = {
  waiting_for_upload: "Uploaded, waiting for its turn",
  waiting_for_thumbnails: "Making thumbnails",
  published: "Ready",
};

const REASONS = {
  unsupported_type: () => "Refused: this is neither a JPEG nor a PNG, whatever its name says.",
  corrupt: () => "Refused: the image is damaged or cut short.",
  empty: () => "Refused: the file is empty.",
  too_many_bytes: (limits) => `Refused: the file is larger than ${bytesInWords(limits.maxBytes)}.`,
  too_many_pixels: () => "Refused: the image has too many pixels.",
  too_much_work: () => "Refused: the image has too many scans to decode.",
  unavailable: () => "Failed: something that the work needs did not answer.",
  render_timeout: () => "Failed: making the thumbnails took too long.",
  killed: () => "Failed: the work was interrupted again and again.",
  internal: () => "Failed: the server made a mistake.",
  unknown: () => "Failed: the server does not know this image. It may have been deleted.",
  source_missing: () => "Failed: the upload vanished before it could be read.",
  archived: () => "Failed: the upload is in an archive and cannot be read.",
};

/** The text for an image's status. A refused image has a detail, which says what the file is. */
export function statusInWords(image, limits) {
  if (image.reason === "unsupported_type" && image.detail) return `Refused: ${image.detail}.`;
  if (image.reason) return reasonInWords(image.reason, limits);
  return STATUSES[image.status] ?? image.status;
}

/** Why an image was refused or failed. */
export function reasonInWords(reason, limits) {
  return REASONS[reason]?.(limits) ?? `Failed: ${reason.replaceAll("_", " ")}.`;
}

/** The part of a file that was sent, 0 to 1. A sent file is not stored yet. */
export function uploadInWords(part) {
  return part < 1 ? `Uploading, ${Math.floor(part * 100)} %` : "Uploading, almost there";
}

/** How many files are done, and with which result: "5 of 8 done", "8 done, 4 refused". */
export function summaryInWords({ all, done, refused, stopped }) {
  const parts = [done === all ? `${done} done` : `${done} of ${all} done`];
  if (refused) parts.push(`${refused} refused`);
  if (stopped) parts.push(`${stopped} stopped`);
  return parts.join(", ");
}
