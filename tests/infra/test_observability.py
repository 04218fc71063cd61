"""Dashboards and alerts ask for metrics that there are; Prometheus takes its files, where it is at hand."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import ray
import yaml

from tests.infra.kustomize import read_one
from tests.infra.manifests import INFRA, OVERLAYS, find, iterate_pods
from tests.repository.tree import list_python, read_text

FOLDER = INFRA / "observability"
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
OF_RAY = Path(ray.__file__).parent / "dashboard" / "modules" / "metrics" / "dashboards"
every_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def list_metrics() -> set[str]:
    """Names that Prometheus sees: those that Ray's own dashboards ask for, and those that our code makes."""
    of_ray = {name for path in OF_RAY.glob("*.py") for name in re.findall(r"\bray_\w+", path.read_text())}
    ours: set[str] = set()
    for path in list_python():
        if path.parts[0] != "tests":
            made = re.findall(r"\b(Histogram|Counter|Gauge)\(\s*[\"'](somnolens_\w+)", read_text(path))
            ours |= {f"ray_{name}{ending}" for kind, name in made for ending in ENDINGS[kind]}
    return of_ray | ours | {"up"}


ENDINGS = {"Histogram": ("_bucket", "_sum", "_count"), "Counter": ("", "_total"), "Gauge": ("",)}


def read_queries(path: Path) -> list[str]:
    return [target["expr"] for panel in json.loads(path.read_text())["panels"] for target in panel["targets"]]


def read_rules() -> list[dict[str, Any]]:
    return [rule for group in read_one(FOLDER / "alerts.yaml")["groups"] for rule in group["rules"]]


def iterate_selectors(node: Any) -> Iterator[Any]:
    """Every metric that a parsed query asks for."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "args", "vector_selector", "vs", "param"):
        child = getattr(node, name, None)
        for one in child if isinstance(child, list) else [child] * (child is not None):
            yield from iterate_selectors(one)


def ask(query: str) -> set[str]:
    return {selector.name for selector in iterate_selectors(promql_parser.parse(query))}


def test_there_is_one_for_each_part_of_the_platform():
    assert [path.stem for path in DASHBOARDS] == ["data", "search", "service", "training"]


@every_dashboard
def test_every_query_of_a_dashboard_asks_for_a_metric_that_there_is(path):
    known, queries = list_metrics(), read_queries(path)
    assert len(queries) >= 8
    unknown = {query: ask(query) - known for query in queries if ask(query) - known}
    assert unknown == {}
    assert all(ask(query) for query in queries)


def test_every_alert_asks_for_a_metric_that_there_is():
    known = list_metrics()
    assert {rule["alert"]: sorted(ask(rule["expr"]) - known) for rule in read_rules()} == {
        rule["alert"]: [] for rule in read_rules()
    }


def test_a_metric_that_there_is_not_is_found_wherever_it_stands():
    query = 'sum by (a) (rate(ray_tasks{a="b"}[5m])) / ray_nothing > 0.1 and histogram_quantile(0.5, ray_no_bucket)'
    assert ask(query) - list_metrics() == {"ray_nothing", "ray_no_bucket"}


@every_dashboard
def test_grafana_can_lay_out_a_dashboard(path):
    board = json.loads(path.read_text())
    assert board["uid"] == f"somnolens-{path.stem}"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}
    assert len(places) == len(board["panels"])
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"${source}"}
    assert [one["name"] for one in board["templating"]["list"]] == ["source"]
    legends = [target for panel in board["panels"] for target in panel["targets"]]
    for target in legends:
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= set(re.findall(r"\w+", target["expr"])) | {
            "instance"
        }


def test_every_alert_leads_to_a_part_of_the_runbook_that_there_is():
    headings = re.findall(r"^#+ (.*)$", (INFRA / "README.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    for rule in read_rules():
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert path == "infra/README.md"
        assert anchor in anchors
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_every_alert_is_tried_where_it_must_speak_and_where_it_must_not():
    quiet, loud = read_one(FOLDER / "alerts.test.yaml")["tests"]
    names = sorted(rule["alert"] for rule in read_rules())
    assert sorted(one["alertname"] for one in quiet["alert_rule_test"] if not one.get("exp_alerts")) == names
    assert sorted(one["alertname"] for one in loud["alert_rule_test"] if one["exp_alerts"]) == names


@pytest.fixture
def promtool():
    if not (found := shutil.which("promtool")):
        pytest.skip("promtool is not on the PATH; Debian has it in the package prometheus")
    return lambda *words: subprocess.run([found, *map(str, words)], capture_output=True, text=True, check=False)


def test_prometheus_evaluates_the_alerts_on_sample_series(promtool):
    answer = promtool("test", "rules", FOLDER / "alerts.test.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("name", ["prometheus.kubernetes.yaml", "prometheus.machines.yaml"])
def test_prometheus_takes_its_settings(name, promtool, tmp_path):
    """Debian's promtool is built without Kubernetes: what finds the pods is looked at below, the rest here."""
    settings = read_one(FOLDER / name)
    for scrape in settings["scrape_configs"]:
        if scrape.pop("kubernetes_sd_configs", None):
            scrape["static_configs"] = [{"targets": ["127.0.0.1:8080"]}]
    (tmp_path / name).write_text(yaml.safe_dump(settings))
    shutil.copy(FOLDER / "alerts.yaml", tmp_path)
    answer = promtool("check", "config", tmp_path / name)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_prometheus_looks_where_the_pods_are():
    (scrape,) = read_one(FOLDER / "prometheus.kubernetes.yaml")["scrape_configs"]
    (search,) = scrape["kubernetes_sd_configs"]
    assert search["role"] == "pod"
    namespaces = {find(overlay, "Namespace", f"somnolens-{overlay}")["metadata"]["name"] for overlay in OVERLAYS}
    assert set(search["namespaces"]["names"]) == namespaces
    ports = next(rule for rule in scrape["relabel_configs"] if "port_name" in rule["source_labels"][0])["regex"].split(
        "|"
    )
    for overlay in OVERLAYS:
        pods = [pod for pod in iterate_pods(overlay) if "Ray" in pod.owner]
        assert all({port["name"] for port in pod.containers[0]["ports"]} & set(ports) for pod in pods)
        opened = find(overlay, "NetworkPolicy", "ray")["spec"]["ingress"][2]["ports"]
        named = {port["containerPort"] for pod in pods for port in pod.containers[0]["ports"] if port["name"] in ports}
        assert {one["port"] for one in opened} == named
