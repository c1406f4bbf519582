"""Types of a team's own trainer, where the wheel has them too."""

from pipeline.training.own import Days, Run, Trainer

__all__ = ["Days", "Run", "Trainer"]
