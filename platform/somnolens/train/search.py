"""The search: Ray Tune with Optuna, each trial a Ray Train run of its own."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import optuna
import ray.tune
from ray.train import UserCallback
from ray.tune import Callback, TuneConfig, Tuner
from ray.tune.integration.ray_train import TuneReportCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from somnolens.config import Choices, Range, Settings, resolve_settings
from somnolens.errors import SettingsError, SomnolensError
from somnolens.storage import write_json
from somnolens.train.worker import OBJECTIVE, build_trainer, explain_failure, keep_checkpoint

TRIALS_FILE = "trials.json"
_NOTHING = -1.0
"""Objective of a trial whose kappa is no number: Optuna would leave such a trial running for ever."""


@dataclass(frozen=True)
class Trial:
    """One line of the search's table.

    Parameters
    ----------
    number : int
    values : dict
        Setting to value, as `train.learning_rate`.
    kappa : float
        Best on the validation rows; not a number where the trial failed before its first report.
    reports : int
        Validations before it ended.
    stopped_early : bool
    error : str
    checkpoint : str
        Folder of its best checkpoint.
    """

    number: int
    values: dict[str, Any]
    kappa: float
    reports: int
    stopped_early: bool
    error: str = ""
    checkpoint: str = ""

    @property
    def command(self) -> str:
        """The settings that repeat this trial on the command line."""
        return " ".join(
            f"--set {key}={value:.4g}" if isinstance(value, float) else f"--set {key}={value}"
            for key, value in self.values.items()
        )


@dataclass(frozen=True)
class Search:
    """A finished search."""

    trials: list[Trial] = field(default_factory=list)

    @property
    def best(self) -> Trial:
        finished = [trial for trial in self.trials if not math.isnan(trial.kappa)]
        if not finished:
            raise SomnolensError(f"Not one of {len(self.trials)} trials ended. The first: {self.trials[0].error}")
        return max(finished, key=lambda trial: trial.kappa)


Report = Callable[[str, dict[str, Any]], None]
"""Gets the id of a trial and its figures at each validation."""


def search_hyperparameters(
    settings: Settings, dataset: Path, run: Path, report: Report = lambda trial, figures: None
) -> Search:
    """Search `search.space` for the best validation kappa and keep the winner as `run/adapter`.

    The study lies in `run/study.log` and opens in optuna-dashboard. Trials that do worse than the
    others at the same number of reports are stopped early (ASHA).

    Parameters
    ----------
    settings : Settings
        What the space does not name is taken from here.
    dataset, run : Path
        Dataset folder and run folder, at the same path on every node.

    Raises
    ------
    SettingsError
        Where the space names what is not a setting.
    SomnolensError
        Where every trial failed.
    """
    _check_space(settings)
    listener = _Listener(report)
    space = {name: _to_domain(domain) for name, domain in settings.search.space.items()}
    n_reports = settings.train.passes * settings.train.reports_per_pass
    tuner = Tuner(
        ray.tune.with_resources(_run_trial, {"cpu": 0.01}),
        param_space=space | {"_fixed": _describe_run(settings, dataset, run)},
        tune_config=TuneConfig(
            metric=OBJECTIVE,
            mode="max",
            num_samples=settings.search.n_trials,
            max_concurrent_trials=settings.search.max_concurrent_trials,
            search_alg=_make_optuna(settings, run),
            scheduler=ASHAScheduler(
                time_attr="reports",
                max_t=n_reports,
                grace_period=min(settings.search.grace_reports, n_reports),
                reduction_factor=settings.search.reduction_factor,
            ),
        ),
        run_config=ray.tune.RunConfig(
            name="search", storage_path=str((run / "ray").resolve()), callbacks=[listener], verbose=0
        ),
    )
    results = tuner.fit()
    search = Search([_summarise(number, result, n_reports, listener.history) for number, result in enumerate(results)])
    write_json(run / TRIALS_FILE, [trial.__dict__ for trial in search.trials])
    keep_checkpoint(Path(search.best.checkpoint), run / "adapter")
    return search


def read_trials(run: Path) -> list[Trial]:
    """The table of a finished search."""
    return [Trial(**row) for row in json.loads((run / TRIALS_FILE).read_text())]


def _make_optuna(settings: Settings, run: Path) -> OptunaSearch:
    """A seeded TPE study of its own, warm-started with the settings themselves, as far as they lie in the space."""
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(run / "study.log")))
    defaults = {
        name: value
        for name, domain in settings.search.space.items()
        if _is_inside(value := _look_up(settings, name), domain)
    }
    return OptunaSearch(
        sampler=optuna.samplers.TPESampler(seed=settings.search.seed, n_startup_trials=4),
        storage=storage,
        study_name=run.name,
        points_to_evaluate=[defaults] if defaults else None,
    )


def _to_domain(domain: Range | Choices) -> Any:
    if isinstance(domain, Choices):
        return ray.tune.choice(list(domain.choices))
    draw = ray.tune.loguniform if domain.log else ray.tune.uniform
    return draw(domain.low, domain.high)


def _check_space(settings: Settings) -> None:
    known = [f"{section}.{key}" for section, values in settings.model_dump().items() for key in values]
    for name in settings.search.space:
        if name not in known:
            near = get_close_matches(name, known, n=3, cutoff=0.5)
            raise SettingsError(
                f"search.space names {name}, which is not a setting. Near: {', '.join(near) or 'none'}."
            )


def _is_inside(value: Any, domain: Range | Choices) -> bool:
    return value in domain.choices if isinstance(domain, Choices) else domain.low <= value <= domain.high


def _look_up(settings: Settings, name: str) -> Any:
    section, key = name.split(".")
    return getattr(getattr(settings, section), key)


def _describe_run(settings: Settings, dataset: Path, run: Path) -> dict[str, Any]:
    """What every trial has in common, as plain values."""
    return {
        "settings": settings.model_dump(mode="json"),
        "dataset": str(dataset.resolve()),
        "run": str(run.resolve()),
    }


def place_values(settings: dict[str, Any], values: dict[str, Any]) -> Settings:
    """Settings with the values of a trial put in their places; a SettingsError where they do not go together."""
    placed = json.loads(json.dumps(settings))
    for name, value in values.items():
        section, key = name.split(".")
        placed[section][key] = value
    return resolve_settings(placed)


def _run_trial(config: dict[str, Any]) -> None:
    """One trial: a Ray Train run named after it, so that an interrupted search goes on in the middle of it."""
    fixed = config["_fixed"]
    settings = place_values(fixed["settings"], {name: v for name, v in config.items() if name != "_fixed"})
    run = Path(fixed["run"])
    name = f"trial-{ray.tune.get_context().get_trial_id()}"
    trainer = build_trainer(
        settings, Path(fixed["dataset"]), run / "cache", run / "ray" / "trials", name, [_report_to_tune()]
    )
    trainer.fit()


def _report_to_tune() -> UserCallback:
    return TuneReportCallback()


def _say_nothing(trial: str, figures: dict[str, Any]) -> None:
    pass


class _Listener(Callback):
    """Keeps what trials report, and passes it on to the person who waits."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.history: dict[str, list[dict[str, Any]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Tune keeps its callbacks on disk; a screen cannot go there."""
        return {"report": _say_nothing, "history": {}}

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict[str, Any], **info: Any) -> None:
        if OBJECTIVE in result:
            self.history.setdefault(trial.trial_id, []).append(result)
        self.report(trial.trial_id, result)


def _summarise(number: int, result: Any, n_reports: int, history: dict[str, list[dict[str, Any]]]) -> Trial:
    values = {name: value for name, value in (result.config or {}).items() if name != "_fixed"}
    reports = history.get((result.metrics or {}).get("trial_id"), [])
    if result.error is not None or not reports:
        error = explain_failure(result.error) if result.error else "it ended without a report"
        return Trial(number, values, math.nan, 0, False, error)
    best = max(reports, key=lambda row: _NOTHING if math.isnan(row[OBJECTIVE]) else row[OBJECTIVE])
    done = max(int(row["reports"]) for row in reports)
    kappa = float(best[OBJECTIVE])
    return Trial(number, values, kappa, done, done < n_reports, "", str(best["checkpoint_path"]))
