"""The verb that exports the best setting of a sweep for use elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UserError
from pipeline.verbs.common import StoreOption, SweepArgument

app = typer.Typer()


@app.command()
def export(
    sweep: SweepArgument,
    best: Annotated[bool, typer.Option("--best", help="What to export: the best setting, as without it.")] = True,
    to: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where to. Default: <sweep>-best.")] = None,
    store: StoreOption = None,
) -> None:
    """Export the best setting: its model, a spec that trains it on the newest days, and model.pt2 for PyTorch alone."""
    import json
    from datetime import UTC, datetime

    from pipeline import places
    from pipeline.plan.create import open_sweep
    from pipeline.plan.data_access import covered_days
    from pipeline.report import winner
    from pipeline.report.state import state_of
    from pipeline.report.words import values_in_words
    from pipeline.sweep import models
    from pipeline.training import saved

    folder = open_sweep(sweep, store)
    definition = folder.definition
    best_setting = winner.winner_of(state_of(folder))
    covered = covered_days(definition.data, trains_here=False) if definition.data is not None else None
    spec = winner.spec_of(definition, best_setting, datetime.now(UTC).date(), covered)

    # The files: a spec, the model as it was saved, and for a built-in architecture a program of PyTorch's.
    out = places.output_path(to or Path(f"{folder.id}-best"))
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "spec.json").write_text(json.dumps(spec, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"--to {out}: cannot be written: {error.strerror}") from None
    files = [path.name for path in models.download(folder.store, best_setting.row, out)]
    built_in = "model.json" in files and saved.is_ours(out / "model.json")
    if built_in:
        from pipeline.training import model, portable

        portable.export(model.load(out), out / portable.PROGRAM)
        files.append(portable.PROGRAM)

    standing = best_setting.standing
    print(f"{standing.experiment} ({values_in_words(definition, standing.assignment)}): {best_setting.verdict}")
    newest, trained_on = ("[{}, {})".format(*days) for days in (spec["date-range"][0], best_setting.row["date-range"]))
    print(f"{out}: spec.json to train it on {newest}; {', '.join(files)}, trained on {trained_on}")
    if not built_in:
        print("no model.pt2: torch.export is for the built-in architectures; the model is as your trainer saved it")
