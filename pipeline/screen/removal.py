"""Lines for a terminal about the files that a removal of sweeps would free, or has freed."""

from collections.abc import Iterator, Sequence

from pipeline.sweep.removal import Removal


def removal_lines(removals: Sequence[Removal]) -> Iterator[str]:
    """A line per sweep, and a second one if models stay that other sweeps need."""
    for removal in removals:
        part = "all of it" if removal.is_whole else "its models but the best"
        count = len(removal.files)
        yield f"{removal.sweep.id}: {part}, {count:,} file{'s' if count != 1 else ''}, {size(removal.size)}"
        if removal.needed_by:
            needed = sum(1 for sweeps in removal.kept.values() if sweeps)
            yield (
                f"  {needed} of its models {'stay' if needed > 1 else 'stays'}: rows of "
                f"{', '.join(removal.needed_by)} point to {'them' if needed > 1 else 'it'}"
            )


def size(count: int) -> str:
    """A number of bytes: `12 bytes`, `3.4 kB`, `120 MB`, `1.2 GB`."""
    if count < 1000:
        return f"{count} byte{'s' if count != 1 else ''}"
    for power, unit in enumerate(("kB", "MB", "GB"), 1):
        value = count / 1000**power
        if value < 999.5:
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    return f"{count / 1000**4:.1f} TB"
