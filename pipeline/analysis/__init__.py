"""What the merged results say: is the winner real, by how much, and how cheaply could that have been found out.

Here: a sweep up to now as one value (`History`); rows in, rankings, spending, verdicts and estimates out. Not here:
reading a store, the clock, planning a trial (`plan/`), words and pictures (`report/`).
"""
