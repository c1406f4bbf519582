#!/bin/sh
# A trainer in awk: the mean of the training days, shrunk and lifted. `mean.sh TABLE SHRINK LIFT`
# A shrink of 0.5 fails unless there is a file `mended` beside it.
set -eu
[ "$2" != 0.5 ] || [ -e mended ] || { echo "mended: no such file" >&2; exit 1; }
awk -F, -v shrink="$2" -v lift="$3" -v train="$HPT_TRAIN_START" -v valid="$HPT_VALID_START" \
    -v test="$HPT_TEST_START" -v end="$HPT_END" '
    $1 >= train && $1 < valid { n++; sum += $5 }
    $1 >= valid && $1 < end { part = $1 < test ? "valid" : "test"; m[part]++; y[part, m[part]] = $5 }
    END {
        for (epoch = 1; epoch <= 3; epoch++) {
            guess = (1 - shrink) * (1 - 0.1 ^ epoch) * sum / n + lift
            for (part in m) {
                error[part] = 0
                for (i = 1; i <= m[part]; i++) error[part] += (y[part, i] - guess) ^ 2 / m[part]
            }
            printf "{\"epoch\": %d, \"mse_valid\": %.6f}\n", epoch, error["valid"]
        }
        printf "{\"mse_test\": %.6f}\n", error["test"]
    }' "$1" >>"$HPT_METRICS"
