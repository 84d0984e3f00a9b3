"""The team's root in a bucket: an object store with the S3 interface.

Every write says `If-None-Match: *`: it fails when the name is taken, so nothing is written over.
Objects and pushes have the names that they have in a folder. Endpoint and login come from the usual
settings of AWS, and no message shows them. The only module that imports the library.
"""

import base64
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from postrun.core import disk, terminal
from postrun.core.errors import HostRejected, Invalid, Missing, PostRunError, Unreachable, Usage
from postrun.team import stores

_PLACE = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(/[A-Za-z0-9_.=+-]+)*)/?"
)
_PROBE = f"{stores.TEAM}/create_only"
_PROBE_CONTENT = b"Written once by postrun, to see that a second write is refused.\n"
_LARGEST = 5 * 1024**3  # bytes of one PutObject
_AT_ONCE = 8  # requests
_COPIED_AT_ONCE = 1 << 20  # bytes
_LONGEST_CODE = 80
_SETTINGS = {
    "connect_timeout": 10,  # seconds
    "read_timeout": 30,
    "retries": {"total_max_attempts": 3, "mode": "standard"},
    "max_pool_connections": _AT_ONCE,
    # Whoever reads an object compares it with its digest: other bytes are not "no answer".
    "response_checksum_validation": "when_required",
}
# Two writes of one name at the same moment: the server asks to try again.
_CONFLICTS = ("409", "ConditionalRequestConflict", "OperationAborted")
_CONFLICT_TRIES = 4
_CONFLICT_PAUSE = 0.5  # seconds
_TAKEN = ("412", "PreconditionFailed")
_ABSENT = ("404", "NoSuchKey", "NotFound")
_NOT_IMPLEMENTED = ("501", "NotImplemented")
_OTHER_BYTES = ("BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch")
_FORBIDDEN = ("403", "AccessDenied", "AllAccessDisabled")
_REJECTED = (
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
)
_LOGIN = "see AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_ENDPOINT = "see AWS_ENDPOINT_URL and AWS_REGION"


