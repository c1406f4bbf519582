"""Several sweeps: against each other, night by night, and all sweeps of a store on its front page.

Here: choosing the date ranges on which sweeps are compared, the sentences that follow, the content of the front page.
Not here: the test itself (`analysis/`), the report of one sweep (`report/`), and tables for a terminal (`screen/`).
"""
