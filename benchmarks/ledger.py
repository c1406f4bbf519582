"""Compares a refresh of results.csv, when one row of many is new, with reading all rows again.

The bucket is the emulator behind a proxy that adds latency to every request.

    python -m benchmarks.ledger [--trials 10000] [--latency-ms 20]
"""

import time

from benchmarks.bucket import fill, new_sweep, options, print_memory, seconds_of_plain_loop, slow_bucket
from pipeline.sweep import merge


def main() -> None:
    arguments = options(__doc__.splitlines()[0])
    with slow_bucket() as (proxy, store):
        sweep = new_sweep(store)
        fill(sweep, arguments.trials)
        merge.merge(sweep)
        fill(sweep, 1, first=arguments.trials)

        proxy.measure(arguments.latency_ms / 1000)
        began = time.monotonic()
        merged = merge.refresh(sweep)
        refresh = time.monotonic() - began
        requests = proxy.requests()
        listing = sum(request.is_list for request in requests)
        assert len(merged.rows) == arguments.trials + 1

        plain, sample = seconds_of_plain_loop(sweep, arguments.trials)

    print(f"{arguments.trials} trials and one that is new, {arguments.latency_ms:g} ms per request")
    print(f"refresh                {refresh:8.2f} s: {listing} list requests and {len(requests) - listing} others")
    print(
        f"reading all rows again {plain:8.1f} s  (one after another, from {sample} rows): {plain / refresh:.0f} times"
    )
    print_memory()


if __name__ == "__main__":
    main()
