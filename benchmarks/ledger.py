"""What it costs to keep results.csv fresh: one refresh when one row of many is new, against merging all of them again.

The bucket is the emulator behind a proxy that adds latency to every request.

    python -m benchmarks.ledger [--trials 10000] [--latency-ms 20]
"""

import argparse
import resource
import time

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
        merge.merge(sweep)
        fill(sweep, 1, first=options.trials)

        proxy.measure(latency)
        began = time.monotonic()
        merged = merge.refresh(sweep)
        refresh = time.monotonic() - began
        asked = proxy.requests()
        listing = sum(request.is_list for request in asked)
        assert len(merged.rows) == options.trials + 1

        sample = max(1, options.trials // 50)
        keys = [file.entry.key for file in sweep.result_files().values()][:sample]
        began = time.monotonic()
        for key in keys:
            results.read_csv(store.read(key))
        plain = (time.monotonic() - began) / sample * options.trials

    print(f"{options.trials} trials and one that is new, {options.latency_ms:g} ms per request")
    print(
        f"refresh                {refresh:8.2f} s: {listing} requests of listing and {len(asked) - listing} beyond it"
    )
    print(
        f"reading all rows again {plain:8.1f} s  (one after another, from {sample} rows): {plain / refresh:.0f} times"
    )
    print(f"peak memory            {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")


if __name__ == "__main__":
    main()
