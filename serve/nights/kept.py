"""What a worker knows of a staged night, written to the store and read again.

Signals are an npy file that is mapped into memory: the picture of one epoch costs the reading of that epoch alone.
What is measured of a whole night is measured once, by the first who asks.
"""

import io
import json
import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import numpy as np

from somnolens.epochs import Epochs
from somnolens.explain.neutral import Background, measure_background
from somnolens.explain.night import NightEvidence, explain_night
from somnolens.hypnogram import Hypnogram
from somnolens.read.montage import Derivation, Montage
from somnolens.recording import Recording
from somnolens.report.morning import Seen
from somnolens.report.quality import DerivationQuality, HourQuality, measure_quality
from somnolens.score.night import ScoredNight
from somnolens.serve.nights.store import SCORED, SIGNALS, ConflictError, NightStore, UnknownNightError

AT_HAND: Final = 4
"""Nights of which a worker remembers what it measured."""


@dataclass(eq=False)
class KeptNight:
    """A staged night.

    Parameters
    ----------
    scored : ScoredNight
    epochs : Epochs or None
        None where the signals were not kept.
    montage : Montage
    qualities : tuple of DerivationQuality
    """

    scored: ScoredNight
    epochs: Epochs | None
    montage: Montage
    qualities: tuple[DerivationQuality, ...]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def signals(self) -> Epochs:
        """The prepared epochs.

        Raises
        ------
        ConflictError
            Where they were not kept.
        """
        if self.epochs is None:
            raise ConflictError(
                "The signals of this night were not kept, so that it can be neither drawn nor explained. "
                "Send the recording again with keep=true."
            )
        return self.epochs

    @property
    def seen(self) -> Seen:
        """As the report wants it; of the recording the samples are gone."""
        epochs = self.signals
        duration_s = epochs.start_s + self.scored.hypnogram.duration_s
        return Seen(Recording(epochs.night, (), duration_s, self.scored.start), self.montage, epochs)

    @property
    def evidence(self) -> NightEvidence:
        """What was measured in each epoch, judged for the model's stages."""
        with self._lock:
            return self._evidence

    @property
    def background(self) -> Background:
        """What parts of the signal are replaced with to see what the model loses."""
        with self._lock:
            return self._background

    @cached_property
    def _evidence(self) -> NightEvidence:
        return explain_night(self.signals, self.scored.hypnogram)

    @cached_property
    def _background(self) -> Background:
        return measure_background(self.signals)


class Shelf:
    """The nights that were asked for last, with what was measured of them.

    Parameters
    ----------
    store : NightStore
    """

    def __init__(self, store: NightStore) -> None:
        self._store = store
        self._nights: OrderedDict[str, KeptNight] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, id: str) -> KeptNight:
        """A night that is done.

        Raises
        ------
        UnknownNightError
            Where it was deleted meanwhile.
        """
        with self._lock:
            if not self._store.has(id, SCORED):
                self._nights.pop(id, None)
            if id not in self._nights:
                self._nights[id] = read_kept(self._store, id)
            self._nights.move_to_end(id)
            while len(self._nights) > AT_HAND:
                self._nights.popitem(last=False)
            return self._nights[id]


def write_kept(store: NightStore, id: str, seen: Seen, scored: ScoredNight, keep_signals: bool) -> None:
    """Write a scored night, and what reports and explanations need besides where the client keeps it."""
    epochs = seen.epochs
    if keep_signals:
        stream = io.BytesIO()
        np.save(stream, epochs.signals_uv)
        store.write(id, SIGNALS, stream.getvalue())
    document = {
        "hypnogram": _describe_hypnogram(scored.hypnogram),
        "start": scored.start.isoformat() if scored.start else None,
        "derivations": scored.derivations,
        "quality": scored.quality.tolist(),
        "made_by": scored.made_by,
        "epochs": {
            "night": epochs.night,
            "sampling_rate_hz": epochs.sampling_rate_hz,
            "start_s": epochs.start_s,
            "step_s": epochs.step_s,
            "notes": epochs.notes,
        },
        "montage": [asdict(one) for one in seen.montage.derivations],
        "qualities": [asdict(one) for one in measure_quality(seen.recording, seen.montage, epochs)]
        if keep_signals
        else [],
    }
    store.write(id, SCORED, json.dumps(document).encode())


def read_kept(store: NightStore, id: str) -> KeptNight:
    """Read what `write_kept` has written.

    Raises
    ------
    UnknownNightError
        Where it was deleted meanwhile, or another version of the service has written it in another shape.
    """
    raw = store.read(id, SCORED)
    if raw is None:
        raise UnknownNightError(f"Night {id!r} was deleted meanwhile. Send the recording again.")
    try:
        return _build_kept(store, id, json.loads(raw))
    except (KeyError, TypeError, ValueError):
        raise UnknownNightError(
            f"Night {id!r} was kept by another version of the service, which this one cannot read. Send the recording "
            "again with keep=true."
        ) from None


def _build_kept(store: NightStore, id: str, document: dict[str, Any]) -> KeptNight:
    scored = ScoredNight(
        hypnogram=_build_hypnogram(document["hypnogram"]),
        start=datetime.fromisoformat(document["start"]) if document["start"] else None,
        derivations=document["derivations"],
        quality=np.array(document["quality"], dtype=np.uint8),
        made_by=document["made_by"],
    )
    montage = Montage(tuple(_build_derivation(one) for one in document["montage"]))
    qualities = tuple(_build_quality(one) for one in document["qualities"])
    return KeptNight(scored, _map_epochs(store, id, document["epochs"], scored), montage, qualities)


def _map_epochs(store: NightStore, id: str, about: dict[str, Any], scored: ScoredNight) -> Epochs | None:
    signals_uv = store.map_array(id, SIGNALS)
    if signals_uv is None:
        return None
    derivations = scored.derivations
    about = about | {"notes": tuple(about["notes"])}
    return Epochs(
        signals_uv=signals_uv,
        derivations=tuple(derivations),
        sources=tuple(derivations.values()),
        quality=scored.quality,
        **about,
    )


def _describe_hypnogram(hypnogram: Hypnogram) -> dict[str, Any]:
    assert hypnogram.probabilities is not None
    return {
        "stages": hypnogram.stages,
        "scorer": hypnogram.scorer,
        "start_s": hypnogram.start_s,
        "step_s": hypnogram.step_s,
        "probabilities": hypnogram.probabilities.tolist(),
        "notes": hypnogram.notes,
    }


def _build_hypnogram(about: dict[str, Any]) -> Hypnogram:
    return Hypnogram(
        stages=tuple(about["stages"]),
        scorer=about["scorer"],
        start_s=about["start_s"],
        probabilities=np.array(about["probabilities"]),
        notes=tuple(about["notes"]),
        step_s=about["step_s"],
    )


def _build_derivation(about: dict[str, Any]) -> Derivation:
    return Derivation(**about | {"parts": tuple((name, sign) for name, sign in about["parts"])})


def _build_quality(about: dict[str, Any]) -> DerivationQuality:
    hours = tuple(HourQuality(**hour) for hour in about["hours"])
    return DerivationQuality(_build_derivation(about["derivation"]), hours, about["rms_uv"])
