"""Compares a merge of many trials from a bucket with a plain sequential loop over the same client.

The bucket is the emulator behind a proxy that adds latency to every request. It also prints the bound of any client
that reads row by row (latency x rows / connections), the measured time of such a client, and the peak memory of this
process.

    python -m benchmarks.merge [--trials 10000] [--latency-ms 20]
"""

import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.bucket import fill, new_sweep, options, print_memory, seconds_of_plain_loop, slow_bucket
from pipeline.sweep import merge


def main() -> None:
    arguments = options(__doc__.splitlines()[0])
    latency = arguments.latency_ms / 1000
    with slow_bucket() as (proxy, store):
        sweep = new_sweep(store)
        fill(sweep, arguments.trials)
        proxy.measure(latency)
        began = time.monotonic()
        merged = merge.merge(sweep)
        ours = time.monotonic() - began
        requests = len(proxy.requests())
        assert len(merged.rows) == arguments.trials
        bound = latency * arguments.trials / merge.CONNECTIONS

        plain, sample = seconds_of_plain_loop(sweep, arguments.trials)

        # The emulator and the proxy alone, without our code.
        keys = [file.entry.key for file in sweep.result_files().values()]
        began = time.monotonic()
        with ThreadPoolExecutor(merge.CONNECTIONS) as pool:
            list(pool.map(store.read, keys))
        served = time.monotonic() - began

    print(f"{arguments.trials} trials, {arguments.latency_ms:g} ms per request, {merge.CONNECTIONS} connections")
    print(f"merge                  {ours:8.1f} s  ({requests} requests)")
    print(f"sequential loop        {plain:8.1f} s  (from {sample} rows): {plain / ours:.1f} times as long")
    print(f"a read per row, bound  {bound:8.1f} s  (latency x rows / connections): we take {ours / bound:.2f} of it")
    print(f"a read per row, seen   {served:8.1f} s  (the same client on as many connections)")
    print_memory()


if __name__ == "__main__":
    main()
