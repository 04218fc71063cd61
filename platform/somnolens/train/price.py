"""What a trial would cost once it scores nights: operations of one picture, known without a measurement."""

from typing import Any

from somnolens.config import Settings
from somnolens.train.study import place_values


class Price:
    """Operations of scoring, of the settings that a search tries.

    LoRA weights are merged before an adapter scores and cost nothing: what counts is the base model, and how many
    tokens the picture of an epoch takes in it.

    Parameters
    ----------
    settings : Settings
        What the search's space does not name is taken from here.
    """

    def __init__(self, settings: Settings) -> None:
        self._asked = settings.search.objectives == "kappa and cost"
        self._settings = settings.model_dump(mode="json")

    def measure(self, values: dict[str, Any]) -> float | None:
        """Thousand millions of operations of one picture under these values; None where nobody asked."""
        if not self._asked:
            return None
        from somnolens.model.budget import plan_training  # brings torch, in every trial and its controller

        return plan_training(place_values(self._settings, values)).scoring_flops / 1e9
