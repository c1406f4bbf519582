"""A function that makes one kind of trouble, and then trains as any other."""

import subprocess


def train(hyperparameters, run):
    kind = hyperparameters["trouble"]
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
        subprocess.run(["sh", "examples/trouble.sh", kind, "true"], check=True)
    for epoch in range(1, run.max_epochs + 1):
        run.report(epoch, mse_valid=1 / epoch)
    (run.folder / "model.txt").write_text("model")
    return {"mse_test": 0.5, "model": "model.txt"}
