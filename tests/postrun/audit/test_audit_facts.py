"""Facts that are worked out from others."""

from dataclasses import replace

from postrun.audit.facts import Document, Facts


def test_factor_and_owner_have_a_second_source(clean_facts: Facts) -> None:
    assert (clean_facts.factor, clean_facts.owner) == ("momentum_12_1", "hui")
    bare = replace(clean_facts, report=Document(), factor_in_command="reversal_1")
    assert (bare.factor, bare.owner) == ("reversal_1", "hui")
    assert replace(bare, context=Document()).owner is None


def test_without_a_report_there_are_no_inputs_and_no_stages(clean_facts: Facts) -> None:
    bare = replace(clean_facts, report=Document())
    assert bare.inputs == {}
    assert bare.stage("wf_stress") == {}
    assert not bare.is_skipped("dry_run")


def test_only_true_skips(clean_facts: Facts) -> None:
    for value, skipped in ((True, True), (1, False), ("true", False), (None, False)):
        report = Document({"inputs": {"dry_run": value}})
        assert replace(clean_facts, report=report).is_skipped("dry_run") is skipped
