"""Statistics over the rows of a sweep: is the winner real, by how much, and would a cheaper study have found it?

Here: a sweep up to now as one value (`History`); functions from rows to rankings, spending, verdicts and estimates. Not
here: reading a store, the clock, planning a trial (`plan/`), words and pictures (`report/`).
"""
