"""API keys of the service: made, listed and revoked in their file."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from somnolens.serve.access.keys import KeyLimits, add_key, read_ring, revoke_key


def add(path: Path, name: str, admin: bool, nights_per_hour: int | None, requests_at_once: int | None) -> None:
    """Make a key and show it, once."""
    console = Console(soft_wrap=True)
    limits = KeyLimits(nights_per_hour=nights_per_hour, requests_at_once=requests_at_once)
    console.print(add_key(path, name, admin, limits), highlight=False)
    Console(stderr=True, soft_wrap=True).print(
        f"This is the key of {escape(name)}{', an admin' if admin else ''}. It is shown once and kept nowhere; "
        f"its hash is in {escape(str(path))}.",
        highlight=False,
    )


def show(path: Path) -> None:
    """List the keys of a file."""
    table = Table(box=None, pad_edge=False, header_style="dim", title=f"Keys in {path}")
    for heading in ("id", "name", "may", "made", "revoked"):
        table.add_column(heading)
    for key in read_ring(path).keys:
        own = ", ".join(f"{name} {value}" for name, value in key.limits if value is not None)
        may = "; ".join(part for part in ("admin" if key.admin else "score", own) if part)
        table.add_row(key.id, escape(key.name), may, key.created[:16], (key.revoked or "")[:16])
    Console().print(table)


def revoke(path: Path, identity: str) -> None:
    """Revoke a key; a running service sees it within seconds."""
    key = revoke_key(path, identity)
    Console(soft_wrap=True).print(f"{key.id} ({escape(key.name)}) opens nothing any more.", highlight=False)
