"""What manifests name exists: entry points and their options, files of the image, settings, ports, machines enough."""

import inspect
import json
import re

import pytest
import yaml
from typer.testing import CliRunner

from somnolens.config import ServeSettings, Settings, read_settings
from somnolens.serve.app import build
from tests.infra.jobs import list_options, load_job
from tests.infra.manifests import (
    OVERLAYS,
    cluster_of,
    find,
    iterate_pods,
    locate_in_repository,
    read_entrypoint,
    read_places,
    render_overlay,
    select,
)

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
SIZES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
RESULTS_MB = 751
"""`dataset.worker_peak_mb` of EXPERIMENTS.md: the most that any worker took over 100 nights of 8 hours."""


def measure(quantity: str) -> float:
    """Bytes of a quantity of Kubernetes."""
    return float(quantity[:-2]) * SIZES[quantity[-2:]]


@every_overlay
def test_every_entry_point_is_a_job_with_the_options_it_is_given(overlay):
    for job in select(overlay, "RayJob"):
        program, script, *words = read_entrypoint(job, overlay)
        assert program == "python"
        assert locate_in_repository(script).is_file(), script
        options = {word for word in words if word.startswith("--")}
        assert options <= list_options(load_job(locate_in_repository(script).stem)), script


@every_overlay
def test_every_entry_point_has_the_arguments_its_job_wants(overlay):
    """Typer takes them; what then is missing is the data."""
    for job in select(overlay, "RayJob"):
        _, script, *words = read_entrypoint(job, overlay)
        main = load_job(locate_in_repository(script).stem)
        wanted = [
            name for name, one in inspect.signature(main).parameters.items() if one.default is inspect.Parameter.empty
        ]
        given = [word for place, word in enumerate(words) if place < len(wanted) and not word.startswith("--")]
        assert len(given) == len(wanted), (script, wanted)


@every_overlay
def test_the_settings_of_every_job_can_be_used_and_its_machines_are_there(overlay):
    for job in select(overlay, "RayJob"):
        _, _, *words = read_entrypoint(job, overlay)
        settings = read_settings(*read_config(words))
        groups = cluster_of(job)["workerGroupSpecs"]
        gpus = sum(int(limits_of(group).get("nvidia.com/gpu", 0)) * group["maxReplicas"] for group in groups)
        cpus = sum(float(limits_of(group)["cpu"]) * group["maxReplicas"] for group in groups)
        n_gpus, n_cpus = count_asked(job, words, settings)
        assert n_gpus <= gpus, job["metadata"]["name"]
        assert n_cpus <= cpus, job["metadata"]["name"]


def read_config(words):
    config = locate_in_repository(words[words.index("--config") + 1])
    return config, [words[place + 1] for place, word in enumerate(words) if word == "--set"]


def limits_of(group):
    return group["template"]["spec"]["containers"][0]["resources"]["limits"]


def count_asked(job, words, settings: Settings) -> tuple[float, float]:
    """GPUs and CPUs that a job asks Ray for at once."""
    train, driver = settings.train, job["spec"].get("entrypointNumGpus", 0)
    if job["metadata"]["name"] == "build-dataset":
        return 0, settings.dataset.n_workers
    if job["metadata"]["name"] == "score":
        actors = int(words[words.index("--actors") + 1])
        return actors * float(words[words.index("--gpus-per-actor") + 1]), actors
    n_trials = settings.search.max_concurrent_trials if job["metadata"]["name"] == "search" else 1
    n_workers = n_trials * train.n_workers
    return n_workers * train.gpus_per_worker + driver, n_workers * train.cpus_per_worker


@every_overlay
def test_the_service_has_machines_for_its_most_replicas(overlay):
    service = find(overlay, "RayService", "scoring")
    (application,) = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    assert application["import_path"] == f"{build.__module__}:{build.__qualname__}"
    settings = ServeSettings.model_validate(application["args"])
    groups = cluster_of(service)["workerGroupSpecs"]
    gpus = sum(int(limits_of(group).get("nvidia.com/gpu", 0)) * group["maxReplicas"] for group in groups)
    cpus = sum(float(limits_of(group)["cpu"]) * group["maxReplicas"] for group in groups)
    assert settings.max_replicas * settings.gpus_per_replica <= gpus
    others = settings.ingress_replicas + settings.worker_replicas
    assert settings.max_replicas * settings.cpus_per_replica + others <= cpus
    mounts = {
        mount["mountPath"] for one in groups[0]["template"]["spec"]["containers"] for mount in one["volumeMounts"]
    }
    folders = {settings.adapter, settings.nights_folder, settings.keys_file} - {"", "embedded"}
    assert all(any(path.startswith(f"{mount}") for mount in mounts) for path in folders), folders - mounts


