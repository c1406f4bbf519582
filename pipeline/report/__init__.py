"""The report on one sweep: its state, answer and summary, and the files that show them.

Here: page, pictures, exports and the winner, as plain files that need no server, no script and no other host. Not
here: several sweeps (`compare/`), tables for a terminal (`screen/`), and the statistics (`analysis/`).
"""
