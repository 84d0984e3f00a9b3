"""Run ssh-keygen, the only program that signs and checks signatures here.

What a question is about is written into a folder that only this account can read, and that is gone
after the answer.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from postrun.core import terminal
from postrun.core.errors import Missing

NAMESPACE = "postrun"
_TERMINAL = Path("/dev/tty")
_OPENSSH = "OpenSSH 8.9 or newer"
_INSTALL = "install it: openssh-client"
_OTHER_KEY = "name another: KEY=<file>, or signing_key in configs/workstation.local.json"
# What an ssh-keygen says that lacks an operation or an option which is used here.
_TOO_OLD = re.compile(r"(?i)(unknown|illegal|invalid|unrecognized) option|unsupported operation")
_FINGERPRINT = re.compile(r"\bSHA256:[A-Za-z0-9+/]{43}\b")
_TIMEOUT = 60.0  # seconds; no question waits for a person


class Answer(NamedTuple):
    """What ssh-keygen answers to a question, and what it says when the answer is no."""

    is_yes: bool
    lines: list[str]
    reason: str


class Signature(NamedTuple):
    """An armored signature, the bytes that it must fit, and the allowed signers to ask."""

    armored: bytes
    message: bytes
    signers: bytes

    def fingerprint(self) -> tuple[str, str]:
        """Return the fingerprint of the key that signed these bytes, whoever has it.

        When the signature does not fit them, return an empty text, and why.
        """
        answer = self._ask("check-novalidate", "-n", NAMESPACE)
        found = _FINGERPRINT.search(" ".join(answer.lines))
        if answer.is_yes and found:
            return found[0], ""
        return "", answer.reason

    def principals(self, at: str) -> Answer:
        """Return whom the allowed signers say has the key, at a time: `YYYYMMDDhhmmss`, local."""
        return self._ask("find-principals", "-f", "signers", f"-Overify-time={at}")

    def is_by(self, principal: str, at: str) -> Answer:
        """Return whether this is a good signature of a principal, at a time."""
        named = ("-n", NAMESPACE, "-I", principal)
        return self._ask("verify", "-f", "signers", f"-Overify-time={at}", *named)

    def _ask(self, operation: str, *arguments: str) -> Answer:
        files = {"signature": self.armored, "signers": self.signers}
        question = (operation, *arguments, "-s", "signature")
        return _ask(files, question, self.message)


def names(signers: bytes, principal: str) -> bool:
    """Return whether a line of the allowed signers is for this principal."""
    question = ("match-principals", "-f", "signers", "-I", principal)
    return _ask({"signers": signers}, question).is_yes


def sign(message: bytes, key: Path) -> bytes:
    """Return the armored signature of a key, from its file or from the agent.

    A passphrase is asked for on the terminal. Raises Missing when the key cannot sign.
    """
    path = str(key.absolute())
    command = ["ssh-keygen", "-Y", "sign", "-f", path, "-n", NAMESPACE, "message"]
    with _folder({"message": message}) as folder:
        code, said = _run_with_terminal(command, folder)
        signature = folder / "message.sig"
        if code == 0 and signature.exists():
            return signature.read_bytes()
    _check_version(said)
    last_line = said.rpartition("\n")[2]
    raise Missing(key, "an SSH key that signs", last_line or "no signature", _OTHER_KEY)


def _ask(
    files: dict[str, bytes],
    question: tuple[str, ...],
    message: bytes = b"",
) -> Answer:
    """Return the answer to a question about files, which it names. Raises Missing."""
    with _folder(files) as folder:
        try:
            done = subprocess.run(
                ["ssh-keygen", "-Y", *question],
                cwd=folder,
                input=message,
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _no_program(error) from None
        except ValueError as error:
            # A name out of a run's files that no command line can hold.
            return Answer(False, [], str(error))
    said = _decode(done.stderr)
    _check_version(said)
    lines = _decode(done.stdout).splitlines()
    reason = said.partition("\n")[0]
    return Answer(done.returncode == 0, lines, reason.strip())


@contextmanager
def _folder(files: dict[str, bytes]) -> Iterator[Path]:
    """Yield a folder with these files."""
    with tempfile.TemporaryDirectory(prefix="postrun-") as name:
        folder = Path(name)
        for file, content in files.items():
            path = folder / file
            path.write_bytes(content)
        yield folder


def _run_with_terminal(command: list[str], folder: Path) -> tuple[int, str]:
    """Return how a program ended that may ask a person, and what it said."""
    said = []
    with _open_terminal() as stdin:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise _no_program(error) from None
        with process:
            for line in process.stderr or ():
                text = _decode(line).strip()
                said.append(text)
                # A key on a token waits for a touch.
                if "presence" in text:
                    terminal.error(text)
    return process.returncode, "\n".join(said)


def _open_terminal() -> BinaryIO:
    """Return the terminal: a passphrase is asked for only where the input is one.

    Without a terminal, return an input that is empty.
    """
    try:
        return _TERMINAL.open("rb", buffering=0)
    except OSError:
        return Path(os.devnull).open("rb", buffering=0)


def _decode(output: bytes) -> str:
    return output.decode(errors="replace")


def _no_program(error: Exception) -> Missing:
    found = getattr(error, "strerror", None) or "no answer in a minute"
    return Missing("ssh-keygen", f"the program of {_OPENSSH}", found, _INSTALL)


def _check_version(said: str) -> None:
    """Raise Missing for an ssh-keygen that lacks what is used here."""
    if _TOO_OLD.search(said):
        found = said.partition("\n")[0]
        raise Missing("ssh-keygen", f"the program of {_OPENSSH}", f"an older one: {found}")
