"""Several adapters in one scorer: loaded beside, kept while there is room, refused when they are broken."""

import asyncio
import threading

import numpy as np
import pytest

from somnolens.errors import AdapterError
from somnolens.score.engine import Engine
from somnolens.serve.scorer.engines import Engines


@pytest.fixture
def pictures(engine) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 100, (3, *engine.style.shape_px), dtype=np.uint8)


class Loader:
    """Gives one real adapter under any address, and remembers what was asked."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.loaded, self.may_go_on = engine, [], threading.Event()
        self.may_go_on.set()

    def __call__(self, address: str) -> Engine:
        self.loaded.append(address)
        self.may_go_on.wait(10)
        if address == "broken":
            raise AdapterError("There is no adapter folder broken.")
        return self.engine


def make_engines(loader: Loader, most: int = 2) -> Engines:
    return Engines(max_batch_size=4, batch_wait_s=0.0, most=most, load=loader)


def test_an_adapter_is_loaded_once_for_all_who_ask_at_once(engine, pictures):
    loader = Loader(engine)

    async def ask() -> list[np.ndarray]:
        engines = make_engines(loader)
        return await asyncio.gather(*(engines.look(pictures, "a") for _ in range(3)))

    answers = asyncio.run(ask())
    assert loader.loaded == ["a"]
    for answer in answers:
        np.testing.assert_allclose(answer, engine.look(pictures, 4), atol=1e-5)


def test_the_adapter_that_was_asked_longest_ago_is_given_up(engine, pictures):
    loader = Loader(engine)

    async def ask() -> list[str]:
        engines = make_engines(loader)
        for address in ("a", "b", "a", "c"):
            await engines.look(pictures[:1], address)
        return engines.addresses

    assert asyncio.run(ask()) == ["a", "c"]
    assert loader.loaded == ["a", "b", "c"]


def test_one_adapter_answers_while_another_is_loaded(engine, pictures):
    loader = Loader(engine)

    async def ask() -> None:
        engines = make_engines(loader)
        await engines.look(pictures, "a")
        loader.may_go_on.clear()
        rehearsal = asyncio.create_task(engines.rehearse("b"))
        await asyncio.sleep(0.05)
        await asyncio.wait_for(engines.look(pictures, "a"), 5)
        assert not rehearsal.done()
        loader.may_go_on.set()
        assert await rehearsal == ""

    asyncio.run(ask())


def test_a_broken_adapter_is_told_and_forgotten_and_the_others_stay(engine, pictures):
    async def ask() -> None:
        engines = make_engines(Loader(engine))
        await engines.look(pictures, "a")
        assert await engines.rehearse("broken") == "There is no adapter folder broken."
        with pytest.raises(AdapterError):
            await engines.look(pictures, "broken")
        assert engines.addresses == ["a"]

    asyncio.run(ask())
