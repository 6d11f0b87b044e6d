"""A separate darkroom for the examples, and a proxy in front of it that can replace answers."""

import http.client
import os
import queue
import re
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Callable, Iterator

# How long a start or a stop may take on a busy machine.
PATIENCE_S = 60

MAX_BYTES = 64 * 1024


@contextmanager
def darkroom(**settings: str) -> Iterator[str]:
    """Runs `darkroom local`; yields its address."""
    with tempfile.TemporaryDirectory(prefix="darkroom-examples-") as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "NO_COLOR": "1",
            "DARKROOM_ADMIN_LISTEN": "127.0.0.1:0",
            "DARKROOM_MAX_BYTES": f"{MAX_BYTES // 1024}KiB",
            **settings,
        }
        command = [os.environ["DARKROOM_BINARY"], "local", "--dir", f"{folder}/data", "--listen", "127.0.0.1:0"]
        log = Path(folder, "log")
        with log.open("w") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            yield address(process, log)
            process.terminate()
            assert process.wait(PATIENCE_S) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()


def address(process: subprocess.Popen, log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"ready for uploads: (http://[^/\s]+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"darkroom did not start:\n{log.read_text()}")


# The proxy's replacement for forwarding a request: sends status, headers and body, or cuts the connection.
Answer = tuple[int, dict[str, str], bytes]
CUT = (0, {}, b"")


class Proxy(ThreadingHTTPServer):
    """Forwards requests to darkroom. `instead` contains, by method, the replacements for the next requests."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = upstream.removeprefix("http://")
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.instead: dict[str, queue.SimpleQueue[Answer]] = {}
        # Whether a request that the proxy cuts reaches darkroom first, so that only its answer is lost.
        self.loses_answers = False
        # Method, arrival time, and whether the request has a token.
        self.seen: list[tuple[str, float, bool]] = []

    def answer_instead(self, method: str, answer: Answer, times: int = 1) -> None:
        waiting = self.instead.setdefault(method, queue.SimpleQueue())
        for _ in range(times):
            waiting.put(answer)

    def times_of(self, method: str) -> list[float]:
        return [at for seen, at, _ in self.seen if seen == method]


class Handler(BaseHTTPRequestHandler):
    server: Proxy

    def pass_on(self) -> None:
        self.server.seen.append((self.command, time.monotonic(), "Authorization" in self.headers))
        body = self.body()
        try:
            answer = self.server.instead[self.command].get_nowait()
        except (KeyError, queue.Empty):
            self.send(*self.upstream(body))
            return
        if answer != CUT:
            self.send(*answer)
            return
        if self.server.loses_answers:
            self.upstream(body)
        self.close_connection = True

    do_GET = do_POST = do_PUT = pass_on

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def upstream(self, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=PATIENCE_S)
        own = ("connection", "transfer-encoding", "content-length", "accept-encoding", "expect")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in own}
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in own}
        content = answer.read()
        connection.close()
        return answer.status, headers, content

    def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def proxy(upstream: str, prepare: Callable[[Proxy], None] = lambda _: None) -> Iterator[Proxy]:
    with Proxy(upstream) as server:
        prepare(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
