"""Families of vision-language models: what differs between them, and nothing else. One small file each.

A module here with a class `FAMILY` is the family of the models whose configuration has the module's
name as its `model_type`.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from transformers import PreTrainedModel

from somnolens.errors import BaseModelError
from somnolens.model.family import Family


def list_families() -> list[str]:
    """Model types that are supported.

    Examples
    --------
    >>> "qwen3_vl" in list_families()
    True
    """
    return sorted(module.name for module in iter_modules(__path__))


def find_family(model: PreTrainedModel, processor: dict[str, Any], tiles: bool = True) -> Family:
    """The family of a loaded model.

    Parameters
    ----------
    model : PreTrainedModel
    processor : dict
        Settings of its image processor, as preprocessor_config.json holds them.
    tiles : bool
        False: one tile for a picture, where the image processor has a choice.

    Raises
    ------
    BaseModelError
        Naming the families there are.
    """
    return _find_class(model.config.model_type)(model, processor, tiles)


def find_language_path(kind: str) -> str:
    """Where the decoder lies in the models of a type.

    Raises
    ------
    BaseModelError
        Naming the families there are.

    Examples
    --------
    >>> find_language_path("qwen3_vl")
    'model.language_model'
    """
    return _find_class(kind).language_path


def _find_class(kind: str) -> type[Family]:
    known = list_families()
    if kind not in known:
        raise BaseModelError(
            f"Base models of type {kind!r} are not supported. There are: {', '.join(known)}. "
            "Name a base model of one of these, or write a family in model/families."
        )
    return import_module(f"{__name__}.{kind}").FAMILY
