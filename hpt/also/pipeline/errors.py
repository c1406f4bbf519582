"""What `pipeline.load_model` raises."""

from hpt.errors import InfrastructureError, UserError

__all__ = ["InfrastructureError", "UserError"]
