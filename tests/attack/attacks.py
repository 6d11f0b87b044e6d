"""The attacks: each returns its observations, or raises `Harm`."""

import os
import shutil
import socket
import subprocess
import time

from jpegs import BLOCK_READS_OF_SCAN, DHT, DQT, MAX_BLOCK_READS, golden, with_other_tables, with_scans, without
from server import REQUEST_SECONDS, Server, connections, expect, honest, path_of, try_to_send, wait_for_ends

# More than the server's limit of descriptors.
IDLE_CONNECTIONS = 1100
CRAWLING_UPLOADS = 100
NEVER_READING_CLIENTS = 20


def order_of_files(server: Server) -> str:
    """The decoder must not use the tables of the previous file."""
    gray, colour = golden("gray.jpg"), golden("sampling_444.jpg")
    leaders = {"tables of its own": with_other_tables(gray), "progressive": golden("sampling_444_progressive.jpg")}
    followers = {
        "gray without DHT": without(gray, DHT),
        "colour without DHT": without(colour, DHT),
        "gray without DQT": without(gray, DQT),
    }

    def alone(name: str, data: bytes) -> bytes | None:
        """The thumbnail that a separate process makes, or none if it refuses the file."""
        file = server.folder / "alone.jpg"
        file.write_bytes(data)
        for old in server.folder.glob("alone_*"):
            old.unlink()
        subprocess.run(
            [server.binary, "render", file, "--out", server.folder], capture_output=True, timeout=REQUEST_SECONDS
        )
        thumbnail = server.folder / "alone_large.jpg"
        return thumbnail.read_bytes() if thumbnail.exists() else None

    for name, data in leaders.items():
        expect(alone(name, data) is not None, f"{name} is not published alone")
    expected = {name: alone(name, data) for name, data in followers.items()}
    expect(
        expected["gray without DHT"] == alone("gray", gray),
        "a file without DHT is not decoded with the standard's tables",
    )
    expect(expected["gray without DQT"] is None, "a file without DQT is published alone")
    for leader, first in leaders.items():
        for name, data in followers.items():
            before = server.verdict(server.upload(first))
            expect(before["status"] == "published", f"{leader} is {before['status']}")
            found = server.verdict(server.upload(data))
            thumbnail = server.thumbnail(found) if found["status"] == "published" else None
            outcome = found.get("reason") or "published with another picture"
            expect(thumbnail == expected[name], f"{name} behind {leader} is {outcome}, and alone it is not")
    return f"{len(leaders) * len(followers)} pairs end as alone; {honest(server)}"


def many_scans(server: Server) -> str:
    """A file with too many scans is refused, and rendering one with the maximum ends in time."""
    allowed, too_many = with_scans(MAX_BLOCK_READS - BLOCK_READS_OF_SCAN), with_scans(MAX_BLOCK_READS + 1)
    images = [(server.upload(too_many), True), (server.upload(allowed), False), (server.upload(too_many), True)]
    seen = honest(server)
    for image, is_too_many in images:
        found = server.verdict(image)
        reason = found.get("reason")
        scans = "too many scans" if is_too_many else "as many scans as are allowed"
        what = f"a file with {scans} is {found['status']} ({reason})"
        expect((reason == "too_much_work") == is_too_many and found["status"] != "failed", what)
    return f"{len(too_many) >> 10} KiB of scans refused; {seen}"


def idle_connections(server: Server) -> str:
    """More connections than the process has descriptors, half of them in the middle of a request's head."""
    head = b"GET /images/none HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    with connections(server.port, IDLE_CONNECTIONS) as clients, connections(server.admin_port, 50) as admin_clients:
        for client in clients[::2]:
            try_to_send(client, head)
        seen = honest(server)
        wait_for_ends(clients + admin_clients, 45)
    return f"{IDLE_CONNECTIONS} connections, all closed in the end; {seen}"


def crawling_uploads(server: Server) -> str:
    """The server ends uploads of a byte a second, and serves other clients in the meantime."""
    uploads = [server.upload_url(1_000_000) for _ in range(CRAWLING_UPLOADS)]
    with connections(server.port, CRAWLING_UPLOADS) as clients:
        for client, upload in zip(clients, uploads):
            client.setblocking(True)
            headers = "".join(f"{name}: {value}\r\n" for name, value in upload["uploadHeaders"].items())
            head = f"PUT {path_of(upload['uploadUrl'])} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            head += f"Content-Length: 1000000\r\n{headers}\r\n"
            try_to_send(client, head.encode())
        seen = honest(server)
        last_byte = {client: time.monotonic() for client in clients}

        def crawl(client: socket.socket):
            if time.monotonic() - last_byte[client] >= 1:
                last_byte[client] = time.monotonic()
                try_to_send(client, b"x")

        said = wait_for_ends(clients, 25, crawl)
    statuses = {answer.split(b" ")[1].decode() for answer in said if answer}
    expect(statuses <= {"408"}, f"a crawling upload is answered {sorted(statuses)}")
    return f"{CRAWLING_UPLOADS} uploads of a byte a second ended; {seen}"


