"""The old name `pipeline.load_model`, for code that still uses it.

Python searches this folder last (`hpt.pth`), so any other package `pipeline` comes first. A plain folder of that name,
without an `__init__.py`, keeps its modules.
"""

from pkgutil import extend_path

from hpt import __version__, load_model

__all__ = ["__version__", "load_model"]

__path__ = [place for place in extend_path(__path__, __name__) if place not in __path__] + __path__
