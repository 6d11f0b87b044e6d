#!/usr/bin/env bash
# sharp's metadata says "4:2:0" of every JPEG whose chroma is subsampled in any way.
#
# Version:   sharp 0.35.5 (npm, with libvips 8.18); the files are made by Pillow 12.3.0 (PyPI)
# Guess:     metadata().chromaSubsampling is "4:2:2" for a file of 4:2:2, which nearly half of all cameras write.
# Behaviour: it is "4:2:0" for 4:2:2 as well; only 4:4:4 is told apart.
# So:        it cannot be used to choose an encoder's subsampling. darkroom reads the sampling factors of the frame
#            header.
# Seen:      4:4:4 -> 4:4:4, 4:2:2 -> 4:2:0, 4:2:0 -> 4:2:0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet install pillow==12.3.0
npm install --silent --no-fund --no-audit sharp@0.35.5 >/dev/null
venv/bin/python - <<'PYTHON'
from PIL import Image
picture = Image.linear_gradient("L").convert("RGB")
for number, name in enumerate(["444", "422", "420"]):
    picture.save(f"{name}.jpg", subsampling=number)
PYTHON
cat >ask.mjs <<'JAVASCRIPT'
import sharp from "sharp";
for (const name of ["444", "422", "420"]) {
    const { chromaSubsampling } = await sharp(`${name}.jpg`).metadata();
    console.log(`${name} ${chromaSubsampling}`);
}
JAVASCRIPT
seen=$(node ask.mjs)
echo "$seen"
[ "$seen" = $'444 4:4:4\n422 4:2:0\n420 4:2:0' ] || { echo "changed"; exit 1; }
