"""Runs one pack for Jenkins or another runner: a lane trains in its own process, and this process watches it.

A crash of the lane ends only the trial that caused it. The watching process imports no torch.
"""

from pipeline.local import process
from pipeline.local.drain import Drain, Pace, SameFailureError, View
from pipeline.local.share import Share
from pipeline.sweep import Pack, Sweep, merge
from pipeline.sweep.leases import Leases, Runner
from pipeline.trials.pack import check

PACE = Pace(refresh=20.0, show=60.0, grace=3.0)
"""`refresh` and `show` are slower than a runner's, since other lanes write the same table. `grace` is shorter than the
five seconds that Jenkins leaves the processes of an aborted build."""


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

    Trials that another runner trains are left to it, unless both have the same `owner`, such as a build. `lanes` is the
    number of packs of the sweep that run at a time. A trial that kills its process is tried again alone, `tries` times
    in all, then left to another machine; the other trials go on. A trial that takes too long is ended.

    Raises UserError if a trial is not of this sweep. Raises InfrastructureError if the store or the device fails, or if
    a trial is left to another machine; rows that are written by then remain.
    """
    sweep.definition.check_format()
    for trial in pack.trials:
        check(sweep, trial)
    lane = process.Lane(0, None, None, process.PROGRAM, pace.grace, is_alone=True, may_fail=1)

    def check_stop() -> None:
        if sweep.stop_is_asked():
            raise SameFailureError(sweep.why_stopped() or "`hpt stop` asked for it")

    with Leases(sweep, Runner.of_this_process(1, owner), pace=pace.leases, say=view.say) as leases:
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
            drain.run(check_stop)
        except SameFailureError as error:
            view.say(f"some trials of this pack did not run: {error}")
        finally:
            lane.stop()
        share.say_untrained()
