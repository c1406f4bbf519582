"""The pictures of a report, as Vega-Lite and as SVG.

Here: one file per kind of picture, and their common parts (`drawing.py`). Not here: the page that shows them.
"""
