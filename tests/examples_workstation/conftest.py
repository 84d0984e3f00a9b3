"""The sample workstation's modules on the path, and its finished run."""

from conftest_sample import sample  # noqa: F401  (a fixture)
