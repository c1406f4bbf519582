"""The pictures of a report, as Vega-Lite and as SVG.

Here: one file a kind of picture, and what they have in common (`drawing.py`). Not here: the page that shows them.
"""
