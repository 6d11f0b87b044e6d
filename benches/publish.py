"""The rate at which `darkroom local` publishes uploads, beside the rate at which the same cores render alone.

    python publish.py DARKROOM BENCH_BINARY UPLOADS FILE...

Uploads go through the API, as a client's do, and the clock runs from the first upload to the last publication: writing,
queue, catalog and delivery are all in it, and so is this client.
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


def publishing(darkroom, uploads, files):
    contents = [Path(file).read_bytes() for file in files]
    api, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
    with tempfile.TemporaryDirectory() as scratch:
        environment = {**os.environ, "DARKROOM_LISTEN": api, "DARKROOM_ADMIN_LISTEN": admin}
        process = subprocess.Popen([darkroom, "local", "--dir", scratch], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: is_ready(f"http://{admin}"), process)
            begun = time.monotonic()
            with ThreadPoolExecutor(4) as clients:
                list(clients.map(lambda n: upload(f"http://{api}", contents[n % len(contents)]), range(uploads)))
            wait_until(lambda: published(f"http://{admin}") >= uploads, process)
            return uploads / (time.monotonic() - begun)
        finally:
            process.terminate()
            process.wait()


def main(darkroom, bench, uploads, *files):
    alone = rendered(bench, files)
    through = publishing(darkroom, int(uploads), files)
    print(f"\nImages a second: {alone:.1f} rendered alone, {through:.1f} published; {100 * through / alone:.0f}%.")


if __name__ == "__main__":
    main(*sys.argv[1:])
