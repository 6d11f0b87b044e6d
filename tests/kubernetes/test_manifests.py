"""The overlays without a cluster: schemas, and what Kubernetes does not check."""

import json
import re
import subprocess

import kubernetes_validate
import pytest
import yaml
from conftest import DEPLOY, OVERLAYS, ROOT, SCRATCH, Manifests

OLDEST, NEWEST = "1.30", "1.37"

# API group -> the npm package that has its types and schemas.
CUSTOM = {
    "keda.sh/v1alpha1": "@kubernetes-models/keda",
    "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator",
}


def test_every_component_is_in_an_overlay():
    used = {path for overlay in OVERLAYS for path in kustomization(f"overlays/{overlay}").get("components", [])}
    assert {f"../../components/{path.name}" for path in DEPLOY.glob("components/*")} == used


def kustomization(directory: str) -> dict:
    return yaml.safe_load((DEPLOY / directory / "kustomization.yaml").read_text())


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_resources_are_valid_and_have_no_unknown_fields(manifests, version):
    builtin = [resource for resource in manifests if resource["apiVersion"] not in CUSTOM]
    assert len(builtin) > 8
    for resource in builtin:
        kubernetes_validate.validate(resource, version, strict=True)


def typescript(resources: list[dict]) -> str:
    """A program that passes if the compiler finds no unknown or missing field, and each value meets its schema."""
    lines = []
    for index, resource in enumerate(resources):
        package = f"{CUSTOM[resource['apiVersion']]}/{resource['apiVersion']}"
        kind = resource["kind"]
        lines += [
            f"import {{ {kind} as K{index}, type I{kind} as I{index} }} from {json.dumps(package)};",
            f"const r{index}: I{index} = {json.dumps(resource)};",
            f"new K{index}(r{index}).validate();",
        ]
    return "\n".join([*lines, f'console.log("{len(resources)} are valid");', ""])


def check(name: str, resources: list[dict]) -> subprocess.CompletedProcess:
    """Compiles and runs the program. It is beside node_modules, where both look for packages."""
    folder = SCRATCH / "npm"
    (folder / f"{name}.ts").write_text(typescript(resources))
    options = ["--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck"]
    compile_it = ["node", "node_modules/typescript/bin/tsc", *options, f"{name}.ts"]
    done = subprocess.run(compile_it, cwd=folder, text=True, capture_output=True)
    if done.returncode:
        return done
    return subprocess.run(["node", f"{name}.js"], cwd=folder, text=True, capture_output=True)


def custom(manifests: Manifests) -> list[dict]:
    return [resource for resource in manifests if resource["apiVersion"] in CUSTOM]


def test_custom_resources_are_valid_and_have_no_unknown_fields(full):
    resources = custom(full)
    kinds = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PrometheusRule"}
    assert {it["kind"] for it in resources} == kinds
    done = check("valid", resources)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == f"{len(resources)} are valid\n"


@pytest.mark.parametrize(
    "kind, old, new",
    [
        ("ScaledObject", '"pollingInterval"', '"pollInterval"'),
        ("ScaledObject", '"minReplicaCount": 1', '"minReplicaCount": "1"'),
        ("TriggerAuthentication", '"provider": "aws"', '"provider": "amazon"'),
        ("ServiceMonitor", '"interval": "15s"', '"interval": "15 seconds"'),
        ("PrometheusRule", '"for": "10m"', '"during": "10m"'),
    ],
)
def test_a_mistake_in_a_custom_resource_is_found(full, kind, old, new):
    text = json.dumps(full.of(kind)[0])
    assert old in text
    done = check(re.sub(r"\W+", "-", f"mistake {kind} {new}"), [json.loads(text.replace(old, new, 1))])
    assert done.returncode != 0


def test_pods_meet_the_restricted_standard_and_have_a_read_only_root(manifests):
    [namespace] = manifests.of("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert len(manifests.pods()) == 3
    for name, pod in manifests.pods().items():
        [container] = pod["containers"]
        security = pod["securityContext"]
        assert security["runAsNonRoot"] and security["runAsUser"] == security["runAsGroup"] == 65532, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }, name
        assert "memory" in container["resources"]["limits"] and "cpu" not in container["resources"]["limits"], name
        assert not pod["automountServiceAccountToken"] and not pod["enableServiceLinks"], name
        assert manifests.named("ServiceAccount", pod["serviceAccountName"])


