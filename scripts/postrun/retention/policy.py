"""The retention policy: which files of a run may be archived, and that no step needs them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from postrun.core.artifacts import ARTIFACTS, Home
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.decide import path_patterns
from postrun.store import configuration

NAME = "retention_policy"
_HOMES = {
    "run": Home.RUN,
    "gate": Home.GATE,
}
_NARROWER = "name fewer files: a step of this project needs that one of every run"


@dataclass(frozen=True)
class Policy:
    """The policy as it is in `configs/`."""

    document: Json

    @property
    def version(self) -> int:
        """Return the number that the policy gives itself."""
        return int(self.document["policy_version"])

    def why(self, run_paths: RunPaths, path: str) -> str:
        """Return why a file may be archived; empty for one that the policy does not name."""
        for rule in self.document["files"]:
            home = _HOMES[rule["home"]]
            # Without a gate folder, its files would be looked for in the run folder.
            if home is Home.GATE and run_paths.gate is None:
                continue
            folder = run_paths.folder(home)
            start = f"{run_paths.relative(folder)}/"
            below = path.removeprefix(start)
            if below == path:
                continue
            if path_patterns.matches(rule["pattern"], below):
                return str(rule["why"])
        return ""


def load(needed: Collection[str]) -> Policy:
    """Return the policy. `needed` are the artifacts that a step opens of every run.

    Raises Missing, Invalid for a policy that may name one of their files, or one of this project.
    """
    document = configuration.load(NAME)
    protected = list(_protected(needed))
    for number, rule in enumerate(document["files"]):
        pattern = rule["pattern"]
        thing = f"configs/{NAME}.json: $.files[{number}].pattern"
        for file in protected:
            if path_patterns.overlap(pattern, file):
                expected = f"one that cannot mean {file}"
                raise Invalid(thing, expected, repr(pattern), _NARROWER)
    return Policy(document)


def _protected(needed: Collection[str]) -> Iterator[str]:
    """Yield the files that must stay, as patterns: those of steps, and those of this project."""
    for artifact in ARTIFACTS.values():
        if artifact.home not in _HOMES.values():
            continue
        if artifact.generated or artifact.name in needed:
            yield from artifact.files
