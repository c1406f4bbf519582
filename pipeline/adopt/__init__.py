"""What `hpt init` writes into a team's repository, so that it tunes there, and whether what is there still fits.

Here: what a person is asked, the first spec that follows from it, the files, and the look at those that are there. Not
here: the terminal (`verbs/`), and what any of these files mean to a sweep, which is for the rooms that read them.
"""
