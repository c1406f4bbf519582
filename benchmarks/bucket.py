"""A bucket for benchmarks: the emulator behind a proxy with latency, and sweeps of made-up rows."""

import argparse
import contextlib
import multiprocessing
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing.connection import Connection

from pipeline import results, spec
from pipeline.plan import resolve
from pipeline.store.bucket import BucketStore
from pipeline.sweep import Sweep, Trial
from tests.support import faults, gcs


class SlowProxy:
    """The tests' proxy in a process of its own, so that it does not compete with the client for one interpreter."""

    def __init__(self, upstream: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(upstream, theirs), daemon=True)
        self._process.start()
        self.url: str = self._pipe.recv()

    def measure(self, latency: float) -> None:
        """From now on every request takes `latency` seconds longer, and requests are counted anew."""
        self._pipe.send(latency)
        self._pipe.recv()

    def requests(self) -> list[faults.Request]:
        """The requests since `measure`."""
        self._pipe.send(None)
        requests: list[faults.Request] = self._pipe.recv()
        return requests

    def close(self) -> None:
        self._process.kill()


def _serve(upstream: str, pipe: Connection) -> None:
    with faults.proxy(upstream) as proxy:
        pipe.send(proxy.url)
        while True:
            latency = pipe.recv()
            if latency is None:
                pipe.send(list(proxy.requests))
            else:
                proxy.requests.clear()
                proxy.latency = latency
                pipe.send(True)


@contextlib.contextmanager
def slow_bucket() -> Iterator[tuple[SlowProxy, BucketStore]]:
    """A store in the emulator, and the proxy in front of it. The proxy counts requests and adds latency."""
    with gcs.emulator() as url:
        name = gcs.new_bucket(url)
        proxy = SlowProxy(url)
        with gcs.pointed_at(proxy.url):
            try:
                yield proxy, BucketStore(f"gs://{name}/runs")
            finally:
                proxy.close()


def new_sweep(store: BucketStore) -> Sweep:
    parsed = spec.from_dict(
        {"architecture": "lstm-attention", "data": "flights", "parameters": {"learning_rate": [0.1, 0.01]}}
    )
    return Sweep.create(store, resolve.resolve(parsed, now=datetime.now(UTC), token="0000"))


def fill(sweep: Sweep, trials: int, first: int = 0) -> None:
    """Writes rows as trainings do, each with the epochs.csv of its attempt."""
    definition = sweep.definition

    def write(number: int) -> None:
        trial = Trial("screen", f"e{number:05d}", 0, 0)
        row = {
            "architecture": definition.architecture,
            "date-range": ["2013-08-01", "2013-11-01"],
            **definition.incumbent,
            **dict.fromkeys(
                ("mse_test", "mse_train", "mse_valid", "loss", "examples_per_second"), 0.123456789 + number
            ),
            "weights": 123456,
            "training_time": 12.345,
            "model_url": sweep.store.link(sweep.attempt_key(trial, "20260614T021000Z-01234567", "model.pt")),
            "sweep": sweep.id,
            "experiment": trial.experiment,
            "trial": str(trial),
            "attempt": "20260614T021000Z-01234567",
            "pack": f"r0-p{number}",
            "phase": "screen",
            "fidelity": "full",
            "status": "complete",
            "epochs": 20,
            "seed": number,
            "host": "agent-7",
            "device": "cpu",
            "started": "2026-06-14T02:10:00Z",
            "finished": "2026-06-14T02:11:00Z",
        }
        sweep.create_row(trial, row)
        sweep.store.write(sweep.attempt_key(trial, "20260614T021000Z-01234567", "epochs.csv"), b"epoch,mse_valid\n")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(first, first + trials)))


def seconds_of_plain_loop(sweep: Sweep, trials: int) -> tuple[float, int]:
    """Seconds of a loop that reads the rows of all trials one after another, and the sample that was measured."""
    sample = max(1, trials // 50)
    keys = [file.entry.key for file in sweep.result_files().values()][:sample]
    began = time.monotonic()
    for key in keys:
        results.read_csv(sweep.store.read(key))
    return (time.monotonic() - began) / sample * trials, sample


def options(description: str) -> argparse.Namespace:
    """The options `trials` and `latency_ms`, from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--latency-ms", type=float, default=20.0)
    return parser.parse_args()


def print_memory() -> None:
    print(f"peak memory            {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")
