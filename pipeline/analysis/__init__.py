"""What the merged results say: is the winner real, by how much, and how cheaply could that have been found out.

Pure functions over numbers; nothing here reads a store or plans a trial.
"""
