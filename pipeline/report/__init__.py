"""One sweep: how far it is, what it comes to, and the files that say so: page, pictures, exports, the winner.

Here: state, answer, summary and their rendering; plain files that need no server, no script and no other host. Not
here: several sweeps (`compare/`), tables for a terminal (`screen/`), and the numbers themselves (`analysis/`).
"""
