"""The packs that a build should run now, of all its sweeps together, as the lines that the Jenkinsfile reads."""

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest

from pipeline.jenkins import others
from pipeline.jenkins.trust import check_code
from pipeline.sweep import Pack, Sweep
from pipeline.sweep.leases import owner_in


def lines(
    sweeps: Sequence[Sweep], environment: Mapping[str, str], *, retry: bool, lanes: int | None = None
) -> list[str]:
    """The packs that should run now, as `id, label, image, trials, sweep` between tabs; none if all sweeps are done.
    `wait` alone stands for packs that are left and that other runners are training.

    A new round is cut into packs for so many lanes. Sweeps take turns, so that they come on equally: hours count for
    all of them at once. Raises UserError if one wants to run what the build's environment was not checked with.
    """
    left = others.left(sweeps, owner_in(environment), retry=retry, lanes=lanes)
    if left.waits_for:
        print(left.waits_for)
        return [others.WAIT]
    packs = left.packs
    for sweep, its in zip(sweeps, packs, strict=True):
        check_code(sweep.definition, [pack.image for pack in its], environment)
    of_sweeps = [
        [_line(sweep, pack, len(sweeps) > 1) for pack in its] for sweep, its in zip(sweeps, packs, strict=True)
    ]
    return [line for line in chain.from_iterable(zip_longest(*of_sweeps)) if line is not None]


def _line(sweep: Sweep, pack: Pack, shared: bool) -> str:
    if shared:
        # The id names the container: what two sweeps have in common would end the other one's.
        label = f"{sweep.definition.architecture} {pack.label}"
        pack = Pack(f"{sweep.id}-{pack.id}", label, pack.image, pack.trials)
    return f"{pack.as_line()}\t{sweep.id}"
