"""The configuration of the embedded ClickHouse: what it may take, and its encrypted disk.

ClickHouse reads the keys of an encrypted disk from its configuration. The file names environment
variables instead of keys; they are set only while the engine opens.

The log of tokens, by which a batch is known again, must survive a kill. On an encrypted disk it
does not: its last entries stay in a buffer. ClickHouse keeps it on a table's first disk, so the
first is a plain one that is too small for any data. It holds names of parts and hashes of tokens.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from rune_server.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_VARIABLE = "RUNE_CLICKHOUSE_DISK_KEY"
POLICY = "rune_encrypted"
_KEY_BYTES = 32

# A table with nothing to do looks again after 0.1 s, then ever less often. By default up to a
# second is added, which a deletion paid for every few parts that it marked. Parts that were
# replaced are looked for every few seconds, not every half minute: changing the key waits for that.
_TEMPLATE = """<clickhouse>
  <!-- Written by rune-server at every start; changes are lost. -->
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>{marks}</mark_cache_size>
  <index_mark_cache_size>67108864</index_mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_processing_pool_task_sleep_seconds_when_no_work_random_part>0.02</background_processing_pool_task_sleep_seconds_when_no_work_random_part>
  <merge_tree>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
    <cleanup_delay_period>2</cleanup_delay_period>
    <max_cleanup_delay_period>5</max_cleanup_delay_period>
    <cleanup_delay_period_random_add>0</cleanup_delay_period_random_add>
  </merge_tree>
{backups}{disks}</clickhouse>
"""
_BACKUPS = "  <backups><allowed_path>{path}/</allowed_path></backups>\n"
_DISKS = """  <storage_configuration>
    <disks>
      <rune_tokens><type>local</type><path>{tokens}/</path></rune_tokens>
      <rune_plain><type>local</type><path>{path}/</path></rune_plain>
      <rune_aes>
        <type>encrypted</type>
        <disk>rune_plain</disk>
        <path>aes256/</path>
        <algorithm>AES_256_CTR</algorithm>
        <current_key_id>0</current_key_id>{keys}
      </rune_aes>
    </disks>
    <policies>
      <{policy}>
        <volumes>
          <tokens>
            <disk>rune_tokens</disk>
            <max_data_part_size_bytes>1</max_data_part_size_bytes>
          </tokens>
          <main><disk>rune_aes</disk></main>
        </volumes>
        <move_factor>0</move_factor>
      </{policy}>
    </policies>
  </storage_configuration>
"""


def key_variables(keys: Sequence[bytes]) -> dict[str, str]:
    """The environment variables that hold the keys while the engine opens."""
    return {f"{_VARIABLE}_{number}": key.hex() for number, key in enumerate(keys)}


def write_configuration(
    folder: Path, keys: Sequence[bytes], memory_bytes: int, *, backups: Path | None = None
) -> Path:
    """Write the configuration beside the data; the file holds no key.

    Args:
        folder: The data folder.
        keys: 32 bytes each, the current one first; none for data in the clear.
        memory_bytes: What the engine may take.
        backups: The folder that back-ups may be in; without one there can be none.

    Raises:
        ConfigurationError: A key's length is wrong, or one that the data needs is missing.
    """
    disks = ""
    _check_keys(folder, keys)
    if keys:
        encrypted, tokens = folder / "encrypted", folder / "tokens"
        for each in (encrypted, tokens):
            each.mkdir(exist_ok=True, mode=0o700)
        disks = _DISKS.format(
            path=escape(str(encrypted)),
            tokens=escape(str(tokens)),
            policy=POLICY,
            keys="".join(
                f'\n        <key_hex id="{number}" from_env="{variable}"/>'
                for number, variable in enumerate(key_variables(keys))
            ),
        )
    file = folder / "clickhouse.xml"
    marks = min(memory_bytes // 16, 512_000_000)
    allowed = "" if backups is None else _BACKUPS.format(path=escape(str(backups)))
    file.write_text(
        _TEMPLATE.format(memory=memory_bytes, marks=marks, disks=disks, backups=allowed)
    )
    return file


def _check_keys(folder: Path, keys: Sequence[bytes]) -> None:
    """Say before the engine does, and better, that a key is missing.

    ``keys.check`` holds a fingerprint of every key that some file may be encrypted under.
    """
    check = folder / "keys.check"
    needed = check.read_text().split() if check.exists() else []
    if any(len(key) != _KEY_BYTES for key in keys):
        raise ConfigurationError("a key of the analytics store does not have 32 bytes")
    given = [fingerprint(key) for key in keys]
    if missing := [each for each in needed if each not in given]:
        raise ConfigurationError(
            f"{folder} is encrypted under the key with the fingerprint {missing[0]}, which was not "
            "given: the master key of that time belongs in RUNE_MASTER_KEYS_PREVIOUS"
        )
    if not given:
        return
    if not needed and (folder / "store").exists():
        raise ConfigurationError(
            f"{folder} holds data in the clear, from before it was encrypted: move the folder away "
            "and start with an empty one"
        )
    if given[0] not in needed:
        check.write_text("\n".join([*needed, given[0]]) + "\n")


def only_current(folder: Path, keys: Sequence[bytes]) -> None:
    """Note that every file is encrypted under the first key now."""
    if keys:
        (folder / "keys.check").write_text(fingerprint(keys[0]) + "\n")


def fingerprint(key: bytes) -> str:
    """Tells keys apart and nothing about them."""
    return hashlib.blake2b(b"rune analytics key", key=key, digest_size=8).hexdigest()
