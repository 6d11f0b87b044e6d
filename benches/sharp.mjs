// sharp (libvips) for comparison: makes the same three thumbnails of each file in one long-lived process.
//
//   node sharp.mjs cpu WAY ROUNDS FILE...               CPU time of each file, one JSON object a line
//   node sharp.mjs rate WAY IN_FLIGHT SECONDS FILE...   images a second (UV_THREADPOOL_SIZE=8, 8 in flight: 2 cores)
//   node sharp.mjs write WAY DIR FILE...                the thumbnails
//
// WAY persize: one pipeline for each size, as in sharp's documentation. WAY cascade: decode once, then large, medium,
// small. Quality 80, 4:2:0, optimised Huffman tables, which is sharp's default; the thumbnail of a PNG is a PNG.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const sharp = createRequire(path.join(process.cwd(), 'package.json'))('sharp');
const SIZES = { large: 1000, medium: 500, small: 100 };
sharp.cache(false);
sharp.concurrency(1);

const encode = (image, png) => (png ? image.png() : image.jpeg({ quality: 80, optimiseCoding: !process.env.NOOPT })).toBuffer();
const inside = (side) => [side, side, { fit: 'inside', withoutEnlargement: true }];

async function persize(input, png) {
  const made = [];
  for (const side of Object.values(SIZES)) made.push(await encode(sharp(input).rotate().resize(...inside(side)), png));
  return made;
}

async function cascade(input, png) {
  const made = [];
  let image = sharp(input).rotate();
  for (const side of Object.values(SIZES)) {
    const { data, info } = await image.resize(...inside(side)).raw().toBuffer({ resolveWithObject: true });
    image = sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
    made.push(encode(image.clone(), png));
  }
  return Promise.all(made);
}

const [, , mode, way, ...rest] = process.argv;
const make = { persize, cascade }[way];
const isPng = (file) => file.endsWith('.png');
const cpuTime = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1e3; };

if (mode === 'cpu') {
  const [rounds, ...files] = rest;
  const inputs = files.map((file) => fs.readFileSync(file));
  const times = files.map(() => []);
  let made = [];
  for (let round = 0; round <= +rounds; round++) {
    for (const [index, input] of inputs.entries()) {
      const begun = cpuTime();
      made[index] = await make(input, isPng(files[index]));
      if (round > 0) times[index].push(cpuTime() - begun);
    }
  }
  for (const [index, file] of files.entries()) {
    const sorted = times[index].sort((a, b) => a - b);
    console.log(JSON.stringify({ file: path.basename(file), cpu_ms: sorted[sorted.length >> 1], lowest: sorted[0],
      highest: sorted.at(-1), bytes: made[index].map((bytes) => bytes.length).reverse() }));
  }
  console.error(`peak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`);
} else if (mode === 'rate') {
  const [inFlight, seconds, ...files] = rest;
  const inputs = files.map((file) => [fs.readFileSync(file), isPng(file)]);
  let next = 0, images = 0;
  const begun = Date.now();
  await Promise.all(Array.from({ length: +inFlight }, async () => {
    while (Date.now() - begun < +seconds * 1e3) { await make(...inputs[next++ % inputs.length]); images++; }
  }));
  console.log(JSON.stringify({ images, images_per_second: images / ((Date.now() - begun) / 1e3) }));
} else {
  const [directory, ...files] = rest;
  for (const file of files) {
    const made = await make(fs.readFileSync(file), isPng(file));
    const { name, ext } = path.parse(file);
    Object.keys(SIZES).forEach((size, index) => fs.writeFileSync(path.join(directory, `${name}_${size}${ext}`), made[index]));
  }
}
