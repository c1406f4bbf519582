"""Terminal output: live bars, a followed build, and tables of sweeps, data, plans and comparisons.

Here: layout alone. Not here: computation; every value comes from the rooms below.
"""
