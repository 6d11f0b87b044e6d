"""The server under attack, and its clients: an honest one, and connections that the attacks control."""

import http.client
import json
import os
import re
import resource
import selectors
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from jpegs import golden

# Three times, the server must acknowledge an honest client's upload and answer /livez within this time each. To allow
# for a busy machine, the time from before the attack is added.
HONEST_SECONDS = 1.0
HONEST_TRIES = 3
# A verdict may wait for the previous render.
VERDICT_SECONDS = 20.0
# The limit for a request of these tests.
REQUEST_SECONDS = 60.0

DESCRIPTORS = 1024

SETTINGS = {
    "DARKROOM_RENDER_SLOTS": "1",
    "DARKROOM_RENDER_TIMEOUT": "5s",
    "DARKROOM_MAX_BYTES": "8MiB",
    "DARKROOM_ALLOW_DELETE": "on",
}


class Harm(Exception):
    """An attack did harm."""


def expect(is_so: bool, otherwise: str):
    if not is_so:
        raise Harm(otherwise)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A running `darkroom local`."""

    def __init__(self, binary: Path, folder: Path):
        self.binary, self.folder, self.data = binary, folder, folder / "data"
        self.log = folder / "log"
        self.process = None
        # Seconds that an honest client's upload and /livez took before the attack.
        self.usual = [0.0, 0.0]

    def start(self):
        self.port, self.admin_port = free_port(), free_port()
        environment = {"PATH": os.environ["PATH"], **SETTINGS, "DARKROOM_ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}"}

        def prepare():
            os.umask(0)
            resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))

        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [self.binary, "local", "--dir", self.data, "--listen", f"127.0.0.1:{self.port}"],
                env=environment,
                stdout=log,
                stderr=log,
                preexec_fn=prepare,
            )
        end = time.monotonic() + REQUEST_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.ask("GET", "/readyz", port=self.admin_port)[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise Harm(f"darkroom local does not start: {self.printed()}")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(REQUEST_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def printed(self) -> str:
        return self.log.read_text()[-600:].strip()

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict | None = None, port: int | None = None
    ):
        """Status and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=REQUEST_SECONDS)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def upload_url(self, length: int) -> dict:
        body = json.dumps({"contentType": "image/jpeg", "contentLength": length}).encode()
        status, answer = self.ask("POST", "/images", body, {"content-type": "application/json"})
        expect(status == 201, f"POST /images answers {status}: {answer[:200]!r}")
        return json.loads(answer)

    def upload(self, data: bytes) -> str:
        """Uploads an image; returns its id."""
        answer = self.upload_url(len(data))
        status, said = self.ask("PUT", path_of(answer["uploadUrl"]), data, answer["uploadHeaders"])
        expect(status == 200, f"an upload answers {status}: {said[:200]!r}")
        return answer["id"]

    def verdict(self, image: str, seconds: float = VERDICT_SECONDS) -> dict:
        """Waits until the image is final; returns it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status, answer = self.ask("GET", f"/images/{image}?wait=1s")
            expect(status == 200, f"GET /images/{image} answers {status}")
            found = json.loads(answer)
            if found["status"] in ("published", "invalid_content_type", "failed"):
                return found
        raise Harm(f"an image is still {found['status']} after {seconds:.0f} s")

    def thumbnail(self, image: dict) -> bytes:
        return self.ask("GET", path_of(image["thumbnails"]["large"]["url"]))[1]

    def sockets(self) -> int:
        """The number of sockets that the process has open."""
        descriptors = Path(f"/proc/{self.process.pid}/fd")
        return sum(
            os.readlink(descriptor).startswith("socket:")
            for descriptor in descriptors.iterdir()
            if descriptor.is_symlink()
        )


def path_of(url: str) -> str:
    return re.sub(r"^http://[^/]+", "", url)


def try_honestly(server: Server) -> tuple[str, float, float]:
    """An honest client uploads a photograph and requests /livez. Returns the image, and the seconds of each."""
    start = time.monotonic()
    try:
        image = server.upload(golden("srgb_profile.jpg"))
        uploaded = time.monotonic()
        status, _ = server.ask("GET", "/livez", port=server.admin_port)
    except OSError as error:
        raise Harm(f"an honest client gets {error!r} after {time.monotonic() - start:.1f} s") from error
    expect(status == 200, f"/livez answers {status}")
    return image, uploaded - start, time.monotonic() - uploaded


def honest(server: Server) -> str:
    """Expects the server to serve an honest client in time, three times. Returns the times."""
    images, uploads, lives = zip(*(try_honestly(server) for _ in range(HONEST_TRIES)))
    for what, seconds, usual in [
        ("an honest upload", max(uploads), server.usual[0]),
        ("/livez", max(lives), server.usual[1]),
    ]:
        expect(
            seconds <= usual + HONEST_SECONDS,
            f"{what} takes {1000 * seconds:.0f} ms, and {1000 * usual:.0f} ms without the attack",
        )
    for image in images:
        found = server.verdict(image)
        expect(found["status"] == "published", f"an honest photograph is {found['status']}: {found.get('reason')}")
    return f"upload {1000 * max(uploads):.0f} ms, /livez {1000 * max(lives):.0f} ms"


@contextmanager
def connections(port: int, count: int):
    """Opens connections up to a number, as far as the server accepts them. It may close them at any time."""
    opened = []
    try:
        for _ in range(count):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            # Connect one at a time: the kernel drops connections beyond the listener's backlog, and retries after 1 s.
            client.settimeout(3)
            opened.append(client)
            try:
                client.connect(("127.0.0.1", port))
            except OSError:
                break
            client.setblocking(False)
        yield opened
    finally:
        for client in opened:
            client.close()


def try_to_send(client: socket.socket, data: bytes):
    """Sends as much as fits; ignores connections that the server closed."""
    try:
        client.send(data)
    except OSError:
        pass


def wait_for_ends(clients: list[socket.socket], seconds: float, meanwhile=lambda client: None) -> list[bytes]:
    """Waits until the server has answered or closed every connection; returns the first bytes of each."""
    end, said = time.monotonic() + seconds, []
    with selectors.DefaultSelector() as waiting:
        for client in clients:
            waiting.register(client, selectors.EVENT_READ)
        while waiting.get_map() and time.monotonic() < end:
            for key, _ in waiting.select(0.5):
                try:
                    said.append(key.fileobj.recv(4096))
                except OSError:
                    said.append(b"")
                waiting.unregister(key.fileobj)
            for key in list(waiting.get_map().values()):
                meanwhile(key.fileobj)
        left = len(waiting.get_map())
    expect(left == 0, f"{left} of {len(clients)} connections are still open after {seconds:.0f} s")
    return said
