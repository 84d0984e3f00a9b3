"""This machine: one of its folders stands in for the workstation."""

from postrun.remote import commands
from postrun.remote.openssh import too_slow
from postrun.remote.ssh_target import CommandOutput


class LocalHost:
    """A host without a connection."""

    name = "local"

    def run(self, command: str, timeout: float, _: str = "") -> CommandOutput:
        """Return what a command wrote to stdout. Raises Unreachable when it takes too long.

        Its whole process group is ended then.
        """
        try:
            result = commands.run(["/bin/sh", "-c", command], timeout)
        except TimeoutError:
            raise too_slow(self.name, timeout) from None
        return CommandOutput(result.stdout, None)

    def rsync_source(self, path: str) -> tuple[str, list[str]]:
        """Return the path as it is; it is absolute, so no colon in it names a host."""
        return path, []

    def close(self) -> None:
        """Close nothing."""
