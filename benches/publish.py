"""The rate at which uploads are published, beside the rate at which the same cores render alone.

    python publish.py DARKROOM BENCH_BINARY UPLOADS FILE...

Twice on the local backend. First a worker drains a full queue: fetching, checking, queue, catalog and delivery are in its
rate, which is taken between the first look at it and the last, twice a second, so that looking costs next to nothing. Use a
directory (TMPDIR) in which few files were deleted within the last minutes: ext4 looks at each of their inodes again. Then uploads go through the API of `darkroom local` while they are published: receiving and storing them is in that
rate too, and so is this client, on the same cores.
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS = 8
PUBLISHED = 'darkroom_messages_settled_total{outcome="published"} '


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def rendered(bench, files):
    output = subprocess.run([bench, "rate", str(os.cpu_count()), str(SECONDS), *files], check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])["images_per_second"]


def answer(url, data=None, headers=None, method="GET"):
    request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.read()


def upload(api, content):
    made = json.loads(answer(f"{api}/images", b"{}", {"content-type": "application/json"}, "POST"))
    answer(made["uploadUrl"], content, made["uploadHeaders"], made["uploadMethod"])


def published(admin):
    lines = answer(f"{admin}/metrics").decode().splitlines()
    return int(next(line for line in lines if line.startswith(PUBLISHED)).removeprefix(PUBLISHED))


def wait_until(is_true, process):
    until = time.monotonic() + 300
    while not is_true():
        if time.monotonic() > until or process.poll() is not None:
            sys.exit("darkroom did not get there")
        time.sleep(0.02)


def is_ready(admin):
    try:
        return bool(answer(f"{admin}/readyz")) or True
    except OSError:
        return False


class Darkroom:
    """A process of darkroom over a directory."""

    def __init__(self, binary, role, directory):
        self.api, self.admin = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        environment = {
            **os.environ,
            "DARKROOM_BACKEND": "local",
            "DARKROOM_DIR": directory,
            "DARKROOM_LISTEN": self.api.removeprefix("http://"),
            "DARKROOM_ADMIN_LISTEN": self.admin.removeprefix("http://"),
        }
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([binary, *role], env=environment, **quiet)

    def __enter__(self):
        wait_until(lambda: is_ready(self.admin), self.process)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def upload_all(self, contents, uploads):
        with ThreadPoolExecutor(4) as clients:
            list(clients.map(lambda n: upload(self.api, contents[n % len(contents)]), range(uploads)))

    def wait_until_published(self, uploads):
        wait_until(lambda: published(self.admin) >= uploads, self.process)


def drained(binary, uploads, contents):
    with tempfile.TemporaryDirectory() as directory:
        with Darkroom(binary, ["api"], directory) as api:
            api.upload_all(contents, uploads)
        with Darkroom(binary, ["worker"], directory) as worker:
            looks = [(time.monotonic(), published(worker.admin))]
            while looks[-1][1] < 0.85 * uploads:
                time.sleep(0.5)
                if worker.process.poll() is not None:
                    sys.exit("darkroom ended")
                looks.append((time.monotonic(), published(worker.admin)))
            (begun, before), (ended, after) = looks[0], looks[-1]
            return (after - before) / (ended - begun)


def through_the_api(binary, uploads, contents):
    with tempfile.TemporaryDirectory() as directory, Darkroom(binary, ["local", "--dir", directory], directory) as local:
        begun = time.monotonic()
        local.upload_all(contents, uploads)
        local.wait_until_published(uploads)
        return uploads / (time.monotonic() - begun)


def main(darkroom, bench, uploads, *files):
    contents = [Path(file).read_bytes() for file in files]
    alone = rendered(bench, files)
    print(f"\nImages a second: {alone:.1f} rendered alone;", end="", flush=True)
    for what, rate in (("drained from a full queue", drained), ("uploaded and published at once", through_the_api)):
        reached = rate(darkroom, int(uploads), contents)
        print(f" {reached:.1f} {what}, {100 * reached / alone:.0f}%;", end="", flush=True)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
