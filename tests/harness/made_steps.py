"""Steps that tests make: the table names the function of a step, to be imported when it runs."""

import sys
from types import ModuleType

from postrun.core.request import StepFunction

_MODULE = ModuleType("made_steps")
sys.modules[_MODULE.__name__] = _MODULE


def named(function: StepFunction) -> str:
    """Return the name by which the table finds a function."""
    name = f"step_{len(vars(_MODULE))}"
    setattr(_MODULE, name, function)
    return f"{_MODULE.__name__}.{name}"
