from __future__ import annotations

import os

import pytest

from rune_core import Action, PolicyLoadError, Shield, ShieldConfig
from rune_core.policy.store import PolicyStore

DENY = 'version: "1.0"\nrules: [{{name: no-{0}, type: tool_denylist, tools: [{0}], action: block}}]'


def config(**settings):
    return ShieldConfig(events_enabled=False, plugins_enabled=False, l1_enabled=False, **settings)


def test_reload_takes_up_what_changed(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(DENY.format("rm"))
    shield = Shield(local_policies_path=tmp_path, config=config(policy_reload_seconds=0))
    assert shield.validate_action("rm").blocked
    file.write_text(DENY.format("mv"))
    assert shield.validate_action("rm").blocked
    before = shield.policy_revision
    result = shield.reload_policies()
    assert (result.ok, result.changed) == (True, True)
    assert result.revision == shield.policy_revision != before
    assert not shield.validate_action("rm").blocked
    assert shield.validate_action("mv").blocked
    assert not shield.reload_policies().changed


def test_a_faulty_file_keeps_the_last_good_policies(tmp_path, caplog):
    file = tmp_path / "p.yaml"
    file.write_text(DENY.format("rm"))
    shield = Shield(local_policies_path=file, config=config(policy_reload_seconds=0))
    file.write_text("version: 9\nrules: []")
    result = shield.reload_policies()
    assert (result.ok, result.changed) == (False, False)
    assert result.errors[0].line == 1
    assert shield.validate_action("rm").blocked
    coverage = shield.coverage()
    assert coverage.policy_errors == result.errors
    assert any("refused" in line for line in coverage.warnings)
    assert "p.yaml:1" in caplog.text
    file.write_text(DENY.format("mv"))
    assert shield.reload_policies().ok
    assert shield.coverage().policy_errors == ()


def test_a_folder_that_goes_away_keeps_the_last_good_policies(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(DENY.format("rm"))
    shield = Shield(local_policies_path=tmp_path, config=config(policy_reload_seconds=0))
    file.unlink()
    assert not shield.reload_policies().ok
    assert shield.validate_action("rm").blocked


def test_changed_files_are_noticed_when_a_look_is_due(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(DENY.format("rm"))
    store = PolicyStore(tmp_path, check_seconds=60)
    first = store.current()
    file.write_text(DENY.format("mv"))
    os.utime(file, ns=(1, 1))
    assert store.current() is first
    store._next_check = 0
    assert store.current().revision != first.revision
    (tmp_path / "more.yaml").write_text(DENY.format("cp"))
    store._next_check = 0
    assert [file.name for file in store.current().files] == ["default", "more", "p"]


def test_start_up_faults_are_raised(tmp_path):
    with pytest.raises(PolicyLoadError):
        PolicyStore(tmp_path / "missing")


def test_files_and_inline_text_compose(tmp_path):
    (tmp_path / "p.yaml").write_text(DENY.format("rm"))
    shield = Shield(local_policies_path=tmp_path, config=config(), policy=DENY.format("mv"))
    assert shield.validate_action("rm").blocked
    assert shield.validate_action("mv").action is Action.BLOCK
    assert shield.coverage().policies == ("default", "p", "inline")
