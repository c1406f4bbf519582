"""Several sweeps: against each other, and night by night.

Here: which ranges may be set against each other, and what that says. Not here: the test itself (`analysis/`), a sweep's
own report (`report/`), and tables for a terminal (`screen/`).
"""
