"""Statistics over the rows of a sweep: is the winner better, by how much, and would less data have found it, too?

Here: a sweep up to now as one value (`History`); functions from rows to rankings, spending, verdicts and estimates. Not
here: reading a store, the clock, planning a trial (`plan/`), words and pictures (`report/`).
"""