class BucketStore:
    """A bucket, or what is in it below a prefix. Each method raises Unreachable, Missing."""

    def __init__(self, place: str) -> None:
        """Raise Usage for a bad place; Missing without the library or a login."""
        match = _PLACE.fullmatch(place)
        if match is None or {".", ".."} & set(place.split("/")):
            # Not the text itself, which may hold a password.
            expected = "s3://bucket or s3://bucket/prefix, of letters, digits and -_.=+"
            raise Usage("the team's root", expected, "another address of a bucket")
        self.name = place.rstrip("/")
        self._bucket = match["bucket"]
        self._prefix = f"{match['prefix']}/".lstrip("/")
        self._creates_only = False  # until it is proved
        try:
            import boto3
            import botocore.config
            import botocore.exceptions
        except ModuleNotFoundError as error:
            thing = f"package {error.name}"
            hint = "run `make setup-team`"
            raise Missing(thing, "it in this Python", "nothing", hint) from None
        self._errors: Any = botocore.exceptions
        settings = botocore.config.Config(**_SETTINGS)
        with self._reported("a bucket"):
            try:
                self._client: Any = boto3.Session().client("s3", config=settings)
            except ValueError:
                expected = "http://<server> or https://<server>"
                raise Usage("AWS_ENDPOINT_URL", expected, "another address") from None

    def list_pushes(self) -> dict[str, int]:
        """Return the number of the newest push of each member. Raises Invalid."""
        prefix = self._key(f"{stores.MEMBERS}/")
        names = []
        with self._reported("the pushes"):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                for row in page.get("Contents", ()):
                    names.append(row["Key"].removeprefix(prefix))
        return stores.newest_pushes(names)

    def read_push(
        self,
        member: str,
        number: int,
        work: Path,
    ) -> bytes:
        """Return one push. Raises Invalid when it is gone."""
        path = work / f"{number}.json"
        self._copy(stores.push_name(member, number), path)
        return disk.read(path)

    def fetch(self, digests: Iterable[str], work: Path) -> None:
        """Copy objects to where `object_in` finds them. Raises Invalid for one that is gone.

        Who reads one compares it with its digest.
        """

        def fetch_one(digest: str) -> None:
            path = stores.object_in(work, digest)
            # It was renamed when it was whole: a pull that was killed goes on.
            if not path.is_file():
                self._copy(f"{stores.OBJECTS}/{stores.object_name(digest)}", path)

        _do_all(fetch_one, sorted(set(digests)))

    def add(self, objects: Mapping[str, Path], work: Path) -> None:
        """Add objects, given by digest, that are not there. Raises Invalid for a changed file."""
        del work  # nothing is prepared on this side
        for path in objects.values():
            with disk.report_read_errors(path):
                size = path.stat().st_size
            if size > _LARGEST:
                expected = f"at most {_LARGEST} bytes, which a bucket takes"
                raise Invalid(path, expected, f"{size}", "let the team's root be a folder")
        if objects:
            self._require_create_only()

        def add_one(digest: str) -> None:
            key = f"{stores.OBJECTS}/{stores.object_name(digest)}"
            if not self._has(key):
                self._create(key, objects[digest], digest)

        _do_all(add_one, objects)

    def create_push(
        self,
        member: str,
        number: int,
        content: Path,
        work: Path,
    ) -> bool:
        """Add a push; return False when there is one of this number."""
        del work
        self._require_create_only()
        key = stores.push_name(member, number)
        return self._create(key, content, disk.sha256(content))

    def _require_create_only(self) -> None:
        """Raise Invalid when the server writes over what is there, though asked not to.

        A name of ours gets the same bytes twice. The second write must be refused; of a later push
        it is the first one that is, since nothing is deleted.
        """
        digest = disk.content_digest(_PROBE_CONTENT)
        for _ in range(2):
            if self._creates_only:
                return
            self._creates_only = not self._create(_PROBE, _PROBE_CONTENT, digest)
        if not self._creates_only:
            raise self._cannot_create_only("the second write was done")

    def _cannot_create_only(self, actual: str) -> PostRunError:
        expected = "a server that refuses to write over an object (If-None-Match: *)"
        hint = "a push could be lost there; nothing was pushed (docs/TEAM.md)"
        return Invalid(f"{self.name}/{_PROBE}", expected, actual, hint)

    def _create(
        self,
        name: str,
        source: Path | bytes,
        digest: str,
    ) -> bool:
        """Add an object; return False when the name is taken. The server compares the digest."""
        for _ in range(_CONFLICT_TRIES):
            try:
                self._put(name, source, digest)
            except self._errors.ClientError as error:
                code = _code(error)
                if code in _TAKEN:
                    return False
                if code in _NOT_IMPLEMENTED:
                    raise self._cannot_create_only("that it is not implemented") from None
                if code in _OTHER_BYTES:
                    hint = "push again when nothing writes to it"
                    raise Invalid(source, "the bytes that were listed", "others", hint) from None
                if code not in _CONFLICTS:
                    raise self._explained(error, name) from None
                time.sleep(_CONFLICT_PAUSE)
            else:
                return True
        expected = "that one of several writes is done"
        raise Unreachable(f"{self.name}/{name}", expected, "a conflict each time")

    def _put(
        self,
        name: str,
        source: Path | bytes,
        digest: str,
    ) -> None:
        """Send a file. Raises ClientError for every answer but yes, else as `_reported`."""
        request = {
            "Bucket": self._bucket,
            "Key": self._key(name),
            "IfNoneMatch": "*",
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(digest)).decode(),
        }
        with self._reported(name, answers=False):
            if isinstance(source, bytes):
                self._client.put_object(Body=source, **request)
                return
            with disk.report_read_errors(source):
                body = disk.open_to_read(source)
            with body:
                self._client.put_object(Body=body, **request)

    def _has(self, name: str) -> bool:
        with self._reported(name):
            try:
                self._client.head_object(Bucket=self._bucket, Key=self._key(name))
            except self._errors.ClientError as error:
                if _code(error) in _ABSENT:
                    return False
                raise
        return True

    def _copy(self, name: str, path: Path) -> None:
        """Copy an object to a file, whole or not at all. Raises Invalid when it is gone."""
        unfinished = disk.unfinished_name(path)
        with disk.report_write_errors(path):
            disk.make_folder(path.parent)
            out = unfinished.open("xb")
        try:
            with out, self._reported(name), self._get(name) as body:
                # An error of the library may be an OSError: only the writing is the disk's.
                while part := body.read(_COPIED_AT_ONCE):
                    with disk.report_write_errors(path):
                        out.write(part)
            with disk.report_write_errors(path):
                unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _get(self, name: str) -> Any:
        try:
            return self._client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"]
        except self._errors.ClientError as error:
            if _code(error) in _ABSENT:
                hint = "somebody deleted it; a copy of the bucket may have it"
                raise Invalid(f"{self.name}/{name}", "an object", "nothing", hint) from None
            raise

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"

    @contextmanager
    def _reported(self, name: str, *, answers: bool = True) -> Iterator[None]:
        """Raise our errors in place of the library's; answers of the server only when asked.

        What the library says has addresses in it, so it is not repeated.
        """
        library = self._errors
        no_login = (
            library.NoCredentialsError,
            library.PartialCredentialsError,
            library.CredentialRetrievalError,
            library.ProfileNotFound,
            library.SSOError,
        )
        try:
            yield
        except library.ClientError as error:
            if not answers:
                raise
            raise self._explained(error, name) from None
        except no_login as error:
            found = f"none ({type(error).__name__})"
            raise Missing(f"{self.name}: login", "one in the settings", found, _LOGIN) from None
        except library.BotoCoreError as error:
            found = f"none ({type(error).__name__})"
            raise Unreachable(self.name, "an answer", found, _ENDPOINT) from None

    def _explained(self, error: Any, name: str) -> PostRunError:
        """Return what an answer of the server means."""
        code = _code(error)
        answered = terminal.cut(terminal.plain(code), _LONGEST_CODE)
        if code == "NoSuchBucket":
            hint = f"make it, or correct the name; {_ENDPOINT}"
            return Missing(f"bucket {self._bucket}", "one on the server", "none", hint)
        if code in _FORBIDDEN:
            thing = f"{self.name}: {name}"
            hint = "a push needs s3:ListBucket, s3:GetObject and s3:PutObject"
            return Missing(thing, "permission for it", answered, hint)
        if code in _REJECTED:
            return HostRejected(self.name, "a login that the server takes", answered, _LOGIN)
        return Unreachable(f"{self.name}: {name}", "an answer", answered, _ENDPOINT)


def _code(error: Any) -> str:
    """Return the word or number of an answer that is not yes."""
    return str(error.response.get("Error", {}).get("Code", "an unknown answer"))


def _do_all(act: Callable[[str], None], names: Iterable[str]) -> None:
    """Run a function for each name, several at once. Raises what the first one raises."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        futures = [threads.submit(act, name) for name in names]
        try:
            for future in futures:
                future.result()
        finally:
            # One line is enough when the server has gone.
            threads.shutdown(cancel_futures=True)
