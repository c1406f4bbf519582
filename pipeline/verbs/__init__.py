"""The verbs of `hpt`, a file for each task of a person.

Here: options, calls, printing, exit codes. Not here: decisions; the work of a verb is done in the rooms below, and can
be called without the verb.
"""
