"""Promoting adapters of a registry, and taking promotions back."""

from collections.abc import Sequence

from somnolens.errors import RegistryError
from somnolens.model.registry import (
    Promotion,
    Registry,
    check_contents,
    dump,
    locate_promotion,
    tell_time,
)
from somnolens.provenance import describe_code
from somnolens.storage import create_bytes


def promote_adapter(registry: Registry, name: str, why: str = "") -> Promotion:
    """Let an adapter serve from now on, once all its files are known to be unchanged.

    Decided on what was seen when the registry was opened: if somebody has promoted since, this one is refused.

    Raises
    ------
    RegistryError
        Where there is none of this name, it is changed, serves already, or somebody else has promoted since.
    """
    last = registry.find_promoted()
    if last and last.adapter == name:
        raise RegistryError(f"{registry.place}#{name} is promoted already, since {last.time}. Nothing was written.")
    return _write_promotion(registry, name, last, why, back=False)


def promote_back(registry: Registry, why: str = "") -> Promotion:
    """Take the last promotion back that has not been taken back yet; each further call goes one further back.

    Raises
    ------
    RegistryError
        Where nothing was promoted before.
    """
    promotions = registry.read_promotions()
    served = stack_promotions(promotions)
    if len(served) < 2:
        now = f"{served[0]!r} is the first one" if served else "nothing was ever promoted"
        raise RegistryError(f"{registry.place} has no promotion to go back to: {now}. Name an adapter to promote.")
    return _write_promotion(registry, served[-2], promotions[-1], why, back=True)


def stack_promotions(promotions: Sequence[Promotion]) -> list[str]:
    """The adapters that going back leads through; the last one serves now."""
    served: list[str] = []
    for promotion in promotions:
        if promotion.back and served:
            served.pop()
        else:
            served.append(promotion.adapter)
    return served


def _write_promotion(registry: Registry, name: str, last: Promotion | None, why: str, back: bool) -> Promotion:
    record = registry.read_record(name)
    check_contents(registry, record)
    promotion = Promotion(
        number=last.number + 1 if last else 1,
        adapter=name,
        fingerprint=record.fingerprint,
        previous=last.adapter if last else None,
        back=back,
        why=why,
        time=tell_time(),
        code=describe_code(),
    )
    if not create_bytes(locate_promotion(registry.place, promotion.number), dump(promotion)):
        other = registry.read_promotion(promotion.number)
        raise RegistryError(
            f"{name!r} was not promoted: somebody else promoted {other.adapter!r} in {registry.place} "
            f"at {other.time}, as number {other.number}. Look at `somnolens adapters list`, and promote again "
            "if yours shall follow."
        )
    return promotion
