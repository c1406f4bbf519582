"""`pipeline.load_model`, as it was called first, for code that still says so.

This folder is the last in which Python looks (`hpt.pth`): any other `pipeline` comes before it, and a plain folder
of that name, without an `__init__.py`, keeps its modules.
"""

from pkgutil import extend_path

from hpt import __version__, load_model

__all__ = ["__version__", "load_model"]

__path__ = [place for place in extend_path(__path__, __name__) if place not in __path__] + __path__
