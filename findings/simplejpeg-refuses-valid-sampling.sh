#!/usr/bin/env bash
# simplejpeg refuses valid JPEGs whose sampling factors have no name in TurboJPEG, though RGB is asked for.
#
# Version:   simplejpeg 1.9.0 (PyPI, with libjpeg-turbo); Pillow 12.3.0 (PyPI), which uses the same library by
#            another API
# Guess:     subsampling matters to who asks for planes: to decode to RGB, any file will do that libjpeg-turbo decodes.
# Behaviour: a file of 3x1 luma (valid by T.81) is a ValueError; Pillow shows it.
# So:        a service that takes photographs must have another way for them. darkroom resizes each component as it is
#            stored.
# Seen:      Pillow: shown; simplejpeg: ValueError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet install simplejpeg==1.9.0 pillow==12.3.0 numpy
cat >ask.py <<'PYTHON'
import io

import simplejpeg
from PIL import Image



def gray(width, level):
    file = io.BytesIO()
    Image.new("L", (width, 8), level).save(file, "JPEG")
    return file.getvalue()


def scan(component, file):
    data = file[file.index(b"\xff\xda") + 10:-2]
    return b"\xff\xda\0\x08\x01" + bytes([component]) + b"\0\0\x3f\0" + data


# 24 x 8 pixels: three blocks of luma, and one of each chroma. Each component has a scan of its own, as a gray
# picture has.
luma, chroma = gray(24, 99), gray(8, 128)
quantisation = luma[:luma.index(b"\xff\xc0")]
frame = b"\xff\xc0\0\x11\x08\0\x08\0\x18\x03\x01\x31\0\x02\x11\0\x03\x11\0"
tables = luma[luma.index(b"\xff\xc4"):luma.index(b"\xff\xda")]
whole = quantisation + frame + tables + scan(1, luma) + scan(2, chroma) + scan(3, chroma) + b"\xff\xd9"
image = Image.open(io.BytesIO(whole))
image.load()
print("Pillow: shown", image.size)
try:
    simplejpeg.decode_jpeg(whole, colorspace="RGB")
    print("simplejpeg: shown")
except ValueError:
    print("simplejpeg: ValueError")
PYTHON
seen=$(venv/bin/python ask.py)
echo "$seen"
[ "$seen" = $'Pillow: shown (24, 8)\nsimplejpeg: ValueError' ] || { echo "changed"; exit 1; }
