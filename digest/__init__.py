"""Digest: a self-hosted newsletter of new research papers, personal and explained."""

from importlib.metadata import version

__version__ = version("paper-digest")
