"""Plans sweeps: from a spec, a day and the data to a definition; from finished rounds to the next round.

Here: making a sweep from a request (`create`), date ranges, phases, budgets of counts, packs, rounds. Not here: running
a trial (`trials/`) and evaluating rows (`analysis/`). Nothing in this room imports torch.
"""
