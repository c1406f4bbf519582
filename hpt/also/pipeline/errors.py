"""The errors of `pipeline.load_model`."""

from hpt.errors import InfrastructureError, UserError

__all__ = ["InfrastructureError", "UserError"]
