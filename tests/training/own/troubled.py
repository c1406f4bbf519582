"""A function that makes one kind of trouble, then is the forest of `examples/`."""

import subprocess

from examples.forest import Settings, train


def troubled(hyperparameters, run):
    kind = hyperparameters.pop("trouble")
    script = ["sh", "examples/trouble.sh", kind, "true"]
    if kind == "silent":
        return None
    if kind == "child":
        subprocess.Popen(["sleep", "4812"])
        subprocess.Popen(["sleep", "4812"], start_new_session=True, stdout=subprocess.DEVNULL)
    elif kind == "crash":
        raise ValueError("the table is broken")
    elif kind == "segfault":
        import ctypes

        ctypes.string_at(0)
    else:
        subprocess.run(script, check=True)
    return train(Settings(**hyperparameters), run)
