"""Makes the golden files in this folder: small images of every kind, and Pillow's rendering of each.

    apt-get install libjpeg-turbo-progs
    python3 -m venv venv && venv/bin/pip install 'pillow==13.*' numpy && venv/bin/python make.py

Writes sources/NAME.{jpg,png} and expected/NAME.png: decoded by Pillow, turned upright, resized once with Lanczos3 to
fit inside 32 pixels. The files are checked in; run this again only to add a kind.
"""
import io
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy
from PIL import Image, ImageCms, ImageOps

HERE = Path(__file__).parent
SOURCES, EXPECTED = HERE / "sources", HERE / "expected"
BOX = 32


def picture(width, height):
    """Four coloured quarters with a soft wave, which make every rotation and shift visible."""
    y, x = numpy.mgrid[0:height, 0:width].astype(numpy.float64)
    x, y = (x + 0.5) / width, (y + 0.5) / height
    corners = numpy.array([[200, 40, 40], [40, 180, 60], [50, 60, 200], [230, 220, 120]], dtype=numpy.float64)
    wave = 20 * numpy.sin(14 * x) * numpy.cos(11 * y)
    pixels = corners[(x >= 0.5).astype(int) + 2 * (y >= 0.5).astype(int)] + wave[..., None]
    return numpy.clip(pixels.round(), 0, 255).astype(numpy.uint8)


def expect(name, source):
    image = ImageOps.exif_transpose(Image.open(source))
    if image.mode in ("I;16", "I;16B", "I"):
        image = Image.fromarray((numpy.asarray(image).astype(numpy.uint32) >> 8).astype(numpy.uint8))
    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    image = image.convert("RGBA" if has_alpha else "RGB")
    scale = min(1, BOX / max(image.size))
    size = tuple(max(1, int(side * scale + 0.5)) for side in image.size)
    if has_alpha:
        image = image.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")
    else:
        image = image.resize(size, Image.Resampling.LANCZOS)
    image.save(EXPECTED / f"{name}.png", optimize=True)


def jpeg(name, pixels, mode="RGB", **options):
    path = SOURCES / f"{name}.jpg"
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.convert(mode).save(path, quality=90, **options)
    expect(name, path)


def cjpeg(name, pixels, *options, scans=""):
    """A JPEG of a layout that Pillow does not write."""
    path = SOURCES / f"{name}.jpg"
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as script:
        script.write(scans)
        script.flush()
        options += ("-scans", script.name) if scans else ()
        bitmap = b"P6\n%d %d\n255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes()
        path.write_bytes(subprocess.run(["cjpeg", "-quality", "90", *options], input=bitmap, capture_output=True, check=True).stdout)
    expect(name, path)


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


UNDO = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270}


def jpegs():
    photo = picture(97, 65)
    for orientation in range(1, 9):
        upright = Image.fromarray(photo)
        stored = upright.transpose(UNDO[orientation]) if orientation > 1 else upright
        jpeg(f"orientation_{orientation}", stored, exif=exif(orientation))
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        jpeg(f"sampling_{name}", photo, subsampling=subsampling)
        jpeg(f"sampling_{name}_progressive", photo, subsampling=subsampling, progressive=True)
    # Many cameras write 4:2:2 with restart markers, and some rotate it losslessly.
    jpeg("sampling_422_restart_markers", photo, subsampling=1, restart_marker_blocks=3)
    cjpeg("sampling_440", photo, "-sample", "1x2")
    cjpeg("sampling_440_restart_markers", photo, "-sample", "1x2", "-restart", "3B")
    cjpeg("one_scan_per_component", photo, "-sample", "2x1", scans="0;\n1;\n2;\n")
    jpeg("gray", photo, mode="L")
    jpeg("gray_progressive", photo, mode="L", progressive=True)
    jpeg("cmyk", photo, mode="CMYK")
    jpeg("restart_markers", photo, restart_marker_blocks=2)
    jpeg("restart_markers_progressive", photo, restart_marker_blocks=2, progressive=True)
    jpeg("srgb_profile", photo, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    small = (1, 1), (2, 3), (3, 2), (7, 5), (8, 8), (17, 1), (1, 17), (31, 33)
    for width, height in (*small, (200, 1), (1, 200), (255, 16)):
        jpeg(f"size_{width}x{height}", picture(width, height))


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def packed(samples, depth):
    """Rows of samples (height, width, channels) as PNG stores them, each with filter 0."""
    out = b""
    for row in samples:
        flat = row.reshape(-1)
        if depth == 16:
            raw = flat.astype(">u2").tobytes()
        elif depth == 8:
            raw = flat.astype(numpy.uint8).tobytes()
        else:
            bits = numpy.unpackbits(flat.astype(numpy.uint8)[:, None], axis=1)[:, 8 - depth:]
            raw = numpy.packbits(bits.reshape(-1)).tobytes()
        out += b"\0" + raw
    return out


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(name, colour, depth, samples, interlaced=False, extra=b""):
    height, width, _ = samples.shape
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [samples]
    data = b"".join(packed(one, depth) for one in passes if one.size)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    path = SOURCES / f"{name}.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
                     + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))
    expect(name, path)


