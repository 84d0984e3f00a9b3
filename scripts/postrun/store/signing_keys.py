"""Which key of the user signs, and the file that says whose keys count: `allowed_signers`."""

import base64
import binascii
import hashlib
from pathlib import Path

from postrun.core import disk
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import PROJECT
from postrun.store import configuration

# The second is the user's own; git ignores it.
ALLOWED_SIGNERS = (
    PROJECT / "configs/allowed_signers",
    PROJECT / "configs/allowed_signers.local",
)
# In the user's folder of keys: what ssh tries by itself, the newest kinds first.
_USUAL_KEYS = ("id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_ecdsa_sk", "id_rsa")
_NAME_ONE = "name one: KEY=<file>, or signing_key in configs/workstation.local.json"


def allowed_signers() -> bytes:
    """Return the lines of both files of allowed signers, without comments. Raises Missing."""
    lines = []
    for path in ALLOWED_SIGNERS:
        if not disk.is_present(path):
            continue
        content = _read(path, "a file that can be read")
        for line in content.splitlines():
            text = line.strip()
            if text and not text.startswith(b"#"):
                lines.append(text + b"\n")
    return b"".join(lines)


def choose(given: Path | None) -> Path:
    """Return the key that signs: the one given, else that of the settings, else a usual one.

    Raises Missing.
    """
    key = given or _configured()
    if key is not None:
        if key.exists() or _public_file(key).exists():
            return key
        raise Missing(key, "an SSH key or its public half", "nothing there", _NAME_ONE)
    folder = Path.home() / ".ssh"
    for name in _USUAL_KEYS:
        # Of a key in an agent there may be the public half alone.
        for file in (folder / name, folder / f"{name}.pub"):
            if file.exists():
                return file
    expected = f"one of {', '.join(_USUAL_KEYS)} in {folder}"
    raise Missing("the key that signs", expected, "none", _NAME_ONE)


def configured_fingerprint() -> str | None:
    """Return the fingerprint of the key that the settings name; None when they name none.

    Only its public half is read. Raises Missing, Invalid.
    """
    key = _configured()
    if key is None:
        return None
    digest = hashlib.sha256(_public_half(key)).digest()
    text = base64.b64encode(digest).decode()
    # As ssh-keygen prints it.
    return f"SHA256:{text.rstrip('=')}"


def claimed_principal(key: Path) -> str | None:
    """Return whom the first line of the allowed signers with this key names; None without one.

    It is what a signer says of himself, and proves nothing.
    """
    if not _public_file(key).exists():
        return None
    public_half = base64.b64encode(_public_half(key))
    for line in allowed_signers().splitlines():
        fields = line.split()
        if public_half in fields:
            return fields[0].decode(errors="replace")
    return None


def _configured() -> Path | None:
    settings = configuration.workstation()
    if "signing_key" not in settings:
        return None
    key = Path(settings["signing_key"])
    return key.expanduser()


def _public_file(key: Path) -> Path:
    if key.suffix == ".pub":
        return key
    return key.with_name(f"{key.name}.pub")


def _public_half(key: Path) -> bytes:
    """Return the public half of a key, as its file holds it. Raises Missing, Invalid."""
    path = _public_file(key)
    expected = "the public half of an SSH key"
    hint = f"write it: ssh-keygen -y -f {key} > {path}"
    fields = _read(path, expected, hint).split()
    try:
        return base64.b64decode(fields[1], validate=True)
    except (LookupError, binascii.Error):
        raise Invalid(path, expected, "something else", hint) from None


def _read(path: Path, expected: str, hint: str = "") -> bytes:
    try:
        return disk.read_bytes(path)
    except OSError as error:
        raise Missing(path, expected, str(error.strerror), hint) from None
