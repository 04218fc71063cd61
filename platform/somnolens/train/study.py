"""The study: what a search remembers.

Optuna's journal is its only memory. Each trial is written down as it goes: its values, the Ray Train run that it is,
the kappa of every report, its best checkpoint. So a search that was interrupted can go on, and a finished one is read
back, without Ray.
"""

import json
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from somnolens.config import Choices, Range, RenderSettings, Settings, resolve_settings
from somnolens.errors import RunFolderError, SettingsError, SomnolensError
from somnolens.storage import write_json
from somnolens.train.journal import STUDY_FILE, has_study, open_storage

TRIALS_FILE = "trials.json"
TRAIN_RUN = "train_run"
"""Attribute of a trial: the name of its Ray Train run, in whose folder its checkpoints lie."""
CURVE = "curve"
"""Attribute of a trial of several objectives: the kappa of each report."""
INTERRUPTED = "interrupted"
"""Attribute of a trial: how often a process or a node of it was lost."""

MIN_TRIALS_OF_IMPORTANCE = 4
_FREE_TO_CHANGE = ("simulate", "score", "serve", "tracking")
_FREE_IN_SEARCH = ("n_trials", "max_concurrent_trials")


@dataclass(frozen=True)
class Trial:
    """One line of the search's table.

    Parameters
    ----------
    number : int
    values : dict
        Setting to value, as `train.learning_rate`.
    kappa : float
        Best on the validation rows; not a number where the trial failed.
    reports : int
        Validations before it ended.
    stopped_early : bool
    error : str
    checkpoint : str
        Folder of its best checkpoint, below that of all trials, so that a run folder can be moved.
    curve : list of [report, kappa]
    gflop : float or None
        Operations of scoring one picture, in thousand millions; None where nobody asked.
    interrupted : int
        Times that a worker, a node or the driver was lost while it ran; it went on from its last checkpoint.
    """

    number: int
    values: dict[str, Any]
    kappa: float
    reports: int
    stopped_early: bool
    error: str = ""
    checkpoint: str = ""
    curve: list[list[float]] = field(default_factory=list)
    gflop: float | None = None
    interrupted: int = 0

    @property
    def failed(self) -> bool:
        return math.isnan(self.kappa)


@dataclass(frozen=True)
class Search:
    """A finished search."""

    trials: list[Trial] = field(default_factory=list)

    @property
    def best(self) -> Trial:
        finished = [trial for trial in self.trials if not trial.failed]
        if not finished:
            raise SomnolensError(f"Not one of {len(self.trials)} trials ended. The first: {self.trials[0].error}")
        return max(finished, key=lambda trial: trial.kappa)

    @property
    def front(self) -> list[Trial]:
        """Trials that no other betters in kappa at no more operations, the cheapest first; none without costs.

        Examples
        --------
        >>> found = [(0.8, 9), (0.7, 2), (0.6, 3)]
        >>> search = Search([Trial(n, {}, kappa, 1, False, gflop=g) for n, (kappa, g) in enumerate(found)])
        >>> [trial.number for trial in search.front]
        [1, 0]
        """
        priced = [trial for trial in self.trials if not trial.failed and trial.gflop is not None]
        front: list[Trial] = []
        for trial in sorted(priced, key=lambda trial: (trial.gflop, -trial.kappa)):
            if not front or trial.kappa > front[-1].kappa:
                front.append(trial)
        return front


def begin_study(settings: Settings, run: Path) -> optuna.Study:
    """A new study, with the settings themselves and `search.start_with` as its first trials.

    Raises
    ------
    SettingsError
        Where the space or a point to start with names what is not a setting, or lies outside.
    """
    check_space(settings)
    directions = ["maximize", "minimize"] if settings.search.objectives == "kappa and cost" else ["maximize"]
    study = optuna.create_study(storage=open_storage(run), study_name=run.name, directions=directions)
    study.set_user_attr("settings", _describe_what_stays(settings))
    for point in list_first_points(settings):
        study.enqueue_trial(point)
    return study


def reopen_study(settings: Settings, run: Path) -> optuna.Study:
    """The study of an interrupted search, to go on with under the same settings.

    Raises
    ------
    RunFolderError
        Where the folder holds none.
    SettingsError
        Where settings have changed that its trials were trained with; `search.n_trials` may.
    """
    study = load_study(run)
    begun, asked = study.user_attrs.get("settings", {}), _describe_what_stays(settings)
    changed = sorted(key for key in begun.keys() | asked.keys() if begun.get(key) != asked.get(key))
    if changed:
        raise SettingsError(
            f"The search in {run} began with other settings: {', '.join(changed)}. "
            "Give those it began with, or name another run folder."
        )
    return study


