"""The life of an installation, from the first apply to the last destroy, in the order of the tests.

The real provider applies the production files to an emulator of AWS's control plane, which runs no task and raises no
alarm. An empty plan there does not prove an empty plan on AWS.
"""

import json
import re
import subprocess
import time
import urllib.request

import pytest
from processes import binary

from terraform_cli import ROOT, Terraform

BOTH = pytest.mark.parametrize("name", ["plain", "full"])


@BOTH
def test_everything_is_made(installations, name):
    resources = installations[name].resources()
    assert len(resources) > 60, sorted(resources)
    assert ("aws_vpc.own[0]" in resources) == (name == "plain")
    assert ("aws_scheduler_schedule.sweep[0]" in resources) == (name == "full")
    assert ("aws_pipes_pipe.outcomes[0]" in resources) == (name == "full")


@BOTH
def test_second_plan_is_empty(installations, name):
    assert installations[name].plan() == {}


def test_simulate_replays_the_policy_that_is_deployed(installations):
    """docs/SCALING.md describes the default settings, and this installation uses them."""
    terraform = installations["plain"]
    (terraform.folder / "state.json").write_text(terraform.run("show", "-json").stdout)
    done = subprocess.run(
        [binary(), "simulate", "--plan", "state.json"], cwd=terraform.folder, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") > 2 and done.stdout in (ROOT / "docs/SCALING.md").read_text(), done.stdout


def policies(installation: Terraform, emulator) -> dict[str, dict]:
    """The policy of each bucket, queue and topic, as the emulator returns it."""
    sqs, sns, s3 = (emulator.client(service) for service in ("sqs", "sns", "s3"))
    found = {}
    for address, resource in installation.resources().items():
        if address.startswith("aws_sqs_queue."):
            answer = sqs.get_queue_attributes(QueueUrl=resource["url"], AttributeNames=["Policy"])
            found[address] = answer["Attributes"]["Policy"]
        elif re.match(r"aws_sns_topic\.", address):
            found[address] = sns.get_topic_attributes(TopicArn=resource["arn"])["Attributes"]["Policy"]
        elif re.match(r"aws_s3_bucket\.", address):
            found[address] = s3.get_bucket_policy(Bucket=resource["bucket"])["Policy"]
    return {address: json.loads(policy) for address, policy in found.items()}


@BOTH
def test_nothing_is_reached_without_tls(installations, emulator, name):
    found = policies(installations[name], emulator)
    assert len(found) == (6 if name == "full" else 5), sorted(found)
    for address, policy in found.items():
        (deny,) = [statement for statement in policy["Statement"] if statement["Effect"] == "Deny"]
        assert deny["Principal"] == "*" and deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}, address
        expected = {"aws_sqs": "sqs:*", "aws_sns": "sns:Publish", "aws_s3_": "s3:*"}[address[:7]]
        assert deny["Action"] == expected, address


