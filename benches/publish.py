"""The rate at which uploads are published, beside the rate at which the same cores render alone.

    python publish.py DARKROOM BENCH_BINARY ROUNDS UPLOADS FILE...

FILEs are uploaded in turn until there are UPLOADS of them. In each round the cores render the FILEs alone, out of memory
and into it; `darkroom render`, a process for each core, reads the uploads as files and writes the thumbnails, without any
sync; and a worker drains a copy of the full queue: fetching, checking, queue, catalog and delivery are in its rate, which is
taken between the second look at it and the last, twice a second, so that looking costs next to nothing. Last, uploads go
through the API of `darkroom local` while they are published: receiving and storing them is in that rate too, and so is
this client, on the same cores.

Nothing is deleted before the end, and TMPDIR should be a directory in which little was deleted within the last minutes:
ext4 looks at each inode of a deleted file again when it makes a new one.
"""
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS = 6
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


def full_queue(binary, scratch, uploads, contents):
    directory = scratch / "full"
    directory.mkdir()
    with Darkroom(binary, ["api"], directory) as api:
        api.upload_all(contents, uploads)
    if (directory / "darkroom.db-wal").exists():
        sys.exit("the API did not close the database")
    return directory


def from_files(binary, full, directory):
    files, cores = sorted((full / "objects").iterdir()), os.cpu_count()
    begun = time.monotonic()
    commands = [[binary, "render", "--out", directory / "files", *files[core::cores]] for core in range(cores)]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    if any([process.wait() for process in processes]):
        sys.exit("darkroom render failed")
    return len(files) / (time.monotonic() - begun)


def drained(binary, full, directory, uploads):
    shutil.copytree(full / "objects", directory / "objects", copy_function=os.link)
    for file in ("darkroom.db", "signing.key"):
        shutil.copy(full / file, directory)
    os.sync()
    with Darkroom(binary, ["worker"], directory) as worker:
        looks = []
        while len(looks) < 3 or looks[-1][1] < 0.85 * uploads:
            looks.append((time.monotonic(), published(worker.admin)))
            time.sleep(0.5)
            if worker.process.poll() is not None:
                sys.exit("darkroom ended")
        (begun, before), (ended, after) = looks[1], looks[-1]
        return (after - before) / (ended - begun)


def through_the_api(binary, directory, uploads, contents):
    with Darkroom(binary, ["local", "--dir", directory], directory) as local:
        begun = time.monotonic()
        local.upload_all(contents, uploads)
        local.wait_until_published(uploads)
        return uploads / (time.monotonic() - begun)


def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def share(values, others):
    return spread([100 * value / other for value, other in zip(values, others)], 0)


def main(darkroom, bench, rounds, uploads, *files):
    contents = [Path(file).read_bytes() for file in files]
    rounds, uploads = int(rounds), int(uploads)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        full = full_queue(darkroom, scratch, uploads, contents)
        alone, files_too, queued = [], [], []
        for number in range(rounds):
            directory = scratch / str(number)
            directory.mkdir()
            alone.append(rendered(bench, files))
            files_too.append(from_files(darkroom, full, directory))
            queued.append(drained(darkroom, full, directory, uploads))
        at_once = through_the_api(darkroom, scratch / "at-once", uploads, contents)
    print(f"Images a second: {spread(alone, 1)} rendered alone, {spread(files_too, 1)} by `darkroom render`; {spread(queued, 1)}"
          f" published out of a full queue, {share(queued, alone)}% and {share(queued, files_too)}% of these; {at_once:.1f}"
          f" uploaded and published at once, {100 * at_once / statistics.median(alone):.0f}%")


if __name__ == "__main__":
    main(*sys.argv[1:])
