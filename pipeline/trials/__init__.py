"""Runs trials: attempts that write what they measure and end in a row, reuse of rows, early stopping, the doctor.

Here: what happens on the machine that trains. Not here: which trials there are (`plan/`), how a network trains
(`training/`), and what rows come to (`report/`).
"""
