"""somnolens: sleep staging by looking."""

from importlib.metadata import version

__version__ = version("somnolens")
