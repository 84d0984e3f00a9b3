"""Throw-away SSH keys, and allowed signers that exist in a test only.

hui = Signer.make(tmp_path, "hui")
hui.key, hui.fingerprint, hui.line("hui", 'namespaces="git"')
allow(monkeypatch, tmp_path, hui.line(), ...)
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from postrun.store import signing_keys


@dataclass(frozen=True)
class Signer:
    """A person with a key."""

    name: str
    key: Path

    @classmethod
    def make(cls, folder: Path, name: str, passphrase: str = "") -> "Signer":
        folder.mkdir(exist_ok=True)
        key = folder / f"{name}_key"
        line = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", str(key)]
        subprocess.run(line, check=True)
        return cls(name, key)

    @property
    def public_file(self) -> Path:
        return self.key.with_name(f"{self.key.name}.pub")

    @property
    def fingerprint(self) -> str:
        line = ["ssh-keygen", "-l", "-f", str(self.public_file)]
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout.split()[1]

    def line(self, name: str = "", options: str = "") -> str:
        """Return a line of allowed_signers for this key."""
        kind, blob, *_ = self.public_file.read_text().split()
        return " ".join(filter(None, (name or self.name, options, kind, blob))) + "\n"


def allow(monkeypatch: pytest.MonkeyPatch, folder: Path, *lines: str) -> Path:
    """Make these lines the only allowed signers; return the file."""
    path = folder / "allowed_signers"
    path.write_text("".join(lines))
    monkeypatch.setattr(signing_keys, "ALLOWED_SIGNERS", (path,))
    return path


@contextmanager
def agent(monkeypatch: pytest.MonkeyPatch, *keys: Path) -> Iterator[None]:
    """Run an ssh-agent that has these keys."""
    started = subprocess.run(["ssh-agent", "-s"], check=True, capture_output=True, text=True)
    variables = dict(re.findall(r"(SSH_\w+)=([^;]+);", started.stdout))
    monkeypatch.setenv("SSH_AUTH_SOCK", variables["SSH_AUTH_SOCK"])
    try:
        for key in keys:
            subprocess.run(["ssh-add", "-q", str(key)], check=True)
        yield
    finally:
        environment = {**os.environ, **variables}
        subprocess.run(["ssh-agent", "-k"], env=environment, check=True, capture_output=True)
