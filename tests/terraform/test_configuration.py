"""terraform/ without an emulator: formatting, variables, conditions, and a security scanner."""

import json
import re
import subprocess

import pytest

from terraform_cli import CONFIGURATION, ROOT, Terraform

PAID_KEYS = "encrypted with AWS's own keys; a customer key costs per month and call, and a grant in every role"
PAID_LOGS = "log_retention_days is the operator's choice; a year of logs is not needed to run this"

# The scanner's findings that are accepted, each with a reason. Any other finding fails the test, and so does an entry
# without a finding.
EXCUSED = {
    ("CKV_AWS_26", "aws_sns_topic.alarms"): "CloudWatch may not use AWS's own key for SNS; alarms hold no secrets",
    ("CKV_AWS_158", "aws_cloudwatch_log_group.api"): PAID_KEYS,
    ("CKV_AWS_158", "aws_cloudwatch_log_group.api_access"): PAID_KEYS,
    ("CKV_AWS_158", "aws_cloudwatch_log_group.worker"): PAID_KEYS,
    ("CKV_AWS_338", "aws_cloudwatch_log_group.api"): PAID_LOGS,
    ("CKV_AWS_338", "aws_cloudwatch_log_group.api_access"): PAID_LOGS,
    ("CKV_AWS_338", "aws_cloudwatch_log_group.worker"): PAID_LOGS,
    ("CKV_AWS_116", "aws_lambda_function.api"): "invoked synchronously: the caller gets the error",
    (
        "CKV_AWS_117",
        "aws_lambda_function.api",
    ): "talks to S3 and DynamoDB only; in a VPC it would need endpoints or NAT",
    (
        "CKV_AWS_115",
        "aws_lambda_function.api",
    ): "throttled by the HTTP API; reserved concurrency is taken from the account's",
    ("CKV_AWS_272", "aws_lambda_function.api"): "an image function cannot be signed; its tags are immutable",
    ("CKV_AWS_173", "aws_lambda_function.api"): "names of resources, no secrets",
    ("CKV_AWS_50", "aws_lambda_function.api"): "darkroom emits no traces",
    ("CKV_AWS_309", "aws_apigatewayv2_route.api"): "the scanner cannot evaluate api_authentication",
    ("CKV_AWS_394", "aws_availability_zones.usable"): "two zones of the sorted list; a new zone comes behind them",
    ("CKV_AWS_136", "aws_ecr_repository.darkroom"): PAID_KEYS,
    ("CKV_AWS_119", "aws_dynamodb_table.images"): PAID_KEYS,
    ("CKV_AWS_145", "aws_s3_bucket.images"): PAID_KEYS,
    (
        "CKV_AWS_18",
        "aws_s3_bucket.images",
    ): "access logs cost a request per request; CloudTrail data events can be switched on",
    ("CKV_AWS_21", "aws_s3_bucket.images"): "thumbnails: keys are immutable, and they can be rendered again",
    ("CKV_AWS_144", "aws_s3_bucket.images"): "a second region doubles the cost of storage: the operator's decision",
    ("CKV2_AWS_62", "aws_s3_bucket.images"): "notifications of thumbnails would be the endless loop",
    (
        "CKV2_AWS_6",
        "aws_s3_bucket.images",
    ): "it has: the scanner sees for_each as one block (terraform/tests looks at both)",
    (
        "CKV2_AWS_61",
        "aws_s3_bucket.images",
    ): "it has: the scanner sees for_each as one block (terraform/tests looks at both)",
    ("CKV2_AWS_11", "aws_vpc.own"): "flow logs cost per byte; nothing can connect to a worker",
}


@pytest.fixture(scope="module")
def terraform(scratch) -> Terraform:
    return Terraform(scratch / "configuration")


def test_files_are_formatted():
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", "-diff", "-no-color"],
        cwd=CONFIGURATION,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_configuration_is_valid(terraform):
    found = json.loads(terraform.run("validate", "-json", codes=(0, 1)).stdout)
    assert found["valid"] and not found["diagnostics"], found["diagnostics"]


def test_every_condition_holds(terraform):
    """Runs terraform/tests against a mocked provider."""
    done = terraform.run("test", "-no-color")
    passed, failed = map(int, re.search(r"(\d+) passed, (\d+) failed", done.stdout).groups())
    assert failed == 0 and passed == len(runs()), done.stdout


def test_every_validation_is_tested():
    """Every variable with a validation is among the expected failures of a run."""
    text = (CONFIGURATION / "variables.tf").read_text()
    blocks = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.S | re.M)
    refusing = {name for name, body in blocks if "validation {" in body}
    refused = set(re.findall(r"^ +var\.(\w+),$", (CONFIGURATION / "tests/variables.tftest.hcl").read_text(), re.M))
    assert refusing == refused


def test_every_variable_and_output_is_described():
    for file, kind in (("variables.tf", "variable"), ("outputs.tf", "output")):
        blocks = re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', (CONFIGURATION / file).read_text(), re.S | re.M)
        assert blocks
        assert not [name for name, body in blocks if "description = " not in body and "description " not in body]


def test_example_names_variables_that_exist():
    example = (CONFIGURATION / "terraform.tfvars.example").read_text()
    named = set(re.findall(r"^(?:# ?)?(\w+) += ", example, re.M))
    variables = set(re.findall(r'^variable "(\w+)"', (CONFIGURATION / "variables.tf").read_text(), re.M))
    assert {"image_tag", "api_authentication"} <= named <= variables


def test_scanner_finds_nothing_that_is_not_excused():
    done = subprocess.run(
        [
            *(ROOT / "scripts/tool", "checkov==3.3.30", "checkov"),
            *("--directory", CONFIGURATION, "--framework", "terraform", "--skip-path", "tests"),
            *("--skip-download", "--output", "json", "--quiet", "--compact"),
        ],
        text=True,
        capture_output=True,
        timeout=600,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 150, report["summary"]
    # For resources with for_each, the scanner includes the key in some runs only.
    failed = report["results"]["failed_checks"]
    found = {(check["check_id"], check["resource"].split("[")[0]): check["check_name"] for check in failed}
    assert not {key: name for key, name in found.items() if key not in EXCUSED}, "found and not excused"
    assert not EXCUSED.keys() - found.keys(), "excused and not found"


def test_gateway_knows_every_route_of_the_api():
    """The gateway forwards only the routes that it names."""
    endpoints = re.findall(r'\("(/[^"]*)", ', (ROOT / "src/api.rs").read_text().split("fn endpoints", 1)[1])
    files = re.findall(r'^    \("(/page/[^"/]*)", ', (ROOT / "src/api/page.rs").read_text(), re.M)
    assert len(endpoints) >= 5 and len(files) >= 2
    named = {path for _, path in re.findall(r'"(GET|POST|DELETE) (/[^"]*)"', (CONFIGURATION / "api.tf").read_text())}
    assert named == {*endpoints, "/", "/page/{file}"}


def runs() -> list[str]:
    """The names of the runs in terraform/tests."""
    return [
        name
        for file in CONFIGURATION.glob("tests/*.tftest.hcl")
        for name in re.findall(r'^run "(\w+)"', file.read_text(), re.M)
    ]
