"""Merging many trials from a bucket, against a plain sequential loop over the same client.

The bucket is the emulator behind a proxy that adds latency to every request. Also printed: the bound of any client
that reads row by row (latency x rows / connections), what such a client really takes here, and the peak memory of
this process.

    python -m benchmarks.merge [--trials 10000] [--latency-ms 20]
"""

import argparse
import resource
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.bucket import fill, new_sweep, slow_bucket
from pipeline import results
from pipeline.sweep import merge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--latency-ms", type=float, default=20.0)
    options = parser.parse_args()
    latency = options.latency_ms / 1000
    with slow_bucket() as (proxy, store):
        sweep = new_sweep(store)
        fill(sweep, options.trials)
        proxy.measure(latency)
        began = time.monotonic()
        merged = merge.merge(sweep)
        ours = time.monotonic() - began
        requests = len(proxy.requests())
        assert len(merged.rows) == options.trials
        bound = latency * options.trials / merge.CONNECTIONS

        sample = max(1, options.trials // 50)
        keys = [file.entry.key for file in sweep.result_files().values()]
        began = time.monotonic()
        for key in keys[:sample]:
            results.read_csv(store.read(key))
        plain = (time.monotonic() - began) / sample * options.trials

        # What the emulator and the proxy themselves can serve, without our code.
        began = time.monotonic()
        with ThreadPoolExecutor(merge.CONNECTIONS) as pool:
            list(pool.map(store.read, keys))
        served = time.monotonic() - began

    print(f"{options.trials} trials, {options.latency_ms:g} ms per request, {merge.CONNECTIONS} connections")
    print(f"merge                  {ours:8.1f} s  ({requests} requests)")
    print(f"sequential loop        {plain:8.1f} s  (from {sample} rows): {plain / ours:.1f} times as long")
    print(f"a read per row, bound  {bound:8.1f} s  (latency x rows / connections): we take {ours / bound:.2f} of it")
    print(f"a read per row, seen   {served:8.1f} s  (the same client on as many connections)")
    print(f"peak memory            {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")


if __name__ == "__main__":
    main()
