"""Quality and size of thumbnails against the ideal: a full decode, resized once with Lanczos3 by Pillow.

    python quality.py SOURCE THUMBNAIL...      prints a JSON object for each thumbnail, one a line

PSNR covers all samples, with alpha multiplied in; SSIM covers luma in windows of 8 x 8.
"""
import json
import os
import sys

import numpy
from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = None


def samples(image):
    if "A" in image.mode or "transparency" in image.info:
        pixels = numpy.asarray(image.convert("RGBA"), dtype=numpy.float64)
        alpha = pixels[..., 3:]
        return numpy.concatenate([pixels[..., :3] * alpha / 255, alpha], axis=2)
    return numpy.asarray(image.convert("RGB"), dtype=numpy.float64)


def ideal(source, size):
    if source.mode in ("RGBA", "LA"):
        return source.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")
    return source.resize(size, Image.Resampling.LANCZOS)


def psnr(a, b):
    error = numpy.mean((a - b) ** 2)
    return 99.0 if error == 0 else 10 * numpy.log10(255**2 / error)


def ssim(a, b, window=8):
    luma = numpy.array([0.299, 0.587, 0.114])
    a, b = a[..., :3] @ luma, b[..., :3] @ luma
    window = min(window, *a.shape)
    height, width = (side // window * window for side in a.shape)

    def mean(x):
        blocks = x[:height, :width].reshape(height // window, window, width // window, window)
        return blocks.mean(axis=(1, 3))

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    score = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float(numpy.mean(score / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))))


def main(source_path, thumbnails):
    source = ImageOps.exif_transpose(Image.open(source_path))
    source.load()
    for path in thumbnails:
        thumbnail = Image.open(path)
        made, meant = samples(thumbnail), samples(ideal(source, thumbnail.size))
        channels = min(made.shape[2], meant.shape[2])
        made, meant = made[..., :channels], meant[..., :channels]
        print(json.dumps({
            "file": path, "width": thumbnail.width, "height": thumbnail.height, "bytes": os.path.getsize(path),
            "psnr": round(float(psnr(made, meant)), 3), "ssim": round(ssim(made, meant), 5),
        }), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
