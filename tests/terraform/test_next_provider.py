"""terraform/ against version 6 of the AWS provider, as far as that is possible without the provider itself.

Two packages on npm are generated from its schema: the CDK's bindings state every argument and attribute, and Pulumi's
state which of them are deprecated.
"""

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import hcl2
import pytest

from terraform_cli import CONFIGURATION

BINDINGS = "@cdktf/provider-aws@21.22.1"  # of provider 6.25.0
DEPRECATIONS = "@pulumi/aws@7.48.0"
WITHOUT_QUOTES = hcl2.SerializationOptions(strip_string_quotes=True)
# Arguments of Terraform itself.
META_ARGUMENTS = {"count", "for_each", "depends_on", "lifecycle", "provider", "provisioner", "connection"}
# Pulumi's names that are not derived from Terraform's.
PULUMI_NAMES = {"data aws_iam_policy_document": "iamgetpolicydocument"}


def unpacked(scratch: Path, package: str) -> Path:
    """The folder of an npm package, downloaded once."""
    folder = scratch / "npm" / package.replace("/", "+")
    if not folder.exists():
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        done = subprocess.run(["npm", "pack", "--silent", package], cwd=draft, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        with tarfile.open(next(draft.glob("*.tgz"))) as archive:
            members = (m for m in archive if m.name.endswith(".d.ts"))
            archive.extractall(draft, members=members, filter="data")
        draft.rename(folder)
    return folder / "package"


def blocks(kind: str) -> list[tuple[str, str, dict]]:
    """Every block of a kind (`resource` or `data`): its type, its name and its body."""
    found = []
    for file in sorted(CONFIGURATION.glob("*.tf")):
        with file.open() as text:
            parsed = hcl2.load(text, serialization_options=WITHOUT_QUOTES)
        for block in parsed.get(kind, []):
            for type_, named in block.items():
                found += [(type_, name, body) for name, body in named.items() if not name.startswith("__")]
    return found


def arguments(body: dict) -> set[str]:
    """The names of all arguments and blocks in a body, nested ones included."""
    names = set()
    for name, value in body.items():
        if name.startswith("__") or name in META_ARGUMENTS:
            continue
        if name == "dynamic":
            for dynamic in value:
                for label, inner in dynamic.items():
                    if not label.startswith("__"):
                        names.add(label)
                        for content in inner.get("content", []):
                            names |= arguments(content)
            continue
        names.add(name)
        if isinstance(value, list):
            for block in value:
                if isinstance(block, dict):
                    names |= arguments(block)
    return names


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def binding(bindings: Path, kind: str, type_: str) -> str:
    """The declarations of a resource or a data source."""
    name = type_.removeprefix("aws_").replace("_", "-")
    folder = f"data-aws-{name}" if kind == "data" else name
    files = [file for file in (bindings / "lib" / folder).rglob("*.d.ts")]
    assert files, f"version 6 has no {type_}"
    return "\n".join(file.read_text() for file in files)


@pytest.fixture(scope="module")
def bindings(scratch) -> Path:
    return unpacked(scratch, BINDINGS)


@pytest.fixture(scope="module")
def deprecations(scratch) -> dict[str, set[str]]:
    """The deprecated properties of each type, under its name without separators, in lower case."""
    package = unpacked(scratch, DEPRECATIONS)
    found = {}
    for file in package.rglob("*.d.ts"):
        path = file.relative_to(package).as_posix().removesuffix(".d.ts")
        deprecated = set(re.findall(r"@deprecated[^/]*?\*/\s+(?:readonly )?(\w+)", file.read_text(), re.S))
        found[path.replace("/", "").lower()] = deprecated
        found.setdefault(path.rsplit("/")[-1].lower(), deprecated)
    return found


def test_version_6_has_every_argument(bindings):
    unknown, looked_at = [], 0
    for kind in ("resource", "data"):
        for type_, name, body in blocks(kind):
            known = set(re.findall(r"#(\w+) \w+#\w+\}", binding(bindings, kind, type_)))
            looked_at += len(arguments(body))
            unknown += [f"{kind} {type_}.{name}: {argument}" for argument in sorted(arguments(body) - known)]
    assert not unknown and looked_at > 200, (unknown, looked_at)


def test_version_6_has_every_attribute_that_is_read(bindings):
    unknown, looked_at = [], 0
    for file in sorted(CONFIGURATION.glob("*.tf")):
        for data, type_, attribute in re.findall(r"\b(data\.)?(aws_\w+)\.\w+(?:\[[^\]]*\])?\.(\w+)", file.read_text()):
            looked_at += 1
            text = binding(bindings, "data" if data else "resource", type_)
            if not re.search(rf"get {camel(attribute)}\(", text):
                unknown.append(f"{file.name}: {data}{type_}.{attribute}")
    assert not unknown and looked_at > 50, (unknown, looked_at)


def test_nothing_is_deprecated_in_version_6(deprecations):
    found, unknown = [], set()
    texts = "\n".join(file.read_text() for file in CONFIGURATION.glob("*.tf"))
    for kind in ("resource", "data"):
        for type_, name, body in blocks(kind):
            derived = ("get" if kind == "data" else "") + type_.removeprefix("aws_").replace("_", "")
            key = PULUMI_NAMES.get(f"{kind} {type_}", derived)
            if key not in deprecations:
                unknown.add(f"{kind} {type_}")
                continue
            prefix = rf"\bdata\.{type_}" if kind == "data" else rf"(?<!data\.)\b{type_}"
            read = set(re.findall(rf"{prefix}\.{name}(?:\[[^\]]*\])?\.(\w+)", texts))
            used = {camel(argument) for argument in set(body) | read}
            found += [f"{kind} {type_}.{name}: {argument}" for argument in sorted(used & deprecations[key])]
    assert not found, found
    assert not unknown, unknown
