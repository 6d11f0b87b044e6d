"""Least privilege: the roles of terraform/iam.tf against the calls that the code makes.

The tests read from the code the port methods that each process calls, and the SDK operations behind each method. They
read from a plan the statements of each role. NEEDS lists what a method needs: a missing or superfluous call, operation
or action on either side fails a test.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from terraform_cli import ROOT, Terraform

SOURCE = ROOT / "src"
ADAPTERS = {"queue": "queue", "objects": "objects", "catalog": "catalog"}

DEFAULTS = {"image_tag": "1.0.0", "api_authentication": "none", "plain_uploads": False}
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOKENS = {"api_authentication": "jwt", "jwt_issuer": "https://login.example.com/", "jwt_audience": ["darkroom"]}


@dataclass(frozen=True)
class Process:
    """A process of an installation: the modules that it runs, without those that it or its settings exclude."""

    role: str
    modules: tuple[str, ...]
    unused: tuple[str, ...] = ()
    settings: dict = field(default_factory=dict)


# The sweep's task also runs `darkroom backfill`, so its role covers both. `darkroom dlq` runs with an operator's role.
NOT_IN_SWEEP = ("operate/dead_letters", "operate/walk")
SWEEP_ENABLED = {"sweep_enabled": True}
ORIGINALS_DELETED = {**SWEEP_ENABLED, "delete_originals_after": "30d"}

PROCESSES = {
    "worker": Process("worker", ("worker", "pipeline", "app")),
    "api": Process("api", ("api",), unused=("api/delete",)),
    "api that may delete": Process("api", ("api",), settings={**TOKENS, "allow_delete": True}),
    "worker with a key": Process("worker", ("worker", "pipeline", "app"), settings={"kms_key_arn": KEY}),
    "api with a key": Process("api", ("api",), settings={**TOKENS, "allow_delete": True, "kms_key_arn": KEY}),
    "sweep": Process("sweep", ("operate",), unused=(*NOT_IN_SWEEP, "operate/sweep/originals"), settings=SWEEP_ENABLED),
    "sweep that deletes originals": Process("sweep", ("operate",), unused=NOT_IN_SWEEP, settings=ORIGINALS_DELETED),
    "sweep with a key": Process(
        "sweep", ("operate",), unused=NOT_IN_SWEEP, settings={**ORIGINALS_DELETED, "kms_key_arn": KEY}
    ),
}

# The port behind each field of `Ports`; src/api/delete.rs passes the thumbnails as `bucket`.
PORT_OF = {
    "queue": "queue",
    "dead_letters": "queue",
    "uploads": "objects",
    "thumbnails": "objects",
    "catalog": "catalog",
}
LENT_AS = {"bucket": "thumbnails"}

# Method of `Walk` (src/operate/walk.rs), which reads the dead letters -> the method of their queue behind it.
WALK = {"next": "receive", "end": "release", "delete": "delete"}

# Port method -> the SDK operations behind it, and their actions. Actions on the bucket begin with "bucket ".
NEEDS = {
    "queue.send": ({"send_message"}, {"sqs:SendMessage"}),
    "queue.receive": ({"receive_message"}, {"sqs:ReceiveMessage"}),
    "queue.extend": ({"change_message_visibility_batch"}, {"sqs:ChangeMessageVisibility"}),
    "queue.release": ({"change_message_visibility_batch"}, {"sqs:ChangeMessageVisibility"}),
    "queue.delete": ({"delete_message_batch"}, {"sqs:DeleteMessage"}),
    "queue.attributes": ({"get_queue_attributes"}, {"sqs:GetQueueAttributes"}),
    # Without the permission to list, S3 answers "denied" for a missing object, and the worker would retry forever.
    "objects.get": ({"get_object"}, {"s3:GetObject", "s3:GetObjectVersion", "bucket s3:ListBucket"}),
    "objects.head": ({"head_object"}, {"s3:GetObject", "bucket s3:ListBucket"}),
    "objects.put": ({"put_object"}, {"s3:PutObject"}),
    "objects.sign_upload": ({"put_object"}, {"s3:PutObject"}),
    "objects.sign_download": ({"get_object"}, {"s3:GetObject"}),
    "objects.list": ({"list_objects_v2"}, {"bucket s3:ListBucket"}),
    # HeadObject and ListObjectsV2 are for stores that list no versions, or not all. S3 lists all.
    "objects.list_versions": ({"list_object_versions", "list_objects_v2"}, {"bucket s3:ListBucketVersions"}),
    "objects.delete_version": ({"delete_object", "head_object"}, {"s3:DeleteObject", "s3:DeleteObjectVersion"}),
    "objects.delete": (
        {"list_object_versions", "delete_object", "head_object"},
        {"bucket s3:ListBucketVersions", "s3:DeleteObject", "s3:DeleteObjectVersion"},
    ),
    # It also checks whether its own earlier attempt created the record.
    "catalog.create": ({"put_item", "get_item"}, {"dynamodb:PutItem", "dynamodb:GetItem"}),
    "catalog.get": ({"get_item"}, {"dynamodb:GetItem"}),
    "catalog.update": ({"update_item", "get_item"}, {"dynamodb:UpdateItem", "dynamodb:GetItem"}),
    "catalog.scan": ({"scan"}, {"dynamodb:Scan"}),
    "catalog.delete": ({"delete_item"}, {"dynamodb:DeleteItem"}),
}
OPERATIONS = set().union(*(operations for operations, _ in NEEDS.values()))

# SDK operation -> the permissions that the caller needs on a customer managed key. Other operations need none.
NEEDS_OF_KEY = {
    "send_message": ("sqs", {"kms:Decrypt", "kms:GenerateDataKey"}),
    "receive_message": ("sqs", {"kms:Decrypt"}),
    "get_object": ("s3", {"kms:Decrypt"}),
    "put_object": ("s3", {"kms:GenerateDataKey"}),
}

# Actions that the platform, not the code, performs with a role.
OF_THE_PLATFORM = {"WriteLogs"}


def code_of(*names: str, folder: Path = SOURCE, without: tuple[str, ...] = ()) -> str:
    """The modules with all their files, without tests and comments."""
    files = [
        file
        for name in names
        for file in (folder / f"{name}.rs", *sorted((folder / name).rglob("*.rs")))
        if file.exists()
    ]
    assert files, f"no such modules: {names}"
    left_out = {
        file for name in without for file in (folder / f"{name}.rs", *(folder / name).rglob("*.rs")) if file.exists()
    }
    assert all((folder / f"{name}.rs") in files for name in without), without
    texts = [
        re.split(r"^#\[cfg\(test\)\]\nmod ", file.read_text(), maxsplit=1, flags=re.M)[0]
        for file in files
        if file not in left_out
    ]
    return re.sub(r"//.*", "", "\n".join(texts))


def calls_of(process: Process) -> set[tuple[str, str]]:
    """The calls of the process: (field of `Ports`, method)."""
    methods = {need.split(".")[1] for need in NEEDS}
    code = code_of(*process.modules, without=process.unused)
    found = re.findall(rf"\b({'|'.join([*PORT_OF, *LENT_AS])})\s*\.\s*({'|'.join(methods)})\(", code)
    calls = {(LENT_AS.get(name, name), method) for name, method in found}
    calls |= {("dead_letters", WALK[method]) for method in re.findall(rf"\bwalk\s*\.\s*({'|'.join(WALK)})\(", code)}
    return {(name, method) for name, method in calls if f"{PORT_OF[name]}.{method}" in NEEDS}


def bodies_of(port: str) -> dict[str, str]:
    """The functions of a port's adapter: name -> all bodies with that name."""
    parts = re.split(r"\bfn (\w+)", code_of(ADAPTERS[port], folder=SOURCE / "backends/aws"))
    bodies: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2]):
        bodies[name] = bodies.get(name, "") + body
    return bodies


