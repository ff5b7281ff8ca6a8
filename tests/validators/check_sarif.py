"""Reads what Microsoft's SARIF Multitool said of a file: `check_sarif.py VALIDATION-LOG ALLOWED-NOTE...`.

Fails on an error or a warning, on a note of a rule that is not allowed, and if the log is of no completed run.
"""

import collections
import json
import pathlib
import sys

# Another code than that of a crash, so that a control cannot pass because the validator broke.
REFUSED = 3


def main(path, allowed):
    run = json.loads(pathlib.Path(path).read_text(encoding="utf-8-sig"))["runs"][0]
    if not all(i.get("executionSuccessful") for i in run.get("invocations", [{}])):
        return ["the validator did not complete"]
    errors = []
    counts = collections.Counter()
    for result in run.get("results", []):
        level = result.get("level", "warning")
        counts[f"{result['ruleId']} {level}"] += 1
        if level != "note" or result["ruleId"] not in allowed:
            place = result.get("locations", [{}])[0].get("physicalLocation", {}).get("region", {})
            message = result["message"]
            text = message.get("text") or [message.get("id"), message.get("arguments")]
            errors.append(f"{result['ruleId']} {level} at {place.get('charOffset', place)}: {text}")
    print(f"sarif-multitool: {dict(sorted(counts.items()))}, {len(errors)} errors")
    return errors


if __name__ == "__main__":
    found = main(sys.argv[1], sys.argv[2:])
    for message in found[:50]:
        print(message, file=sys.stderr)
    sys.exit(REFUSED if found else 0)
