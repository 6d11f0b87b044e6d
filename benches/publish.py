"""Compares the rate at which uploads are published with the rate at which the same cores only render.

    python publish.py DARKROOM BENCH_BINARY ROUNDS UPLOADS FILE...

Uploads the FILEs in turn until there are UPLOADS of them. Then three contestants use all cores in turn, for a quarter
of a second each, so that a change of the machine's speed affects all of them equally: the FILEs are rendered alone,
from memory to memory; `darkroom render`, with a process for each core, reads the uploads as files and writes the
thumbnails, without any sync; and a worker drains a copy of the full queue, so its rate includes fetching, checking,
queue, catalog and delivery. Last, uploads go through the API of `darkroom local` while they are published: that rate
also includes receiving and storing them, and this client, on the same cores.

The program deletes nothing before the end, and TMPDIR should be a directory with few deletions in the last minutes:
ext4 examines each inode of a deleted file again when it creates a new one.
"""
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TURN_SECONDS = 0.25
TURNS = 40
WARM_UP_SECONDS = 1.5
PUBLISHED = 'darkroom_messages_settled_total{outcome="published"} '


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


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
    """A darkroom process on a directory."""

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


class Contender:
    """Processes that run only in their turn, and the number of images that they have finished."""

    def __init__(self, processes, count):
        self.processes, self.count, self.seconds = processes, count, 0
        self.signal(signal.SIGSTOP)

    def signal(self, number):
        for process in self.processes:
            process.send_signal(number)

    def turn(self, work):
        begun = time.monotonic()
        self.signal(signal.SIGCONT)
        result = work()
        self.signal(signal.SIGSTOP)
        self.seconds += time.monotonic() - begun
        return result


class Lines(Contender):
    """Processes that write a line for each image. Lines that begin with spaces are further details of it."""

    def __init__(self, commands):
        self.images = [0 for _ in commands]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
        for number, process in enumerate(processes):
            threading.Thread(target=self.read, args=(number, process.stdout), daemon=True).start()
        super().__init__(processes, lambda: sum(self.images))

    def read(self, number, stream):
        for line in stream:
            self.images[number] += not line.startswith(" ")


def rates(contenders):
    """Images a second of each contender, while they take turns."""
    def all_of_them(work):
        return [contender.turn(work(contender)) for contender in contenders]

    try:
        all_of_them(lambda _: lambda: time.sleep(WARM_UP_SECONDS))
        before = all_of_them(lambda contender: contender.count)
        for contender in contenders:
            contender.seconds = 0
        for _ in range(TURNS):
            all_of_them(lambda _: lambda: time.sleep(TURN_SECONDS))
        after = all_of_them(lambda contender: contender.count)
    finally:
        # A stopped process cannot exit.
        for contender in contenders:
            contender.signal(signal.SIGCONT)
    if any(process.poll() is not None for contender in contenders for process in contender.processes):
        sys.exit("one of them ended before its time: there must be more uploads")
    return [(last - first) / contender.seconds for contender, first, last in zip(contenders, before, after)]


def side_by_side(darkroom, bench, full, directory, uploads, files):
    """Rates of rendering in memory, of `darkroom render`, and of a worker."""
    shutil.copytree(full / "objects", directory / "objects", copy_function=os.link)
    for file in ("darkroom.db", "signing.key"):
        shutil.copy(full / file, directory)
    os.sync()
    cores = os.cpu_count()
    stored = sorted((full / "objects").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    in_memory = Lines([[bench, "endless", str(cores), *files]])
    from_files = Lines([[darkroom, "render", "--force", "--out", directory / "files", *stored[core::cores]]
                        for core in range(cores)])
    try:
        with Darkroom(darkroom, ["worker"], directory) as worker:
            drained = Contender([worker.process], lambda: published(worker.admin))
            result = rates([in_memory, from_files, drained])
            if published(worker.admin) > 0.95 * uploads:
                sys.exit("the queue ran dry: there must be more uploads")
            return result
    finally:
        for process in in_memory.processes + from_files.processes:
            process.kill()


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
        alone, from_files, queued = [], [], []
        for number in range(rounds):
            directory = scratch / str(number)
            directory.mkdir()
            measured = side_by_side(darkroom, bench, full, directory, uploads, files)
            for rate, all_rates in zip(measured, (alone, from_files, queued)):
                all_rates.append(rate)
        at_once = through_the_api(darkroom, scratch / "at-once", uploads, contents)
    print(f"Images a second: {spread(alone, 1)} rendered alone, {spread(from_files, 1)} by `darkroom render`;"
          f" {spread(queued, 1)} published out of a full queue, {share(queued, alone)}% and"
          f" {share(queued, from_files)}% of these; {at_once:.1f} uploaded and published at once,"
          f" {100 * at_once / statistics.median(alone):.0f}%")


if __name__ == "__main__":
    main(*sys.argv[1:])