def pngs():
    """Every colour type with every depth, with and without interlacing, as in PngSuite; then transparency."""
    rgb = picture(49, 33)
    gray = rgb[..., 1:2]
    alpha = numpy.broadcast_to(numpy.linspace(0, 255, 49).round().astype(numpy.uint8)[None, :, None], (33, 49, 1))
    shades = numpy.array([[r, g, b] for r in (30, 120, 220) for g in (40, 130, 230) for b in (50, 200)][:16])
    kinds = [(f"gray_{depth}", 0, depth, gray >> (8 - depth), b"") for depth in (1, 2, 4, 8)]
    for depth in (1, 2, 4, 8):
        count = min(16, 1 << depth)
        palette = chunk(b"PLTE", shades[:count].astype(numpy.uint8).tobytes())
        indices = (gray.astype(int) * count // 256).astype(numpy.uint8)
        kinds.append((f"palette_{depth}", 3, depth, indices, palette))
        fade = chunk(b"tRNS", bytes(255 * i // (count - 1) for i in range(count)))
        kinds.append((f"palette_{depth}_transparent", 3, depth, indices, palette + fade))
    wide = lambda samples: samples.astype(numpy.uint16) * 257
    for depth, deepen in ((8, lambda samples: samples), (16, wide)):
        kinds.append((f"rgb_{depth}", 2, depth, deepen(rgb), b""))
        kinds.append((f"gray_alpha_{depth}", 4, depth, deepen(numpy.concatenate([gray, alpha], 2)), b""))
        kinds.append((f"rgba_{depth}", 6, depth, deepen(numpy.concatenate([rgb, alpha], 2)), b""))
    kinds.append(("gray_16", 0, 16, wide(gray), b""))
    kinds.append(("gray_8_transparent", 0, 8, gray // 64 * 64, chunk(b"tRNS", struct.pack(">H", 192))))
    kinds.append(("rgb_8_transparent", 2, 8, rgb // 64 * 64, chunk(b"tRNS", struct.pack(">HHH", 192, 0, 0))))
    for name, colour, depth, samples, extra in kinds:
        png(name, colour, depth, samples, extra=extra)
        png(f"{name}_interlaced", colour, depth, samples, interlaced=True, extra=extra)
    for width, height in ((1, 1), (3, 2), (1, 200), (200, 1)):
        for interlaced in (False, True):
            order = "interlaced" if interlaced else "straight"
            png(f"size_{width}x{height}_{order}", 2, 8, picture(width, height), interlaced)
    png("orientation_6_in_a_png", 2, 8, picture(40, 24), extra=chunk(b"eXIf", exif(6).tobytes()[6:]))


if __name__ == "__main__":
    SOURCES.mkdir(exist_ok=True)
    EXPECTED.mkdir(exist_ok=True)
    jpegs()
    pngs()
