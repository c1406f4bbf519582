#!/bin/sh
# A trainer in shell and awk: a line through the training days whose slope is shrunk. `line.sh TABLE SHRINK`
set -eu
awk -F, -v shrink="$2" -v train="$HPT_TRAIN_START" -v valid="$HPT_VALID_START" -v test="$HPT_TEST_START" \
    -v end="$HPT_END" -v model="$HPT_FOLDER/line.txt" '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    { day = $column["day"]; x = $column["size"]; y = $column["value"] }
    day >= train && day < valid { n++; sx += x; sy += y; sxx += x * x; sxy += x * y }
    day >= valid && day < end { part = day < test ? "valid" : "test"; m[part]++; px[part, m[part]] = x; py[part, m[part]] = y }
    END {
        slope = (1 - shrink) * (sxy - sx * sy / n) / (sxx - sx * sx / n)
        level = (sy - slope * sx) / n
        print level, slope > model
        for (part in m) {
            for (i = 1; i <= m[part]; i++) error[part] += (py[part, i] - level - slope * px[part, i]) ^ 2 / m[part]
            printf "{\"mse_%s\": %.8f}\n", part, error[part]
        }
        print "{\"model\": \"line.txt\"}"
    }' "$1" >>"$HPT_METRICS"
