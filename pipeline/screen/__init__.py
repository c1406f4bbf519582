"""What people see on a terminal: live bars, tables of sweeps, data, plans and comparisons, a followed build.

Here: layout alone. Not here: anything that is computed; every value comes from the rooms below.
"""
