"""The adapter that serves by default, and its change while requests are under way.

A change loads the new adapter beside the old one in every scorer, asks it known pictures, and only then takes it
for new requests; those that have begun end with the adapter they began with. An adapter that fails stays out, and a
promotion that named it is taken back: the registry must not hold a default that cannot be started.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from somnolens.errors import AdapterError, RegistryError, SomnolensError
from somnolens.model.promotions import promote_adapter, promote_back
from somnolens.model.registry import Promotion, open_registry
from somnolens.score.reader import load_reader
from somnolens.serve.adapters.catalogue import Catalogue, name_adapter
from somnolens.serve.messages.answers import describe_model
from somnolens.serve.messages.problems import ForbiddenError, SelfTestError
from somnolens.serve.messages.schema import ModelCard

Rehearse = Callable[[str], Awaitable[Sequence[str]]]
"""Has every scorer load an adapter and ask it known pictures; what each found wrong, empty where nothing is."""

logger = logging.getLogger("ray.serve")


@dataclass(frozen=True)
class Served:
    """An adapter as requests are given it.

    Parameters
    ----------
    address : str
        The same in every process, now and later.
    card : ModelCard
    profile : dict
        Of its validation nights; empty where it has none.
    """

    address: str
    card: ModelCard
    profile: dict

    @property
    def name(self) -> str:
        return name_adapter(self.address)


class Choice:
    """Which adapter a request gets.

    Parameters
    ----------
    catalogue : Catalogue
    rehearse : callable
    report : callable
        Gets the name of each adapter that was tried, and whether it serves now.
    """

    def __init__(
        self, catalogue: Catalogue, rehearse: Rehearse, report: Callable[[str, bool], None] = lambda name, ok: None
    ) -> None:
        self._catalogue, self._rehearse, self._report = catalogue, rehearse, report
        self._changing = asyncio.Lock()
        self.default = describe_served(catalogue.find_default())
        self.refused = ""
        """Why the newest promotion does not serve; empty where it does."""
        self._refused_number = 0

    async def find(self, name: str | None) -> Served:
        """The adapter of a request.

        Raises
        ------
        UnknownModelError
        AdapterError
        """
        if not name or name == self.default.name:
            return self.default
        return await asyncio.to_thread(lambda: describe_served(self._catalogue.resolve(name)))

    async def list_all(self) -> list[Served]:
        """Every adapter that can be served, the default first; a broken one is left out, and logged."""
        names = await asyncio.to_thread(self._catalogue.list_names)
        found = [self.default]
        for name in names:
            try:
                one = await self.find(name)
            except SomnolensError as error:
                logger.warning("Adapter %s cannot be served: %s", name, error)
                continue
            if one.address != self.default.address:
                found.append(one)
        return found

    async def promote(self, name: str, why: str) -> Promotion:
        """Try an adapter, promote it in the registry, and serve it.

        Raises
        ------
        ForbiddenError
            Where no registry decides on the default.
        SelfTestError
            Where it does not answer as it should; nothing is written then.
        UnknownModelError, RegistryError
        """
        if not self._catalogue.follows:
            raise ForbiddenError(
                "This service keeps the adapter it was started with. Start it with --registry PLACE to promote others."
            )
        async with self._changing:
            new = await asyncio.to_thread(lambda: describe_served(self._catalogue.resolve(name)))
            await self._try(new)
            promotion = await asyncio.to_thread(
                lambda: promote_adapter(open_registry(self._catalogue.registry), new.name, why)
            )
            self._take(new)
            return promotion

    async def follow(self) -> None:
        """Look once whether another adapter was promoted, and serve it, or take the promotion back."""
        async with self._changing:
            promotion = await asyncio.to_thread(self._catalogue.find_promotion)
            if promotion is None or promotion.number == self._refused_number:
                return
            if promotion.adapter == self.default.name:
                return
            try:
                new = await asyncio.to_thread(lambda: describe_served(self._catalogue.find_default()))
                await self._try(new)
            except (AdapterError, SelfTestError) as error:
                await self._refuse(promotion, str(error))
            else:
                self._take(new)

    async def follow_always(self, every_s: float) -> None:
        """Follow the registry until cancelled; one that does not answer changes nothing."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.follow()
            except SomnolensError as error:
                logger.warning("The registry could not be followed: %s", error)

    async def _try(self, new: Served) -> None:
        faults = [fault for fault in await self._rehearse(new.address) if fault]
        if faults:
            self._report(new.name, False)
            raise SelfTestError(f"{new.name} was not taken: {faults[0]} {self.default.name} goes on serving.")

    def _take(self, new: Served) -> None:
        logger.info("%s serves from now on, in place of %s", new.name, self.default.name)
        self.default, self.refused = new, ""
        self._report(new.name, True)

    async def _refuse(self, promotion: Promotion, why: str) -> None:
        """Take a promotion back, if nobody has yet, and say so."""
        self._refused_number = promotion.number
        self.refused = f"Promotion {promotion.number} of {promotion.adapter} was taken back: {why}"
        logger.error(self.refused)
        try:
            await asyncio.to_thread(self._take_back, promotion)
        except RegistryError as error:
            logger.warning("The promotion could not be taken back: %s", error)

    def _take_back(self, promotion: Promotion) -> None:
        """Other ingresses find the same: one of them writes, the others see that it is written."""
        opened = open_registry(self._catalogue.registry)
        if opened.numbers[-1] == promotion.number:
            promote_back(opened, f"{promotion.adapter} failed its self-test")


def describe_served(address: str) -> Served:
    """An adapter with its card.

    Raises
    ------
    AdapterError
    """
    reader = load_reader(address)
    return Served(address, describe_model(reader, address), reader.card.profile)
