"""The sample workstation's modules on the path, and its finished run."""

from harness.sample import sample  # noqa: F401  (a fixture)
