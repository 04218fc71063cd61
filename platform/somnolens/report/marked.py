"""Parts of a README that commands write."""

from pathlib import Path

from somnolens import storage
from somnolens.errors import SettingsError


def write_between_markers(readme: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- name:begin -->` and `<!-- name:end -->`.

    Raises
    ------
    SettingsError
        Where the two do not stand there once each.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before = readme.read_text(encoding="utf-8")
    if before.count(begin) != 1 or before.count(end) != 1:
        raise SettingsError(f"{readme.name} must hold the lines {begin} and {end} once each; the text goes between.")
    head, _, rest = before.partition(begin)
    storage.write_bytes(readme, f"{head}{begin}\n{text}\n{end}{rest.partition(end)[2]}".encode())