def test_images_have_a_registry_and_a_tag_of_their_architecture(manifests):
    for pod in manifests.pods().values():
        [container] = pod["containers"]
        repository, tag = re.fullmatch(r"([\w.-]+\.[\w.-]+/[\w/-]+):([\w.-]+)", container["image"]).groups()
        assert tag.endswith("-" + pod["nodeSelector"]["kubernetes.io/arch"]), (repository, tag)


def test_workers_end_before_they_are_killed(manifests):
    pod = manifests.pods()["darkroom-worker"]
    drain = manifests.settings("darkroom-worker")["DARKROOM_DRAIN_TIMEOUT"]
    assert pod["terminationGracePeriodSeconds"] == 120 >= int(drain.removesuffix("s")) + 30


def test_apis_end_before_they_are_killed(manifests):
    pod = manifests.pods()["darkroom-api"]
    [container] = pod["containers"]
    listen = (ROOT / "src/app/listen.rs").read_text()
    stop = int(re.search(r"STOP_TIMEOUT: Duration = Duration::from_secs\((\d+)\)", listen)[1])
    sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= sleep + 2 * stop


def test_selectors_select_one_kind_of_pod(manifests):
    """Services, budgets and spread constraints; the network policies select one kind, or all."""
    labels = {name: template["metadata"]["labels"] for name, template in manifests.templates().items()}

    def selected(selector: dict) -> set[str]:
        return {name for name, has in labels.items() if selector.items() <= has.items()}

    for service in manifests.of("Service"):
        [port] = service["spec"]["ports"]
        [name] = selected(service["spec"]["selector"])
        assert service["metadata"]["name"] in (name, f"{name}-admin")
        [container] = manifests.pods()[name]["containers"]
        assert port["targetPort"] in {it["name"] for it in container["ports"]}
    for budget in manifests.of("PodDisruptionBudget"):
        assert selected(budget["spec"]["selector"]["matchLabels"]) == {budget["metadata"]["name"]}
    for deployment in manifests.of("Deployment"):
        for constraint in deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            assert selected(constraint["labelSelector"]["matchLabels"]) == {deployment["metadata"]["name"]}
    for policy in manifests.of("NetworkPolicy"):
        expected = {policy["metadata"]["name"]} if policy["metadata"]["name"] in labels else set(labels)
        assert selected(policy["spec"]["podSelector"]["matchLabels"]) == expected


def test_network_policies_allow_the_ports_of_the_pods(full):
    """By number, since not every network plugin knows names."""
    containers = [pod["containers"][0] for pod in full.pods().values()]
    ports = {port["name"]: port["containerPort"] for it in containers for port in it.get("ports", [])}
    allowed = {
        policy["metadata"]["name"]: [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]]
        for policy in full.of("NetworkPolicy")
    }
    assert allowed == {"darkroom": [ports["admin"]], "darkroom-api": [ports["http"]]}
    # The VPC CNI of EKS applies a policy to a Service only if both have the same port.
    for service in full.of("Service"):
        [port] = service["spec"]["ports"]
        assert port["port"] == ports[port["targetPort"]]


def test_prometheus_finds_the_admin_listeners_only(full):
    [monitor] = full.of("ServiceMonitor")
    [endpoint] = monitor["spec"]["endpoints"]
    selector = monitor["spec"]["selector"]["matchLabels"]
    scraped = {
        service["metadata"]["name"]
        for service in full.of("Service")
        if selector.items() <= service["metadata"]["labels"].items()
        and endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    }
    assert scraped == {"darkroom-worker-admin", "darkroom-api-admin"}
    # The alerts select this job, and everything is separated by environment.
    relabelings = {it["targetLabel"]: it for it in endpoint["relabelings"]}
    assert relabelings["job"]["replacement"] == "darkroom"
    assert relabelings["environment"]["sourceLabels"] == ["__meta_kubernetes_namespace"]


