"""Nobody reads or changes what is not theirs: every operation of the OpenAPI document is tried.

A new operation is tried too without a line here; one with a new path parameter or body fails until
``conftest.populated`` and ``operations.BODIES`` know a valid one.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil

import pytest
from sqlalchemy import text
from tests.rune_server.api.conftest import populated
from tests.rune_server.api.operations import Operation, operations

from rune_server.actor import ROLE_PERMISSIONS, Permission, Role
from rune_server.auth import keys
from rune_server.auth.keys import SDK_PERMISSIONS
from rune_server.state.base import Base

# What tells of use alone changes with every request, by whomever.
NOT_COMPARED = {("user_sessions", "seen_at"), ("api_keys", "used_at")}
OPERATIONS = operations()


async def everything(platform) -> dict[str, list[tuple]]:
    """Every row of the state database."""
    found = {}
    async with platform.state.read() as session:
        for table in Base.metadata.sorted_tables:
            columns = [c for c in table.columns if (table.name, c.name) not in NOT_COMPARED]
            rows = await session.execute(table.select().with_only_columns(*columns))
            found[table.name] = sorted(tuple(map(str, row)) for row in rows)
    return found


def test_the_document_is_complete() -> None:
    """What the app routes is what the document lists: nothing can hide from the tests below."""
    from fastapi.routing import APIRoute

    from rune_server.api import routes

    routed = set()
    for module in pkgutil.iter_modules(routes.__path__):
        router = importlib.import_module(f"{routes.__name__}.{module.name}").router
        for route in router.routes:
            assert isinstance(route, APIRoute)
            assert route.include_in_schema
            routed |= {(method, route.path.replace(":path}", "}")) for method in route.methods}
    assert {(each.method, each.path) for each in OPERATIONS} == routed
    named = [each.name for each in OPERATIONS]
    assert len(set(named)) == len(named)
    assert {each.permission for each in OPERATIONS} <= {"", *Permission}


async def test_strangers_see_and_change_nothing(platform, client, clock) -> None:
    ours = await populated(platform, clock, "canaryours")
    theirs = await populated(platform, clock, "theirs")
    before = await everything(platform)
    owner = theirs.people[Role.OWNER].headers
    ours_id = str(ours.organisation_id)
    for operation in OPERATIONS:
        request = operation.request(ours.ids)
        base = request.pop("headers")
        callers = {
            "nobody": ({}, {401}),
            "a key": (theirs.key, {404}),
            "a person": (owner, {404}),
            "a key that names us": ({**theirs.key, "x-rune-organisation": ours_id}, {403}),
            "a person that names us": ({**owner, "x-rune-organisation": ours_id}, {404}),
            "an unknown key": ({"x-rune-key": "rune_live_" + "x" * 43}, {401, 429}),
            "half a session": ({"cookie": owner["cookie"][:-3] + "xxx"}, {401}),
        }
        for who, (headers, expected_statuses) in callers.items():
            expected = expected_statuses
            if not operation.parameters and who in ("a key", "a person"):
                if operation.changes or operation.name == "export_data":
                    continue  # it makes something of theirs, an entry of their audit log at least
                expected = {200}
            # Deleting a member who is none of theirs is as impossible as reading one.
            answer = await client.request(**request, headers={**base, **headers})
            told = f"{operation.name} as {who}: {answer.status_code} {answer.text[:300]}"
            assert answer.status_code in expected, told
            leaked = answer.text.replace(operation.path.format(**ours.ids), "")
            assert "canaryours" not in leaked, told
            for parameter, value in ours.ids.items():
                assert len(value) < 8 or value not in leaked, f"{parameter} in {told}"
    assert await everything(platform) == before
    copy = await client.get("/v1/data/export", headers=theirs.key)
    assert copy.status_code == 200
    assert "canaryours" not in copy.text
    assert ours_id not in copy.text
    analytics = platform.analytics
    assert len((await analytics.events(ours.organisation_id)).items) == 1


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_may_what_it_may(platform, client, clock, role: Role) -> None:
    ours = await populated(platform, clock, "ours")
    headers = ours.people[role].headers
    before = await everything(platform)
    may, may_not = [], []
    for operation in OPERATIONS:
        allowed = not operation.permission or operation.permission in ROLE_PERMISSIONS[role]
        (may if allowed else may_not).append(operation)
    for operation in may_not:
        request = operation.request(ours.ids)
        request["headers"] |= headers
        answer = await client.request(**request)
        assert answer.status_code == 403, f"{operation.name}: {answer.text}"
    assert await everything(platform) == before
    # Reading first, then changing, and last what removes things.
    for operation in sorted(may, key=lambda each: (each.changes, each.method == "DELETE")):
        request = operation.request(ours.ids)
        request["headers"] |= headers
        answer = await client.request(**request)
        expected = {200, 201, 202, 204}
        if operation.changes:  # what was there may be gone by now, or be there already
            expected |= {404, 409}
        if operation.name == "change_email":
            expected |= {503}  # there is no mail server
        if operation.name == "remove_member" and role is not Role.OWNER:
            expected |= {403}
        assert answer.status_code in expected, f"{operation.name}: {answer.text}"


async def test_a_key_may_what_it_was_given(platform, client, clock) -> None:
    ours = await populated(platform, clock, "ours")
    for permission in Permission:
        if permission not in ROLE_PERMISSIONS[Role.OWNER] | SDK_PERMISSIONS:
            continue
        made = await keys.create(platform, ours.owner, name="one", permissions={permission})
        before = await everything(platform)
        for operation in OPERATIONS:
            if operation.permission in ("", permission):
                continue
            request = operation.request(ours.ids)
            request["headers"] |= {"x-rune-key": made.key}
            answer = await client.request(**request)
            assert answer.status_code == 403, f"{operation.name} with {permission}: {answer.text}"
        assert await everything(platform) == before


async def test_changes_by_people_need_the_csrf_token(platform, client, clock) -> None:
    ours = await populated(platform, clock, "ours")
    before = await everything(platform)
    cookie = {"cookie": ours.people[Role.OWNER].headers["cookie"]}
    other = {**cookie, "x-csrf-token": ours.people[Role.ADMIN].headers["x-csrf-token"]}
    site = {**ours.people[Role.OWNER].headers, "origin": "https://evil.example"}
    for operation in OPERATIONS:
        if not operation.changes:
            continue
        for headers in (cookie, other, site):
            request = operation.request(ours.ids)
            request["headers"] |= headers
            answer = await client.request(**request)
            assert answer.status_code == 403, f"{operation.name}: {answer.text}"
    assert await everything(platform) == before


async def test_a_revoked_key_ends(platform, client, clock) -> None:
    ours = await populated(platform, clock, "ours")
    made = await keys.create(platform, ours.owner, name="x", permissions={Permission.POLICIES_READ})
    headers = {"x-rune-key": made.key}
    assert (await client.get("/v1/policies/documents", headers=headers)).status_code == 200
    await keys.revoke(platform, ours.owner, made.info.id)
    async with asyncio.timeout(30):
        while (await client.get("/v1/me", headers=headers)).status_code != 401:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_somebody_in_two_organisations_says_which(platform, client, clock) -> None:
    ours = await populated(platform, clock, "ours")
    theirs = await populated(platform, clock, "theirs")
    person = ours.people[Role.VIEWER]
    async with platform.state.begin() as session:
        await session.execute(
            text("UPDATE memberships SET user_id = :new WHERE user_id = :old"),
            {
                "new": person.user_id.hex,
                "old": theirs.people[Role.ADMIN].user_id.hex,
            },
        )
    unsaid = await client.get("/v1/me", headers=person.headers)
    assert unsaid.status_code == 400
    for world, role in ((ours, "viewer"), (theirs, "admin")):
        headers = {**person.headers, "x-rune-organisation": str(world.organisation_id)}
        said = (await client.get("/v1/me", headers=headers)).json()
        assert (said["organisation_id"], said["role"]) == (str(world.organisation_id), role)


def test_an_operation_without_a_known_parameter_fails() -> None:
    """The check above cannot be passed by being forgotten."""
    new = Operation("new", "POST", "/v1/new/{new_id}", "", ("new_id",), True, False)
    with pytest.raises(AssertionError, match="new_id"):
        new.request({})


async def test_guessing_keys_is_slowed_down(client) -> None:
    """An address may try thirty at once where it may send 200 requests a second; here ten times."""
    for number in range(2000):
        headers = {"x-rune-key": f"rune_live_{number:043d}"}
        answer = await client.get("/v1/me", headers=headers)
        if answer.status_code != 401:
            break
    assert number >= 300
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
