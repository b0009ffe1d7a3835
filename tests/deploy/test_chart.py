"""The Helm chart, rendered by Go's templates and checked against Kubernetes' schemas.

Needs Debian's golang-go and golang-github-masterminds-sprig-dev, and kubernetes-validate from PyPI:
`bash .ci/soak deploy` brings them and runs this.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from rune_server.settings import described

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "rune"
GOPATH = Path("/usr/share/gocode")
EVERYTHING = {
    "ingress": {"enabled": True},
    "edge": {
        "autoscaling": {"enabled": True},
        "spool": {"storageClassName": "fast"},
    },
    "settings": {"RUNE_REGION": "eu"},
    "storesCaSecret": "stores-ca",
    "imagePullSecrets": [{"name": "pull"}],
    "tolerations": [{"key": "rune", "operator": "Exists"}],
    "nodeSelector": {"disk": "ssd"},
    "affinity": {"podAntiAffinity": {}},
}


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert shutil.which("go"), "apt-get install golang-go golang-github-masterminds-sprig-dev"
    target = tmp_path_factory.mktemp("render") / "render"
    subprocess.run(
        ["go", "build", "-o", str(target), str(Path(__file__).parent / "render" / "main.go")],
        check=True,
        env={
            **os.environ,
            "GO111MODULE": "off",
            "GOPATH": str(GOPATH),
            "GOCACHE": str(target.parent / "cache"),
        },
    )
    return target


def rendered(renderer: Path, tmp_path: Path, values: dict[str, object]) -> list[dict]:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    done = subprocess.run(
        [str(renderer), str(CHART), str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = []
    for part in done.stdout.split("#### ")[1:]:
        name, _, text = part.partition("\n")
        if name.endswith(".yaml"):
            found += [document for document in yaml.safe_load_all(text) if document]
    return found


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
@pytest.mark.parametrize("version", ["1.29", "1.33"])
def test_manifests_are_what_kubernetes_takes(
    renderer: Path, tmp_path: Path, values: dict[str, object], version: str
) -> None:
    import kubernetes_validate

    manifests = rendered(renderer, tmp_path, values)
    kinds = sorted(manifest["kind"] for manifest in manifests)
    assert kinds.count("Service") == 2
    assert {"StatefulSet", "Deployment", "Job", "NetworkPolicy"} <= set(kinds)
    assert ("Ingress" in kinds) == bool(values)
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_pods_run_what_the_command_line_has_with_settings_that_exist(
    renderer: Path, tmp_path: Path
) -> None:
    known = {variable for _, variable, _ in described()}
    for manifest in rendered(renderer, tmp_path, EVERYTHING):
        if manifest["kind"] not in ("StatefulSet", "Deployment", "Job"):
            continue
        pod = manifest["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["args"][0] in ("edge", "web", "worker", "migrate")
        names = {entry["name"] for entry in container["env"]}
        assert {name for name in names if name.startswith("RUNE_")} <= known
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        kept = {
            claim["metadata"]["name"] for claim in manifest["spec"].get("volumeClaimTemplates", ())
        }
        assert mounted <= {volume["name"] for volume in pod["volumes"]} | kept


def test_every_selector_finds_the_pods_it_is_for(renderer: Path, tmp_path: Path) -> None:
    manifests = rendered(renderer, tmp_path, EVERYTHING)
    pods = [
        manifest["spec"]["template"]["metadata"]["labels"]
        for manifest in manifests
        if manifest["kind"] in ("StatefulSet", "Deployment")
    ]
    for manifest in manifests:
        spec = manifest["spec"]
        if manifest["kind"] == "Service":
            wanted = spec["selector"]
        elif manifest["kind"] in ("StatefulSet", "Deployment", "PodDisruptionBudget"):
            wanted = spec["selector"]["matchLabels"]
        else:
            continue
        assert sum(wanted.items() <= labels.items() for labels in pods) == 1, manifest["metadata"]
