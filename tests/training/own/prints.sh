#!/bin/sh
# A trainer that prints its metrics in lines like those of `examples/net.py`, and leaves one file.
set -eu
for epoch in 1 2 3; do
    echo "epoch $epoch validation 0.$((9 - epoch))"
done
echo "test 0.5"
echo model >"$HPT_FOLDER/net.pt"