def load_study(run: Path) -> optuna.Study:
    """The study of a run folder, whatever the folder is called by now.

    Raises
    ------
    RunFolderError
    """
    names = optuna.get_all_study_names(open_storage(run)) if has_study(run) else []
    if not names:
        raise RunFolderError(f"{run} holds no search to go on with: looked for {STUDY_FILE}.")
    return optuna.load_study(study_name=names[0], storage=open_storage(run))


def _describe_what_stays(settings: Settings) -> dict[str, Any]:
    """What an interrupted search must go on with, by section.key."""
    plain = {section: values for section, values in _dump(settings).items() if section not in _FREE_TO_CHANGE}
    return {
        f"{section}.{key}": value
        for section, values in plain.items()
        for key, value in values.items()
        if not (section == "search" and key in _FREE_IN_SEARCH)
    }


def check_space(settings: Settings) -> None:
    """Refuse a space, or a point to start with, that the settings do not have.

    Raises
    ------
    SettingsError
    """
    space = settings.search.space
    known = [f"{section}.{key}" for section, values in settings.model_dump().items() for key in values]
    for name in space:
        if name not in known:
            raise SettingsError(f"search.space names {name}, which is not a setting. Near: {_name_near(name, known)}.")
    for point in settings.search.start_with:
        for name, value in point.items():
            if name not in space:
                raise SettingsError(
                    f"search.start_with names {name}, which is not searched. There are: {', '.join(space)}."
                )
            if not is_inside(value, space[name]):
                raise SettingsError(
                    f"search.start_with: {name} = {value!r} is outside its space, {_describe_domain(space[name])}."
                )


def _name_near(name: str, known: Sequence[str]) -> str:
    return ", ".join(get_close_matches(name, known, n=3, cutoff=0.5)) or "none"


def _describe_domain(domain: Range | Choices) -> str:
    if isinstance(domain, Choices):
        return f"one of {', '.join(map(str, domain.choices))}"
    return f"{domain.low} to {domain.high}"


def list_first_points(settings: Settings) -> list[dict[str, Any]]:
    """The settings themselves, as far as they lie in the space, and the points known to be good."""
    space = settings.search.space
    own = {name: value for name, domain in space.items() if is_inside(value := _look_up(settings, name), domain)}
    points = [point for point in (own, *settings.search.start_with) if point]
    return [point for place, point in enumerate(points) if point not in points[:place]]


def is_inside(value: Any, domain: Range | Choices) -> bool:
    """Whether a value is one that the space can hold."""
    if isinstance(domain, Choices):
        return value in domain.choices
    return isinstance(value, int | float) and domain.low <= value <= domain.high


def _look_up(settings: Settings, name: str) -> Any:
    section, key = name.split(".")
    return getattr(getattr(settings, section), key)


def place_values(settings: dict[str, Any], values: dict[str, Any]) -> Settings:
    """Settings with the values of a trial put in their places; a SettingsError where they do not go together.

    Another preset brings its own style; what the settings change of their preset stays changed.
    """
    placed = json.loads(json.dumps(settings))
    if "render.preset" in values:
        usual = RenderSettings(preset=placed["render"]["preset"]).model_dump(mode="json")
        placed["render"] = {key: value for key, value in placed["render"].items() if value != usual[key]}
    for name, value in values.items():
        section, key = name.split(".")
        placed[section][key] = value
    return resolve_settings(placed)


def note_report(trial: optuna.Trial, figures: dict[str, Any]) -> None:
    """Write a report down: the kappa for the dashboard's curves, the checkpoint where it is the best so far.

    Of equal ones the later counts, because it is the one that Ray Train keeps. A report that is told twice, as Ray
    Tune does with the last, counts once.
    """
    kappa, report = float(figures["kappa"]), int(figures["reports"])
    known = read_curve(trial.study.get_trials(deepcopy=False)[trial.number])
    if math.isnan(kappa) or report in known:
        return
    if len(trial.study.directions) == 1:
        trial.report(kappa, report)
    else:  # Optuna has no curves for trials of several objectives
        trial.set_user_attr(CURVE, {**{str(n): value for n, value in known.items()}, str(report): kappa})
    if kappa >= trial.user_attrs.get("kappa", -math.inf):
        trial.set_user_attr("kappa", kappa)
        trial.set_user_attr("checkpoint", "/".join(Path(figures["checkpoint_path"]).parts[-2:]))


