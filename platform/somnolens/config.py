"""Every setting once: a frozen pydantic field with its limits, unit and only default.

YAML says what differs from the defaults; the command line adds `--set train.lora_rank=8`.
Unknown keys are refused. The mathematics below this layer takes plain arguments.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from somnolens.errors import SettingsError
from somnolens.section import Count, Positive, Section
from somnolens.service_settings import ServeSettings


class SimulateSettings(Section):
    """Nights whose right answer is known."""

    n_subjects: Count = 12
    hours: float = Field(3.0, gt=0, le=24, description="length of a night, hours")
    seed: int = Field(7, ge=0)


class ReadSettings(Section):
    """From files to signals and scorings."""

    channels: dict[str, str | tuple[str, str] | None] = Field(
        {}, description="derivations named by hand: a label, two labels to subtract, or null to leave it out"
    )


class PrepareSettings(Section):
    """From recorded to drawable signals."""

    sampling_rate_hz: float = Field(100.0, ge=50, le=512, description="common rate after resampling")
    mains_hz: Literal["auto", "50", "60", "none"] = Field("auto", description="mains to notch; auto looks for it")


STYLE_PRESETS: dict[str, dict[str, Any]] = {
    "strip-448": {},
    "wide-896": {
        "width_px": 896,
        "height_px": 448,
        "eeg_uv_per_px": 1.25,
        "eog_uv_per_px": 2.0,
        "emg_uv_per_px": 0.75,
        "stroke_px": 1.0,
    },
    "strip-1344": {"width_px": 1344, "stroke_px": 1.0},
    "three-1344": {"width_px": 1344, "epochs_shown": 3},
    "spectrum-448": {"height_px": 256, "spectrum_px": 32},
    "paper-336": {"width_px": 336, "height_px": 336, "amplitude": "min-max", "stroke_px": 1.0, "grid": False},
}
"""What each named picture style changes of the default."""


class RenderSettings(Section):
    """How an epoch is drawn. Amplitude is fixed, so that 75 microvolts is always as tall.

    Examples
    --------
    >>> RenderSettings(preset="paper-336").amplitude
    'min-max'
    """

    preset: str = Field("strip-448", description="named style that the fields below start from")
    width_px: int = Field(448, ge=64, le=4096)
    height_px: int = Field(224, ge=64, le=4096)
    amplitude: Literal["fixed", "min-max"] = "fixed"
    eeg_uv_per_px: Positive = 2.5
    eog_uv_per_px: Positive = 4.0
    emg_uv_per_px: Positive = 1.5
    stroke_px: float = Field(0.5, ge=0.1, le=8, description="thin enough that fast waves shade, not fill")
    grid: bool = Field(True, description="a line each second, a stronger one each 5 s")
    ink: Literal["colour", "monochrome"] = Field("colour", description="a colour for each derivation, or black for all")
    epochs_shown: Literal[1, 3] = Field(1, description="3: the epoch between the one before and the one after")
    spectrum_px: int = Field(0, ge=0, le=512, description="height of a spectrogram under the traces; 0 for none")

    @model_validator(mode="before")
    @classmethod
    def _start_from_preset(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        name = values.get("preset", "strip-448")
        if name not in STYLE_PRESETS:
            raise ValueError(f"no style is called {name!r}; there are {', '.join(STYLE_PRESETS)}")
        return STYLE_PRESETS[name] | values

    @model_validator(mode="after")
    def _divide_evenly(self) -> "RenderSettings":
        if self.width_px % self.epochs_shown:
            raise ValueError(
                f"render.width_px = {self.width_px} cannot be shared by render.epochs_shown = {self.epochs_shown} "
                "epochs; choose a multiple"
            )
        return self


class DatasetSettings(Section):
    """Shards and splits."""

    cohort: str = Field("edf_folder", description="how the files belong together: a module of read/cohorts")
    validation_share: float = Field(0.17, ge=0, lt=1, description="of the subjects")
    test_share: float = Field(0.25, ge=0, lt=1, description="of the subjects")
    split_seed: int = Field(7, ge=0)
    keep_signals: bool = Field(
        False, description="keep prepared signals beside the pictures, to draw them anew in another style"
    )
    n_workers: int = Field(0, ge=0, description="nights drawn at once; 0: one for each free CPU of the cluster")
    night_memory_mb: Count = Field(
        1000, description="memory kept free for each night; a night of 24 h or many pixels needs more"
    )
    max_night_s: Positive = Field(600.0, description="a night that takes longer to draw has failed")
    max_failed_share: float = Field(
        0.05, ge=0, le=1, description="more failed nights than this end the job with an error"
    )


class ModelSettings(Section):
    """The base model an adapter attaches to."""

    base: str = Field("embedded", description="'embedded', a hub name, or a local folder")
    revision: str | None = Field(None, description="hub revision, pinned for real work")
    prompt: str = "Classify the PSG. Choose from: W, N1, N2, N3, R."
    n_pictures: Literal[1, 3] = Field(
        1, description="pictures in the prompt; 3: the epoch between the one before and the one after"
    )
    tiles: bool = Field(
        True,
        description="cut a picture into tiles as the base model's processor does; false: one, where it has a choice",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 on a GPU that has it")
    quantise: Literal["none", "4bit"] = Field(
        "none", description="4bit: the decoder's weights in a quarter of the memory (QLoRA), with bitsandbytes"
    )


class TrainSettings(Section):
    """LoRA fine-tuning on class tokens."""

    learning_rate: float = Field(2.2e-3, gt=0, le=1)
    lora_rank: Count = 16
    lora_alpha: Positive = 64.0
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    lora_targets: Literal["language", "language+merger", "language+merger+vision"] = Field(
        "language", description="where LoRA weights go; with 'language' alone, vision features are computed once"
    )
    class_weighting: Literal["none", "sqrt", "balanced"] = Field(
        "sqrt", description="power of the inverse stage frequency"
    )
    loss: Literal["cross-entropy", "focal"] = Field("cross-entropy", description="over the five stage tokens")
    focal_gamma: float = Field(2.0, ge=0, le=10, description="focal loss: how little an easy row counts")
    soft_labels: bool = Field(True, description="learn the shares of several scorers, not their consensus alone")
    neighbour_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of a label given to the stages that scorers take it for"
    )
    phase_one_steps: int = Field(
        0, ge=0, description="steps in which LoRA learns to read waves before it learns to stage; no stage is in them"
    )
    passes: Count = Field(4, description="passes over the training rows")
    sampling: Literal["each", "balanced"] = Field(
        "each", description="rows of a pass: each once, or all stages equally often (nothing is left to weigh then)"
    )
    batch_size: Count = Field(16, description="rows per optimiser step, all workers together")
    rows_at_once: int = Field(0, ge=0, description="rows in one forward pass of a worker; 0: its share of a batch")
    read_ahead: int = Field(2, ge=0, description="batches read and decoded in the background while one is computed")
    warmup_share: float = Field(0.1, ge=0, le=1)
    weight_decay: float = Field(0.01, ge=0)
    gradient_clip: Positive = 1.0
    leave_out: str = Field("", description="a cohort of the dataset to keep away from, and to be tested on")
    redraw: bool = Field(
        False, description="draw the dataset's kept signals in this run's render settings, in place of its pictures"
    )
    reports_per_pass: Count = Field(1, description="validations, each with a checkpoint")
    max_cache_gb: float = Field(
        50.0, ge=0, description="vision features that would take more disk are computed in every pass anew"
    )
    hide_share: float = Field(
        0.25, ge=0, le=1, description="of the training rows: drawn with some derivations hidden, as if not recorded"
    )
    gain_range: float = Field(
        1.0,
        ge=1,
        le=4,
        description="training rows are drawn anew at gains from its inverse to it, as of other amplifiers and heads",
    )
    max_validation_rows: Count = Field(2000, description="validation rows used while training, evenly spaced")
    night_step: Literal["chain", "recurrent", "none"] = Field(
        "chain",
        description="how an epoch is weighed with its neighbours, fitted after the training: by a hidden Markov chain; "
        "by recurrent readers, for which the training nights are scored once; or not at all",
    )
    gradient_checkpointing: bool = Field(
        False, description="keep the inputs of layers alone and compute the rest again: less memory, a third more time"
    )
    compile: bool = Field(False, description="compile the decoder's layers with torch.compile before the first step")
    n_workers: Count = 2
    min_workers: int = Field(
        0, ge=0, description="go on with as few when nodes are lost, with more when they come; 0: always n_workers"
    )
    sharding: Literal["none", "fsdp"] = Field(
        "none", description="fsdp: cut the base model up among the workers, where one does not hold it"
    )
    gpus_per_worker: float = Field(0, ge=0)
    cpus_per_worker: Positive = 1
    max_failures: int = Field(2, ge=0, description="restarts from the last checkpoint after a lost worker")
    checkpoints_to_keep: Count = 2
    seed: int = Field(7, ge=0)

    @property
    def may_cache(self) -> bool:
        """Whether vision features stay the same in all of a training: no LoRA weight touches the vision side."""
        return self.lora_targets == "language"

    @model_validator(mode="after")
    def _fit_together(self) -> "TrainSettings":
        if self.batch_size % self.n_workers:
            raise ValueError(
                f"train.batch_size = {self.batch_size} cannot be shared by train.n_workers = {self.n_workers}; "
                "choose a multiple"
            )
        if self.gain_range > 1 and not self.redraw:
            raise ValueError(
                f"train.gain_range = {self.gain_range} needs signals to draw from: set train.redraw = true as well, "
                "on a dataset built with dataset.keep_signals = true, or leave it at 1"
            )
        if self.min_workers > self.n_workers:
            raise ValueError(
                f"train.min_workers = {self.min_workers} is more than train.n_workers = {self.n_workers}; choose fewer"
            )
        return self


class Range(Section):
    """Numbers between two ends, drawn evenly or evenly in their logarithm."""

    low: float
    high: float
    log: bool = False


class Choices(Section):
    """A few values to choose from."""

    choices: tuple[float | int | str, ...] = Field(min_length=1)


class SearchSettings(Section):
    """Ray Tune with Optuna over the training settings."""

    space: dict[str, Range | Choices] = Field(
        {
            "train.learning_rate": Range(low=5e-4, high=1e-2, log=True),
            "train.lora_rank": Choices(choices=(8, 16, 32)),
            "train.lora_alpha": Choices(choices=(16, 32, 64)),
            "train.class_weighting": Choices(choices=("none", "sqrt")),
        },
        description="settings to search, by section.key",
    )
    start_with: tuple[dict[str, float | int | str], ...] = Field(
        (), description="points known to be good, tried after the settings themselves; what one leaves out is drawn"
    )
    n_trials: Count = 4
    max_concurrent_trials: Count = 1
    grace_reports: Count = Field(1, description="reports before a trial may be stopped early")
    reduction_factor: float = Field(2.0, gt=1, description="ASHA: one in so many goes on")
    objectives: Literal["kappa", "kappa and cost"] = Field(
        "kappa", description="what Optuna looks for: kappa; or kappa against operations of scoring a picture as well"
    )
    seed: int = Field(7, ge=0)


class ScoreSettings(Section):
    """Epochs to stage probabilities."""

    batch_size: Count = 32
    sequence_step: bool = Field(True, description="weigh each epoch with its neighbours over the whole night")


class ReportSettings(Section):
    """The morning report."""

    n_pictures: int = Field(12, ge=0, le=200, description="epochs to look at that are shown with their pictures")


class TrackingSettings(Section):
    """Where the figures of each validation go besides the log."""

    tensorboard: bool = Field(True, description="event files in the run folder")
    mlflow: str = Field(
        "", description="tracking URI, as http://host:5000; 'run' for files in the run folder; empty for none"
    )


PEERS = ("majority", "zero-shot", "YASA", "boosting", "convolution", "vision head")
"""Systems that an adapter is held against."""


class CompareSettings(Section):
    """An adapter against its peers."""

    peers: tuple[Literal["majority", "zero-shot", "YASA", "boosting", "convolution", "vision head"], ...] = PEERS
    robustness: bool = Field(True, description="stage corrupted recordings too")
    corruptions: tuple[str, ...] | None = Field(None, description="by name; none but lost channels: []; all: null")
    lost_shares: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        (0.35, 0.7), description="of each night, at its end, in which a channel is dead"
    )
    boosting_rounds: Count = Field(300, description="trees for each stage, at most")
    convolution_passes: Count = Field(10, description="passes of the convolutional network, at most")
    spoilt_epochs: int = Field(
        80, ge=0, description="epochs of each night, in a row, that are spoilt; 0 for all; lost channels: always all"
    )
    seed: int = Field(7, ge=0)


class Settings(Section):
    """All settings of a run."""

    simulate: SimulateSettings = SimulateSettings()
    read: ReadSettings = ReadSettings()
    prepare: PrepareSettings = PrepareSettings()
    render: RenderSettings = RenderSettings()
    dataset: DatasetSettings = DatasetSettings()
    model: ModelSettings = ModelSettings()
    train: TrainSettings = TrainSettings()
    search: SearchSettings = SearchSettings()
    score: ScoreSettings = ScoreSettings()
    report: ReportSettings = ReportSettings()
    serve: ServeSettings = ServeSettings()
    tracking: TrackingSettings = TrackingSettings()
    compare: CompareSettings = CompareSettings()

    @model_validator(mode="after")
    def _cut_up_what_is_whole(self) -> "Settings":
        if self.train.sharding == "fsdp" and self.model.quantise != "none":
            raise ValueError(
                f"train.sharding = fsdp cannot cut up the weights of model.quantise = {self.model.quantise}; "
                "leave one of them out"
            )
        return self


def read_settings(config: Path | None = None, overrides: Iterable[str] = ()) -> Settings:
    """Resolve the settings of a run: defaults, then the YAML file, then `key=value` overrides.

    Raises
    ------
    SettingsError
        Naming every unknown key and every value out of its limits.

    Examples
    --------
    >>> read_settings(overrides=["train.lora_rank=8"]).train.lora_rank
    8
    """
    values = _read_yaml(config) if config else {}
    for override in overrides:
        _put(values, override)
    return resolve_settings(values, str(config) if config else "")


def resolve_settings(values: dict[str, Any], source: str = "") -> Settings:
    """Settings of plain values, as YAML, a dataset or an adapter's card holds them.

    Parameters
    ----------
    values : dict
    source : str
        Where they are from, for the sentence if they cannot be used.

    Raises
    ------
    SettingsError
        Naming every unknown key and every value out of its limits.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        where = f" in {source}" if source else ""
        sentences = "; ".join(_explain_one(detail) for detail in error.errors())
        raise SettingsError(f"{error.error_count()} setting(s){where} cannot be used: {sentences}.") from None


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SettingsError(f"There is no settings file {path}. Name a YAML file, or leave --config out.")
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path} must hold sections such as 'train:', not {values!r}.")
    return values


def _put(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    section, dot, key = path.strip().partition(".")
    if not (equals and dot and key):
        raise SettingsError(f"--set {override!r} is not of the form section.key=value, as in train.lora_rank=8.")
    section_values = values.setdefault(section, {})
    if not isinstance(section_values, dict):
        raise SettingsError(f"--set {override!r}: section {section!r} holds {section_values!r}, not keys.")
    try:
        section_values[key] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise SettingsError(
            f"--set {override!r} is not of the form section.key=value, as in train.lora_rank=8."
        ) from None


def _explain_one(detail: Any) -> str:
    path = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    if detail["type"] != "extra_forbidden":
        return f"{path} = {detail['input']!r}: {detail['msg']}"
    section = detail["loc"][0]
    known = Settings.model_fields if len(detail["loc"]) == 1 else type(getattr(Settings(), section)).model_fields
    return f"{path} is not a setting; there are {', '.join(known)}"
