"""The settings files of the service: Ray ignores a key it does not know, so that a typing error shows here."""

import types
import typing
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary
from ray.serve.schema import ServeDeploySchema

from somnolens.config import ServeSettings
from somnolens.errors import AdapterError, ServiceError
from somnolens.serve.access.keys import VARIABLE, add_key, revoke_key
from somnolens.serve.app import build
from somnolens.serve.running import HOST
from tests.repository.tree import ROOT

FILES = sorted((ROOT / "serve" / "config").glob("*.yaml"))


def find_unknown_keys(values: Any, schema: Any, path: str = "") -> list[str]:
    """Paths of all keys that no field of a pydantic schema takes, however deep."""
    models = [one for one in iterate_types(schema) if isinstance(one, type) and issubclass(one, BaseModel)]
    if isinstance(values, list):
        return [key for value in values for key in find_unknown_keys(value, schema, f"{path}[]")]
    if not isinstance(values, dict) or not models:
        return []
    known = {name: field for model in models for name, field in model.model_fields.items()}
    unknown = [f"{path}.{key}" for key in values if key not in known]
    deeper = [find_unknown_keys(values[key], known[key].annotation, f"{path}.{key}") for key in values if key in known]
    return unknown + [key for keys in deeper for key in keys]


def iterate_types(schema: Any) -> list[Any]:
    """All types inside an annotation such as `list[Model] | None`."""
    if typing.get_origin(schema) is None or isinstance(schema, types.GenericAlias):
        return [schema, *(inner for argument in typing.get_args(schema) for inner in iterate_types(argument))]
    return [inner for argument in typing.get_args(schema) for inner in iterate_types(argument)]


def read_yaml(path) -> dict:
    return yaml.safe_load(path.read_text())


def test_there_is_one_for_a_laptop_and_one_for_a_cluster():
    assert [path.name for path in FILES] == ["local.yaml", "production.yaml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_ray_takes_the_file_and_knows_every_key(path):
    ServeDeploySchema.model_validate(read_yaml(path))
    assert find_unknown_keys(read_yaml(path), ServeDeploySchema) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_arguments_are_settings_that_differ_from_their_defaults(path):
    (application,) = read_yaml(path)["applications"]
    assert application["import_path"] == f"{build.__module__}:{build.__qualname__}"
    settings = ServeSettings.model_validate(application["args"])
    assert settings.min_replicas <= settings.max_replicas
    same = [key for key, value in application["args"].items() if value == ServeSettings.model_fields[key].default]
    assert same in ([], ["adapter"], ["min_replicas"]), "a default is written once, in config.py"


def test_a_wrong_key_is_found_at_any_depth():
    wrong = {"http_option": {}, "http_options": {"hots": 1}, "applications": [{"deployments": [{"num_replica": 2}]}]}
    assert find_unknown_keys(wrong, ServeDeploySchema) == [
        ".http_option",
        ".http_options.hots",
        ".applications[].deployments[].num_replica",
    ]


def test_the_laptop_serves_itself_only():
    assert read_yaml(ROOT / "serve" / "config" / "local.yaml")["http_options"]["host"] == HOST


def test_the_builder_refuses_a_setting_that_there_is_not(adapter_folder):
    with pytest.raises(ValidationError, match="max_batchsize"):
        call_user_app_builder_with_args_if_necessary(
            build, {"adapter": str(adapter_folder), "insecure": True, "max_batchsize": 4}
        )


def test_the_builder_takes_plain_arguments(adapter_folder):
    application = call_user_app_builder_with_args_if_necessary(
        build,
        {
            "adapter": str(adapter_folder),
            "insecure": True,
            "min_replicas": 0,
            "max_replicas": 3,
            "gpus_per_replica": 0.5,
        },
    )
    ingress = application._bound_deployment
    settings, worker, _ = ingress.init_args
    assert settings.max_replicas == 3
    assert worker._bound_deployment.init_args[0] == settings
    scorer = worker._bound_deployment.init_args[1]
    scaling = scorer._bound_deployment._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas) == (0, 3)
    assert scorer._bound_deployment.ray_actor_options["num_gpus"] == 0.5
    assert scorer._bound_deployment.max_ongoing_requests >= 2 * settings.max_batch_size


def test_a_missing_adapter_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(AdapterError, match="There is no adapter folder"):
        build(ServeSettings(adapter=str(tmp_path / "none"), insecure=True))


def test_a_service_that_has_no_key_and_was_not_told_to_want_none_does_not_start(adapter_folder, tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    settings = ServeSettings(adapter=str(adapter_folder), keys_file=str(tmp_path / "keys.json"))
    with pytest.raises(ServiceError, match=r"There is no API key: looked in .*keys\.json"):
        build(settings)
    add_key(tmp_path / "keys.json", "page")
    build(settings)
    revoke_key(tmp_path / "keys.json", "page")
    with pytest.raises(ServiceError, match="somnolens keys add NAME"):
        build(settings)
