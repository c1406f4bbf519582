"""Trainers that do nothing, for hpt, Optuna and Syne Tune: all of a trial's time is overhead."""
