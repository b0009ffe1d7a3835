"""What the edge refuses, and how it says so."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import time
import zlib
from datetime import timedelta

import pytest
import zstandard
from benchmarks.made_events import made_event, made_events

from rune_server.auth import keys
from rune_server.http.answer import send_answer
from rune_server.limits import Limits

JSON = {"content-type": "application/json"}


def problem(answer, status, code=None):
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json
    assert found["status"] == status
    assert found["title"]
    assert found["request_id"] == answer.headers["x-request-id"]
    if code:
        assert found["code"] == code
    return found


async def post(client, body, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client("POST", "/v1/events", body, {**JSON, **named})


async def test_keys(platform, owner, clock, client, reader_key):
    body = b'{"events":[]}'
    problem(await client("POST", "/v1/events", body, JSON, key=""), 401, "key_missing")
    for wrong in ("rune_live_" + "x" * 43, "nonsense", client.key[:-1], client.key + "x"):
        problem(await client("POST", "/v1/events", body, JSON, key=wrong), 401, "key_unknown")
    problem(await client("POST", "/v1/events", body, JSON, key=reader_key), 403)
    short = await keys.create(
        platform, owner, name="short", expires_at=clock.now() + timedelta(minutes=1)
    )
    assert (await client("POST", "/v1/events", body, JSON, key=short.key)).status == 202
    clock.forward(minutes=2)
    problem(await client("POST", "/v1/events", body, JSON, key=short.key), 401)
    made = await keys.create(platform, owner, name="revoked")
    assert (await client("POST", "/v1/events", body, JSON, key=made.key)).status == 202
    await keys.revoke(platform, owner, made.info.id)
    for _ in range(20):  # turns of the loop in which the directory hears of it
        await asyncio.sleep(0)
    problem(await client("POST", "/v1/events", body, JSON, key=made.key), 401)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"events":[}', 400),
        (b'{"events":[{]}', 400),
        (b"\xff\xfe{}", 400),
        (b'"text"', 422),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"events":5}', 422),
        (b'{"events":null}', 422),
        (b'{"event":[]}', 422),
    ],
)
async def test_what_is_no_document(client, body, status):
    found = problem(await post(client, body), status)
    assert "events" not in found.get("detail", "") or status == 422


async def test_media_types(client):
    body = b'{"events":[]}'
    for kind in ("", "text/plain", "application/xml", "multipart/form-data", "application/jsonx"):
        answer = await client("POST", "/v1/events", body, {"content-type": kind})
        problem(answer, 415, "unsupported")
    answer = await client(
        "POST", "/v1/events", body, {"content-type": "application/json; charset=latin-1"}
    )
    problem(answer, 415)
    good = await client(
        "POST", "/v1/events", body, {"content-type": 'Application/JSON; charset="UTF-8"'}
    )
    assert good.status == 202


async def test_encodings(client):
    plain = b'{"events":[]}'
    for encoding in ("br", "deflate", "gzip, gzip", "gzip,zstd", "rot13"):
        answer = await post(client, plain, content_encoding=encoding)
        problem(answer, 415)
        assert answer.headers["accept-encoding"] == "gzip, zstd"
    whole = gzip.compress(plain)
    stream = zstandard.ZstdCompressor().compressobj()
    frame = stream.compress(plain) + stream.flush()
    for encoding, body in (
        ("gzip", plain),
        ("gzip", whole[:-4]),
        ("gzip", whole + b"more"),
        ("gzip", whole + whole),
        ("gzip", b""),
        ("zstd", plain),
        ("zstd", frame[:-3]),
        ("zstd", frame + b"more"),
        ("zstd", frame + b"m" * 1000),
        ("zstd", b""),
    ):
        problem(await post(client, body, content_encoding=encoding), 400, "encoding_invalid")


def bombs():
    packed = gzip.compress(b"0" * 200_000_000, 9)
    yield "gzip", packed
    yield "zstd", zstandard.compress(b"0" * 500_000_000)
    stream = zstandard.ZstdCompressor(level=19).compressobj()
    out = io.BytesIO()
    for _ in range(50):
        out.write(stream.compress(b"0" * 10_000_000))
    out.write(stream.flush())
    yield "zstd", out.getvalue()
    window = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    stream = zstandard.ZstdCompressor(compression_params=window).compressobj()
    yield "zstd", stream.compress(b"1" * 1_000_000) + stream.flush()


async def test_zip_bombs_cost_nothing(client):
    import tracemalloc

    for encoding, body in bombs():
        assert len(body) < 1_000_000
        tracemalloc.start()
        answer = await post(client, body, content_encoding=encoding)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert answer.status in (400, 413), (encoding, answer)
        assert peak < 60_000_000, encoding


async def test_bodies_that_are_too_long(client):
    over = 1_048_577

    # Said before the body is read, when its length is announced.
    async def never():
        raise AssertionError("the body was read")
        yield b""

    answer = await client("POST", "/v1/events", never(), {**JSON, "content-length": str(over)})
    problem(answer, 413, "too_large")

    # And when it is not, as soon as there is too much.
    async def endless():
        while True:
            yield b" " * 65_536

    problem(await client("POST", "/v1/events", endless(), JSON), 413, "too_large")
    lied = await client("POST", "/v1/events", b"{}" * 10, {**JSON, "content-length": "3"})
    problem(lied, 400)
    for length in ("-1", "0x10", "1e3", "٣", "9" * 30):
        answer = await client(
            "POST",
            "/v1/events",
            b"{}",
            JSON,
            raw_headers=[(b"content-length", length.encode())],
        )
        problem(answer, 400)
    inflated = gzip.compress(b" " * 9_000_000)
    problem(await post(client, inflated, content_encoding="gzip"), 413, "decoded_too_large")


async def test_too_many_events(with_settings):
    client = with_settings(max_events_per_request=10)
    assert (await client.send_events(*made_events(10))).status == 202
    problem(await client.send_events(*made_events(11)), 413, "too_many_events")
    lines = b"\n".join([b"{}"] * 11)
    answer = await client("POST", "/v1/events", lines, {"content-type": "application/x-ndjson"})
    problem(answer, 413, "too_many_events")


JSON_BOMBS = {
    "deep list": b'{"events":' + b"[" * 400_000 + b"]" * 400_000 + b"}",
    "deep object": b'{"events":[' + b'{"a":' * 150_000 + b"1" + b"}" * 150_000 + b"]}",
    "deep unknown field": b'{"events":[],"x":' + b"[" * 400_000 + b"]" * 400_000 + b"}",
    "unclosed": b'{"events":[' + b"[" * 900_000,
    "huge number": b'{"events":[' + b"9" * 900_000 + b"]}",
    "huge exponent": b'{"events":[1e999999999]}',
    "many keys": b'{"events":[{' + b",".join(b'"k%d":1' % n for n in range(70_000)) + b"}]}",
    "same key": b"{" + b",".join([b'"events":[]'] * 60_000) + b"}",
    "long text": b'{"events":["' + b"a" * 1_000_000 + b'"]}',
    "escapes": b'{"events":["' + b"\\u0000" * 150_000 + b'"]}',
}


@pytest.mark.parametrize("name", JSON_BOMBS)
async def test_json_bombs(client, name):
    began = time.perf_counter()
    answer = await post(client, JSON_BOMBS[name])
    assert answer.status in (202, 400, 413, 422)
    if answer.status == 202:
        assert answer.json["accepted"] == 0
    # No time is measured here, only that it did not run away.
    assert time.perf_counter() - began < 20


async def test_a_slow_body_is_given_up(with_settings):
    client = with_settings(body_timeout_seconds=0.2)

    async def drip():
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    answer = await client("POST", "/v1/events", drip(), JSON)
    problem(answer, 408, "timeout")
    assert answer.headers["connection"] == "close"


async def test_a_client_that_leaves_disturbs_nobody(platform, client):
    async def app(scope, receive, send):
        async def gone():
            return {"type": "http.disconnect"}

        await client.app(scope, gone, send)

    answer = await type(client)(app, client.key)("POST", "/v1/events", b"", JSON)
    assert answer.status == 0
    assert (await client.send_events(made_event())).status == 202


async def test_headers_cannot_be_injected(client):
    body = b'{"events":[]}'
    for name in (b"x-rune-key", b"content-type", b"content-encoding"):
        for value in (b"a\r\nset-cookie: x=1", b"a\nb", b"a\x00b", "é".encode()):
            answer = await client(
                "POST",
                "/v1/events",
                body,
                {"x-rune-key": ""} if name == b"x-rune-key" else {},
                raw_headers=[(name, value)],
            )
            assert answer.status in (400, 401, 415)
            assert "set-cookie" not in answer.headers
            assert b"set-cookie" not in answer.body
    twice = [(b"content-length", b"13"), (b"content-length", b"5")]
    problem(await client("POST", "/v1/events", body, JSON, raw_headers=twice), 400)
    two_keys = [(b"x-rune-key", b"rune_live_other")]
    problem(await client("POST", "/v1/events", body, JSON, raw_headers=two_keys), 400)


async def test_a_request_id_is_taken_only_when_it_looks_like_one(client):
    good = await post(client, b'{"events":[]}', x_request_id="abcdef-012345")
    assert good.headers["x-request-id"] == "abcdef-012345"
    for wrong in ("short", "with space and more", "x" * 65, "<script>alert(1)</script>"):
        answer = await post(client, b'{"events":[]}', x_request_id=wrong)
        assert answer.headers["x-request-id"] != wrong
    sent = []

    async def send(message):
        sent.append(message)

    await send_answer(send, 200, b"", [("x-test", "a\r\nset-cookie: b")])
    values = [value for name, value in sent[0]["headers"] if name == b"x-test"]
    assert values == [b"aset-cookie: b"]


async def test_limits_by_organisation(platform, with_settings, organisation):
    # Community: 1,000 a second, ten times that at once.
    from rune_server.state.tables.organisations import Organisation

    async with platform.state.begin() as session:
        (await session.get(Organisation, organisation.id)).plan = "community"
    platform.keys.forget()
    client = with_settings()
    events = made_events(1000)
    statuses = []
    for _ in range(11):
        answer = await client.send_events(*events)
        statuses.append(answer.status)
        assert answer.headers["ratelimit-limit"] == "10000"
    assert statuses == [202] * 10 + [429]
    found = problem(answer, 429, "rate_limited_events")
    assert found["detail"]
    assert int(answer.headers["retry-after"]) >= 1
    assert int(answer.headers["ratelimit-remaining"]) < 1000


async def test_limits_by_address_come_before_the_key(with_settings):
    client = with_settings(ip_requests_per_second=2)
    body = b'{"events":[]}'
    answers = [
        await client("POST", "/v1/events", body, JSON, key="wrong", address="10.0.0.1")
        for _ in range(6)
    ]
    assert [answer.status for answer in answers] == [401] * 4 + [429] * 2
    problem(answers[-1], 429, "rate_limited_address")
    assert (await client("POST", "/v1/events", body, JSON, address="10.0.0.2")).status == 202
    # One IPv6 network of 64 bits counts as one address.
    for number in range(4):
        await client("POST", "/v1/events", body, JSON, address=f"2001:db8::{number}")
    answer = await client("POST", "/v1/events", body, JSON, address="2001:db8::ffff")
    problem(answer, 429)


async def test_wrong_keys_are_counted_by_address(with_settings):
    client = with_settings()
    body = b'{"events":[]}'
    answers = [
        await client("POST", "/v1/events", body, JSON, key=f"rune_live_{'x' * 40}{n:03d}")
        for n in range(40)
    ]
    assert [answer.status for answer in answers] == [401] * 30 + [429] * 10
    problem(answers[-1], 429, "rate_limited_bad_keys")
    assert (await client.send_events(made_event())).status == 202


async def test_open_requests_by_address_are_capped(with_settings):
    client = with_settings(ip_connections=3)
    release = asyncio.Event()
    waiting = asyncio.Semaphore(0)

    async def slow():
        yield b'{"events":'
        waiting.release()
        await release.wait()
        yield b"[]}"

    held = [asyncio.create_task(client("POST", "/v1/events", slow(), JSON)) for _ in range(3)]
    for _ in held:
        await waiting.acquire()
    problem(await client.send_events(), 429)
    release.set()
    assert [(await task).status for task in held] == [202] * 3
    assert (await client.send_events()).status == 202


async def test_streams_of_an_organisation_are_capped(with_settings, organisation):
    client = with_settings(organisation_streams=2)
    instance = {"x-rune-instance": "0" * 32}
    held = [asyncio.create_task(client("GET", "/v1/stream", headers=instance)) for _ in range(2)]
    open_ = client.app._platform.limits._open
    async with asyncio.timeout(60):
        while open_[f"agent streams:{organisation.id}"] < 2:  # noqa: ASYNC110 - no one tells
            await asyncio.sleep(0.01)
    answer = await client("GET", "/v1/stream", headers=instance)
    problem(answer, 429, "too_many_streams")
    assert int(answer.headers["retry-after"]) == 60
    assert (await client.send_events()).status == 202
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    again = asyncio.create_task(client("GET", "/v1/stream", headers=instance))
    done, _ = await asyncio.wait([again], timeout=0.3)
    assert not done  # it is open
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


async def test_unknown_places_and_methods(client):
    for method, path in (
        ("GET", "/v1/events"),
        ("DELETE", "/v1/events"),
        ("POST", "/v1/events/"),
        ("POST", "/v2/events"),
        ("POST", "//v1/events"),
        ("GET", "/../etc/passwd"),
        ("POST", "/healthz"),
    ):
        problem(await client(method, path), 404, "not_found")


async def test_health_and_readiness(platform, client):
    assert (await client("GET", "/healthz", key="")).json == {"status": "ok"}
    ready = await client("GET", "/readyz", key="")
    assert ready.status == 200
    assert ready.json["checks"] == {
        "state": "up",
        "spool": "up",
        "analytics": "up",
        "limits": "up",
    }
    platform.stopping.set()
    assert (await client("GET", "/readyz", key="")).status == 503


async def test_metrics(client, with_settings, organisation):
    await client.send_events(*made_events(3))
    answer = await client("GET", "/metrics", key="")
    assert answer.status == 200
    text = answer.body.decode()
    assert 'rune_events_total{result="accepted"}' in text
    assert "rune_spool_bytes" in text
    assert str(organisation.id) not in text
    assert client.key not in text
    problem(await client("GET", "/metrics", key="", address="192.0.2.1"), 403)
    guarded = with_settings(metrics_token="s3cret")
    problem(await guarded("GET", "/metrics", key=""), 403)
    problem(await guarded("GET", "/metrics", b"", {"authorization": "Bearer x"}, key=""), 403)
    good = {"authorization": "Bearer s3cret"}
    assert (await guarded("GET", "/metrics", b"", good, address="192.0.2.1")).status == 200


async def test_a_full_spool_says_so_and_nothing_hangs(platform, client, monkeypatch):
    monkeypatch.setattr(platform.ingest.spool, "_most", 0)
    answer = await client.send_events(made_event())
    problem(answer, 503, "spool_full")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await client("GET", "/readyz", key="")).status == 503


async def test_faults_of_ours_show_nothing(platform, client, monkeypatch, caplog):
    async def broken(*args, **kwargs):
        raise RuntimeError("something with the-users-own-words")

    monkeypatch.setattr(platform.ingest, "accept", broken)
    with caplog.at_level(logging.DEBUG):
        answer = await client.send_events(made_event())
    found = problem(answer, 500, "internal")
    assert "own-words" not in json.dumps(found)
    assert "own-words" not in caplog.text


async def test_logs_hold_neither_keys_nor_content(client, capsys, caplog):
    secret = "the-users-own-words"
    with caplog.at_level(logging.DEBUG):
        await client.send_events(json.dumps({"event_id": secret, "prompt": secret}).encode())
        await client("POST", f"/v1/{secret}", secret.encode(), {"x-other": secret})
        await post(client, secret.encode(), content_encoding="gzip")
    printed = capsys.readouterr()
    for text in (caplog.text, printed.out, printed.err):
        assert secret not in text
        assert client.key not in text


async def test_limits_are_counted_here_when_redis_is_away():
    from rune_server.limits import Limit

    limits = Limits("redis://127.0.0.1:1/0")
    try:
        wanted = [("name", Limit(0.001, 2), 1.0)]
        answers = [await limits.take(wanted) for _ in range(3)]
        assert [answer.allowed for answer in answers] == [True, True, False]
        assert limits.is_shared is False
    finally:
        await limits.close()


def test_zlib_is_bounded():
    # What the bound rests on: no more is made than was asked for.
    opened = zlib.decompressobj(31)
    assert len(opened.decompress(gzip.compress(b"0" * 10_000_000), 1000)) == 1000
