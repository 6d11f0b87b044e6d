"""Builds the corpus: real photographs at the sizes of phones and cameras, from Debian's wallpaper packages.

    python photos.py DIR      (needs pyvips, Pillow, apt-get with package lists, dpkg-deb; about 80 MB of downloads)

Writes DIR/{name}_{0.3|1|2|12|24}_{420b|420p|444b}.jpg (b: baseline, p: progressive), DIR/{name}_{4|12}_{rgb|rgba}.png,
a JPEG with EXIF orientation 6, one with Display P3, drawings that resemble screenshots, and flat art. A little noise
simulates a sensor's.
"""
import random
import subprocess
import sys
from pathlib import Path

import pyvips
from PIL import Image, ImageDraw

PACKAGES = ["lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04"]
PHOTOS = {  # name: (file, noise)
    "dragon": ("Dragonfly_by_Bolly.jpg", 2.5),
    "bird": ("Kleiber_by_Lukas_Baubkus.jpg", 1.0),
    "stream": ("life_by_Aitzol_Berasategi.jpg", 2.0),
    "peaks": ("picosdeeuropa_by_Aitzol_Berasategi.jpg", 2.5),
}


def fetch(cache):
    cache.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if not (cache / package).exists():
            subprocess.run(["apt-get", "download", package], cwd=cache, check=True)
            deb = next(cache.glob(f"{package}_*.deb"))
            subprocess.run(["dpkg-deb", "-x", deb, cache / package], check=True)


def photograph(source, width, height, noise):
    image = pyvips.Image.new_from_file(str(source))[:3]
    scale = max(width / image.width, height / image.height)
    if scale > 1:
        image = image.resize(scale * 1.0005, kernel="cubic")
    image = image.crop((image.width - width) // 3, (image.height - height) // 2, width, height)
    if noise:
        strengths = enumerate((1, 0.7, 0.7))
        grain = [pyvips.Image.gaussnoise(width, height, sigma=noise * s, mean=0, seed=i) for i, s in strengths]
        image = (image.cast("float") + grain[0].bandjoin(grain[1:])).rint().cast("uchar")
    return image.copy(interpretation="srgb").copy_memory()


def jpeg(image, path, subsampling="on", progressive=False):
    image.write_to_file(str(path), Q=92, subsample_mode=subsampling, interlace=progressive, strip=True)


def drawn(width, height, count, largest):
    """Rectangles of a few colours: many small ones resemble a screen of text, a few large ones resemble flat art."""
    dice = random.Random(count)
    colours = [tuple(dice.randrange(256) for _ in range(3)) for _ in range(12)]
    image = Image.new("RGB", (width, height), (250, 250, 248))
    canvas = ImageDraw.Draw(image)
    for _ in range(count):
        left, top = dice.randrange(width), dice.randrange(height)
        right, bottom = left + dice.randint(2, largest), top + dice.randint(2, largest // 3)
        canvas.rectangle((left, top, right, bottom), fill=dice.choice(colours))
    return image


def main(out):
    cache = out / "packages"
    fetch(cache)
    for name, (file, noise) in PHOTOS.items():
        source = next(cache.rglob(file))
        image = photograph(source, 4032, 3024, noise)
        jpeg(image, out / f"{name}_12_420b.jpg")
        jpeg(image, out / f"{name}_12_420p.jpg", progressive=True)
        jpeg(image, out / f"{name}_12_444b.jpg", subsampling="off")
        jpeg(photograph(source, 6000, 4000, noise), out / f"{name}_24_420b.jpg")
        clean = photograph(source, 4032, 3024, 0)
        for size, picture in (("12", clean), ("4", clean.resize(2304 / 4032, kernel="lanczos3").copy_memory())):
            picture.write_to_file(str(out / f"{name}_{size}_rgb.png"), compression=6, strip=True)
            ramp = pyvips.Image.xyz(picture.width, picture.height)[0].cast("float") * 255 / picture.width
            picture.bandjoin(ramp.cast("uchar")).write_to_file(
                str(out / f"{name}_{size}_rgba.png"), compression=6, strip=True)
        for size, width in (("0.3", 640), ("1", 1152), ("2", 1632)):
            small = clean.resize(width / 4032, kernel="lanczos3").copy_memory()
            jpeg(small, out / f"{name}_{size}_420b.jpg")
        print(name, flush=True)
    wide = photograph(next(cache.rglob(PHOTOS["dragon"][0])), 4032, 3024, 2.5)
    wide = wide.icc_transform("p3", input_profile="srgb", intent="relative")
    wide.write_to_file(str(out / "dragon_12_p3.jpg"), Q=92)
    drawn(2880, 1800, 9000, 40).save(out / "screen_5_flat.png")
    drawn(3000, 2000, 60, 900).save(out / "shapes_6_flat.png")
    turned = photograph(next(cache.rglob(PHOTOS["peaks"][0])), 4032, 3024, 2.5)
    turned.set_type(pyvips.GValue.gint_type, "orientation", 6)
    turned.write_to_file(str(out / "peaks_12_o6.jpg"), Q=92)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
