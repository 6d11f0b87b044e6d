"""Builds the overlays with kubectl, and finds their containers and settings."""

import os
import re
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy/kubernetes"
OVERLAYS = sorted(path.parent.name for path in DEPLOY.glob("overlays/*/kustomization.yaml"))
BINARY = os.environ["DARKROOM_BINARY"]
SCRATCH = Path(os.environ["DARKROOM_SCRATCH"])


class Manifests(list):
    """The resources of an overlay, as `kubectl apply -k` sends them."""

    @classmethod
    def build(cls, directory: Path) -> "Manifests":
        done = subprocess.run(["kubectl", "kustomize", directory], text=True, capture_output=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return cls(yaml.safe_load_all(done.stdout))

    def of(self, *kinds: str) -> list[dict]:
        return [resource for resource in self if resource["kind"] in kinds]

    def named(self, kind: str, name: str) -> dict:
        [found] = [resource for resource in self.of(kind) if resource["metadata"]["name"] == name]
        return found

    def templates(self) -> dict[str, dict]:
        """The template of each kind of pod, by the name of its Deployment or CronJob."""
        templates = {it["metadata"]["name"]: it["spec"]["template"] for it in self.of("Deployment")}
        for job in self.of("CronJob"):
            templates[job["metadata"]["name"]] = job["spec"]["jobTemplate"]["spec"]["template"]
        return templates

    def pods(self) -> dict[str, dict]:
        """The specification of each kind of pod."""
        return {name: template["spec"] for name, template in self.templates().items()}

    def settings(self, pod: str) -> dict[str, str]:
        """The environment of a pod's only container. The Downward API rounds fractions of a core up."""
        [container] = self.pods()[pod]["containers"]
        values = {}
        for source in container.get("envFrom", []):
            values |= self.named("ConfigMap", source["configMapRef"]["name"])["data"]
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                assert variable["valueFrom"] == {"resourceFieldRef": {"divisor": "1", "resource": "requests.cpu"}}
                values[variable["name"]] = str(cores(container["resources"]["requests"]["cpu"]))
            else:
                values[variable["name"]] = variable["value"]
        return values


def cores(quantity: str) -> int:
    """A quantity of the CPU in whole cores, rounded up."""
    millis = int(quantity[:-1]) if quantity.endswith("m") else int(float(quantity) * 1000)
    return -(-millis // 1000)


@pytest.fixture(scope="session", params=OVERLAYS)
def manifests(request) -> Manifests:
    return Manifests.build(DEPLOY / "overlays" / request.param)


@pytest.fixture(scope="session")
def full() -> Manifests:
    return Manifests.build(DEPLOY / "overlays/full")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(is_so, what: str, limit_seconds: float = 30):
    """Repeats a question until the answer is true, and returns the answer."""
    end = time.monotonic() + limit_seconds
    while time.monotonic() < end:
        answer = is_so()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {limit_seconds} s")


@dataclass(frozen=True)
class Block:
    """A code block of docs/KUBERNETES.md."""

    heading: str
    read_only: str | None
    language: str
    text: str


def blocks() -> list[Block]:
    page = (ROOT / "docs/KUBERNETES.md").read_text()
    found, heading, remark = [], "", None
    for match in re.finditer(r"^##+ ([^\n]*)$|^<!-- read only: ([^\n]*) -->$|^```(\w+)\n(.*?)^```$", page, re.M | re.S):
        if match[1]:
            heading = match[1]
        elif match[2]:
            remark = match[2]
        else:
            found.append(Block(heading, remark, match[3], match[4]))
            remark = None
    return found
