"""The search: Ray Tune with Optuna, each trial a Ray Train run of its own."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import ray.tune
from ray.train import Result, TrainingFailedError, UserCallback
from ray.tune import Callback, FailureConfig, TuneConfig, Tuner
from ray.tune.integration.ray_train import TuneReportCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from somnolens.config import Choices, Range, Settings
from somnolens.errors import SomnolensError
from somnolens.storage import bring_folder, settle
from somnolens.train.journal import open_storage
from somnolens.train.price import Price
from somnolens.train.study import (
    INTERRUPTED,
    TRAIN_RUN,
    Search,
    begin_study,
    count_finished,
    end_trial,
    list_unfinished,
    note_report,
    place_values,
    read_curve,
    reopen_study,
    summarise_study,
    take_up,
    write_trials,
)
from somnolens.train.tracking import Tracker, end_tracking
from somnolens.train.trial_log import TrialLog
from somnolens.train.worker import OBJECTIVE, TrackReports, build_trainer, explain_failure, keep_checkpoint, reach

_SNAPSHOT_FILE = "checkpoint_manager_snapshot.json"
"""Ray Train writes it with the first checkpoint of a run."""

os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")  # a trial that fails may end without a kappa

Report = Callable[[str, dict[str, Any]], None]
"""Gets the id of a trial and its figures at each validation."""


def search_hyperparameters(
    settings: Settings,
    dataset: Path,
    run: Path,
    report: Report = lambda trial, figures: None,
    resume: bool = False,
) -> Search:
    """Search `search.space` for the best validation kappa and keep the winner as `run/adapter`.

    The study lies in `run/study.log` and opens in optuna-dashboard, also while the search goes on. Trials
    that do worse than the others at the same number of reports are stopped early (ASHA).

    Parameters
    ----------
    settings : Settings
        What the space does not name is taken from here.
    dataset, run : Path
        Dataset folder and run folder, at the same path on every node, or in a store.
    report : callable
    resume : bool
        Go on with the search in `run`: trials that ended are kept, those that were running go on from their
        checkpoints under their own numbers, and `search.n_trials` counts all. ASHA compares only what is
        reported from now on.

    Raises
    ------
    SettingsError
        Where the space names what is not a setting; or, with `resume`, where the settings have changed.
    RunFolderError
        Where there is no search to go on with.
    SomnolensError
        Where every trial failed.
    """
    study = reopen_study(settings, run) if resume else begin_study(settings, run)
    n_reports = settings.train.passes * settings.train.reports_per_pass
    price = Price(settings)
    unfinished = _catch_up(study, run, n_reports, price)
    n_left = settings.search.n_trials - count_finished(study)
    if n_left > 0:
        searcher = _Study(study, settings, run, unfinished, price)
        _make_tuner(settings, dataset, run, searcher, n_left, _Listener(report)).fit()
    search = summarise_study(study, n_reports)
    write_trials(search, run)
    with bring_folder(_trials_folder(run) / search.best.checkpoint) as best:
        keep_checkpoint(best, run / "adapter")
    return search


def _make_tuner(
    settings: Settings, dataset: Path, run: Path, searcher: "_Study", n_trials: int, listener: "_Listener"
) -> Tuner:
    space = {name: _to_domain(domain) for name, domain in settings.search.space.items()}
    n_reports = settings.train.passes * settings.train.reports_per_pass
    return Tuner(
        ray.tune.with_resources(_make_trainable(settings, settle(dataset), settle(run)), {"cpu": 0.01}),
        param_space=space,
        tune_config=TuneConfig(
            metric=OBJECTIVE,
            mode="max",
            num_samples=n_trials,
            max_concurrent_trials=settings.search.max_concurrent_trials,
            search_alg=searcher,
            scheduler=ASHAScheduler(
                time_attr="reports",
                max_t=n_reports,
                grace_period=min(settings.search.grace_reports, n_reports),
                reduction_factor=settings.search.reduction_factor,
            ),
        ),
        run_config=ray.tune.RunConfig(
            name=f"search-{len(list((run / 'ray').glob('search-*'))) + 1}",
            **reach(settle(run / "ray")),
            failure_config=FailureConfig(max_failures=settings.train.max_failures),
            callbacks=[listener],
            verbose=0,
        ),
    )


def _catch_up(study: optuna.Study, run: Path, n_reports: int, price: Price) -> list[int]:
    """Numbers of the trials to go on with, once what they kept and nobody was there to hear is written down."""
    unfinished = []
    for frozen in list_unfinished(study):
        trial = take_up(study, frozen)
        if TRAIN_RUN not in frozen.user_attrs:
            end_trial(study, trial, "it was interrupted before it began")
            continue
        name = frozen.user_attrs[TRAIN_RUN]
        for figures in _read_kept(_trials_folder(run) / name):
            note_report(trial, figures)
        if n_reports in read_curve(study.get_trials(deepcopy=False)[frozen.number]):
            trial.set_user_attr(INTERRUPTED, TrialLog(run, name).n_interruptions + 1)
            end_trial(study, trial, gflop=price.measure(trial.params))
        else:
            unfinished.append(frozen.number)
    return unfinished


def _read_kept(train_run: Path) -> list[dict[str, Any]]:
    """Figures of the checkpoints that a Ray Train run has kept."""
    if not (train_run / _SNAPSHOT_FILE).is_file():
        return []
    where = reach(settle(train_run))
    pairs = Result.from_path(where["storage_path"], where.get("storage_filesystem")).best_checkpoints
    return [figures | {"checkpoint_path": checkpoint.path} for checkpoint, figures in pairs]


def _trials_folder(run: Path) -> Path:
    return run / "ray" / "trials"


class _Study(OptunaSearch):
    """Optuna's search by a seeded TPE, which writes into the study all that it takes to go on.

    Parameters
    ----------
    study : optuna.Study
    settings : Settings
        Of a search that is gone on with, the draws of its seed go on too: they are not those of the beginning again.
    run : Path
    unfinished : list of int
        Trials to take up before new ones are asked for.
    price : Price
    """

    def __init__(self, study: optuna.Study, settings: Settings, run: Path, unfinished: list[int], price: Price) -> None:
        self._settings, self._run, self._unfinished, self._price = settings, run, list(unfinished), price
        n_begun = count_finished(study) + len(unfinished)
        super().__init__(
            sampler=optuna.samplers.TPESampler(seed=settings.search.seed + n_begun, n_startup_trials=4),
            storage=open_storage(run),
            study_name=study.study_name,
        )

    def suggest(self, trial_id: str) -> dict[str, Any]:
        if self._unfinished and trial_id not in self._ot_trials:
            frozen = self._ot_study.get_trials(deepcopy=False)[self._unfinished.pop(0)]
            self._ot_trials[trial_id] = take_up(self._ot_study, frozen)
        values = super().suggest(trial_id)
        trial = self._ot_trials[trial_id]
        if TRAIN_RUN not in trial.user_attrs:
            trial.set_user_attr(TRAIN_RUN, f"trial-{trial_id}")
        return values | {"_name": trial.user_attrs[TRAIN_RUN]}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if OBJECTIVE in result:
            note_report(self._ot_trials[trial_id], result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if trial_id in self._completed_trials:
            return
        trial = self._ot_trials[trial_id]
        if result and OBJECTIVE in result:
            note_report(trial, result)  # the report that a trial is stopped at is told here alone
        why = self._look_back(trial, lost=error)
        end_trial(self._ot_study, trial, why, None if why else self._price.measure(trial.params))
        end_tracking(self._settings, self._run, trial.user_attrs[TRAIN_RUN], "FAILED" if why else "KILLED")
        self._completed_trials.add(trial_id)

    def _look_back(self, trial: optuna.Trial, lost: bool) -> str:
        """Why a trial failed; of one that was interrupted, what it reported while nobody was there to hear, too."""
        name = trial.user_attrs[TRAIN_RUN]
        log = TrialLog(self._run, name)
        if n := log.n_interruptions:
            trial.set_user_attr(INTERRUPTED, n)
            for figures in _read_kept(_trials_folder(self._run) / name):
                note_report(trial, figures)
        return log.failure or (f"its process was lost {n + 1} time(s); the log tells of it" if lost else "")


def _to_domain(domain: Range | Choices) -> Any:
    if isinstance(domain, Choices):
        return ray.tune.choice(list(domain.choices))
    draw = ray.tune.loguniform if domain.log else ray.tune.uniform
    return draw(domain.low, domain.high)


def _make_trainable(settings: Settings, dataset: Path, run: Path) -> Callable[[dict[str, Any]], None]:
    """What Tune runs for each trial; a store goes along with address and keys, of which Tune then writes nothing."""

    def run_trial(config: dict[str, Any]) -> None:
        values = {key: value for key, value in config.items() if not key.startswith("_")}
        _run_trial(settings, values, dataset, run, config["_name"])

    return run_trial


def _run_trial(settings: Settings, values: dict[str, Any], dataset: Path, run: Path, name: str) -> None:
    """One trial: a Ray Train run of a name that the study keeps, so that it can go on in the middle of it.

    A trial that fails by itself ends here without an error: all that Tune hears of, and starts again, is a process
    that was lost with its node.
    """
    log = TrialLog(run, name)
    log.begin()
    try:
        settings = place_values(settings.model_dump(mode="json"), values)
        tracked = TrackReports(Tracker(settings, run, name))
        # Tune ends a trial as soon as it hears of a bad report: the others hear of it before
        callbacks = [tracked, _NoteLosses(log, settings.train.max_failures), TuneReportCallback()]
        build_trainer(settings, dataset, run / "cache", _trials_folder(run), name, callbacks).fit()
    except (TrainingFailedError, SomnolensError) as error:
        log.fail(explain_failure(error))


class _NoteLosses(UserCallback):
    """Writes down, from Ray's controller, when workers ended before their time and are started again."""

    def __init__(self, log: TrialLog, n_restarts: int) -> None:
        self.log, self.n_restarts = log, n_restarts

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """After the last of the restarts comes the failure of the trial, which is no interruption."""
        if self.n_restarts:
            self.n_restarts -= 1
            lost = (f"worker {rank}: {type(error).__name__}" for rank, error in sorted(worker_exceptions.items()))
            self.log.note(", ".join(lost))


def _say_nothing(trial: str, figures: dict[str, Any]) -> None:
    pass


class _Listener(Callback):
    """Passes what trials report on to the person who waits."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def __getstate__(self) -> dict[str, Any]:
        """Tune keeps its callbacks on disk; a screen cannot go there."""
        return {"report": _say_nothing}

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict[str, Any], **info: Any) -> None:
        self.report(trial.trial_id, result)
