"""The configuration of the embedded ClickHouse: what it may take, and its encrypted disk.

ClickHouse reads the key of an encrypted disk from its configuration. The file names an environment
variable instead of the key; the variable is set only while the engine opens.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from rune_server.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

KEY_VARIABLE = "RUNE_CLICKHOUSE_DISK_KEY"
POLICY = "rune_encrypted"
_KEY_BYTES = 32

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
  <merge_tree>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
{disks}</clickhouse>
"""
_DISKS = """  <storage_configuration>
    <disks>
      <rune_plain><type>local</type><path>{path}/</path></rune_plain>
      <rune_aes>
        <type>encrypted</type>
        <disk>rune_plain</disk>
        <path>aes256/</path>
        <algorithm>AES_256_CTR</algorithm>
        <key_hex from_env="{variable}"/>
      </rune_aes>
    </disks>
    <policies>
      <{policy}><volumes><main><disk>rune_aes</disk></main></volumes></{policy}>
    </policies>
  </storage_configuration>
"""


def write_configuration(folder: Path, key: bytes | None, memory_bytes: int) -> Path:
    """Write the configuration beside the data; the file holds no key.

    Args:
        folder: The data folder.
        key: 32 bytes, or None for data in the clear.
        memory_bytes: What the engine may take.

    Raises:
        ConfigurationError: The key's length is wrong, or it is not the one the data was made with.
    """
    disks = ""
    if key is not None:
        if len(key) != _KEY_BYTES:
            raise ConfigurationError(f"the analytics key has {len(key)} bytes instead of 32")
        _check_key(folder, key)
        encrypted = folder / "encrypted"
        encrypted.mkdir(exist_ok=True, mode=0o700)
        disks = _DISKS.format(path=escape(str(encrypted)), variable=KEY_VARIABLE, policy=POLICY)
    elif (folder / "key.check").exists():
        raise ConfigurationError(f"{folder} is encrypted and no key was given")
    file = folder / "clickhouse.xml"
    marks = min(memory_bytes // 16, 512_000_000)
    file.write_text(_TEMPLATE.format(memory=memory_bytes, marks=marks, disks=disks))
    return file


def _check_key(folder: Path, key: bytes) -> None:
    """AES-CTR cannot tell a wrong key: it would read noise, and write with another key."""
    check = folder / "key.check"
    digest = hashlib.blake2b(b"rune analytics key", key=key, digest_size=16).hexdigest()
    if check.exists():
        if check.read_text().strip() != digest:
            raise ConfigurationError(f"{folder} was encrypted with another key")
    elif (folder / "store").exists():
        raise ConfigurationError(
            f"{folder} holds data in the clear from before encryption: export it, move the folder "
            f"away and start with an empty one"
        )
    else:
        check.write_text(digest + "\n")
