#!/bin/sh
# Gives samples of each export format to validators that others wrote. See README.md.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/validators
work=${VIGIE_VALIDATORS_DIR:-$root/target/validators}
intelmq_now=3.5.0
intelmq_old=3.4.0
multitool=5.7.0

mkdir -p "$work"

# The validators, once per folder.
for version in $intelmq_now $intelmq_old; do
    venv=$work/intelmq-$version
    if [ ! -e "$venv/ready" ]; then
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "intelmq==$version"
        touch "$venv/ready"
    fi
done
sarif=$work/multitool/node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool
if [ ! -e "$sarif" ]; then
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work/multitool" \
        "@microsoft/sarif-multitool-linux@$multitool"
fi
# The package marks its binary as executable in an install script, which is not run here.
chmod u+x "$sarif"

# The samples. VIGIE_SAMPLES names a folder that has them already.
samples=${VIGIE_SAMPLES:-$work/samples}
if [ -z "${VIGIE_SAMPLES:-}" ]; then
    (cd "$root" && cargo run --quiet -p vigie-export --example samples -- "$samples")
fi

failed=0

check_sarif() {
    # Its log is what is judged, and without one there is nothing to judge.
    rm -f "$2"
    "$sarif" validate "$1" -c "$here/multitool.xml" --rule-kind 'Sarif;Ghas' --level 'Error;Warning;Note' \
        --log ForceOverwrite --quiet true -o "$2" >/dev/null 2>&1 || true
    # Notes that do not fit a server on a network: source snippets (2010, 2011), version control (2003), messages
    # kept in rules with arguments (2002), and ids with a number (2009).
    python3 "$here/check_sarif.py" "$2" \
        SARIF2002 SARIF2003 SARIF2009 SARIF2010 SARIF2011
}

refused() {
    name=$1
    shift
    code=0
    "$@" >/dev/null 2>&1 || code=$?
    if [ $code -eq 3 ]; then
        echo "control: $name is refused"
    else
        echo "control: $name was not refused (code $code), so the validator proves nothing" >&2
        failed=1
    fi
}

check_sarif "$samples/findings.sarif" "$work/findings.validation.sarif" || failed=1
"$work/intelmq-$intelmq_now/bin/python" "$here/check_intelmq.py" $intelmq_now "$samples/events.jsonl" || failed=1
"$work/intelmq-$intelmq_now/bin/python" "$here/check_intelmq.py" $intelmq_now "$samples/events-legacy.jsonl" || failed=1
"$work/intelmq-$intelmq_old/bin/python" "$here/check_intelmq.py" $intelmq_old "$samples/events-legacy.jsonl" || failed=1

# Controls: what is wrong must be refused.
sed 's/"ruleIndex":0/"ruleIndex":"0"/' "$samples/findings.sarif" >"$work/wrong-type.sarif"
refused "a rule index that is a text" check_sarif "$work/wrong-type.sarif" "$work/wrong-type.validation.sarif"
sed 's/"ruleIndex":0/"ruleIndex":9999/' "$samples/findings.sarif" >"$work/wrong-index.sarif"
refused "a rule index that points nowhere" check_sarif "$work/wrong-index.sarif" "$work/wrong-index.validation.sarif"
sed 's/"locations":\[/"locations_":[/' "$samples/findings.sarif" >"$work/no-place.sarif"
refused "a result without a place" check_sarif "$work/no-place.sarif" "$work/no-place.validation.sarif"
sed 's/"severity":"high"/"severity":"severe"/' "$samples/events.jsonl" >"$work/wrong-severity.jsonl"
refused "a severity that IntelMQ lacks" \
    "$work/intelmq-$intelmq_now/bin/python" "$here/check_intelmq.py" $intelmq_now "$work/wrong-severity.jsonl"
refused "a 3.5 event in IntelMQ $intelmq_old" \
    "$work/intelmq-$intelmq_old/bin/python" "$here/check_intelmq.py" $intelmq_old "$samples/events.jsonl"

exit $failed
