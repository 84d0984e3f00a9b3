"""What a push has: the lines behind the last one, and the runs that changed."""

import json
from pathlib import Path

import pytest

from harness.team import Team
from postrun.core.errors import Invalid, Usage
from postrun.team import arranging, pushing


def test_a_root_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(Usage):
        pushing.take_part(tmp_path, None)
    assert pushing.take_part(tmp_path, "ann") == "ann"
    assert pushing.take_part(tmp_path, None) == "ann"
    with pytest.raises(Invalid, match="expected ann, as before"):
        pushing.take_part(tmp_path, "bob")


def test_a_colleagues_name_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "audit/ledgers").mkdir(parents=True)
    (tmp_path / "audit/ledgers/bob.jsonl").write_text("")
    with pytest.raises(Invalid, match="a colleague's"):
        pushing.take_part(tmp_path, "bob")
    assert arranging.read_pulled(tmp_path) == {}


def test_a_later_push_adds_only_what_is_new(pair: Team) -> None:
    assert pair.push("ann") == 0
    members = pair.hub / "audit/team/members/ann"
    objects = pair.hub / "audit/team/objects"
    before = {path for path in objects.rglob("*") if path.is_file()}
    assert pair.close("ann", pair.make(5), "-q") == 0
    assert pair.push("ann") == 0
    first = json.loads((members / "1.json").read_bytes())
    second = json.loads((members / "2.json").read_bytes())
    assert second["ledger"][0] == first["ledger"][0]
    assert [part["rows"] for part in second["ledger"]] == [2, 4]
    assert first["runs"][0] in second["runs"]
    after = {path for path in objects.rglob("*") if path.is_file()}
    assert before < after
