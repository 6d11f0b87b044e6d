"""Starts moto's server, and closes the gaps that break Terraform's AWS provider.

Usage: aws_emulator.py -H 127.0.0.1 -p PORT

Each function below closes one gap and describes the effect of the gap. Nothing here depends on darkroom: when moto
closes a gap, delete its function.
"""

import json
from functools import wraps

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.awslambda.models import LambdaFunction
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ecs.models import EC2ContainerServiceBackend, Service
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.server import main
from moto.sqs.models import Queue, SQSBackend

GAPS = []


def gap(close):
    """Marks a function that closes a gap."""
    GAPS.append(close)
    return close


def wrap(owner, name):
    """Replaces a method by one that gets the original as its first argument."""

    def replace(method):
        original = getattr(owner, name)

        @wraps(original)
        def wrapped(*args, **kwargs):
            return method(original, *args, **kwargs)

        setattr(owner, name, wrapped)
        return method

    return replace


@gap
def queue_attributes():
    """Queues: moto does not know RedriveAllowPolicy, loses the policy at each later change, and returns RedrivePolicy
    with white space. The provider waits until it reads what it wrote, so it would wait until its time-out."""
    original = Queue.attributes.fget

    def attributes(self):
        found = original(self)
        if found.get("RedrivePolicy"):
            found["RedrivePolicy"] = json.dumps(json.loads(found["RedrivePolicy"]), separators=(",", ":"))
        if getattr(self, "redrive_allow_policy", None):
            found["RedriveAllowPolicy"] = self.redrive_allow_policy
        return found

    Queue.attributes = property(attributes)

    @wrap(Queue, "_set_attributes")
    def _(original, self, changes, now=None):
        original(self, {"Policy": getattr(self, "policy", None), **changes}, now)

    @wrap(SQSBackend, "get_queue_attributes")
    def _(original, self, queue_name, names):
        found = original(self, queue_name, [name for name in names if name != "RedriveAllowPolicy"])
        allowed = self.get_queue(queue_name).attributes.get("RedriveAllowPolicy")
        if allowed and "RedriveAllowPolicy" in names:
            found = {**found, "RedriveAllowPolicy": allowed}
        return found


@gap
def scaling_tags():
    """Application Auto Scaling: moto has no tags, and the provider reads them after it creates a scalable target."""
    responses = ApplicationAutoScalingResponse
    tags_by_arn = {}

    def tags_of(self):
        return tags_by_arn.setdefault(self._get_param("ResourceARN"), {})

    def list_tags_for_resource(self):
        return json.dumps({"Tags": tags_of(self)})

    def tag_resource(self):
        tags_of(self).update(self._get_param("Tags") or {})
        return "{}"

    def untag_resource(self):
        for key in self._get_param("TagKeys") or []:
            tags_of(self).pop(key, None)
        return "{}"

    for operation in (list_tags_for_resource, tag_resource, untag_resource):
        setattr(responses, operation.__name__, operation)

    @wrap(responses, "register_scalable_target")
    def _(original, self):
        answer = original(self)
        arn = json.loads(answer)["ScalableTargetARN"]
        tags_by_arn.setdefault(arn, {}).update(self._get_param("Tags") or {})
        return answer


@gap
def function_logging():
    """Lambda: moto does not keep LoggingConfig, so every plan would set it again."""

    @wrap(LambdaFunction, "__init__")
    def _(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        spec = kwargs.get("spec") or next(arg for arg in args if isinstance(arg, dict))
        self.logging = spec.get("LoggingConfig")

    @wrap(LambdaFunction, "update_configuration")
    def _(original, self, changes):
        self.logging = changes.get("LoggingConfig", self.logging)
        return original(self, changes)

    @wrap(LambdaFunction, "get_configuration")
    def _(original, self, *args, **kwargs):
        found = original(self, *args, **kwargs)
        return {**found, "LoggingConfig": self.logging} if self.logging else found


@gap
def service_settings():
    """ECS: a service loses its capacity providers and its deployment settings, so every plan would replace it. It also
    never runs a task, so waiting for a deployment would never end."""
    kept = {
        "capacityProviderStrategy": "capacity_provider_strategy",
        "deploymentConfiguration": "deployment_configuration",
        "enableECSManagedTags": "enable_ecs_managed_tags",
        "enableExecuteCommand": "enable_execute_command",
        "availabilityZoneRebalancing": "availability_zone_rebalancing",
    }

    def settle(service):
        service.running_count, service.pending_count = service.desired_count, 0
        for deployment in service.deployments:
            deployment.update(
                desiredCount=service.desired_count,
                runningCount=service.desired_count,
                pendingCount=0,
                taskDefinition=service.task_definition,
                rolloutState="COMPLETED",
            )

    @wrap(EC2ContainerServiceResponse, "create_service")
    def _(original, self):
        answer = original(self)
        service: Service = answer._result["service"]
        for parameter, attribute in kept.items():
            value = self._get_param(parameter)
            if value is not None:
                setattr(service, attribute, value)
        if self._get_param("capacityProviderStrategy"):
            service.launch_type = None
        if not self._get_param("deploymentController"):
            service.deployment_controller = None
        settle(service)
        return answer

    @wrap(EC2ContainerServiceBackend, "update_service")
    def _(original, self, changes):
        service = original(self, changes)
        settle(service)
        return service


@gap
def rule_descriptions():
    """EC2: moto does not return the description of a rule that names a group, so every plan would set it again."""

    def description(self):
        return self.ip_range.get("Description") or self.source_group.get("Description")

    SecurityGroupRule.description = property(description)


@gap
def conditional_denials():
    """IAM: moto ignores conditions, so a bucket policy that denies plain HTTP denies everything."""

    @wrap(IAMPolicyStatement, "is_action_permitted")
    def _(original, self, *args, **kwargs):
        if "aws:SecureTransport" in json.dumps(self._statement.get("Condition", {})):
            return PermissionResult.NEUTRAL
        return original(self, *args, **kwargs)


if __name__ == "__main__":
    for close in GAPS:
        close()
    main()
