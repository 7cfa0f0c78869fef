#!/bin/sh
# Springs: started for each evaluation. One JSON document of inputs on stdin, one of outputs on
# stdout; exit code 2 refuses the inputs, any other but 0 says that this point failed.
exec awk '
{ text = text $0 }
END {
    if (!match(text, /"x" *: *\[[^]]*\]/)) { print "no x" > "/dev/stderr"; exit 2 }
    list = substr(text, RSTART, RLENGTH)
    gsub(/.*\[|\].*/, "", list)
    n = split(list, x, ",")
    if (!match(text, /"k" *: *[-+.0-9eE]+/)) { print "no k" > "/dev/stderr"; exit 2 }
    k = substr(text, RSTART, RLENGTH)
    sub(/.*: */, "", k)
    for (i = 1; i <= n; i++) {
        energy += 0.5 * k * x[i] * x[i]
        force = force (i > 1 ? "," : "") sprintf("%.17g", -k * x[i])
    }
    printf "{\"energy\": %.17g, \"force\": [%s]}\n", energy, force
}'
