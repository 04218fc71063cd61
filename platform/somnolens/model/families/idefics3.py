"""Idefics3, of which the first SmolVLM models are: the same code under another name."""

from somnolens.model.families.smolvlm import SmolVLM

FAMILY = SmolVLM
