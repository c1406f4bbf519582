"""Runs one pack, for a runner elsewhere: trains in a process of its own and sees it through from this one.

What ends that process ends no more than the trial that did it. This one imports no torch.
"""

from pipeline.local import process
from pipeline.local.runner import Drain, Pace, SameFailureError, View
from pipeline.local.share import Share
from pipeline.sweep import Pack, Sweep, merge
from pipeline.sweep.leases import Leases, Runner
from pipeline.trials.pack import check

PACE = Pace(refresh=20.0, show=60.0, grace=3.0)
"""Other lanes write the same table; whoever aborts a build waits five seconds for all of it."""


def run_pack(
    sweep: Sweep,
    pack: Pack,
    view: View,
    *,
    retry: bool = False,
    lanes: int = 1,
    owner: str = "",
    pace: Pace = PACE,
    tries: int = 2,
) -> None:
    """Runs the trials of a pack that have no row yet (`retry`: no result), unless all trials of the sweep fail alike.

    Trials that another runner trains are left to it, unless both work for one `owner`, such as a build. `lanes` is how
    many packs of the sweep run at a time. A trial that ends its process is tried again alone, in all `tries` times;
    then it is left to another machine, and the rest goes on. One that takes too long is ended. Raises UserError if a
    trial is not of this sweep, and InfrastructureError if the store or the device fails, or a trial was left: rows
    written before stand.
    """
    sweep.definition.check_format()
    for trial in pack.trials:
        check(sweep, trial)
    lane = process.Lane(0, None, None, process.PROGRAM, pace.grace, is_alone=True, may_fail=1)

    def is_stopped() -> None:
        if sweep.stop_is_asked():
            raise SameFailureError(sweep.why_stopped() or "`hpt stop` asked for it")

    with Leases(sweep, Runner.here(1, owner), pace=pace.leases, say=view.say) as leases:
        share = Share(sweep, leases, view.say, retry=retry, waits=False)
        rows = merge.look(sweep).rows
        drain = Drain(
            sweep,
            [pack],
            [lane],
            view,
            share,
            retry=retry,
            pace=pace,
            tries=tries,
            rows=rows,
            lanes=lanes,
            gives_up=False,
        )
        try:
            drain.run(is_stopped)
        except SameFailureError as error:
            view.say(f"not all of it ran: {error}")
        finally:
            lane.stop()
        share.say_what_is_left()
