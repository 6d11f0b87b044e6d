"""A working copy of terraform/, and the commands that run in it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = ROOT / "terraform"

# By default the provider tries a call that the emulator does not know 25 times, which looks like a hang.
FEW_RETRIES = 'provider "aws" {\n  max_retries = 2\n}\n'


class CommandFailed(AssertionError):
    """A command exited with an unexpected code."""


class Terraform:
    """The unchanged production files in a separate folder, with an override file and settings."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None, **variables):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(
            CONFIGURATION, folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", "terraform.tfvars")
        )
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
        """Runs `terraform ARGUMENTS`; returns its output, and includes it in the error for an unexpected code."""
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
            raise CommandFailed(
                f"terraform {' '.join(arguments)} exited with {done.returncode}:\n{done.stdout[-6000:]}"
            )
        return done

    def apply(self):
        self.run("apply", "-auto-approve", "-no-color", "-compact-warnings")

    def destroy(self):
        self.run("destroy", "-auto-approve", "-no-color", "-compact-warnings")

    def plan(self) -> dict[str, list[str]]:
        """The changes of the next apply: resources with their actions, without unchanged ones."""
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