def never_reading_clients(server: Server) -> str:
    """Clients that request megabytes and read nothing lose their connection."""
    before = server.sockets()
    request = f"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    with connections(server.port, NEVER_READING_CLIENTS) as clients:
        time.sleep(0.2)
        for client in clients:
            try_to_send(client, request * 500)
        seen = honest(server)
        start = time.monotonic()
        while server.sockets() > before + 2:
            expect(
                time.monotonic() - start < 45,
                f"{server.sockets() - before} of {NEVER_READING_CLIENTS} are connected after 45 s",
            )
            time.sleep(0.5)
    return f"{NEVER_READING_CLIENTS} clients that read nothing cut off; {seen}"


def cross_site_requests(server: Server) -> str:
    """A page of another site sends requests through the browser."""
    image = server.upload(golden("gray.jpg"))
    server.verdict(image)
    foreign = [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
    for headers in foreign:
        for method, path in [("POST", "/images"), ("GET", "/upload-url"), ("DELETE", f"/images/{image}")]:
            status, _ = server.ask(method, path, headers=headers)
            expect(status == 403, f"{method} {path} with {headers} answers {status}")
    for headers in [{"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}, {}]:
        status, _ = server.ask("POST", "/images", headers=headers)
        expect(status == 201, f"POST /images with {headers} answers {status}")
    return f"{3 * len(foreign)} requests refused; {honest(server)}"


def foreign_host(server: Server) -> str:
    """Another site's name resolves to this machine (DNS rebinding)."""
    for port, method, path in [
        (server.port, "POST", "/images"),
        (server.port, "GET", "/"),
        (server.admin_port, "GET", "/metrics"),
    ]:
        for host in [
            "evil.example",
            f"evil.example:{port}",
            f"localhost.evil.example:{port}",
            f"127.0.0.1.evil.example:{port}",
        ]:
            status, _ = server.ask(method, path, headers={"Host": host}, port=port)
            expect(status == 421, f"{method} {path} with the host {host} answers {status}")
    for host in ["localhost", "127.0.0.1", "[::1]"]:
        status, _ = server.ask("GET", "/openapi.json", headers={"Host": f"{host}:{server.port}"})
        expect(status == 200, f"the host {host} is answered {status}")
        status, _ = server.ask("GET", "/livez", headers={"Host": host}, port=server.admin_port)
        expect(status == 200, f"/livez with the host {host} is answered {status}")
    return f"12 requests refused; {honest(server)}"


def loose_directory(server: Server) -> str:
    """A start restricts a directory that any user may enter, and refuses one that another user owns."""
    server.stop()
    for path in [server.data, *server.data.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    server.start()
    seen = honest(server)
    loose = [
        f"{path.relative_to(server.folder)} ({path.stat().st_mode & 0o7777:o})"
        for path in [server.data, *server.data.rglob("*")]
        if path.stat().st_mode & 0o077
    ]
    expect(not loose, f"others may use {len(loose)} paths, {loose[0] if loose else ''} among them")
    if os.geteuid() != 0:
        expect(os.environ.get("CI") != "true", "a directory of another user was not tried: that needs root")
        return f"closed; of another user: skipped, needs root; {seen}"
    for name in ["", "signing.key"]:
        foreign = server.folder / "foreign"
        shutil.rmtree(foreign, ignore_errors=True)
        shutil.copytree(server.data, foreign)
        os.chown(foreign / name, 65534, 65534)
        command = [server.binary, "sweep", "--dry-run"]
        environment = {"PATH": os.environ["PATH"], "DARKROOM_BACKEND": "local", "DARKROOM_DIR": str(foreign)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=REQUEST_SECONDS)
        what = name or "the directory"
        expect(
            done.returncode != 0 and "chown" in done.stdout + done.stderr,
            f"{what} of another user is trusted (exit code {done.returncode})",
        )
    return f"closed, and refused where another user owns it; {seen}"


ATTACKS = [
    order_of_files,
    many_scans,
    idle_connections,
    crawling_uploads,
    never_reading_clients,
    cross_site_requests,
    foreign_host,
    loose_directory,
]
