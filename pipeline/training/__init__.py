"""Trains one model on one date range, by a built-in architecture or by a team's own trainer.

Here: networks and their hyperparameters, the training loop, saved models, reference models, and the processes that run
a team's own code (`own/`). Not here: a sweep's rows and files (`trials/`), and reading data (`data/`).
"""
