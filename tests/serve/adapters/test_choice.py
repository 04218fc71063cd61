"""The default adapter: followed, changed after a self-test, and kept where the new one fails it."""

import asyncio
import json
import shutil

import pytest

from somnolens.config import ServeSettings
from somnolens.errors import RegistryError
from somnolens.model.additions import add_adapter
from somnolens.model.promotions import promote_adapter
from somnolens.model.registry import open_registry
from somnolens.serve.adapters.catalogue import Catalogue, name_adapter
from somnolens.serve.adapters.choice import Choice
from somnolens.serve.messages.problems import ForbiddenError, SelfTestError, UnknownModelError
from somnolens.serve.scorer.engines import Engines


@pytest.fixture
def registry(adapter_folder, tmp_path):
    """Two sound adapters, one of them promoted, and one whose card tells of other answers than it gives."""
    place = tmp_path / "registry"
    for name in ("old", "new"):
        add_adapter(place, adapter_folder, name)
    swapped = tmp_path / "swapped"
    shutil.copytree(adapter_folder, swapped)
    card = json.loads((swapped / "somnolens.json").read_text())
    card["probe"] = {"probabilities": [[1.0, 0.0, 0.0, 0.0, 0.0]] * 4}
    (swapped / "somnolens.json").write_text(json.dumps(card))
    add_adapter(place, swapped, "swapped")
    promote_adapter(open_registry(place), "old")
    return place


def make_choice(adapter: str, told: list | None = None, **more) -> Choice:
    engines = Engines(max_batch_size=4, batch_wait_s=0.0, most=2)

    async def rehearse(address: str) -> list[str]:
        return [await engines.rehearse(address)]

    report = (lambda name, ok: told.append((name, ok))) if told is not None else (lambda name, ok: None)
    return Choice(Catalogue.from_settings(ServeSettings(adapter=adapter, **more)), rehearse, report)


def find_promoted(registry) -> str:
    return open_registry(registry).find_promoted().adapter


def test_the_promoted_adapter_is_the_default_and_the_others_go_by_name(registry):
    choice = make_choice(f"{registry}#promoted")
    assert choice.default.name == "old"
    assert asyncio.run(choice.find(None)) is choice.default
    assert asyncio.run(choice.find("new")).address == f"{registry}#new"
    assert [one.name for one in asyncio.run(choice.list_all())] == ["old", "new", "swapped"]
    with pytest.raises(UnknownModelError, match=r"no adapter 'none' here. There are .*new, old"):
        asyncio.run(choice.find("none"))


def test_without_a_promotion_the_embedded_adapter_serves(tmp_path, adapter_folder):
    add_adapter(tmp_path / "registry", adapter_folder, "one")
    choice = make_choice("embedded", registry=str(tmp_path / "registry"))
    assert choice.default.name == "embedded"
    assert make_choice("embedded", registry=str(tmp_path / "no registry yet")).default.name == "embedded"
    with pytest.raises(RegistryError, match="Nothing is promoted"):
        make_choice(f"{tmp_path / 'registry'}#promoted")


def test_named_adapters_of_the_settings_are_found(adapter_folder):
    choice = make_choice("embedded", models={"wide": str(adapter_folder)})
    assert [one.name for one in asyncio.run(choice.list_all())] == ["embedded", "adapter"]
    assert asyncio.run(choice.find("wide")).address == str(adapter_folder)


@pytest.mark.parametrize("name", ["../registry", "promoted", "a#b", "s3://lab/x#y", "/etc", "", "."])
def test_a_name_is_never_a_path(registry, name):
    choice = make_choice(f"{registry}#old")
    if name:
        with pytest.raises(UnknownModelError):
            asyncio.run(choice.find(name))
    else:
        assert asyncio.run(choice.find(name)) is choice.default


def test_a_promotion_over_http_is_tried_then_written_then_taken(registry):
    told = []
    choice = make_choice(f"{registry}#promoted", told)
    made = asyncio.run(choice.promote("new", "kappa of N1"))
    assert (made.adapter, made.previous, made.why) == ("new", "old", "kappa of N1")
    assert (choice.default.name, find_promoted(registry)) == ("new", "new")
    assert told == [("new", True)]


def test_a_promotion_that_fails_its_self_test_writes_nothing(registry):
    told = []
    choice = make_choice(f"{registry}#promoted", told)
    with pytest.raises(SelfTestError, match=r"swapped was not taken: .* old goes on serving"):
        asyncio.run(choice.promote("swapped", ""))
    assert (choice.default.name, find_promoted(registry)) == ("old", "old")
    assert told == [("swapped", False)]


def test_a_promotion_in_the_registry_is_followed(registry):
    choice = make_choice(f"{registry}#promoted")
    asyncio.run(choice.follow())
    assert choice.default.name == "old"
    promote_adapter(open_registry(registry), "new")
    asyncio.run(choice.follow())
    assert choice.default.name == "new"


def test_a_promotion_that_cannot_serve_is_taken_back_and_told(registry):
    choice = make_choice(f"{registry}#promoted")
    promote_adapter(open_registry(registry), "swapped")
    asyncio.run(choice.follow())
    assert (choice.default.name, find_promoted(registry)) == ("old", "old")
    assert "Promotion 2 of swapped was taken back" in choice.refused
    last = open_registry(registry).find_promoted()
    assert (last.number, last.back, last.why) == (3, True, "swapped failed its self-test")
    asyncio.run(choice.follow())
    promote_adapter(open_registry(registry), "new")
    asyncio.run(choice.follow())
    assert (choice.default.name, choice.refused) == ("new", "")


def test_a_promoted_adapter_that_was_changed_is_taken_back(registry):
    choice = make_choice(f"{registry}#promoted")
    promote_adapter(open_registry(registry), "new")
    with (registry / "adapters" / "new" / "adapter_model.safetensors").open("ab") as weights:
        weights.write(b"0")
    asyncio.run(choice.follow())
    assert (choice.default.name, find_promoted(registry)) == ("old", "old")


def test_of_two_ingresses_that_find_it_broken_one_takes_it_back(registry):
    one, two = make_choice(f"{registry}#promoted"), make_choice(f"{registry}#promoted")
    promote_adapter(open_registry(registry), "new")
    promote_adapter(open_registry(registry), "swapped")

    async def follow() -> None:
        await asyncio.gather(one.follow(), two.follow())

    asyncio.run(follow())
    assert find_promoted(registry) == "new"
    assert open_registry(registry).numbers == [1, 2, 3, 4]


def test_a_service_that_follows_no_registry_promotes_nothing(registry):
    with pytest.raises(ForbiddenError, match="Start it with --registry"):
        asyncio.run(make_choice(f"{registry}#old").promote("new", ""))


def test_names_of_addresses():
    assert [name_adapter(one) for one in ("embedded", "a/b/adapter/", "s3://lab/r#n")] == ["embedded", "adapter", "n"]
