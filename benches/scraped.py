"""Measures the cost of scraping: a worker drains the same queue with and without a scraper, in alternating runs.

    python scraped.py DARKROOM UPLOADS PAIRS FILE...

Uploads the FILEs once, in turn, until there are UPLOADS of them; each run gets a copy of that directory. A run is
measured from the worker's first readiness to the empty queue. Prints the rate and the processor time of each run, and
the effect of a scraper that reads each second: the median over PAIRS pairs, and their spread.
"""
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from publish import answer, free_port, is_ready, upload, wait_until

INTERVAL_SECONDS = 1
TICKS = os.sysconf("SC_CLK_TCK")


def start(darkroom, role, directory, **settings):
    environment = {**os.environ, "DARKROOM_BACKEND": "local", "DARKROOM_DIR": str(directory), **settings}
    return subprocess.Popen([darkroom, role], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def end(process):
    process.terminate()
    process.wait()


def fill(darkroom, directory, uploads, files):
    """Uploads that no worker has processed."""
    contents = [Path(file).read_bytes() for file in files]
    api, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
    process = start(darkroom, "api", directory, DARKROOM_LISTEN=api, DARKROOM_ADMIN_LISTEN=admin)
    try:
        wait_until(lambda: is_ready(f"http://{admin}"), process)
        with ThreadPoolExecutor(4) as clients:
            list(clients.map(lambda n: upload(f"http://{api}", contents[n % len(contents)]), range(uploads)))
    finally:
        end(process)


def processor_seconds(process):
    # After the name in brackets: user and system time are fields 14 and 15 of the whole line.
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def copy(source, target):
    """Links the objects, which never change, and copies the database."""
    (os.link if Path(source).parent.name == "objects" else shutil.copy2)(source, target)


def drain(darkroom, filled, uploads, is_scraped):
    """Images a second, and milliseconds of processor time for each."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch, "data")
        shutil.copytree(filled, directory, copy_function=copy)
        os.sync()
        database = sqlite3.connect(directory / "darkroom.db")
        admin = f"127.0.0.1:{free_port()}"
        process, is_over = start(darkroom, "worker", directory, DARKROOM_ADMIN_LISTEN=admin), threading.Event()

        def scrape():
            while not is_over.wait(INTERVAL_SECONDS):
                answer(f"http://{admin}/metrics")

        scraper = threading.Thread(target=scrape)
        try:
            wait_until(lambda: is_ready(f"http://{admin}"), process)
            begun, busy = time.monotonic(), processor_seconds(process)
            if is_scraped:
                scraper.start()
            wait_until(lambda: database.execute("SELECT count(*) FROM messages").fetchone() == (0,), process)
            seconds, busy = time.monotonic() - begun, processor_seconds(process) - busy
        finally:
            is_over.set()
            if scraper.is_alive():
                scraper.join()
            end(process)
        published = database.execute("SELECT count(*) FROM images WHERE status = 'published'").fetchone()[0]
        database.close()
        if published != uploads:
            sys.exit(f"of {uploads} uploads {published} are published")
        return uploads / seconds, 1000 * busy / uploads


def change(pairs, which):
    """The difference in percent between the runs of a pair: the median, and half of the interquartile range."""
    shares = sorted(100 * (scraped[which] / plain[which] - 1) for plain, scraped in pairs)
    quarters = statistics.quantiles(shares, n=4) if len(shares) > 1 else [shares[0]] * 3
    return f"{statistics.median(shares):+.2f} % (±{(quarters[2] - quarters[0]) / 2:.2f})"


def main(darkroom, uploads, pairs, *files):
    uploads = int(uploads)
    with tempfile.TemporaryDirectory() as scratch:
        filled = Path(scratch, "filled")
        fill(darkroom, filled, uploads, files)
        drain(darkroom, filled, uploads, False)
        measured = []
        for number in range(int(pairs)):
            # Alternate the order of the two, so that a machine that becomes warm affects both equally.
            order = [False, True] if number % 2 == 0 else [True, False]
            by = {is_scraped: drain(darkroom, filled, uploads, is_scraped) for is_scraped in order}
            measured.append((by[False], by[True]))
            (rate, busy), (scraped_rate, scraped_busy) = measured[-1]
            print(f"images a second {rate:.2f}, scraped {scraped_rate:.2f}; "
                  f"processor ms for an image {busy:.2f}, scraped {scraped_busy:.2f}", flush=True)
    print(f"\nA scraper each {INTERVAL_SECONDS} s changes the rate by {change(measured, 0)}, "
          f"processor time by {change(measured, 1)}.")


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
