"""Builds the corpus: real photographs at the sizes of phones and cameras, from Debian's wallpaper packages.

    python photos.py DIR      (needs pyvips, apt-get with package lists, dpkg-deb; about 80 MB of downloads)

Writes DIR/{name}_{12|24}_{420b|420p|444b}.jpg (b: baseline, p: progressive), DIR/{name}_{4|12}_{rgb|rgba}.png, a JPEG
with EXIF orientation 6. A little noise stands in for a sensor's.
"""
import subprocess
import sys
from pathlib import Path

import pyvips

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
        print(name, flush=True)
    turned = photograph(next(cache.rglob(PHOTOS["peaks"][0])), 4032, 3024, 2.5)
    turned.set_type(pyvips.GValue.gint_type, "orientation", 6)
    turned.write_to_file(str(out / "peaks_12_o6.jpg"), Q=92)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
