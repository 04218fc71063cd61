"""API keys: shown once, kept as salted SHA-256, compared in constant time.

A key is 256 bits from the system's generator, which nobody can guess: a slow hash, as passwords need, would only
slow down every request. What is kept is a JSON document, in a file or in the variable SOMNOLENS_KEYS.
"""

import asyncio
import hashlib
import hmac
import math
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from somnolens.config import ServeSettings
from somnolens.errors import ServiceError, SettingsError
from somnolens.storage import write_bytes

VARIABLE: Final = "SOMNOLENS_KEYS"
PREFIX: Final = "som"
REFRESH_S: Final = 1.0
"""So often the file is read, while requests come."""

STALE_S: Final = 2.0
"""How long a key that was revoked in the file may still be taken; who comes later waits for the file."""


class KeyLimits(BaseModel):
    """What one key may do where that differs from the settings of the service; None leaves it to them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_upload_mb: int | None = Field(None, ge=1)
    max_night_hours: float | None = Field(None, gt=0)
    requests_at_once: int | None = Field(None, ge=1)
    nights_per_hour: int | None = Field(None, ge=1)


class Key(BaseModel):
    """A key as it is kept: whoever reads this cannot use it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    salt: str
    digest: str
    admin: bool = False
    created: str = ""
    revoked: str | None = None
    limits: KeyLimits = KeyLimits()

    def opens_for(self, text: str) -> bool:
        """Whether this is the key of that text; takes as long for a wrong one as for the right one."""
        return hmac.compare_digest(_digest(self.salt, text), self.digest)


class KeyRing(BaseModel):
    """All keys of a service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[Key, ...] = ()

    def find(self, text: str) -> Key | None:
        """The key that opens, unless it was revoked. A key that is not known costs the same comparison."""
        shown = text.split("_")[1] if text.count("_") >= 2 else ""
        key = next((key for key in self.keys if key.id == shown), _NO_KEY)
        return key if key.opens_for(text) and key is not _NO_KEY and not key.revoked else None


_NO_KEY = Key(id="", name="", salt="00" * 16, digest="00" * 32)


def make_key(name: str, admin: bool = False, limits: KeyLimits | None = None) -> tuple[Key, str]:
    """A new key, and the text that opens it, which is kept nowhere."""
    identity, salt = secrets.token_hex(4), secrets.token_hex(16)
    text = f"{PREFIX}_{identity}_{secrets.token_urlsafe(32)}"
    created = datetime.now(UTC).isoformat(timespec="seconds")
    kept = Key(id=identity, name=name, salt=salt, digest=_digest(salt, text), admin=admin, created=created)
    return kept.model_copy(update={"limits": limits or KeyLimits()}), text


def read_ring(path: Path) -> KeyRing:
    """Keys of a file; none where it does not exist yet.

    Raises
    ------
    SettingsError
        Where the file cannot be understood.
    """
    try:
        return parse_ring(path.read_bytes(), str(path))
    except FileNotFoundError:
        return KeyRing()
    except OSError as error:
        raise SettingsError(f"The keys in {path} cannot be read: {error.strerror}. Name another with --keys.") from None


def parse_ring(content: bytes | str, where: str) -> KeyRing:
    """Keys of a document.

    Raises
    ------
    SettingsError
    """
    try:
        return KeyRing.model_validate_json(content)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the whole"
        raise SettingsError(
            f"The keys in {where} cannot be understood: {place}: {fault['msg']}. "
            "Write them with `somnolens keys add NAME`."
        ) from None


def add_key(path: Path, name: str, admin: bool = False, limits: KeyLimits | None = None) -> str:
    """Add a key to a file and return the text that opens it; only its owner may read the file."""
    ring = read_ring(path)
    key, text = make_key(name, admin, limits)
    _write_ring(path, KeyRing(keys=(*ring.keys, key)))
    return text


def revoke_key(path: Path, identity: str) -> Key:
    """Revoke a key by its id, or by its name where one key alone has it.

    Raises
    ------
    SettingsError
    """
    ring = read_ring(path)
    open_keys = [key for key in ring.keys if not key.revoked]
    found = [key for key in open_keys if identity in (key.id, key.name)]
    if len(found) != 1:
        known = ", ".join(f"{key.id} ({key.name})" for key in open_keys) or "none"
        raise SettingsError(f"{len(found)} keys go by {identity!r}. Name one by its id; those in use: {known}.")
    revoked = found[0].model_copy(update={"revoked": datetime.now(UTC).isoformat(timespec="seconds")})
    _write_ring(path, KeyRing(keys=tuple(revoked if key is found[0] else key for key in ring.keys)))
    return revoked


def locate_keys() -> Path:
    """Where keys lie if nobody says otherwise."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "somnolens" / "keys.json"


class KeySource:
    """The keys of a running service: of a file, read again when it may have changed, or of the environment.

    Parameters
    ----------
    file : str
        Empty for the variable.
    """

    def __init__(self, file: str = "") -> None:
        self._file, self._read_at, self._ring = file, -math.inf, KeyRing()
        self._reading: asyncio.Task[None] | None = None

    async def find(self, text: str) -> Key | None:
        """The key that opens now.

        A request seldom waits for the file: threads may all be taken by those that are let in.

        Raises
        ------
        SettingsError
        """
        age_s = time.monotonic() - self._read_at
        if age_s >= REFRESH_S and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._refresh())
            self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())  # told to who waits
        if age_s >= STALE_S:
            await asyncio.shield(self._reading)
        return self._ring.find(text)

    async def _refresh(self) -> None:
        began_at = time.monotonic()
        self._ring, self._read_at = await asyncio.to_thread(self.read), began_at

    def read(self) -> KeyRing:
        """All keys as they stand now."""
        if self._file:
            return read_ring(Path(self._file))
        content = os.environ.get(VARIABLE)
        return parse_ring(content, f"the variable {VARIABLE}") if content else KeyRing()


def check_keys(settings: ServeSettings) -> None:
    """Refuse to start a service that nobody could use, or everybody.

    Raises
    ------
    ServiceError
    SettingsError
    """
    if not settings.insecure and not any(not key.revoked for key in KeySource(settings.keys_file).read().keys):
        raise ServiceError(
            f"There is no API key: looked in {settings.keys_file or f'the variable {VARIABLE}'}. Make one with "
            "`somnolens keys add NAME` and name its file in serve.keys_file, or, to answer this machine alone and ask "
            "nobody, set serve.insecure=true."
        )


def _write_ring(path: Path, ring: KeyRing) -> None:
    write_bytes(path, (ring.model_dump_json(indent=2) + "\n").encode())
    path.chmod(0o600)


def _digest(salt: str, text: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + text.encode()).hexdigest()