def operations_in(body: str) -> set[str]:
    """The SDK operations that a function starts."""
    return {call for call in re.findall(r"\.\s*(\w+)\(\)", body) if call in OPERATIONS or looks_like_a_call(call, body)}


def operations_of(name: str, bodies: dict[str, str], seen: frozenset[str] = frozenset()) -> set[str]:
    """The SDK operations behind a function, including those of the adapter's functions that it calls."""
    seen = seen | {name}
    helpers = set(re.findall(r"(?:self\.|Self::|\b)(\w+)(?:::<[^>]*>)?\(", bodies[name])) & bodies.keys() - seen
    return operations_in(bodies[name]).union(*(operations_of(helper, bodies, seen) for helper in helpers))


def looks_like_a_call(name: str, body: str) -> bool:
    """Whether `.name()` starts a request of an SDK client, whose only other method is `config`."""
    return name != "config" and re.search(rf"\bclient\s*\.\s*{name}\(\)", body) is not None


@pytest.fixture(scope="module", params=PROCESSES.values(), ids=PROCESSES)
def process(request) -> Process:
    return request.param


@pytest.fixture(scope="module")
def resources(process, emulator, scratch) -> dict:
    """The planned resources; nothing is applied."""
    terraform = Terraform(scratch / "permissions", emulator.environment(), **{**DEFAULTS, **process.settings})
    terraform.run("plan", "-no-color", "-out=next.tfplan")
    plan = json.loads(terraform.run("show", "-json", "next.tfplan").stdout)
    return {
        resource["address"]: resource.get("values", {})
        for resource in plan["planned_values"]["root_module"]["resources"]
    }


