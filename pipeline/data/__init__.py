"""Where data lie, what they are, and how they become arrays: reading, encoding, caching, a survey of them.

Here: a spec's `data` key, files and buckets of rows, encoders, the look at data before a sweep. Not here: networks and
the loop that trains them (`training/`). Nothing in this room imports torch.
"""
