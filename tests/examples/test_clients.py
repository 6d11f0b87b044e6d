"""The clients of examples/, run as commands against the real binary."""

import json
import os
import re
import shutil
import subprocess
import sys
import unittest
import urllib.request
from pathlib import Path
from typing import Any, get_args, is_typeddict

from server import CUT, MAX_BYTES, Proxy, darkroom, proxy

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ROOT / ".scratch/examples"

UNAVAILABLE = (503, {"Retry-After": "1", "Content-Type": "application/problem+json"}, b'{"detail": "try again"}')


def jpeg(width: int, height: int) -> bytes:
    """A gray JPEG without detail: each block has one bit for its DC coefficient and one for the end of the block."""

    def segment(marker: int, body: bytes) -> bytes:
        return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2) + body

    size = height.to_bytes(2) + width.to_bytes(2)
    blocks = -(-width // 8) * -(-height // 8)
    return b"".join([
        b"\xff\xd8",
        segment(0xDB, bytes([0] + [16] * 64)),
        segment(0xC0, b"\x08" + size + b"\x01\x01\x11\x00"),
        *(segment(0xC4, bytes([kind, 1] + [0] * 15 + [0])) for kind in (0x00, 0x10)),
        segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
        bytes(-(-blocks * 2 // 8)),
        b"\xff\xd9",
    ])


def blocks_of(readme: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", readme.read_text(), re.M | re.S)


class ClientTests:
    """Tests for every client. A class for each client defines how to install and call it."""

    name: str
    command: list[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.url = cls.enterClassContext(darkroom())
        cls.folder = SCRATCH / cls.name
        # Remove earlier installations, so that only the README's commands install something.
        shutil.rmtree(cls.folder, ignore_errors=True)
        made = ("node_modules", "dist", "api.d.ts", ".venv", "__pycache__")
        shutil.copytree(ROOT / "examples" / cls.name, cls.folder, ignore=shutil.ignore_patterns(*made))
        files = {
            "photo.jpg": jpeg(1600, 1200),
            "notes.jpg": b"This is a text, whatever its name says.",
            "smaller.jpg": jpeg(80, 60).ljust(MAX_BYTES - 1, b"\0"),
            "largest.jpg": jpeg(80, 60).ljust(MAX_BYTES, b"\0"),
            "too_large.jpg": jpeg(80, 60).ljust(MAX_BYTES + 1, b"\0"),
            "empty.jpg": b"",
        }
        for name, content in files.items():
            (cls.folder / name).write_bytes(content)
        cls.installed = cls.bash("\n".join(blocks_of(cls.folder / "README.md", "sh")), cls.url)

    @classmethod
    def bash(cls, script: str, url: str) -> str:
        """Runs a README's commands, as a reader who stops at the first failing command."""
        done = cls.execute(["bash", "-c", f"set -euo pipefail\n{script}"], url)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    @classmethod
    def execute(cls, command: list[str], url: str, **environment: str) -> subprocess.CompletedProcess:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
        environment = {**kept, "DARKROOM_URL": url, **environment}
        return subprocess.run(command, cwd=cls.folder, env=environment, capture_output=True, text=True, timeout=300)

    def upload(self, *files: str, url: str | None = None, **environment: str) -> subprocess.CompletedProcess:
        return self.execute([*self.command, *files], url or self.url, **environment)

    def expect(self, done: subprocess.CompletedProcess, code: int, *in_errors: str) -> None:
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        for text in in_errors:
            self.assertIn(text, done.stderr)

    def through(self, prepare: Any) -> Proxy:
        return self.enterContext(proxy(self.url, prepare))

    def test_the_readmes_commands_work_as_written(self) -> None:
        shown = blocks_of(self.folder / "README.md", "text")[0].split("\n")
        printed = self.installed.split("\n")
        for line in filter(None, shown):
            pattern = re.escape(line.replace("http://127.0.0.1:8080/...", self.url)) + "/.+"
            self.assertTrue(any(re.fullmatch(pattern, it) for it in printed), f"{line}\n{self.installed}")

    def test_a_photograph_gets_thumbnails_that_can_be_fetched(self) -> None:
        done = self.upload("photo.jpg")
        self.expect(done, 0)
        lines = [line.split(" ") for line in done.stdout.splitlines()]
        sizes = ["photo.jpg: small 100x75", "photo.jpg: medium 500x375", "photo.jpg: large 1000x750"]
        self.assertEqual([" ".join(line[:3]) for line in lines], sizes)
        for line in lines:
            with urllib.request.urlopen(line[3], timeout=60) as answer:
                self.assertEqual(answer.headers["Content-Type"], "image/jpeg")
                self.assertEqual(answer.read()[:2], b"\xff\xd8")

    def test_a_refused_file_ends_with_its_reason(self) -> None:
        done = self.upload("notes.jpg")
        self.expect(done, 1, "notes.jpg: invalid_content_type, unsupported_type, the file is neither")
        self.assertEqual(done.stdout, "")

    def test_a_file_is_as_large_as_the_limit_at_most(self) -> None:
        self.expect(self.upload("smaller.jpg", "largest.jpg"), 0)
        done = self.upload("too_large.jpg")
        self.expect(done, 1, f"too_large.jpg: 413 Payload Too Large: contentLength is {MAX_BYTES + 1} bytes")
        self.assertEqual(done.stdout, "")

    def test_each_file_is_worked_on_whatever_becomes_of_the_others(self) -> None:
        done = self.upload("notes.jpg", "empty.jpg", "missing.jpg", "photo.jpg")
        self.expect(done, 1, "notes.jpg: ", "empty.jpg: 400 Bad Request: contentLength is 0", "missing.jpg: ")
        self.assertEqual(done.stdout.count("photo.jpg: "), 3)

    def test_without_files_it_says_how_it_is_used(self) -> None:
        self.expect(self.upload(), 2, "FILE...")
        self.expect(self.upload("--help"), 2, "FILE...")

    def test_503_is_tried_again_when_the_answer_says(self) -> None:
        def prepare(server: Proxy) -> None:
            for method in ("POST", "PUT", "GET"):
                server.answer_instead(method, UNAVAILABLE)

        server = self.through(prepare)
        self.expect(self.upload("photo.jpg", url=server.url), 0)
        for method in ("POST", "PUT", "GET"):
            first, second, *_ = server.times_of(method)
            self.assertGreaterEqual(second - first, 0.95, method)

    def test_an_outage_that_lasts_ends_the_attempts(self) -> None:
        server = self.through(lambda server: server.answer_instead("POST", UNAVAILABLE, times=7))
        self.expect(self.upload("photo.jpg", url=server.url), 1, "photo.jpg: 503 Service Unavailable: try again")
        self.assertEqual(len(server.times_of("POST")), 6)

    def test_an_upload_whose_answer_is_lost_is_taken_as_done(self) -> None:
        def prepare(server: Proxy) -> None:
            server.loses_answers = True
            server.answer_instead("PUT", CUT)

        server = self.through(prepare)
        self.expect(self.upload("photo.jpg", url=server.url), 0)
        self.assertEqual(len(server.times_of("PUT")), 2)

    def test_failed_is_an_end(self) -> None:
        image = {"id": "x", "status": "failed", "reason": "killed", "createdAt": "", "updatedAt": ""}
        failed = (200, {"Content-Type": "application/json"}, json.dumps(image).encode())
        server = self.through(lambda server: server.answer_instead("GET", failed))
        self.expect(self.upload("photo.jpg", url=server.url), 1, "photo.jpg: failed, killed")
        self.assertEqual(len(server.times_of("GET")), 1)

    def test_an_image_that_was_deleted_is_an_error(self) -> None:
        gone = (404, {"Content-Type": "application/problem+json"}, b'{"detail": "there is no image x"}')
        server = self.through(lambda server: server.answer_instead("GET", gone))
        self.expect(self.upload("photo.jpg", url=server.url), 1, "photo.jpg: 404 Not Found: there is no image x")

    def test_the_token_goes_to_the_api_alone(self) -> None:
        token = "a-token-of-sixteen-characters-or-more"
        url = self.enterContext(darkroom(DARKROOM_API_TOKEN=token))
        self.expect(self.upload("photo.jpg", url=url), 1, "photo.jpg: 401 Unauthorized: ")
        server = self.enterContext(proxy(url))
        self.expect(self.upload("photo.jpg", url=server.url, DARKROOM_TOKEN=token), 0)
        have_token = {(method, has_token) for method, _, has_token in server.seen}
        self.assertEqual(have_token, {("POST", True), ("PUT", False), ("GET", True)})


class Python(ClientTests, unittest.TestCase):
    name, command = "python", [".venv/bin/python", "upload.py"]

    def test_its_types_are_those_of_the_description(self) -> None:
        with urllib.request.urlopen(f"{self.url}/openapi.json", timeout=60) as answer:
            schemas = json.load(answer)["components"]["schemas"]
        sys.path.insert(0, str(ROOT / "examples/python"))
        import darkroom as client

        types = {name: type for name, type in vars(client).items() if is_typeddict(type) and name != "TypedDict"}
        self.assertEqual(set(types), {"Upload", "Image", "Thumbnail"})
        for name, type in types.items():
            required = set(schemas[name]["required"])
            self.assertLessEqual(set(type.__annotations__), set(schemas[name]["properties"]), name)
            self.assertLessEqual(type.__required_keys__, required, name)
            self.assertFalse(type.__optional_keys__ & required, name)
        statuses = schemas["Status"]["enum"]
        self.assertEqual(list(get_args(client.Status)), statuses)
        self.assertEqual(list(client.FINAL), [status for status in statuses if not status.startswith("waiting")])


class TypeScript(ClientTests, unittest.TestCase):
    name, command = "typescript", ["node", "dist/upload.js"]


if __name__ == "__main__":
    unittest.main()
