"""The verbs of `hpt`, a file for each thing that a person does with it.

Here: options, calls, printing, exit codes. Not here: anything that is decided; what a verb does lies in the rooms below
and can be called without it.
"""
