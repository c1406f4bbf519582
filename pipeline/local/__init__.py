"""Runs a whole sweep on this machine: a runner that plans and drains rounds, and lanes, its long-lived processes.

Here: processes and their deaths. Not here: what a trial does (`trials/`), and what a person sees of it (`screen/`).
"""
