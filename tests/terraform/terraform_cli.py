"""A working copy of terraform/ and the commands that are run in it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = ROOT / "terraform"

# A call that the emulator does not know is tried 25 times by default, which looks like a hang.
FEW_RETRIES = 'provider "aws" {\n  max_retries = 2\n}\n'


class CommandFailed(AssertionError):
    """A command exited with another code than was asked for."""


class Terraform:
    """The production files, unchanged, in a folder of their own with an override file and settings beside them."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None, **variables):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(CONFIGURATION, folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", "terraform.tfvars"))
        (folder / "few_retries_override.tf").write_text(FEW_RETRIES)
        self.folder = folder
        self.environment = {**os.environ, **(environment or {})}
        self.set(**variables)
        self.run("init", "-no-color")

    def set(self, **variables):
        """Replaces the settings."""
        self.variables = variables
        (self.folder / "terraform.tfvars.json").write_text(json.dumps(variables))

    def run(self, *arguments: str, codes=(0,), limit_seconds=600) -> subprocess.CompletedProcess:
        """Runs `terraform ARGUMENTS`; its output is in the answer, and in the message when the code is another."""
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=self.environment,
            timeout=limit_seconds,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode not in codes:
            raise CommandFailed(f"terraform {' '.join(arguments)} exited with {done.returncode}:\n{done.stdout[-6000:]}")
        return done

    def apply(self):
        self.run("apply", "-auto-approve", "-no-color", "-compact-warnings")

    def destroy(self):
        self.run("destroy", "-auto-approve", "-no-color", "-compact-warnings")

    def plan(self) -> dict[str, list[str]]:
        """What the next apply would do: resources with their actions, unchanged ones left out."""
        self.run("plan", "-no-color", "-out=next.tfplan")
        plan = json.loads(self.run("show", "-json", "next.tfplan").stdout)
        actions = {change["address"]: change["change"]["actions"] for change in plan.get("resource_changes", [])}
        return {address: what for address, what in actions.items() if what not in (["no-op"], ["read"])}

    def outputs(self) -> dict:
        found = json.loads(self.run("output", "-json").stdout)
        return {name: output["value"] for name, output in found.items()}

    def resources(self) -> dict[str, dict]:
        """Every managed resource of the state: address -> attributes."""
        state = json.loads(self.run("show", "-json").stdout)
        found = state.get("values", {}).get("root_module", {}).get("resources", [])
        return {resource["address"]: resource["values"] for resource in found if resource["mode"] == "managed"}