@BOTH
def test_only_the_bucket_sends_and_only_alarms_publish(installations, emulator, name):
    found = policies(installations[name], emulator)
    allowed = {
        address: [
            (statement["Principal"], statement["Action"])
            for statement in policy["Statement"]
            if statement["Effect"] == "Allow"
        ]
        for address, policy in found.items()
    }
    assert {address: what for address, what in allowed.items() if what} == {
        "aws_sqs_queue.uploads": [({"Service": "s3.amazonaws.com"}, "sqs:SendMessage")],
        "aws_sns_topic.alarms": [({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")],
    }


@BOTH
def test_images_and_messages_are_encrypted_with_the_key_that_is_given(installations, emulator, foreign_key, name):
    outputs, sqs, s3 = installations[name].outputs(), emulator.client("sqs"), emulator.client("s3")
    key = foreign_key if name == "full" else None
    for bucket in ("upload_bucket", "thumbnail_bucket"):
        (rule,) = s3.get_bucket_encryption(Bucket=outputs[bucket])["ServerSideEncryptionConfiguration"]["Rules"]
        default = rule["ApplyServerSideEncryptionByDefault"]
        assert (default["SSEAlgorithm"], default.get("KMSMasterKeyID")) == ("aws:kms" if key else "AES256", key), bucket
        assert rule.get("BucketKeyEnabled", False) == (key is not None), bucket
    for queue in ("queue_url", "dlq_url"):
        attributes = sqs.get_queue_attributes(QueueUrl=outputs[queue], AttributeNames=["All"])["Attributes"]
        assert attributes.get("KmsMasterKeyId") == key, attributes
    if key:
        topic = emulator.client("sns").get_topic_attributes(TopicArn=outputs["outcomes_topic_arn"])["Attributes"]
        assert topic["KmsMasterKeyId"] == key


def test_the_keys_statement_is_the_one_in_the_documents(installations):
    """docs/DEPLOY.md shows the statement of an installation with the default names."""
    (shown,) = re.findall(r"^```json\n(.*?)^```$", (ROOT / "docs/DEPLOY.md").read_text(), re.M | re.S)
    assert json.loads(shown) == json.loads(installations["plain"].outputs()["kms_key_statement"])


def put(url: str, body: bytes, **headers: str) -> int:
    request = urllib.request.Request(url, data=body, headers=headers, method="PUT")
    return urllib.request.urlopen(request, timeout=10).status


def keys_of(messages: list[dict]) -> list[str]:
    bodies = [json.loads(message["Body"]) for message in messages]
    return [record["s3"]["object"]["key"] for body in bodies for record in body.get("Records", [])]


def test_upload_under_the_prefix_reaches_the_queue_and_no_other(installations, emulator):
    """Uploads by presigned URLs, as clients do."""
    outputs = installations["full"].outputs()
    s3, sqs = emulator.client("s3"), emulator.client("sqs")
    for key in ("elsewhere/cat.jpg", "uploads/cat.jpg"):
        url = s3.generate_presigned_url("put_object", Params={"Bucket": outputs["upload_bucket"], "Key": key})
        assert put(url, b"cat") == 200

    received = []
    end = time.monotonic() + 10
    while time.monotonic() < end and "uploads/cat.jpg" not in [key.replace("%2F", "/") for key in keys_of(received)]:
        received += sqs.receive_message(QueueUrl=outputs["queue_url"], MaxNumberOfMessages=10, WaitTimeSeconds=1).get(
            "Messages", []
        )
    assert [key.replace("%2F", "/") for key in keys_of(received)] == ["uploads/cat.jpg"]

    for message in received:
        sqs.delete_message(QueueUrl=outputs["queue_url"], ReceiptHandle=message["ReceiptHandle"])
    assert "Messages" not in sqs.receive_message(QueueUrl=outputs["queue_url"], WaitTimeSeconds=1)


def test_message_that_nobody_deletes_becomes_a_dead_letter(installations, emulator):
    outputs = installations["full"].outputs()
    sqs = emulator.client("sqs")
    sqs.send_message(QueueUrl=outputs["queue_url"], MessageBody="poison")
    for _ in range(10):
        (message,) = sqs.receive_message(QueueUrl=outputs["queue_url"], WaitTimeSeconds=2)["Messages"]
        sqs.change_message_visibility(
            QueueUrl=outputs["queue_url"], ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    assert "Messages" not in sqs.receive_message(QueueUrl=outputs["queue_url"], WaitTimeSeconds=1)
    (dead,) = sqs.receive_message(QueueUrl=outputs["dlq_url"], WaitTimeSeconds=2)["Messages"]
    assert dead["Body"] == "poison"
    sqs.delete_message(QueueUrl=outputs["dlq_url"], ReceiptHandle=dead["ReceiptHandle"])


@BOTH
def test_new_image_tag_updates_in_place(installations, name):
    terraform = installations[name]
    terraform.set(**{**terraform.variables, "image_tag": "1.1.0"})
    plan = terraform.plan()
    task_definitions = {address for address in plan if address.startswith("aws_ecs_task_definition.")}
    assert plan.pop("aws_ecs_task_definition.worker") == ["create", "delete"], (
        "the old revision must outlive the deployment"
    )
    for address in task_definitions - {"aws_ecs_task_definition.worker"}:
        plan.pop(address)
    follows_the_sweep = {"aws_scheduler_schedule.sweep[0]"}
    assert {address: what for address, what in plan.items() if address not in follows_the_sweep} == {
        "aws_ecs_service.worker": ["update"],
        "aws_lambda_function.api": ["update"],
    }
    terraform.apply()
    assert terraform.outputs()["image_uri"].endswith(":1.1.0")
    assert terraform.plan() == {}


def test_service_and_function_run_the_new_image(installations, emulator):
    outputs = installations["plain"].outputs()
    ecs = emulator.client("ecs")
    (service,) = ecs.describe_services(cluster=outputs["cluster"], services=[outputs["service"]])["services"]
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    assert definition["status"] == "ACTIVE"
    assert [container["image"] for container in definition["containerDefinitions"]] == [outputs["image_uri"]]
    function = emulator.client("lambda").get_function(FunctionName=f"{outputs['cluster']}-api")
    assert function["Code"]["ImageUri"] == outputs["image_uri"]


def left(emulator) -> dict[str, list[str]]:
    """darkroom's resources in the account, by kind, without the network that existed before."""

    def names(service: str, operation: str, field: str, name: str | None = None, **parameters) -> list[str]:
        answer = getattr(emulator.client(service), operation)(**parameters)
        return [item[name] if name else item for item in answer.get(field, [])]

    def is_active(cluster: str) -> bool:
        return emulator.client("ecs").describe_clusters(clusters=[cluster])["clusters"][0]["status"] == "ACTIVE"

    # The emulator, like AWS, lists deleted endpoints for a while.
    available = [{"Name": "vpc-endpoint-state", "Values": ["available"]}]
    ours = [{"Name": "tag:Project", "Values": ["darkroom", "full"]}]
    found = {
        "buckets": names("s3", "list_buckets", "Buckets", "Name"),
        "queues": names("sqs", "list_queues", "QueueUrls"),
        "tables": names("dynamodb", "list_tables", "TableNames"),
        "repositories": names("ecr", "describe_repositories", "repositories", "repositoryName"),
        "clusters": [arn for arn in names("ecs", "list_clusters", "clusterArns") if is_active(arn)],
        "task definitions": names("ecs", "list_task_definitions", "taskDefinitionArns", status="ACTIVE"),
        "functions": names("lambda", "list_functions", "Functions", "FunctionName"),
        "http apis": names("apigatewayv2", "get_apis", "Items", "ApiId"),
        "roles": names("iam", "list_roles", "Roles", "RoleName"),
        "log groups": names("logs", "describe_log_groups", "logGroups", "logGroupName"),
        "topics": names("sns", "list_topics", "Topics", "TopicArn"),
        "alarms": names("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        "scalable targets": names(
            "application-autoscaling",
            "describe_scalable_targets",
            "ScalableTargets",
            "ResourceId",
            ServiceNamespace="ecs",
        ),
        "scaling policies": names(
            "application-autoscaling",
            "describe_scaling_policies",
            "ScalingPolicies",
            "PolicyName",
            ServiceNamespace="ecs",
        ),
        "pipes": names("pipes", "list_pipes", "Pipes", "Name"),
        "schedules": names("scheduler", "list_schedules", "Schedules", "Name"),
        "vpcs": names("ec2", "describe_vpcs", "Vpcs", "VpcId", Filters=ours),
        "subnets": names("ec2", "describe_subnets", "Subnets", "SubnetId", Filters=ours),
        "internet gateways": names(
            "ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId", Filters=ours
        ),
        "route tables": names("ec2", "describe_route_tables", "RouteTables", "RouteTableId", Filters=ours),
        "endpoints": names(
            "ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", Filters=[*ours, *available]
        ),
        "security groups": names("ec2", "describe_security_groups", "SecurityGroups", "GroupId", Filters=ours),
    }
    return found


def test_destroy_leaves_nothing(installations, emulator):
    """The buckets contain images and are still deleted."""
    outputs = installations["plain"].outputs()
    s3 = emulator.client("s3")
    s3.put_object(Bucket=outputs["upload_bucket"], Key="uploads/dog", Body=b"old")
    s3.put_object(Bucket=outputs["upload_bucket"], Key="uploads/dog", Body=b"new")
    s3.put_object(Bucket=outputs["thumbnail_bucket"], Key="thumbnails/dog/1/small.jpg", Body=b"small")
    assert [kind for kind, names in left(emulator).items() if not names] == [], (
        "there is something of every kind before"
    )

    for terraform in installations.values():
        terraform.destroy()
        assert terraform.resources() == {}
    assert {kind: names for kind, names in left(emulator).items() if names} == {}
