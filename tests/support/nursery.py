"""A nursery: forks programs from a process that has imported everything, so that they start at once.

Imports take a lane seconds and `hpt` most of a second, which is too much for a test that starts fifty processes.
`nursery.py warm NAME` imports everything once and listens. A test starts `nursery.py run NAME PROGRAM ARGUMENT…` in
place of a program: `lane`, `hpt`, or the path of a script. This stand-in hands its standard files, environment and
folder to the nursery, which forks a process with them to run the program. The stand-in ends with the exit status of
that process, a real one that can be killed. It imports only the standard library, so it starts at once.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile


def stand_in(name: str, argv: list[str]) -> None:
    """Lets the nursery fork the program, forwards SIGTERM to it, and ends with its exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # like a lane
    with socket.socket(socket.AF_UNIX) as nursery:
        nursery.connect(f"\0{name}")
        socket.send_fds(nursery, [b"!"], [0, 1, 2])
        nursery.sendall(json.dumps([argv, os.getcwd(), dict(os.environ)]).encode() + b"\n")
        os.close(0)
        os.close(1)
        answers = nursery.makefile()
        lane = int(answers.readline())
        signal.signal(signal.SIGTERM, lambda *_: os.kill(lane, signal.SIGTERM))
        status = int(answers.readline())
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status)


def fork_for_all(name: str) -> list[str]:
    """Forks a process for each connection, until the standard input ends. Returns in the child, with its arguments."""
    lanes: dict[int, socket.socket] = {}
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        for file in (0, wake, listener):
            selector.register(file, selectors.EVENT_READ)
        print("warm", flush=True)
        while True:
            for key, _ in selector.select():
                if key.fileobj == 0:
                    for lane in lanes:
                        os.kill(lane, signal.SIGKILL)
                    os._exit(0)
                elif key.fileobj == wake:
                    os.read(wake, 4096)
                    for lane, status in ended():
                        selector.unregister(lanes[lane])
                        with lanes.pop(lane) as connection, contextlib.suppress(OSError):
                            connection.sendall(b"%d\n" % status)
                elif key.fileobj is listener:
                    connection = listener.accept()[0]
                    _, files, _, _ = socket.recv_fds(connection, 1, 3)
                    argv, folder, environment = json.loads(connection.makefile().readline())
                    lane = os.fork()
                    if lane == 0:
                        selector.close()
                        for other in (connection, *lanes.values()):
                            other.close()
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        os.close(wake)
                        os.close(woken)
                        take_over(files, folder, environment)
                        return argv
                    for file in files:
                        os.close(file)
                    with contextlib.suppress(OSError):
                        connection.sendall(b"%d\n" % lane)
                    lanes[lane] = connection
                    selector.register(connection, selectors.EVENT_READ, lane)
                elif key.data in lanes:  # the stand-in of the lane was killed
                    os.kill(key.data, signal.SIGKILL)


def ended() -> list[tuple[int, int]]:
    """The lanes that have ended, with their exit status: minus the signal for a killed one."""
    lanes = []
    while True:
        try:
            lane, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return lanes
        if not lane:
            return lanes
        lanes.append((lane, os.waitstatus_to_exitcode(status)))


def take_over(files: list[int], folder: str, environment: dict[str, str]) -> None:
    """Sets the standard files, the folder and the environment of this process."""
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)


def load() -> None:
    """Imports everything that programs import, and does the slow work of torch's first optimizer."""
    import importlib
    import pkgutil

    import altair  # noqa: F401
    import google.cloud.storage  # noqa: F401
    import optuna  # noqa: F401
    import tensorboard.compat.proto.event_pb2
    import tensorboard.compat.proto.summary_pb2
    import tensorboard.plugins.hparams.metadata
    import tensorboard.summary.writer.record_writer  # noqa: F401
    import torch

    import pipeline

    for module in pkgutil.walk_packages(pipeline.__path__, "pipeline."):
        if module.name not in ("pipeline.training.own.call", "pipeline.training.own.guard"):  # programs of their own
            importlib.import_module(module.name)

    # A verb that writes a page needs a second for this. It happens in a child, because V8 must not run before a fork.
    from pipeline.report import interactive

    with tempfile.TemporaryFile("w+", newline="") as file:
        if (child := os.fork()) == 0:
            file.write(interactive._vega())
            file.flush()
            os._exit(0)
        os.waitpid(child, 0)
        file.seek(0)
        vega = file.read()
    interactive._vega = lambda: vega

    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.zeros(1)  # without a backward pass, which would start threads that a fork does not copy
    torch.optim.AdamW([weight], fused=True).step()


def run(argv: list[str]) -> None:
    """Runs a program in this process with these arguments."""
    import runpy

    from pipeline import cli
    from pipeline.local import lane, process

    sys.argv = argv
    # The lanes of this process come from the nursery, too.
    process.PROGRAM = (sys.executable, "-S", "-E", __file__, "run", name, "lane")
    if argv[0] == "lane":
        lane.main()
    elif argv[0] == "hpt":
        cli.main()
    else:
        runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    command, name, *program = sys.argv[1:]
    if command == "run":
        stand_in(name, program)
    load()
    arguments = fork_for_all(name)
    status = 0
    try:
        run(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # A normal exit would take seconds, because each page of memory that torch frees has to be copied first.
    os._exit(status)
