"""Runs a whole sweep on this machine: a runner that plans and drains rounds, and lanes, its long-lived processes.

Here: processes and their deaths. Not here: running a trial (`trials/`), and showing progress (`screen/`).
"""
