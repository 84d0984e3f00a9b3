"""Change one value of a JSON document, as the lists of invalid examples describe it."""

import re
from typing import Any


def changed(document: Any, change: dict[str, Any]) -> Any:
    """Return the document with the value at the JSON path `at` set, or removed."""
    assert ("set" in change) != ("remove" in change), change
    # The document hangs below "$", so that the whole of it can be set like any other value.
    root = {"$": document}
    parent: Any = root
    key: Any = "$"
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", change["at"]):
        parent = parent[key]
        key = name or int(index)
    if "set" in change:
        parent[key] = change["set"]
    else:
        del parent[key]
    return root["$"]
