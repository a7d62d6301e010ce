# SPDX-License-Identifier: LGPL-2.1-or-later
#
# From the lines PART|NAME|UNIT|VALUE of bench/run: medians and their spread, and the ratios that the targets are about.

BEGIN {
    FS = "|"
}

NF == 4 {
    key = $1 "|" $2
    if (!(key in count)) {
        keys[++n_keys] = key
        unit[key] = $3
    }
    values[key, ++count[key]] = $4 + 0
}

function sort_values(key,    i, j, v) {
    for (i = 2; i <= count[key]; i++) {
        v = values[key, i]
        for (j = i - 1; j >= 1 && values[key, j] > v; j--)
            values[key, j + 1] = values[key, j]
        values[key, j + 1] = v
    }
}

function median(key,    n) {
    n = count[key]
    return n % 2 ? values[key, (n + 1) / 2] : (values[key, n / 2] + values[key, n / 2 + 1]) / 2
}

# The least value that so many of a hundred do not exceed. sort_values() comes first.
function percentile(key, percent,    n) {
    n = int((count[key] * percent + 99) / 100)
    return values[key, n > 0 ? n : 1]
}

# A ratio of two medians against its target: at most, where most is set, else at least.
function ratio(name, above, below, target, most,    r, good) {
    if (!(above in count) || !(below in count) || median(below) == 0)
        return
    # What is printed is what is judged: four digits more say nothing.
    r = sprintf("%.3f", median(above) / median(below)) + 0
    good = most ? r <= target : r >= target
    verdict(name, sprintf("%.3f", r), (most ? "<= " : ">= ") target, good)
}

function absolute(name, key, target, most,    v) {
    if (!(key in count))
        return
    v = median(key)
    verdict(name, sprintf("%.6g %s", v, unit[key]), (most ? "<= " : ">= ") target, most ? v <= target : v >= target)
}

# Of what must never happen, the worst run counts.
function worst(name, key, target,    v) {
    if (!(key in count))
        return
    v = values[key, count[key]]
    verdict(name, sprintf("%.6g %s", v, unit[key]), "<= " target, v <= target)
}

# Of a bound that nearly all have to keep: the 99th percentile of what is measured, and that of the same without the daemon.
# On an emulated machine both are what they are; what counts is what is left when the one is taken from the other.
function bound(name, key, base_key, target,    v, base) {
    if (!(key in count) || !(base_key in count))
        return
    v = percentile(key, 99)
    base = percentile(base_key, 99)
    verdict(name " (" sprintf("%.4g", base) " without)", sprintf("%.4g %s", v, unit[key]), "<= " target, v <= target)
}

function verdict(name, value, target, good) {
    printf "%-62s %14s %10s  %s\n", name, value, target, good ? "met" : "MISSED"
    targets = targets (targets ? ",\n" : "") sprintf("    { \"name\": \"%s\", \"value\": \"%s\", \"target\": \"%s\", \"met\": %s }",
        name, value, target, good ? "true" : "false")
}

END {
    printf "\n%-8s %-60s %12s %12s %12s %12s %4s  %s\n", "part", "what", "median", "least", "99 %", "most", "n", "unit"
    for (i = 1; i <= n_keys; i++) {
        key = keys[i]
        sort_values(key)
        split(key, names, "|")
        printf "%-8s %-60s %12.6g %12.6g %12.6g %12.6g %4d  %s\n", names[1], names[2], median(key), values[key, 1],
            percentile(key, 99), values[key, count[key]], count[key], unit[key]
        rows = rows (rows ? ",\n" : "") sprintf("    { \"part\": \"%s\", \"what\": \"%s\", \"unit\": \"%s\", \"median\": %.9g, \"least\": %.9g, \"p99\": %.9g, \"most\": %.9g, \"runs\": %d }",
            names[1], names[2], unit[key], median(key), values[key, 1], percentile(key, 99), values[key, count[key]],
            count[key])
    }

    printf "\n%-62s %14s %10s\n", "target", "measured", "wanted"
    n_places = split("apart,one CPU", places, ",")
    for (i = 1; i <= n_places; i++) {
        p = "drain|" places[i] ": "
        ratio("drain, " places[i] ": CPU per event, of cat trace_pipe", p "mmiotraced", p "cat trace_pipe", 0.05, 1)
        ratio("drain, " places[i] ": CPU per event, of the bare splice loop", p "mmiotraced", p "splice loop", 1.2, 1)
        ratio("drain, " places[i] ": CPU per event, of trace-cmd", p "mmiotraced", p "trace-cmd", 1, 1)
        worst("drain, " places[i] ": lost, worst run", p "mmiotraced, lost", 0)
    }
    absolute("traced work: taken from it by mmiotraced", "work|mmiotraced, share", 2, 1)
    ratio("traced work: wall time with mmiotraced, of no reader", "work|mmiotraced", "work|no reader", 1.02, 1)
    ratio("seal: wall time, of xz -6", "seal|raw to archive, wall", "seal|xz -6, wall", 1.15, 1)
    ratio("seal: CPU time, of xz -6", "seal|raw to archive, CPU", "seal|xz -6, CPU", 1.15, 1)
    ratio("seal: size, of xz -6", "seal|raw to archive, size of the log", "seal|xz -6, size", 1, 1)
    ratio("archive from segments, of cp and sync", "archive|from sealed segments", "archive|cp and sync", 1.15, 1)
    absolute("decode", "decode|raw to text", 150, 0)
    ratio("mark: of an empty call to the daemon and back", "mark|call to stamp", "mark|empty call", 2, 1)
    absolute("mark: call to stamp", "mark|call to stamp", 2, 1)
    absolute("idle: RSS", "idle|RSS", 8, 1)
    absolute("idle: anonymous", "idle|anonymous", 2, 1)
    absolute("idle: wake-ups in 60 s", "idle|wake-ups in 60 s", 1, 1)
    for (i = 1; i <= n_keys; i++)
        if (keys[i] ~ /^status\|.*: status$/) {
            split(keys[i], names, "|")
            sub(/: status$/, "", names[2])
            bound("status, " names[2], keys[i], "status|" names[2] ": as many empty calls to nobody", 50)
        }

    if (json)
        printf "{\n  \"date\": \"%s\",\n  \"machine\": \"%s\",\n  \"kernel\": \"%s\",\n  \"results\": [\n%s\n  ],\n  \"targets\": [\n%s\n  ]\n}\n",
            date, model, kernel, rows, targets >json
}