def read_curve(trial: FrozenTrial) -> dict[int, float]:
    """Kappa of each report of a trial."""
    return trial.intermediate_values or {
        int(report): kappa for report, kappa in trial.user_attrs.get(CURVE, {}).items()
    }


def end_trial(study: optuna.Study, trial: optuna.Trial, error: str = "", gflop: float | None = None) -> None:
    """End a trial with its best kappa, or as failed; a trial without a kappa has failed too.

    `gflop` is what scoring one picture costs, for a study that has it among its objectives.
    """
    kappa = trial.user_attrs.get("kappa")
    if error or kappa is None:
        trial.set_user_attr("error", error or "it ended without a report")
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, [kappa, gflop][: len(study.directions)])


def list_unfinished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that were running when the search was interrupted."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def take_up(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """The same trial, to go on with under its own number."""
    return optuna.Trial(study, trial._trial_id)


def count_finished(study: optuna.Study) -> int:
    """Trials that ended, whichever way."""
    return sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))


def summarise_study(study: optuna.Study, n_reports: int) -> Search:
    """The table of trials that ended.

    Parameters
    ----------
    study : optuna.Study
    n_reports : int
        Of a trial that was not stopped early.
    """
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    return Search([_summarise(trial, n_reports) for trial in ended])


def _summarise(trial: FrozenTrial, n_reports: int) -> Trial:
    curve = [[report, kappa] for report, kappa in sorted(read_curve(trial).items())]
    done = max((report for report, _ in curve), default=0)
    lost = trial.user_attrs.get(INTERRUPTED, 0)
    if trial.state != TrialState.COMPLETE:
        reason = trial.user_attrs.get("error", "it ended without a report")
        return Trial(trial.number, trial.params, math.nan, done, False, reason, curve=curve, interrupted=lost)
    checkpoint, (kappa, *costs) = trial.user_attrs["checkpoint"], trial.values
    gflop = costs[0] if costs else None
    return Trial(trial.number, trial.params, kappa, done, done < n_reports, "", checkpoint, curve, gflop, lost)


def write_trials(search: Search, run: Path) -> None:
    """Write the table of trials beside the study."""
    write_json(run / TRIALS_FILE, [trial.__dict__ for trial in search.trials])


def read_trials(run: Path) -> list[Trial]:
    """The table of a finished search."""
    return [Trial(**row) for row in json.loads((run / TRIALS_FILE).read_text())]


def measure_importance(study: optuna.Study) -> dict[str, float]:
    """Share of the differences in kappa that each searched setting explains, the largest first (fANOVA).

    Hutter, Hoos and Leyton-Brown (2014), as Optuna has it; settings that never changed are left out.

    Raises
    ------
    SomnolensError
        Where the trials cannot tell.
    """
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(ended) < MIN_TRIALS_OF_IMPORTANCE:
        raise SomnolensError(
            f"{len(ended)} finished trial(s) do not tell which setting matters; it takes {MIN_TRIALS_OF_IMPORTANCE}."
        )
    varied = [name for name in ended[0].params if len({trial.params[name] for trial in ended}) > 1]
    if not varied or len({trial.values[0] for trial in ended}) == 1:
        raise SomnolensError(
            "The finished trials do not tell which setting matters: all had the same "
            + ("kappa." if varied else "values.")
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(
        study, evaluator=evaluator, params=varied, target=lambda trial: trial.values[0]
    )


def format_command(settings: Settings, values: dict[str, Any], dataset: Path, run: Path) -> str:
    """The whole command that repeats a trial: what differs from the defaults is spelt out, to the last digit.

    Examples
    --------
    >>> format_command(Settings(), {"train.lora_rank": 8}, Path("DATA"), Path("runs/again"))
    'python jobs/train_adapter.py DATA runs/again --set train.lora_rank=8'
    """
    placed, plain = _dump(place_values(_dump(settings), values)), _dump(Settings())
    words = ["python", "jobs/train_adapter.py", str(dataset), str(run)]
    for section in (name for name in placed if name != "search"):
        for key, value in placed[section].items():
            if value != plain[section][key]:
                words += ["--set", f"{section}.{key}={_format_value(value)}"]
    return shlex.join(words)


def _dump(settings: Settings) -> dict[str, Any]:
    return settings.model_dump(mode="json")


def _format_value(value: Any) -> str:
    """As YAML reads it back."""
    return value if isinstance(value, str) and value and yaml.safe_load(value) == value else json.dumps(value)
