"""Shared fixtures: the emulator, and two installations on it."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from terraform_cli import Terraform

REGION = "us-east-1"


@pytest.fixture(scope="session")
def scratch() -> Path:
    """The folder for all output; tests/terraform/run sets it."""
    return Path(os.environ["DARKROOM_SCRATCH"])


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
class Emulator:
    """A running emulator of AWS."""

    endpoint: str

    def environment(self) -> dict[str, str]:
        """The environment of a client of the emulator. An IP address, because `localhost` makes bucket host names."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }

    def client(self, service: str):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@pytest.fixture(scope="session")
def emulator(scratch):
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with (scratch / f"emulator-{port}.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "aws_emulator.py", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
        )

    def answers():
        assert server.poll() is None, "the emulator ended: see its log in .scratch/terraform"
        try:
            return urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=5).status == 200
        except OSError:
            return False

    try:
        wait_until(answers, "the emulator answers", 180)
        yield Emulator(endpoint)
    finally:
        # There is no work in progress, so no clean stop is needed.
        server.kill()
        server.wait()


@pytest.fixture(scope="session")
def foreign_network(emulator) -> dict[str, str]:
    """An existing network: two subnets, and the security group of a Prometheus."""
    ec2 = emulator.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{part}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for part, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(VpcId=vpc, GroupName="prometheus", Description="prometheus")["GroupId"]
    return {"vpc": vpc, "subnets": subnets, "metrics_group": group}


@pytest.fixture(scope="session")
def foreign_key(emulator) -> str:
    """The ARN of an existing KMS key."""
    return emulator.client("kms").create_key(Description="photographs")["KeyMetadata"]["Arn"]


@pytest.fixture(scope="session")
def installations(emulator, foreign_network, foreign_key, scratch) -> dict[str, Terraform]:
    """Two installations side by side: one with almost no settings, one with every option enabled.

    The provider mostly waits, so both are applied at once.
    """
    settings = {
        "plain": {
            "image_tag": "1.0.0",
            "api_authentication": "none",
            "accept_anonymous_uploads": "anyone may upload anything",
            "force_destroy": True,
        },
        "full": {
            "name": "full",
            "image_tag": "1.0.0",
            "api_authentication": "jwt",
            "jwt_issuer": "https://login.example.com/",
            "jwt_audience": ["darkroom"],
            "tags": {"Team": "pictures"},
            "architecture": "amd64",
            "original_retention_days": 30,
            "plain_uploads": False,
            "allow_delete": True,
            "cors_origins": ["https://app.example.com"],
            "public_url": "https://cdn.example.com",
            "min_tasks": 0,
            "spot_percent": 50,
            "sweep_enabled": True,
            "subnet_ids": foreign_network["subnets"],
            "metrics_source_security_group_id": foreign_network["metrics_group"],
            "alarm_email": "ops@example.com",
            "table_stream": True,
            "outcome_topic": True,
            "kms_key_arn": foreign_key,
            "force_destroy": True,
        },
    }

    def install(name: str) -> Terraform:
        terraform = Terraform(scratch / name, emulator.environment(), **settings[name])
        terraform.apply()
        return terraform

    with ThreadPoolExecutor() as pool:
        return dict(zip(settings, pool.map(install, settings)))