@every_overlay
def test_the_service_listens_where_it_is_looked_for(overlay):
    config = yaml.safe_load(find(overlay, "RayService", "scoring")["spec"]["serveConfigV2"])
    port = config["http_options"]["port"]
    (rule,) = find(overlay, "NetworkPolicy", "service")["spec"]["ingress"]
    assert [one["port"] for one in rule["ports"]] == [port]
    for pod in iterate_pods(overlay):
        if "RayService" in pod.owner and pod.group != "head":
            (main,) = pod.containers
            assert main["readinessProbe"]["httpGet"] == {"path": "/-/healthz", "port": port}
            assert port in {one["containerPort"] for one in main["ports"]}


@every_overlay
def test_every_port_that_is_probed_or_scraped_is_the_one_of_ray(overlay):
    """Ray's defaults; `make cluster-test` asks a real head for the first two."""
    of_ray = {8265: "/api/gcs_healthz", 52365: "/api/local_raylet_healthz", 8000: "/-/healthz"}
    for pod in iterate_pods(overlay):
        for one in pod.containers:
            probes = [one[key]["httpGet"] for key in one if key.endswith("Probe") and "httpGet" in one[key]]
            assert all(of_ray[probe["port"]] == probe["path"] for probe in probes)


@every_overlay
def test_a_renderer_has_the_memory_that_rendering_was_measured_to_take(overlay):
    """One night for each CPU; a third of a node's memory is Ray's object store."""
    needed = max(Settings().dataset.night_memory_mb, RESULTS_MB) * 1e6
    for pod in iterate_pods(overlay):
        if pod.group == "render":
            limits = pod.spec["containers"][0]["resources"]["limits"]
            assert float(limits["cpu"]) * needed <= 0.7 * measure(limits["memory"]), pod.owner


@every_overlay
def test_shared_memory_is_a_part_of_the_memory(overlay):
    for pod in iterate_pods(overlay):
        for volume in pod.spec.get("volumes", ()):
            if volume.get("emptyDir", {}).get("medium") == "Memory":
                limit = pod.spec["containers"][0]["resources"]["limits"]["memory"]
                assert measure(volume["emptyDir"]["sizeLimit"]) <= 0.5 * measure(limit), pod.owner


@every_overlay
def test_what_a_pod_mounts_is_there(overlay):
    claims = {one["metadata"]["name"] for one in select(overlay, "PersistentVolumeClaim")}
    maps = {one["metadata"]["name"] for one in select(overlay, "ConfigMap")}
    accounts = {one["metadata"]["name"] for one in select(overlay, "ServiceAccount")}
    for pod in iterate_pods(overlay):
        volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", ())}
        used = {
            volume["persistentVolumeClaim"]["claimName"]
            for volume in volumes.values()
            if "persistentVolumeClaim" in volume
        }
        assert used <= claims
        assert {pod.spec["serviceAccountName"]} <= accounts if "serviceAccountName" in pod.spec else True
        for one in pod.containers:
            assert {source["configMapRef"]["name"] for source in one.get("envFrom", ())} <= maps
            templates = {"data"} if pod.group == "" else set()
            assert {mount["name"] for mount in one["volumeMounts"]} <= set(volumes) | templates


@every_overlay
def test_places_are_on_a_volume_or_in_a_store(overlay):
    roots = ("/shared/", "/opt/somnolens/", "s3://", "/scratch")
    places = {
        name: value
        for name, value in read_places(overlay).items()
        if not value.isdigit() and not name.startswith("AWS_")
    }
    assert all(value.startswith(roots) for value in places.values()), places
    assert {name for name in places if name != "TMPDIR"} == {name for name in places if name.startswith("SOMNOLENS_")}
    text = json.dumps(render_overlay(overlay))
    unused = [name for name in read_places(overlay) if f"${name}" not in text]
    read_elsewhere = ["AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE", "SOMNOLENS_REGISTRY", "TMPDIR"]
    assert sorted(unused) == read_elsewhere, "by the store's client, the library and Python"


def test_names_of_gcs_are_those_of_the_store():
    redis = find("production", "Service", "gcs-store")
    for kind, name in (("RayCluster", "shared"), ("RayService", "scoring")):
        options = cluster_of(find("production", kind, name))["gcsFaultToleranceOptions"]
        host, port = re.fullmatch(r"redis://([\w-]+):(\d+)", options["redisAddress"]).groups()
        assert (host, int(port)) == (redis["metadata"]["name"], redis["spec"]["ports"][0]["port"])


def test_a_job_refuses_an_option_that_it_does_not_have():
    import typer

    app = typer.Typer()
    app.command()(load_job("build_dataset"))
    assert CliRunner().invoke(app, ["a", "b", "--max-fail", "1"]).exit_code == 2
