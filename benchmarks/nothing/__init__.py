"""Trainers that do nothing, ours and those of others: what is left of a trial is overhead."""
