"""What makes one model from one date range: architectures, the loop that trains them, and a team's own trainer.

Here: networks and their hyperparameters, the loop, saved models, the processes of own trainers (`own/`). Not here: what
becomes of an outcome, which is the work of `trials/`, and reading data, which is that of `data/`.
"""
