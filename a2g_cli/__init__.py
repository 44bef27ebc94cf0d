"""a2g: show a robot a photo of the goal, and let it practise until the world looks like it."""

from importlib.metadata import version

__version__ = version("a2g")
