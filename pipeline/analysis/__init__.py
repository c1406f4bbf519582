"""What the merged results say: is the winner real, by how much, and how cheaply could that have been found out.

Here: rows and numbers in, rankings, verdicts and estimates out. Not here: reading a store, the clock, planning a trial
(`plan/`), words and pictures (`report/`).
"""