def granted(resources: dict, role: str) -> set[tuple[str, str]]:
    """The role's (action, resource) pairs."""
    statements = json.loads(resources[f'aws_iam_role_policy.darkroom["{role}"]']["policy"])["Statement"]
    assert all(statement["Effect"] == "Allow" for statement in statements)
    pairs = set()
    for statement in statements:
        if statement["Sid"] in OF_THE_PLATFORM:
            continue
        actions, targets = (
            value if isinstance(value, list) else [value] for value in (statement["Action"], statement["Resource"])
        )
        pairs |= {(action, target) for action in actions for target in targets}
    return pairs


def granted_of_key(resources: dict, role: str) -> set[tuple[str, str]]:
    """The role's (service, action) pairs on the key."""
    policy = resources.get(f'aws_iam_role_policy.key["{role}"]')
    pairs = set()
    for statement in json.loads(policy["policy"])["Statement"] if policy else []:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert (statement["Effect"], statement["Resource"]) == ("Allow", KEY)
        (service,) = re.fullmatch(
            r"(\w+)\.us-east-1\.amazonaws\.\*", statement["Condition"]["StringLike"]["kms:ViaService"]
        ).groups()
        pairs |= {(service, action) for action in actions}
    return pairs


def arns(resources: dict) -> dict[str, str]:
    """Field of `Ports` -> ARN of the resource that it calls."""
    account, region = "123456789012", "us-east-1"
    name = {key: resources[f'aws_s3_bucket.images["{key}"]']["bucket"] for key in ("uploads", "thumbnails")}
    return {
        "queue": f"arn:aws:sqs:{region}:{account}:{resources['aws_sqs_queue.uploads']['name']}",
        "dead_letters": f"arn:aws:sqs:{region}:{account}:{resources['aws_sqs_queue.dead_letters']['name']}",
        "catalog": f"arn:aws:dynamodb:{region}:{account}:table/{resources['aws_dynamodb_table.images']['name']}",
        "uploads": f"arn:aws:s3:::{name['uploads']}/uploads/*",
        "thumbnails": f"arn:aws:s3:::{name['thumbnails']}/thumbnails/*",
    }


def needed(process: Process, arn: dict[str, str]) -> set[tuple[str, str]]:
    """The (action, resource) pairs that the process needs."""
    pairs = set()
    for field, method in calls_of(process):
        for action in NEEDS[f"{PORT_OF[field]}.{method}"][1]:
            target = arn[field]
            if action.startswith("bucket "):
                action, target = action.removeprefix("bucket "), target.split("/")[0]
            pairs.add((action, target))
    return pairs


def test_role_may_do_what_its_process_does_and_nothing_else(resources, process):
    assert calls_of(process), "no call was found: has the code been moved?"
    assert granted(resources, process.role) == needed(process, arns(resources))


def test_role_may_use_a_key_for_what_its_process_does_and_for_nothing_else(resources, process):
    operations = set().union(*(NEEDS[f"{PORT_OF[field]}.{method}"][0] for field, method in calls_of(process)))
    needs = [NEEDS_OF_KEY[operation] for operation in operations & NEEDS_OF_KEY.keys()]
    expected = {(service, action) for service, actions in needs for action in actions}
    assert granted_of_key(resources, process.role) == (expected if "kms_key_arn" in process.settings else set())


def test_walk_calls_what_the_roles_are_reckoned_from():
    _, *functions = re.split(r"\bfn (\w+)", code_of("operate/walk"))
    calls = {
        name: set(re.findall(r"\bqueue\s*\.\s*(\w+)\(", body)) for name, body in zip(functions[::2], functions[1::2])
    }
    assert {name: called for name, called in calls.items() if called} == {
        name: {method} for name, method in WALK.items()
    }
    # A walk reads no other queue.
    lent = re.findall(r"Walk::through\(([^)]*)\)", code_of("operate"))
    assert lent and all(queue.endswith(".dead_letters") for queue in lent), lent


@pytest.mark.parametrize("port", ADAPTERS)
def test_adapter_calls_the_operations_that_the_roles_are_reckoned_from(port):
    called = set().union(*map(operations_in, bodies_of(port).values()))
    assert called == set().union(
        *(operations for need, (operations, _) in NEEDS.items() if need.startswith(f"{port}."))
    )


@pytest.mark.parametrize("need", [need for need in NEEDS if not need.startswith("queue.")])
def test_method_calls_the_operations_that_the_roles_are_reckoned_from(need):
    """Not for the queue, which batches calls: the test above compares it as a whole."""
    port, method = need.split(".")
    assert operations_of(method, bodies_of(port)) == NEEDS[need][0]


def test_wildcards_are_only_at_the_end_of_keys(resources, process):
    for action, target in granted(resources, process.role):
        assert "*" not in action
        assert target.count("*") == (1 if "/" in target and ":s3:" in target else 0), target
