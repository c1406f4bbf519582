"""Cost and correctness of training on a GPU: `python -m benchmarks.gpu`.

Each part runs in a process with a time limit, and writes each measurement at once. A part that fails or runs out of
time keeps its earlier measurements and does not affect the other parts. `../gpu.md` lists what the machine needs.
"""
