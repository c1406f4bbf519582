"""The errors of `load_model`, at the path that they have in the wheel."""

from pipeline.errors import InfrastructureError, UserError

__all__ = ["InfrastructureError", "UserError"]