def test_rules_are_the_text_of_deploy_prometheus(full):
    done = subprocess.run([ROOT / "scripts/prometheus-rules", "--check"], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    built = {it["metadata"]["name"]: it["spec"]["groups"] for it in full.of("PrometheusRule")}
    files = {
        f"darkroom-{file.name.removesuffix('.rules.yaml')}": yaml.safe_load(file.read_text())["groups"]
        for file in ROOT.glob("deploy/prometheus/*.rules.yaml")
    }
    assert built == files


def test_rules_that_are_not_current_are_found(tmp_path):
    """In a copy, so that a failure changes nothing."""
    for part in ("scripts", "deploy/prometheus", "deploy/kubernetes/components"):
        subprocess.run(["cp", "-r", "--parents", part, tmp_path], cwd=ROOT, check=True)
    rules = tmp_path / "deploy/prometheus/alerts.rules.yaml"
    rules.write_text(rules.read_text().replace("> 120", "> 121", 1))
    check = [tmp_path / "scripts/prometheus-rules", "--check"]
    done = subprocess.run(check, text=True, capture_output=True)
    assert done.returncode == 1 and "prometheusrule-alerts.yaml is not current" in done.stderr
    subprocess.run(check[:1], check=True)
    assert subprocess.run(check, capture_output=True).returncode == 0


def test_workers_follow_the_queue_as_terraform_scales_them(full):
    """The same limits and the same need for the backlog; docs/KUBERNETES.md says what is left out."""
    [scaled] = full.of("ScaledObject")
    spec, defaults = scaled["spec"], terraform_defaults()
    assert spec["scaleTargetRef"] == {"name": full.named("Deployment", "darkroom-worker")["metadata"]["name"]}
    assert "replicas" not in full.named("Deployment", "darkroom-worker")["spec"], "two owners of one number"
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (defaults["min_tasks"], defaults["max_tasks"])
    [trigger] = spec["triggers"]
    settings = full.settings("darkroom-worker")
    assert trigger["authenticationRef"]["name"] == full.of("TriggerAuthentication")[0]["metadata"]["name"]
    assert trigger["metadata"]["awsRegion"] == settings["AWS_REGION"]
    assert settings[trigger["metadata"]["queueURLFromEnv"]].startswith("https://sqs.")
    assert trigger["metadata"]["scaleOnInFlight"] == "true"
    target = float(re.search(r"target_value = ([\d.]+)", (ROOT / "terraform/scaling.tf").read_text())[1])
    slots = int(settings["DARKROOM_RENDER_SLOTS"])
    need = target * defaults["acceptable_latency_seconds"] * slots / defaults["seconds_per_image"]
    assert int(trigger["metadata"]["queueLength"]) == round(need)


def terraform_defaults() -> dict[str, float]:
    variables = (ROOT / "terraform/variables.tf").read_text()
    found = re.findall(r'^variable "(\w+)" \{\n(?:(?!^\}).*\n)*?  default +=  ?([\d.]+)$', variables, re.M)
    return {name: float(value) for name, value in found}


# --- The policies of the roles ----------------------------------------------------------------------------------------


def terraform_actions(file: str, role: str) -> set[str]:
    """The actions of a role that need no option of terraform/."""
    text = (ROOT / "terraform" / file).read_text()
    document = re.search(rf'^data "aws_iam_policy_document" "{role}" \{{\n(.*?)^\}}', text, re.M | re.S)[1]
    document = re.sub(r'^  dynamic "statement" \{.*?^  \}', "", document, flags=re.M | re.S)
    return {action for action in re.findall(r'"(\w+:\w+)"', document) if not action.startswith("logs:")}


@pytest.mark.parametrize("role, file", [("worker", "iam.tf"), ("api", "iam.tf"), ("sweep", "sweep.tf")])
def test_roles_have_the_permissions_of_terraforms(role, file):
    policy = json.loads((DEPLOY / f"iam/{role}.json").read_text())
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert actions == terraform_actions(file, role) and len(actions) > 3


def test_keda_may_only_read_the_length_of_the_queue():
    [statement] = json.loads((DEPLOY / "iam/keda.json").read_text())["Statement"]
    assert statement["Action"] == ["sqs:GetQueueAttributes"]
