"""What is backed up comes back, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rune_server import settings as server_settings
from rune_server.backup import creation, prune, restore
from rune_server.backup.state_dump import dump, load
from rune_server.clock import SystemClock
from rune_server.errors import ConfigurationError
from rune_server.state import migrations, open_state
from rune_server.storage import Vault
from rune_server.storage.rotation import left

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
KEY = "5a" * 32


def stores(what: str, data_dir: Path) -> dict:
    """Run one process's part; see ``stores.py``."""
    done = subprocess.run(
        [sys.executable, str(HERE / "stores.py"), what, str(data_dir)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "RUNE_MASTER_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def rune(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rune_core.cli", *words],
        env={**os.environ, "RUNE_MASTER_KEY": KEY, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A data folder with something in every store, and a back-up of it. Copy before changing."""
    data_dir = tmp_path_factory.mktemp("b") / "data"
    return {"data_dir": data_dir, **stores("make", data_dir)}


@pytest.fixture
def copied(backed_up: dict, tmp_path: Path) -> Path:
    """The back-up's folder somewhere else, as after a lost machine."""
    target = tmp_path / Path(backed_up["folder"]).name
    shutil.copytree(backed_up["folder"], target)
    return target


def test_everything_is_there_after_a_restore(backed_up: dict, copied: Path, tmp_path: Path) -> None:
    done = rune("restore", str(copied), "--data-dir", str(tmp_path / "new"))
    assert done.returncode == 0, done.stderr
    assert "analytics of eu, us" in done.stdout
    found = stores("look", tmp_path / "new")
    assert found == {
        "organisation": backed_up["organisation"],
        "name": "Acmé",
        "events": 500,
        "audit": [3, 0],
        "spool": "sealed events",
    }


def test_a_backup_keeps_its_master_key_needed(backed_up: dict) -> None:
    """After a new master key it is named among what still needs the one before."""
    settings = server_settings.load({"data_dir": backed_up["data_dir"]}, environ={})
    old, new = bytes.fromhex(KEY), b"n" * 32
    (found,) = left(settings, Vault(new, [old]))
    assert (found.what, found.number) == ("back-ups", 1)
    assert left(settings, Vault(old)) == []
    assert [each.number for each in left(settings, Vault(new))] == [1], "not even given"


def test_nothing_in_it_is_readable_without_the_key(backed_up: dict, copied: Path) -> None:
    held = b"".join(path.read_bytes() for path in copied.rglob("*") if path.is_file())
    for secret in (KEY, bytes.fromhex(KEY), "Acmé", "thing.done", backed_up["organisation"]):
        assert (secret if isinstance(secret, bytes) else secret.encode()) not in held


def test_a_running_server_makes_one_on_demand(backed_up: dict) -> None:
    answer = stores("back-up", backed_up["data_dir"])
    assert answer["error"] == ""
    assert answer["mode"] == 0o600
    folder = Path(answer["folder"])
    assert (folder / "manifest.json").exists()
    for path in (folder.parent, folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_without_a_server_the_command_says_so(tmp_path: Path) -> None:
    done = rune("backup", "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert "no server answers" in done.stderr


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("manifest.json", lambda data: data.replace(b'"name":"2', b'"name":"3'), "was altered"),
        ("manifest.json", lambda data: data[:40], "not a back-up's manifest"),
        ("manifest.json", None, "no finished back-up"),
        ("state.sealed", lambda data: data[:-20], "is not the file that the manifest names"),
        ("state.sealed", None, "is not the file that the manifest names"),
        ("spool/sub/1.segment", None, "is missing"),
    ],
)
async def test_a_damaged_one_is_refused(
    copied: Path, tmp_path: Path, name: str, change, said: str
) -> None:
    file = copied / name
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ConfigurationError, match=said):
        await restore(settings_for(tmp_path / "new"), copied)
    assert not (tmp_path / "new" / "state.db").exists()


async def test_another_master_key_opens_nothing(copied: Path, tmp_path: Path) -> None:
    settings = replace(settings_for(tmp_path / "new"), master_key="11" * 32)
    with pytest.raises(ConfigurationError, match="RUNE_MASTER_KEYS_PREVIOUS"):
        await restore(settings, copied)
    assert not (tmp_path / "new" / "state.db").exists()


async def test_a_used_data_folder_is_left_alone(
    copied: Path, backed_up: dict, tmp_path: Path
) -> None:
    used = tmp_path / "used"
    shutil.copytree(backed_up["data_dir"], used)
    with pytest.raises(ConfigurationError, match="spool: is not empty"):
        await restore(settings_for(used), copied)
    shutil.rmtree(used / "spool")
    with pytest.raises(ConfigurationError, match="organisations has 1 rows"):
        await restore(settings_for(used), copied)


def settings_for(data_dir: Path):
    return server_settings.load({"data_dir": data_dir, "master_key": KEY}, environ={})


async def _migrated(tmp_path: Path, name: str):
    state = open_state(settings_for(tmp_path / name), Vault(bytes.fromhex(KEY)), SystemClock())
    await migrations.upgrade(state)
    return state


async def test_a_dump_without_its_end_restores_nothing(platform, owner, tmp_path: Path) -> None:
    from sqlalchemy import text

    vault = Vault(bytes.fromhex(KEY))
    await dump(platform.state, vault, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    state = await _migrated(tmp_path, "other")
    try:
        with pytest.raises(ConfigurationError, match="cut short"):
            await load(state, vault, tmp_path / "cut")
        async with state.read() as session:
            assert (await session.execute(text("SELECT count(*) FROM organisations"))).scalar() == 0
        await load(state, vault, tmp_path / "whole")
        with pytest.raises(ConfigurationError, match="not empty"):
            await load(state, vault, tmp_path / "whole")
    finally:
        await state.close()


async def test_the_newest_are_kept_and_unfinished_ones_go(platform) -> None:
    base = creation.folder_of(platform)
    for day in range(1, 6):
        (base / f"2026-01-0{day}").mkdir(parents=True)
        (base / f"2026-01-0{day}" / "manifest.json").touch()
    (base / "2026-01-03b").mkdir()
    (base / "2026-02-01").mkdir()
    removed = await prune(platform, 2)
    assert sorted(removed) == ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-03b"]
    assert sorted(path.name for path in base.iterdir()) == [
        "2026-01-04",
        "2026-01-05",
        "2026-02-01",
    ]


async def test_a_folder_that_cannot_be_written_is_named(platform, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    broken = replace(platform, settings=replace(platform.settings, backup_dir=blocked))
    with pytest.raises(ConfigurationError, match="backup_dir"):
        await creation.create(broken)
