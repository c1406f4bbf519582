"""Reads a user's data, encodes them as arrays, and surveys them before a sweep.

Here: the `data` key of a spec, files and objects of rows, their cache, encoders. Not here: networks and their training
loop (`training/`). Nothing in this room imports torch.
"""
