"""Several sweeps: against each other, night by night, and all of a store on its front page.

Here: which ranges may be set against each other, and what that says; what stands on the front page, and who enters it.
Not here: the test itself (`analysis/`), a sweep's own report (`report/`), and tables for a terminal (`screen/`).
"""
