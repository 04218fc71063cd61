"""Clients of every kind, all at once."""

import asyncio
import json
import random
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.stress.truth import Sent

PATIENCE_S = 150.0
"""A client that has not been answered after so long gives up: the request is lost."""

LEAVE_AFTER_S = 0.4
OVERLOADED = (429, 503)


@dataclass(frozen=True)
class Attempt:
    """One request as its client saw it.

    Parameters
    ----------
    kind : str
    began_s, seconds : float
        Since the load began; until the answer.
    status : int
        0 where the connection was lost.
    adapter : str
        That gave the answer; empty where it is not right, or there is none.
    """

    kind: str
    began_s: float
    seconds: float
    status: int
    adapter: str = ""


@dataclass(eq=False)
class Ledger:
    """Everything that happened."""

    started: float = field(default_factory=time.monotonic)
    attempts: list[Attempt] = field(default_factory=list)
    n_keys: int = 0
    answers: dict[str, list[bytes]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    @property
    def now_s(self) -> float:
        return time.monotonic() - self.started

    def of(self, *kinds: str) -> list[Attempt]:
        """Attempts of these kinds."""
        return [one for one in self.attempts if one.kind in kinds]


@dataclass(frozen=True, eq=False)
class Load:
    """A service, what is sent to it, and what came of it.

    Parameters
    ----------
    http : AsyncClient
        With the key of a steady client.
    flood : AsyncClient
        With a key that may do less.
    one_flood : Lock
        Kept by whoever fills the service: how long one refusal takes is not told by a hundred at the same moment, which
        stand in a row.
    """

    http: httpx.AsyncClient
    flood: httpx.AsyncClient
    nights: list[Sent]
    singles: list[Sent]
    ledger: Ledger
    ending: asyncio.Event
    one_flood: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, seconds: float) -> None:
        """Send until the time is over, and then until everything that was begun is answered."""
        async with asyncio.TaskGroup() as clients:
            for number in range(3):
                clients.create_task(self._repeat(self.send_night, 0.2, number))
            for number in range(3):
                clients.create_task(self._repeat(self.send_single, 0.3, number))
            clients.create_task(self._repeat(self.send_slowly, 3.0, 0))
            clients.create_task(self._repeat(self.leave, 2.0, 1))
            clients.create_task(self._repeat(self.send_nonsense, 1.5, 2))
            clients.create_task(self._repeat(self.flood_epochs, 35.0, 3))
            await asyncio.sleep(seconds)
            self.ending.set()

    async def _repeat(self, act: Any, pause_s: float, seed: int) -> None:
        dice = random.Random(seed)
        while not self.ending.is_set():
            await act(dice)
            await asyncio.sleep(pause_s * dice.uniform(0.5, 1.5))

    async def send_night(self, dice: random.Random) -> None:
        """A whole night with a key of its own, sent again until it is answered."""
        await self._send_until_answered("night", dice.choice(self.nights))

    async def send_slowly(self, dice: random.Random) -> None:
        """A night that comes in pieces over four seconds."""
        sent = dice.choice(self.nights)
        await self._send_until_answered("slow", sent, lambda: _trickle(sent.body, 20, 0.2))

    async def _send_until_answered(self, kind: str, sent: Sent, content: Any = None) -> None:
        key, began = uuid.uuid4().hex, time.monotonic()
        self.ledger.n_keys += 1
        headers = {"Idempotency-Key": key, "Content-Type": "application/octet-stream"}
        while time.monotonic() - began < PATIENCE_S:
            answer = await self._post(kind, sent, "/v1/nights", headers, content)
            if answer is not None and answer.status_code == 200:
                self.ledger.answers.setdefault(key, []).append(answer.content)
                return
            wait_s = float(answer.headers.get("Retry-After", 1)) if answer is not None else 1.0
            await asyncio.sleep(min(wait_s, 5.0))
        self.ledger.lost.append(key)

    async def send_single(self, dice: random.Random) -> None:
        """One epoch, which a person waits for."""
        await self._post("single", dice.choice(self.singles), "/v1/epochs", {"Content-Type": "application/json"})

    async def _post(self, kind: str, sent: Sent, path: str, headers: dict, content: Any = None) -> Any:
        began_s = self.ledger.now_s
        try:
            answer = await self.http.post(path, content=content() if content else sent.body, headers=headers)
        except httpx.TransportError:
            self.ledger.attempts.append(Attempt(kind, began_s, self.ledger.now_s - began_s, 0))
            return None
        adapter = sent.find_adapter(answer.json()) if answer.status_code == 200 else ""
        took_s = self.ledger.now_s - began_s
        self.ledger.attempts.append(Attempt(kind, began_s, took_s, answer.status_code, adapter))
        return answer

    async def leave(self, dice: random.Random) -> None:
        """Leave while the body is sent, or while the answer is awaited."""
        body = dice.choice(self.nights).body
        content = _trickle(body, 10, 0.2) if dice.random() < 0.5 else body
        try:
            await asyncio.wait_for(self.http.post("/v1/nights", content=content), LEAVE_AFTER_S)
        except (TimeoutError, httpx.TransportError):
            return

    async def send_nonsense(self, dice: random.Random) -> None:
        """What is no recording; the sentence that comes back must blame the file."""
        whole = self.nights[0].body
        body = dice.choice([b"", b"garbage", whole[:300], whole[:-40_000], bytes(range(256)) * 40, whole[:256] * 3])
        began_s = self.ledger.now_s
        try:
            answer = await self.http.post("/v1/nights", content=body)
        except httpx.TransportError:
            self.ledger.attempts.append(Attempt("nonsense", began_s, self.ledger.now_s - began_s, 0))
            return
        self.ledger.attempts.append(Attempt("nonsense", began_s, self.ledger.now_s - began_s, answer.status_code))

    async def flood_epochs(self, dice: random.Random) -> None:
        """A hundred epochs at the same moment, of a client that may have eight under way."""
        async with self.one_flood:
            await asyncio.gather(*(self._flood_one(dice.choice(self.singles)) for _ in range(100)))

    async def _flood_one(self, sent: Sent) -> None:
        began_s = self.ledger.now_s
        try:
            answer = await self.flood.post(
                "/v1/epochs", content=sent.body, headers={"Content-Type": "application/json"}
            )
        except httpx.TransportError:
            self.ledger.attempts.append(Attempt("flood", began_s, self.ledger.now_s - began_s, 0))
            return
        told = answer.headers.get("content-type") == "application/problem+json" and "retry-after" in answer.headers
        right = bool(answer.status_code == 200 and sent.find_adapter(answer.json()))
        adapter = "right" if right or (answer.status_code in OVERLOADED and told) else ""
        self.ledger.attempts.append(Attempt("flood", began_s, self.ledger.now_s - began_s, answer.status_code, adapter))


async def ask_in_time(http: httpx.AsyncClient, ledger: Ledger, body: bytes, n_requests: int) -> None:
    """Ask one by one while the service is full, as a client does that has its connection open."""
    for _ in range(n_requests):
        began_s = ledger.now_s
        answer = await http.post("/v1/epochs", content=body, headers={"Content-Type": "application/json"})
        ledger.attempts.append(Attempt("refused", began_s, ledger.now_s - began_s, answer.status_code))


async def _trickle(body: bytes, n_pieces: int, pause_s: float) -> AsyncIterator[bytes]:
    size = -(-len(body) // n_pieces)
    for first in range(0, len(body), size):
        yield body[first : first + size]
        await asyncio.sleep(pause_s)


def count_stored(folder: Any) -> int:
    """Nights with an Idempotency-Key that the service has finished, as its store has them."""
    records = [json.loads(path.read_bytes()) for path in folder.glob("nights/*/record.json")]
    done = {
        path.parent.name
        for path in folder.glob("nights/*/outcome.json")
        if json.loads(path.read_bytes())["state"] == "done"
    }
    return sum(record["has_key"] and record["id"] in done for record in records)
