"""The description of a package: every file by its digest, and what the public validator asks."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import package_run
from harness.sealed import Sealed
from postrun.core.errors import Invalid
from postrun.store import crate
from postrun.store.crate import Action, Description, PackagedFile

ABOUT = Description("Run a", "Result pass.", "2026-02-21T10:00:00Z")
NAMES = ("audit/a.json", "gate_results/b c#1%.csv", "gate_results/ü?.log", "x")
FILES = [PackagedFile(name, 3, "0" * 64, "a file") for name in NAMES]
ACTION = Action("run", "The run", "gates", "1", "Ann Ünal", None, True, (), NAMES)
CONTEXT = "https://w3id.org/ro/crate/1.1/context"


def encoded(**changes: Any) -> dict[str, Any]:
    content = crate.encode(changes.get("about", ABOUT), FILES, [ACTION])
    document: dict[str, Any] = json.loads(content)
    return document


def entities() -> dict[str, Any]:
    return {entity["@id"]: entity for entity in encoded()["@graph"]}


def test_every_file_is_listed_with_its_digest() -> None:
    content = crate.encode(ABOUT, FILES, [ACTION])
    assert crate.read_files(content, "x") == dict.fromkeys(NAMES, "0" * 64)
    assert content == crate.encode(ABOUT, FILES, [ACTION]), "the same bytes every time"
    file = entities()["gate_results/b%20c%231%25.csv"]
    assert (file["name"], file["encodingFormat"]) == ("b c#1%.csv", "text/csv")


def test_it_says_who_did_what() -> None:
    by_id = entities()
    root = by_id["./"]
    assert root["datePublished"] == "2026-02-21T10:00:00Z"
    assert root["mentions"] in ({"@id": "#run"}, [{"@id": "#run"}])
    action = by_id["#run"]
    assert action["agent"] == {"@id": "#Ann%20%C3%9Cnal"}
    assert by_id["#Ann%20%C3%9Cnal"]["name"] == "Ann Ünal"
    assert action["actionStatus"] == {"@id": "http://schema.org/FailedActionStatus"}
    assert len(action["result"]) == len(NAMES)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"@graph": {}}'])
def test_what_is_no_crate_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid, match="package"):
        crate.read_files(content, "package")


WARM = """
import io, json, sys
from pathlib import Path
import rocrate
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse

context = json.loads((Path(rocrate.__file__).parent / "data/ro-crate.jsonld").read_text())
body = json.dumps({"@context": context["@context"]}).encode()


class FromDisk(HTTPAdapter):
    def send(self, request, **_):
        headers = {"Content-Type": "application/ld+json"}
        answer = HTTPResponse(io.BytesIO(body), headers, 200, preload_content=False)
        return self.build_response(request, answer)


session = CachedSession(cache_name=sys.argv[1], expire_after=-1)
session.mount("https://", FromDisk())
session.get(sys.argv[2]).raise_for_status()
"""


@pytest.mark.nightly
def test_the_public_validator_finds_nothing_that_is_required(
    sealed: Sealed, tmp_path: Path
) -> None:
    """It needs the words of RO-Crate from the network: the library has them, so its cache does."""
    sealed.must_seal()
    flags = ["--tag", "b", "--host", "local", "--remote-root", str(sealed.workspace.remote)]
    assert package_run.main([*flags, "--local-root", str(sealed.root)]) == 0
    (package,) = (sealed.root / "packages").iterdir()
    with zipfile.ZipFile(io.BytesIO(package.read_bytes())) as archive:
        archive.extractall(tmp_path / "crate")
    cache, report = tmp_path / "cache", tmp_path / "report.json"
    subprocess.run([sys.executable, "-c", WARM, str(cache), CONTEXT], check=True)
    program = Path(sys.executable).with_name("rocrate-validator")
    command = [str(program), "-y", "validate", str(tmp_path / "crate"), "--offline"]
    command += ["--cache-path", str(cache), "-p", "process-run-crate-0.5", "--no-paging"]
    subprocess.run([*command, "-f", "json", "-o", str(report)], check=False, capture_output=True)
    document = json.loads(report.read_text())
    assert document["issues"] == []
    assert (document["passed"], document["skipped_checks"]) == (True, 0)
