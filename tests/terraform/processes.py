"""Real darkroom processes, run with an installation's outputs as their settings."""

import os
import subprocess
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from conftest import free_port, wait_until


def binary() -> Path:
    """The binary under test; tests/terraform/run builds it."""
    return Path(os.environ["DARKROOM_BINARY"])


def is_up(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False


@contextmanager
def darkroom(role: str, settings: dict[str, str], aws: dict[str, str], scratch: Path):
    """Runs `darkroom ROLE` until the block ends, then asks it to stop and expects a clean exit.

    The settings are the installation's own, except for the addresses: many processes share this machine. Yields the
    address of the API.
    """
    listen, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
    environment = {
        "PATH": "/usr/bin:/bin",
        **aws,
        **settings,
        "DARKROOM_LISTEN": listen,
        "DARKROOM_ADMIN_LISTEN": admin,
    }
    log_file = scratch / f"{role}.log"
    with log_file.open("w") as log:
        process = subprocess.Popen([binary(), role], env=environment, stdout=log, stderr=log)
    try:

        def ready() -> bool:
            assert process.poll() is None, log_file.read_text()
            return is_up(f"http://{admin}/readyz")

        wait_until(ready, f"darkroom {role} is ready", 120)
        yield f"http://{listen}"
        process.terminate()
        assert process.wait(60) == 0, log_file.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
