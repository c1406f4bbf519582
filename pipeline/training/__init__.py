"""Trains one model on one date range, by a built-in architecture or by a team's own trainer.

Here: networks and their hyperparameters, the loop, saved models, references, the processes of own trainers (`own/`).
Not here: rows and files of a sweep (`trials/`), and reading data (`data/`).
"""
