"""darkroom with the arguments and settings of the manifests, confined as the runtime confines the containers."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import BINARY, ROOT, blocks, free_port, wait_until

CONFINED = [sys.executable, "confine.py"]
# Nothing listens there: the calls fail at once.
NO_AWS = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="module")
def binary(tmp_path_factory) -> str:
    """A copy that every user may run."""
    folder = open_folder(tmp_path_factory.mktemp("binary"))
    return shutil.copy(BINARY, folder / "darkroom")


def open_folder(folder: Path) -> Path:
    """Lets the unprivileged user of the confined process reach and fill a folder."""
    folder.chmod(0o777)
    for parent in folder.parents:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    return folder


def environment(manifests, pod: str, tmp_path) -> dict[str, str]:
    """The settings of a pod, with free ports of this machine and a token."""
    values = {**manifests.settings(pod), **NO_AWS, "PATH": os.environ["PATH"]}
    for name in ("DARKROOM_LISTEN", "DARKROOM_ADMIN_LISTEN"):
        if name in values:
            address, _, _ = values[name].rpartition(":")
            values[name] = f"{address}:{free_port()}"
    if "DARKROOM_API_TOKEN_FILE" in values:
        token = open_folder(tmp_path) / "token"
        token.write_text("0123456789abcdef0123456789abcdef")
        token.chmod(0o640)
        if os.getuid() == 0:
            os.chown(token, 0, 65532)
        values["DARKROOM_API_TOKEN_FILE"] = str(token)
    return values


@contextmanager
def running(binary: str, arguments: list[str], values: dict[str, str], log: Path):
    with log.open("w") as output:
        process = subprocess.Popen([*CONFINED, binary, *arguments], env=values, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> int | None:
    try:
        return urllib.request.urlopen(url, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


@pytest.mark.parametrize("pod", ["darkroom-worker", "darkroom-api"])
def test_a_process_starts_with_its_settings_and_answers_its_probes(manifests, pod, binary, tmp_path):
    [container] = manifests.pods()[pod]["containers"]
    values = environment(manifests, pod, tmp_path)
    ports = {it["name"]: it["containerPort"] for it in container["ports"]}
    assert manifests.settings(pod)["DARKROOM_ADMIN_LISTEN"] == f"0.0.0.0:{ports['admin']}"
    if "http" in ports:
        assert manifests.settings(pod)["DARKROOM_LISTEN"] == f"0.0.0.0:{ports['http']}"
    base = "http://127.0.0.1:" + values["DARKROOM_ADMIN_LISTEN"].rpartition(":")[2]
    log = tmp_path / "log"
    with running(binary, container["args"], values, log) as process:

        def is_alive():
            assert process.poll() is None, log.read_text()
            return answers(base + container["startupProbe"]["httpGet"]["path"]) == 200

        wait_until(is_alive, "it is alive")
        assert answers(base + container["livenessProbe"]["httpGet"]["path"]) == 200
        # A worker without its bucket is alive, but not ready.
        ready = answers(base + container["readinessProbe"]["httpGet"]["path"])
        assert ready == (503 if pod == "darkroom-worker" else 200)
        assert answers(base + "/metrics") == 200
        process.terminate()
        assert process.wait(timeout=30) == 0, log.read_text()
    # The log names a variable that is no setting, a readable token, and a drain that is too short.
    text = log.read_text()
    assert "there is no such setting" not in text and "has mode" not in text and "shorter than" not in text, text
    assert "anyone who reaches" not in text, text


def test_the_sweep_accepts_its_settings(manifests, binary, tmp_path):
    [container] = manifests.pods()["darkroom-sweep"]["containers"]
    values = environment(manifests, "darkroom-sweep", tmp_path)
    command = [*CONFINED, binary, *container["args"]]
    done = subprocess.run(command, env=values, text=True, capture_output=True, timeout=120)
    text = done.stdout + done.stderr
    # 2 would mean that arguments or settings cannot be used.
    assert done.returncode == 1, text
    assert "there is no such setting" not in text, text


def test_a_variable_that_is_no_setting_is_found(manifests, binary, tmp_path):
    values = {**environment(manifests, "darkroom-sweep", tmp_path), "DARKROOM_API_PORT": "tcp://10.0.0.1:80"}
    done = subprocess.run([*CONFINED, binary, "sweep"], env=values, text=True, capture_output=True, timeout=120)
    assert "DARKROOM_API_PORT is set, but there is no such setting" in done.stdout + done.stderr


def test_images_are_rendered_under_the_default_seccomp_profile(binary, tmp_path):
    out = open_folder(tmp_path) / "thumbnails"
    photo = shutil.copy(ROOT / "tests/golden/sources/sampling_444_progressive.jpg", tmp_path / "photo.jpg")
    os.chmod(photo, 0o644)
    command = [*CONFINED, binary, "render", photo, "--out", out]
    done = subprocess.run(command, text=True, capture_output=True, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(out.iterdir())


def test_processes_are_confined():
    """Otherwise the tests above would prove nothing."""
    done = subprocess.run([*CONFINED, "cat", "/proc/self/status"], text=True, capture_output=True, check=True)
    status = dict(line.split(":\t", 1) for line in done.stdout.splitlines())
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1" and "0" not in status["Uid"].split()
    assert int(status["CapEff"], 16) == 0
    done = subprocess.run([*CONFINED, "unshare", "--user", "true"], text=True, capture_output=True)
    assert done.returncode == 1 and "Operation not permitted" in done.stderr


# --- docs/KUBERNETES.md -----------------------------------------------------------------------------------------------


def test_every_command_of_darkroom_in_the_document_can_be_parsed(binary):
    """Those in pods cannot be run here, so the parser alone checks their arguments: --help ends after it."""
    text = "".join(block.text for block in blocks() if block.language == "sh")
    commands = re.findall(r"-- (?:/usr/local/bin/)?darkroom ([^\n|]*)", text)
    assert len(commands) >= 2
    for command in commands:
        done = subprocess.run([binary, *command.split(), "--help"], text=True, capture_output=True)
        assert done.returncode == 0, f"darkroom {command}: {done.stderr}"


class Reader:
    """A reader who stops at the first failing command."""

    def __init__(self, folder: Path, variables: dict[str, str]):
        self.folder, self.variables = folder, variables

    def run(self, heading: str, more: str = "") -> str:
        """Runs the blocks under a heading, and further commands in the same shell; returns their output."""
        text = "".join(it.text for it in blocks() if it.heading == heading and it.language == "sh" and not it.read_only)
        assert text, f"nothing to run under {heading!r}"
        text += more
        environment = {**os.environ, **self.variables}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text], cwd=self.folder, env=environment, text=True, capture_output=True
        )
        assert done.returncode == 0, text + done.stdout + done.stderr
        return done.stdout


@pytest.mark.parametrize("block", [it for it in blocks() if it.read_only], ids=lambda block: block.heading)
def test_blocks_that_cannot_be_run_are_valid_shell(block):
    done = subprocess.run(["bash", "-n", "-c", block.text], text=True, capture_output=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_every_block_of_kubernetes_is_run_or_says_why_not(binary, tmp_path):
    """Writes the policies, an overlay and the token as the document says, then uploads with that token."""
    open_folder(tmp_path)
    shutil.copytree(ROOT / "deploy/kubernetes", tmp_path / "deploy/kubernetes")
    shutil.copy(ROOT / "tests/golden/sources/sampling_444_progressive.jpg", tmp_path / "photo.jpg")
    names = {"account": "210987654321", "AWS_REGION": "eu-central-1", "DARKROOM_UPLOAD_BUCKET": "holiday-photos"}
    reader = Reader(tmp_path, {**names, "cluster": "trial"})
    reader.run("3. Roles")
    for role in ("worker", "api", "sweep"):
        policy = (tmp_path / f"{role}.json").read_text()
        assert "$" not in policy and "holiday-photos" in policy and "210987654321" in policy
    assert "$" not in (tmp_path / "trust.json").read_text()
    [irsa] = [line for it in blocks() for line in it.text.splitlines() if "fill trust-irsa" in line]
    trust = reader.run("3. Roles", f"oidc=https://oidc.example/id/1 role=worker\n{irsa}\ncat trust.json")
    conditions = json.loads(trust)["Statement"][0]["Condition"]["StringEquals"]
    account = conditions.pop("oidc.example/id/1:sub")
    assert account == "system:serviceaccount:darkroom:darkroom-worker" and "$" not in trust

    built = reader.run("4. Your overlay")
    assert "123456789012" not in built and "us-east-1" not in built and "walk-through" not in built
    assert "DARKROOM_UPLOAD_BUCKET: holiday-photos" in built

    reader.run("5. The token")
    (tmp_path / "token").chmod(0o644)
    port, admin = free_port(), free_port()
    values = {"PATH": os.environ["PATH"], "DARKROOM_API_TOKEN_FILE": str(tmp_path / "token")}
    arguments = ["local", "--dir", str(tmp_path / "data"), "--listen", str(port), "--admin-listen", str(admin)]
    with running(binary, arguments, values, tmp_path / "log"):
        wait_until(lambda: answers(f"http://127.0.0.1:{admin}/readyz") == 200, "darkroom is ready")
        reader.variables["api"] = f"http://127.0.0.1:{port}"
        reader.run("7. A first upload")
    assert (tmp_path / "small.jpg").read_bytes()[:2] == b"\xff\xd8"

    left = {it.heading for it in blocks() if it.language == "sh" and not it.read_only}
    assert left == {"3. Roles", "4. Your overlay", "5. The token", "7. A first upload"}
