"""Types of a team's own trainer, at the path that they have in the wheel."""

from pipeline.training.own import Days, Run, Trainer

__all__ = ["Days", "Run", "Trainer"]
