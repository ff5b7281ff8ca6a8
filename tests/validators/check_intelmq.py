"""Gives every line of a file to IntelMQ's own message class, with the harmonisation that its release ships.

Usage: check_intelmq.py VERSION FILE. Fails if a line is no event, if a value is not valid as it stands (nothing is
sanitised), if IntelMQ would change a value, or if the installed release is not VERSION.
"""

import json
import pathlib
import sys

import intelmq
from intelmq.lib.message import Event, MessageFactory

# Another code than that of a crash, so that a control cannot pass because the validator broke.
REFUSED = 3


def main(version, path):
    if intelmq.__version__ != version:
        return [f"intelmq {intelmq.__version__} is installed, not {version}"]
    conf = pathlib.Path(intelmq.__file__).parent / "etc" / "harmonization.conf"
    harmonization = json.loads(conf.read_text())
    errors = []
    count = 0
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        count += 1
        given = json.loads(line)
        try:
            event = MessageFactory.unserialize(line, harmonization=harmonization)
        except Exception as error:  # Whatever the library raises is a refusal.
            errors.append(f"{path}:{number}: {type(error).__name__}: {error}")
            continue
        if not isinstance(event, Event):
            errors.append(f"{path}:{number}: not an event")
        kept = event.to_dict(with_type=True)
        for key in given.keys() | kept.keys():
            if given.get(key) != kept.get(key):
                errors.append(f"{path}:{number}: {key}: {given.get(key)!r} became {kept.get(key)!r}")
    if count == 0:
        errors.append(f"{path}: no events")
    print(f"intelmq {version}: {path}: {count} events, {len(errors)} errors")
    return errors


if __name__ == "__main__":
    found = main(sys.argv[1], sys.argv[2])
    for message in found:
        print(message, file=sys.stderr)
    sys.exit(REFUSED if found else 0)
