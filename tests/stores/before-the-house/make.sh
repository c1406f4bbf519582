#!/bin/sh
# Made `store/` and `predictions.json` at commit 4cce062, in a copy of this folder at /srv/hpt. They are never made anew:
# what later code makes of them is what the tests look at.
set -eu
export HPT_STORE=store
hpt() { python -P -m pipeline.cli "$@"; }
# some SWEEP FILTER…: runs the trials of the round in packs.tsv whose lines the filter leaves.
some() {
    sweep=$1
    shift
    hpt trial "$sweep" "$("$@" <packs.tsv | cut -f4 | paste -sd,)"
}
rm -rf store mended

finished=$(hpt run nightly.json --lanes 1 | head -1)
hpt run wider.json --lanes 1
hpt calibrate calibration.json --experiments 6 --top 2 --lanes 1
hpt run own.json --lanes 1 || [ $? = 1 ]

sweep=$(hpt plan interrupted.json --out packs.tsv)
some "$sweep" cat
hpt plan --sweep "$sweep" --out packs.tsv
some "$sweep" head -1
hpt stop "$sweep"

sweep=$(hpt plan automatic.json --out packs.tsv)
some "$sweep" cat
hpt plan --sweep "$sweep" --out packs.tsv
some "$sweep" head -3
hpt stop "$sweep"

python -P - "store/sweeps/$finished" <<'PYTHON'
import json
import sys
from pathlib import Path

import pandas
import pipeline

rows = [
    {"city": "north", "channel": "web", "size": 0.5},
    {"city": "east", "channel": "fax", "size": -1.0},
    {"city": None, "channel": "shop", "size": 40.0},
    {"city": "", "channel": "phone", "size": None},
]
value = {}
for model in sorted(Path(sys.argv[1]).glob("trials/*/attempts/*/model.pt")):
    value[model.parts[4]] = pipeline.load_model(model.parent).predict(pandas.DataFrame(rows))["value"].tolist()
Path("predictions.json").write_text(json.dumps({"rows": rows, "value": value}, indent=1) + "\n")
PYTHON

# Left out: summaries and learning curves, which are large, and what marks the store as this machine's.
rm -rf packs.tsv store/.hpt-* store/sweeps/*/report store/sweeps/*/tensorboard
