"""What training costs on a GPU, and whether it comes out right there: `python -m benchmarks.gpu`.

Each part is a process of its own with seconds of its own, and writes a line per measurement as soon as it has it: what
one part loses, by an error or by its time, the others keep. `../gpu.md` says what the machine must bring.
"""
