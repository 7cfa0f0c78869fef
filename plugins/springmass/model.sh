#!/bin/sh
# springmass: m x'' + c x' + k x = 0, let go at rest. One JSON document in, one out.
#
# Shows that a shell and awk are enough for a model. Exit code 1: this point has no answer;
# 2: the inputs make no sense. Not a JSON parser: it reads one flat object of numbers.

LC_ALL=C exec awk '
function stop(code, text) {
    print text > "/dev/stderr"
    exit code
}

# Takes what matches off the front of the text, together with the white space after it.
function take(pattern) {
    if (!match(text, "^(" pattern ")[ \t\r\n]*")) return 0
    taken = substr(text, 1, RLENGTH)
    text = substr(text, RLENGTH + 1)
    sub(/[ \t\r\n]+$/, "", taken)
    return 1
}

function here(   rest) {
    rest = substr(text, 1, 30)
    gsub(/[ \t\r\n]+/, " ", rest)
    return rest == "" ? " at the end" : " at: " rest
}

function read_object(   key) {
    sub(/^[ \t\r\n]+/, "", text)
    if (!take("[{]")) stop(2, "expected a JSON object" here())
    if (!take("[}]")) {
        do {
            if (!take("\"[a-z_]+\"")) stop(2, "expected a name" here())
            key = substr(taken, 2, length(taken) - 2)
            if (!take(":")) stop(2, "expected a colon after " key here())
            if (!take("-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?")) {
                stop(2, key " must be a number" here())
            }
            value[key] = taken + 0
        } while (take(","))
        if (!take("[}]")) stop(2, "expected a comma or the end of the object" here())
    }
    if (text != "") stop(2, "nothing may follow the object" here())
}

function number(key) {
    if (!(key in value)) stop(2, key " is missing")
    return value[key]
}

{ text = text $0 "\n" }

END {
    read_object()
    m = number("mass"); k = number("stiffness"); c = number("damping")
    pull = number("pull"); t = number("time")
    if (m <= 0 || k <= 0) stop(2, "mass and stiffness must be above zero")

    decay = c / (2 * m)
    square = k / m - decay * decay
    if (square <= 0) stop(1, "overdamped: there is no period at damping " c)
    omega = sqrt(square)
    envelope = pull * exp(-decay * t)
    x = envelope * (cos(omega * t) + decay / omega * sin(omega * t))
    v = -envelope * k / (m * omega) * sin(omega * t)

    printf "{\"period\": %.17g, \"position\": %.17g, \"velocity\": %.17g, \"energy\": %.17g}\n",
        2 * atan2(0, -1) / omega, x, v, (k * x * x + m * v * v) / 2
}
'
