"""Runs trials: all that happens on the machine that trains.

Here: attempts and their rows, reuse of rows, early stopping, the doctor. Not here: planning trials (`plan/`), training
a network (`training/`), and evaluating rows (`analysis/`).
"""
