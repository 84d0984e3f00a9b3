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
_HOMES = {"run": Home.RUN, "gate": Home.GATE}
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
            folder = run_paths.relative(run_paths.folder(home))
            below = path.removeprefix(f"{folder}/")
            if below != path and path_patterns.matches(rule["pattern"], below):
                return str(rule["why"])
        return ""


def load(needed: Collection[str]) -> Policy:
    """Return the policy. `needed` are the artifacts that a step reads of every run.

    Raises Missing, Invalid for a policy that may name one of their files, or one of this project.
    """
    document = configuration.load(NAME)
    protected = list(_protected(needed))
    for number, rule in enumerate(document["files"]):
        for file, name in protected:
            if path_patterns.overlap(rule["pattern"], file):
                thing = f"configs/{NAME}.json: $.files[{number}].pattern: {rule['pattern']!r}"
                raise Invalid(thing, f"no pattern that fits {file}", f"the {name}", _NARROWER)
    return Policy(document)


def _protected(needed: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the patterns of files that must stay, each with what such a file is."""
    for artifact in ARTIFACTS.values():
        is_of_run = artifact.home in (Home.RUN, Home.GATE)
        if is_of_run and (artifact.generated or artifact.name in needed):
            for file in artifact.files:
                yield file, artifact.name
