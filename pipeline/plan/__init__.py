"""What a sweep comes to, and what runs next: spec, day and data to a definition; finished rounds to the next one.

Here: making a sweep of a request (`create`), date ranges, phases, budgets of counts, packs, rounds. Not here: running
a trial (`trials/`) and what rows say about settings (`analysis/`). Nothing in this room imports torch.
"""
