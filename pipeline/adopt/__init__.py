"""`hpt init`: writes the files with which a team's repository tunes, and checks those that are there already.

Here: the questions to a person, the first spec that follows from the answers, the files, and the check of existing
files. Not here: the terminal (`verbs/`), and the meaning of these files to a sweep, which other rooms know.
"""
