"""Uploads images to darkroom and prints the URLs of their thumbnails.

    python upload.py FILE...

DARKROOM_URL    the API's address, http://127.0.0.1:8080 unless set
DARKROOM_TOKEN  a token, if the server asks for one

Exit codes: 0 every image is published, 1 at least one is not, 2 wrong arguments.
"""

import mimetypes
import os
import sys
from pathlib import Path

import requests

from darkroom import DarkroomError, Darkroom, Image


def upload(darkroom: Darkroom, path: Path) -> Image:
    """Uploads one file and waits for its final status."""
    # The upload must have the declared type. The server determines the real type from the bytes.
    content_type, _ = mimetypes.guess_type(path)
    wanted = darkroom.create_image(content_type, path.stat().st_size)
    darkroom.put(wanted, path)
    return darkroom.wait_until_final(wanted["id"])


def report(path: Path, image: Image) -> bool:
    """Prints the result for an image, and returns whether it is published."""
    if image["status"] == "published":
        for name, thumbnail in image["thumbnails"].items():
            print(f"{path}: {name} {thumbnail['width']}x{thumbnail['height']} {thumbnail['url']}")
        return True
    words = ", ".join(filter(None, (image["status"], image.get("reason"), image.get("detail"))))
    print(f"{path}: {words}", file=sys.stderr)
    return False


def main(paths: list[str]) -> int:
    if not paths or any(path.startswith("-") for path in paths):
        print(__doc__, file=sys.stderr)
        return 2
    url = os.environ.get("DARKROOM_URL", "http://127.0.0.1:8080")
    darkroom = Darkroom(url, os.environ.get("DARKROOM_TOKEN"))
    are_published = True
    for path in map(Path, paths):
        try:
            are_published &= report(path, upload(darkroom, path))
        except (DarkroomError, requests.RequestException, OSError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            are_published = False
    return 0 if are_published else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
