// Runs in the browser: shows a file, and measures how far its thumbnails are from it.

/** Pixels of a tile of the original. A canvas cannot hold every picture, and one copy of it is enough. */
const TILE = 1024;
/** A picture is divided into so many parts in each direction to find the worst one. */
const PARTS = 8;

const load = async (url) => {
  const image = new Image();
  image.src = url;
  await image.decode();
  // The bitmap is decoded once; drawing the image in tiles can decode it for each tile. A damaged file has no bitmap.
  return createImageBitmap(image).catch(() => Object.assign(image, sizeOf(image)));
};

const sizeOf = ({ naturalWidth, naturalHeight }) => ({ width: naturalWidth, height: naturalHeight });

const canvas = new OffscreenCanvas(TILE, TILE);
const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
context.imageSmoothingEnabled = false;
context.globalCompositeOperation = "copy";

/** For each of `from` pixels, the first of `to` pixels that it touches, and the share of it that this one gets. */
const spread = (from, to) => {
  const first = new Uint32Array(from);
  const share = new Float64Array(from);
  for (let at = 0; at < from; at += 1) {
    const begin = (at * to) / from;
    first[at] = Math.min(Math.floor(begin), to - 1);
    share[at] = Math.min(1, ((first[at] + 1 - begin) * from) / to);
  }
  return { first, share };
};

/** The same picture at smaller sizes: the mean of each area. Four numbers a pixel, colours premultiplied by alpha. */
const average = (bitmap, sizes) => {
  const targets = sizes.map(({ width, height }) => ({
    width,
    columns: spread(bitmap.width, width),
    rows: spread(bitmap.height, height),
    line: new Float64Array(4 * (width + 1)),
    // One row and one column more, for shares of 0 behind the last pixel.
    sums: new Float64Array(4 * (width + 1) * (height + 1)),
    perArea: (width * height) / (bitmap.width * bitmap.height),
  }));
  for (let top = 0; top < bitmap.height; top += TILE) {
    for (let left = 0; left < bitmap.width; left += TILE) {
      const width = Math.min(TILE, bitmap.width - left);
      const height = Math.min(TILE, bitmap.height - top);
      context.drawImage(bitmap, left, top, width, height, 0, 0, width, height);
      const { data } = context.getImageData(0, 0, width, height);
      for (const target of targets) addTile(target, data, left, top, width, height);
    }
  }
  return targets.map(({ width, sums, perArea }, index) => {
    const pixels = new Float64Array(4 * width * sizes[index].height);
    for (let y = 0; y < sizes[index].height; y += 1) {
      for (let x = 0; x < 4 * width; x += 1) pixels[4 * y * width + x] = sums[4 * y * (width + 1) + x] * perArea;
    }
    return pixels;
  });
};

const addTile = ({ width: across, columns, rows, line, sums }, data, left, top, width, height) => {
  const stride = 4 * (across + 1);
  for (let y = 0; y < height; y += 1) {
    const [from, to] = [4 * columns.first[left], 4 * (columns.first[left + width - 1] + 2)];
    line.fill(0, from, to);
    for (let x = 0; x < width; x += 1) {
      const at = 4 * (y * width + x);
      const alpha = data[at + 3];
      const here = columns.share[left + x];
      const there = 1 - here;
      const into = 4 * columns.first[left + x];
      for (let channel = 0; channel < 3; channel += 1) {
        const value = (data[at + channel] * alpha) / 255;
        line[into + channel] += value * here;
        line[into + 4 + channel] += value * there;
      }
      line[into + 3] += alpha * here;
      line[into + 7] += alpha * there;
    }
    const share = rows.share[top + y];
    const row = rows.first[top + y] * stride;
    for (let at = from; at < to; at += 1) {
      sums[row + at] += line[at] * share;
      sums[row + stride + at] += line[at] * (1 - share);
    }
  }
};

/** The mean absolute difference of all pixels and of the worst part, over this background. */
const difference = (a, b, width, height, background) => {
  const sums = new Float64Array(PARTS * PARTS);
  const counts = new Float64Array(PARTS * PARTS);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = 4 * (y * width + x);
      const behind = (background * (b[at + 3] - a[at + 3])) / 255;
      const part = Math.floor((y * PARTS) / height) * PARTS + Math.floor((x * PARTS) / width);
      for (let channel = 0; channel < 3; channel += 1) {
        sums[part] += Math.abs(a[at + channel] - b[at + channel] + behind);
      }
      counts[part] += 3;
    }
  }
  const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
  const worst = Math.max(...sums.map((sum, part) => (counts[part] ? sum / counts[part] : 0)));
  return { mean: total(sums) / total(counts), worst };
};

/** Whether a thumbnail of this size has the shape of the original, to half a pixel. */
const hasShapeOf = (whole, { width, height }) => {
  const scale = Math.max(width, height) / Math.max(whole.width, whole.height);
  const isNear = (side, of) => Math.abs(side - Math.max(1, of * scale)) <= 0.5001;
  return scale <= 1 && isNear(width, whole.width) && isNear(height, whole.height);
};

/**
 * Shows the file at `original` and compares it with `thumbnails`, each `{ size, url }`.
 *
 * Returns `{ isShown, error }` or `{ isShown, isWhole, width, height, thumbnails }`, where each thumbnail is
 * `{ size, width, height, mean, worst }` in levels of 0 to 255, or has an `error` instead of `mean` and `worst`.
 */
export async function compareInPage({ original, thumbnails }) {
  let whole;
  try {
    whole = await load(original);
  } catch (error) {
    return { isShown: false, error: error.message };
  }
  const { width, height } = whole;
  const shown = { isShown: true, width, height, thumbnails: [] };
  if (thumbnails.length === 0) {
    // Of a damaged file, <img> shows what it has. createImageBitmap refuses most of them.
    const file = await (await fetch(original)).blob();
    shown.isWhole = await createImageBitmap(file).then(() => true, () => false);
    return shown;
  }
  const made = await Promise.all(thumbnails.map(({ url }) => load(url)));
  const comparable = made.map((bitmap) => hasShapeOf(whole, bitmap));
  const averaged = average(whole, made.filter((_, index) => comparable[index]));
  shown.thumbnails = made.map((bitmap, index) => {
    const measured = { size: thumbnails[index].size, width: bitmap.width, height: bitmap.height };
    if (!comparable[index]) return { ...measured, error: "another shape" };
    const expected = averaged.shift();
    const [pixels] = average(bitmap, [bitmap]);
    const over = [0, 255].map((level) => difference(expected, pixels, bitmap.width, bitmap.height, level));
    const most = (name) => Math.max(...over.map((it) => it[name]));
    return { ...measured, mean: most("mean"), worst: most("worst") };
  });
  return shown;
}
