"""What `load_model` raises, where the wheel has it too."""

from pipeline.errors import InfrastructureError, UserError

__all__ = ["InfrastructureError", "UserError"]
