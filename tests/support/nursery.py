"""Lanes that start at once: forked from a process that has loaded torch, each a real process that can be killed.

A lane's own program takes seconds to import torch, which is most of what a test pays that kills fifty of them.
`nursery.py warm NAME` loads everything once and listens; `nursery.py lane NAME` is what a runner starts instead of a
lane: it hands its files, its environment and its folder to the nursery, which forks a lane that has them, and it ends
as that lane ends. Only the standard library is imported before a lane is forked, so that the second starts at once.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import sys


def stand_in(name: str) -> None:
    """Has a lane forked, hands SIGTERM on to it, and ends as it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a lane does
    with socket.socket(socket.AF_UNIX) as nursery:
        nursery.connect(f"\0{name}")
        socket.send_fds(nursery, [b"!"], [0, 1, 2])
        nursery.sendall(json.dumps([os.getcwd(), dict(os.environ)]).encode() + b"\n")
        os.close(0)
        os.close(1)
        answers = nursery.makefile()
        lane = int(answers.readline())
        signal.signal(signal.SIGTERM, lambda *_: os.kill(lane, signal.SIGTERM))
        status = int(answers.readline())
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status)


def become_a_lane(name: str) -> None:
    """Forks a lane for everybody who connects, until the standard input ends; returns in each lane."""
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
                    folder, environment = json.loads(connection.makefile().readline())
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
                        return
                    for file in files:
                        os.close(file)
                    with contextlib.suppress(OSError):
                        connection.sendall(b"%d\n" % lane)
                    lanes[lane] = connection
                    selector.register(connection, selectors.EVENT_READ, lane)
                elif key.data in lanes:  # whoever stood in for the lane was killed
                    os.kill(key.data, signal.SIGKILL)


def ended() -> list[tuple[int, int]]:
    """The lanes that have ended, with their exit status, or minus the signal that killed them."""
    found = []
    while True:
        try:
            lane, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not lane:
            return found
        found.append((lane, os.waitstatus_to_exitcode(status)))


def take_over(files: list[int], folder: str, environment: dict[str, str]) -> None:
    """Gives this process these standard files, this folder and this environment."""
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)


def load() -> None:
    """Imports what a lane imports sooner or later, and has torch do what only its first optimizer does."""
    import google.cloud.storage  # noqa: F401
    import tensorboard.compat.proto.event_pb2
    import tensorboard.compat.proto.summary_pb2
    import tensorboard.summary.writer.record_writer  # noqa: F401
    import torch

    import pipeline.data.load
    import pipeline.local.lane
    import pipeline.store.bucket
    import pipeline.training.fused_size
    import pipeline.training.loop
    import pipeline.training.model
    import pipeline.trials.pack
    import pipeline.trials.tensorboard  # noqa: F401

    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.zeros(1)  # no backward pass: that would start threads, which a fork does not copy
    torch.optim.AdamW([weight], fused=True).step()


if __name__ == "__main__":
    what, name = sys.argv[1:]
    if what == "lane":
        stand_in(name)
    load()
    become_a_lane(name)
    from pipeline.local import lane

    try:
        lane.main()
    except SystemExit as end:
        # Python would take torch apart, which takes seconds where each page has to be copied first.
        os._exit(int(end.code or 0))
