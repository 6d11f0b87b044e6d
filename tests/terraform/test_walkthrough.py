"""docs/DEPLOY.md, line by line: runs every block of commands without the remark "read only", unchanged.

Before the first upload the test starts the real `darkroom worker` and `darkroom api` with the outputs of the
installation. They replace the task and the function, which the emulator does not run.
"""

import os
import re
import subprocess
import zlib
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from conftest import wait_until
from processes import darkroom

from terraform_cli import ROOT, Terraform

PAGE = (ROOT / "docs/DEPLOY.md").read_text()


@dataclass(frozen=True)
class Block:
    """Commands of the page."""

    heading: str
    read_only: str | None
    text: str


def blocks() -> list[Block]:
    found, heading, remark = [], "", None
    for match in re.finditer(r"^## ([^\n]*)$|^<!-- read only: ([^\n]*) -->$|^```sh\n(.*?)^```$", PAGE, re.M | re.S):
        if match[1]:
            heading = match[1]
        elif match[2]:
            remark = match[2]
        else:
            found.append(Block(heading, remark, match[3]))
            remark = None
    return found


class Shell:
    """A bash that stops at the first failing command, as a reader would."""

    DONE = "-- done --"

    def __init__(self, folder, environment):
        self.log = folder / "walkthrough.log"
        self.process = subprocess.Popen(
            ["bash", "-euo", "pipefail"],
            cwd=folder,
            env={**os.environ, **environment},
            text=True,
            stdin=subprocess.PIPE,
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
        )
        self.blocks_done = 0

    def run(self, commands: str, limit_seconds: float = 600):
        self.blocks_done += 1
        done = f"{self.DONE}{self.blocks_done}"
        self.process.stdin.write(f"{commands}\necho '{done}'\n")
        self.process.stdin.flush()

        def ended():
            return done in self.log.read_text() or self.process.poll() is not None

        wait_until(ended, commands, limit_seconds)
        assert done in self.log.read_text(), f"{commands}\n{self.log.read_text()[-5000:]}"

    def value(self, expression: str) -> str:
        """The value of a shell expression."""
        self.run(f'echo "value: {expression}"')
        return re.findall(r"^value: (.*)$", self.log.read_text(), re.M)[-1]

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def photograph() -> bytes:
    """A picture of 1600 x 1200 pixels, a PNG although the file's name ends in .jpg."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    rows = b"".join(b"\0" + bytes((x * y + x) % 256 for x in range(1600)) for y in range(1200))
    header = (1600).to_bytes(4) + (1200).to_bytes(4) + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def terraform(emulator, scratch) -> Terraform:
    """The reader's folder, without settings."""
    terraform = Terraform(scratch / "walkthrough", emulator.environment())
    (terraform.folder / "terraform.tfvars.json").unlink()
    (terraform.folder / "photo.jpg").write_bytes(photograph())
    return terraform


@pytest.fixture(scope="module")
def shell(terraform, emulator):
    shell = Shell(terraform.folder, emulator.environment())
    yield shell
    shell.close()


@pytest.fixture(scope="module")
def stand_ins(terraform, emulator, scratch):
    """Starts worker and API once the installation has outputs; they stop before it is destroyed."""
    running = ExitStack()

    def start() -> str:
        outputs, aws = terraform.outputs(), emulator.environment()
        running.enter_context(darkroom("worker", outputs["worker_environment"], aws, scratch))
        return running.enter_context(darkroom("api", outputs["api_environment"], aws, scratch))

    with running:
        yield start, running.close


def test_every_block_is_run_or_says_why_not():
    assert len(blocks()) > 10
    for block in blocks():
        assert block.read_only is None or len(block.read_only) > 10
        assert block.read_only or not re.search(r"\bdocker\b", block.text), block.text


def follow(shell: Shell, heading: str, instead=lambda block: None):
    """Runs a section of the page; `instead` may replace a read-only block."""
    section = [block for block in blocks() if block.heading == heading]
    assert section, f"there is no section {heading!r}"
    for block in section:
        if block.read_only is None:
            shell.run(block.text)
        else:
            instead(block)


def test_first_installation(shell, stand_ins, emulator, terraform):
    def instead(block: Block):
        if block.text.startswith("api="):
            shell.run(f"api={stand_ins[0]()}")

    follow(shell, "First installation", instead)
    outputs = terraform.outputs()
    thumbnails = emulator.client("s3").list_objects_v2(Bucket=outputs["thumbnail_bucket"])["Contents"]
    image = shell.value("$id")
    assert [re.sub(r"/[^/]+/([^/]+)$", r"/*/\1", item["Key"]) for item in thumbnails] == [
        f"thumbnails/{image}/*/{size}.png" for size in ("large", "medium", "small")
    ]
    assert emulator.client("sns").list_subscriptions_by_topic(TopicArn=outputs["alarms_topic_arn"])["Subscriptions"]


def test_poison_becomes_a_dead_letter(emulator, terraform):
    """The real worker, which runs since the first thumbnail, processes the message."""
    outputs = terraform.outputs()
    sqs = emulator.client("sqs")
    sqs.send_message(QueueUrl=outputs["queue_url"], MessageBody="this is no event")

    def dead_letters():
        return sqs.receive_message(QueueUrl=outputs["dlq_url"], WaitTimeSeconds=1).get("Messages")

    (message,) = wait_until(dead_letters, "the message is a dead letter", 60)
    assert message["Body"] == "this is no event"


def test_upgrades(shell, terraform):
    follow(shell, "Upgrades")
    assert terraform.outputs()["image_uri"].endswith(":0.1.0-arm64"), "rolled back"
    assert shell.log.read_text().count("Apply complete! Resources: 1 added, 2 changed, 1 destroyed.") == 2


def test_operation(shell, terraform):
    follow(shell, "Operation")
    assert shell.value("$DARKROOM_DLQ_URL") == terraform.outputs()["dlq_url"]


def test_removal(shell, stand_ins, terraform):
    stand_ins[1]()
    follow(shell, "Removal")
    assert terraform.resources() == {}


def test_costs_add_up():
    """The arithmetic of each line is correct, and the lines add up to the total."""
    tables = re.findall(r"((?:^\|.*\|$\n)+)", PAGE[PAGE.index("## Costs") :], re.M)
    totals = 0
    for table in tables:
        rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.strip().split("\n")[2:]]
        if not rows[-1][0].startswith("**together**"):
            continue
        for *_, arithmetic, amount in rows[:-1]:
            assert re.fullmatch(r"[\d.,x+/() -]+", arithmetic), arithmetic
            assert eval(arithmetic.replace("x", "*").replace(",", "")) == pytest.approx(float(amount), abs=0.0051), (
                arithmetic
            )
        assert sum(float(row[-1]) for row in rows[:-1]) == pytest.approx(float(rows[-1][-1].strip("*")), abs=0.001), (
            rows[-1]
        )
        totals += 1
    assert totals == 4
