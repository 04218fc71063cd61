"""Which adapters a service has, by what name, and which one is its default."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from somnolens.config import ServeSettings
from somnolens.errors import RegistryError
from somnolens.model.registry import PROMOTED, Promotion, open_registry, pin_adapter, split_address
from somnolens.serve.messages.problems import UnknownModelError
from somnolens.storage import parse_path, settle


@dataclass(frozen=True)
class Catalogue:
    """Adapters by name: one of the settings, named ones, and all of a registry.

    Parameters
    ----------
    adapter : str
        Address of the default where no registry promotes one.
    named : mapping of str to str
        Addresses by name.
    registry : str
        Empty where there is none.
    follows : bool
        Whether the registry's promotions decide on the default.
    """

    adapter: str
    named: Mapping[str, str]
    registry: str = ""
    follows: bool = False

    @classmethod
    def from_settings(cls, settings: ServeSettings) -> "Catalogue":
        """Of the settings; where the adapter is that of a registry, the registry's others are there too."""
        place, name = split_address(settings.adapter) or ("", "")
        is_promoted = name == PROMOTED
        registry = place if is_promoted else settings.registry or place
        follows = is_promoted or (bool(registry) and settings.adapter == "embedded")
        return cls(settings.adapter, settings.models, registry, follows)

    def find_default(self) -> str:
        """Address of what serves now, the same in every process.

        Raises
        ------
        RegistryError
        """
        return self._locate(PROMOTED) if self.find_promotion() else pin_adapter(self.adapter)

    def find_promotion(self) -> Promotion | None:
        """The promotion that decides on the default; None where none does."""
        if not self.follows:
            return None
        try:
            return open_registry(self.registry).find_promoted()
        except RegistryError:
            if split_address(self.adapter):  # it was asked for by name
                raise
            return None

    def resolve(self, name: str) -> str:
        """Address of an adapter by its name.

        Raises
        ------
        UnknownModelError
        RegistryError
            Where the registry has it, and broken.
        """
        if name in self.named:
            return pin_adapter(self.named[name])
        if self.registry and name in open_registry(self.registry).names:
            return self._locate(name)
        if name == self._own_name:
            return pin_adapter(self.adapter)
        raise UnknownModelError(f"There is no adapter {name!r} here. There are {', '.join(self.list_names())}.")

    def list_names(self) -> list[str]:
        """All names that `resolve` takes."""
        names = {*self.named, self._own_name}
        if self.registry:
            names |= set(open_registry(self.registry).names)
        return sorted(names - {PROMOTED})

    @property
    def _own_name(self) -> str:
        return name_adapter(self.adapter)

    def _locate(self, name: str) -> str:
        return pin_adapter(f"{self.registry}#{name}")


def name_adapter(address: str) -> str:
    """What an adapter is called: its name in a registry, else its folder's.

    Examples
    --------
    >>> name_adapter("s3://lab/registry#wide-2026"), name_adapter("runs/7/adapter"), name_adapter("embedded")
    ('wide-2026', 'adapter', 'embedded')
    """
    place, sign, name = address.rpartition("#")
    return name if sign and place else Path(address.rstrip("/")).name


def settle_addresses(settings: ServeSettings) -> ServeSettings:
    """Settings whose addresses mean the same in every folder; 'promoted' stays what it is.

    Raises
    ------
    RegistryError
    """
    changes: dict[str, Any] = {"models": {name: pin_adapter(address) for name, address in settings.models.items()}}
    place, name = split_address(settings.adapter) or ("", "")
    promoted = f"{settle(parse_path(place))}#{PROMOTED}"
    changes["adapter"] = promoted if name == PROMOTED else pin_adapter(settings.adapter)
    if settings.registry:
        changes["registry"] = str(settle(parse_path(settings.registry)))
    if settings.keys_file:
        changes["keys_file"] = str(Path(settings.keys_file).absolute())
    return settings.model_copy(update=changes)
