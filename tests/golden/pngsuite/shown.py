"""Writes libvips' rendering of each picture here into shown.txt. First `pip install 'pyvips[binary]' numpy`.

A line has a name, the width and height, and the first eight bytes of the SHA-256 of all pixels as 8-bit RGBA: the upper
half of 16-bit samples, gray as three equal samples, and zeros for transparent pixels.
"""
import hashlib
from pathlib import Path

import numpy
import pyvips

HERE = Path(__file__).parent


def shown(file):
    picture = pyvips.Image.new_from_file(str(file))
    if picture.format == "ushort":
        picture = picture >> 8
    picture = picture.cast("uchar")
    if picture.bands < 3:
        gray = picture[0]
        picture = gray.bandjoin([gray, gray] + ([picture[1]] if picture.bands == 2 else []))
    if picture.bands == 3:
        picture = picture.bandjoin(255)
    pixels = picture.numpy().copy()
    pixels[pixels[..., 3] == 0] = 0
    return picture.width, picture.height, hashlib.sha256(numpy.ascontiguousarray(pixels)).hexdigest()[:16]


pictures = [(file.name, *shown(file)) for file in sorted(HERE.glob("*.png"))]
lines = [f"{name} {width} {height} {digest}\n" for name, width, height, digest in pictures]
(HERE / "shown.txt").write_text("".join(lines))
