"""Policies on the server: edited as revisions, checked, published, rolled out, taken back."""

from __future__ import annotations

import hashlib
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_core.bundle.model import decode
from rune_core.bundle.verify import verify
from rune_server import audit, policies
from rune_server.actor import Role, member
from rune_server.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    PreconditionFailedError,
    UnprocessableError,
)
from rune_server.policies.rollout import reaches


def text(*tools: str, action: str = "block", head: str = "") -> str:
    listed = ", ".join(tools)
    return (
        f'version: "1.0"\n{head}rules:\n'
        f"  - {{name: no-{tools[0]}, type: tool_denylist, tools: [{listed}], action: {action}}}\n"
    )


async def test_a_policy_grows_by_revisions(platform, owner) -> None:
    made = await policies.create(platform, owner, "tools", text("rm"), note="first")
    assert (made.version, made.latest_revision, made.state) == (1, 1, "draft")
    edited = await policies.edit(platform, owner, made.id, text("rm", "dd"), version=1)
    assert (edited.version, edited.latest_revision) == (2, 2)
    same = await policies.edit(platform, owner, made.id, text("rm", "dd"))
    assert same.latest_revision == 2
    second = await policies.revision(platform, owner, made.id, 2)
    assert second.yaml == text("rm", "dd")
    assert second.sha256 == hashlib.sha256(second.yaml.encode()).hexdigest()
    listed = await policies.revisions(platform, owner, made.id)
    assert [(each.number, each.yaml) for each in listed.items] == [(2, ""), (1, "")]
    first_page = await policies.revisions(platform, owner, made.id, limit=1)
    rest = await policies.revisions(platform, owner, made.id, cursor=first_page.next_cursor)
    assert [each.number for each in (*first_page.items, *rest.items)] == [2, 1]


async def test_an_edit_of_an_older_version_is_refused(platform, owner) -> None:
    made = await policies.create(platform, owner, "tools", text("rm"))
    await policies.edit(platform, owner, made.id, text("dd"), version=1)
    with pytest.raises(PreconditionFailedError, match="version 2"):
        await policies.edit(platform, owner, made.id, text("cp"), version=1)
    with pytest.raises(PreconditionFailedError):
        await policies.publish(platform, owner, made.id, version=1)


async def test_faults_are_located(platform, owner) -> None:
    broken = 'version: "1.0"\nrules:\n  - {name: a, type: tool_denylist}\n  - {name: b, type: no}\n'
    with pytest.raises(UnprocessableError) as caught:
        await policies.create(platform, owner, "broken", broken)
    assert [(each["where"], each["line"]) for each in caught.value.errors] == [
        ("rules[0].tools", 3),
        ("rules[1].type", 4),
    ]
    checked = await policies.validate(platform, owner, broken)
    assert not checked.valid
    assert [fault.line for fault in checked.faults] == [3, 4]
    fine = await policies.validate(platform, owner, text("rm", head="agents: [billing]\n"))
    assert fine.valid
    assert fine.agents == ("billing",)
    assert [(rule.name, rule.kind, rule.action) for rule in fine.rules] == [
        ("no-rm", "tool_denylist", "block")
    ]


async def test_names_are_unique_until_archived(platform, owner) -> None:
    made = await policies.create(platform, owner, "tools", text("rm"))
    with pytest.raises(ConflictError, match="already"):
        await policies.create(platform, owner, "tools", text("rm"))
    with pytest.raises(UnprocessableError):
        await policies.create(platform, owner, "a/b", text("rm"))
    await policies.archive(platform, owner, made.id)
    again = await policies.create(platform, owner, "tools", text("rm"))
    listed = await policies.policies(platform, owner)
    assert [each.id for each in listed.items] == [again.id]
    everything = await policies.policies(platform, owner, archived=True)
    assert {each.id for each in everything.items} == {made.id, again.id}
    with pytest.raises(ConflictError, match="archived"):
        await policies.edit(platform, owner, made.id, text("dd"))


async def bundle(platform, organisation, instance: str = "i"):
    found = await policies.bundle_for(platform, organisation.id, instance)
    body = policies.body_of(platform, found)
    assert decode(body) == found
    assert verify(found) == ()
    return {each.name: each.revision for each in found.policies}, found.revision


async def test_publishing_changes_the_bundle_and_tells(platform, owner, organisation) -> None:
    made = await policies.create(platform, owner, "tools", text("rm"))
    assert (await bundle(platform, organisation))[0] == {}
    async with platform.bus.subscribe(policies.topic(organisation.id)) as messages:
        published = await policies.publish(platform, owner, made.id)
        assert await messages.next(60) is not None
    assert published.published_revision == 1
    held, revision = await bundle(platform, organisation)
    assert held == {"tools": 1}
    await policies.edit(platform, owner, made.id, text("dd"))
    assert await bundle(platform, organisation) == ({"tools": 1}, revision)
    await policies.publish(platform, owner, made.id)
    assert (await bundle(platform, organisation))[0] == {"tools": 2}
    await policies.withdraw(platform, owner, made.id)
    assert (await bundle(platform, organisation))[0] == {}
    with pytest.raises(ConflictError):
        await policies.withdraw(platform, owner, made.id)
    steps = await policies.publications(platform, owner, made.id)
    assert [(step.what, step.revision) for step in steps] == [
        ("withdrawn", 2),
        ("published", 2),
        ("published", 1),
    ]


async def test_a_roll_out_reaches_its_percentage_and_grows(platform, owner, organisation) -> None:
    made = await policies.create(platform, owner, "tools", text("rm"))
    await policies.publish(platform, owner, made.id)
    await policies.edit(platform, owner, made.id, text("dd"))
    staged = await policies.publish(platform, owner, made.id, percent=20)
    assert (staged.state, staged.published_revision, staged.staged_revision) == (
        "rolling_out",
        1,
        2,
    )
    instances = [f"host-{number}" for number in range(80)]

    async def reached() -> set[str]:
        return {i for i in instances if (await bundle(platform, organisation, i))[0]["tools"] == 2}

    few = await reached()
    assert 0.05 < len(few) / len(instances) < 0.4
    await policies.publish(platform, owner, made.id, percent=60)
    more = await reached()
    assert few < more
    assert (await bundle(platform, organisation, ""))[0] == {"tools": 1}
    aborted = await policies.abort(platform, owner, made.id)
    assert aborted.staged_revision is None
    assert await reached() == set()
    await policies.publish(platform, owner, made.id, percent=60)
    await policies.publish(platform, owner, made.id, percent=100)
    assert await reached() == set(instances)
    with pytest.raises(ConflictError, match="every instance"):
        await policies.publish(platform, owner, made.id, percent=10)


async def test_rolling_back_is_a_new_revision_of_the_old_text(
    platform, owner, organisation
) -> None:
    made = await policies.create(platform, owner, "tools", text("rm"))
    with pytest.raises(ConflictError, match="before"):
        await policies.roll_back(platform, owner, made.id)
    await policies.publish(platform, owner, made.id)
    await policies.edit(platform, owner, made.id, text("dd"))
    await policies.publish(platform, owner, made.id)
    back = await policies.roll_back(platform, owner, made.id)
    assert (back.latest_revision, back.published_revision) == (3, 3)
    assert (await policies.revision(platform, owner, made.id, 3)).yaml == text("rm")
    assert (await bundle(platform, organisation))[0] == {"tools": 3}
    to_second = await policies.roll_back(platform, owner, made.id, to=2)
    assert (await policies.revision(platform, owner, made.id, 4)).yaml == text("dd")
    assert to_second.published_revision == 4


async def test_a_diff_tells_lines_and_rules(platform, owner) -> None:
    made = await policies.create(platform, owner, "tools", text("rm"))
    other = text("rm", "cp") + "  - {name: extra, type: tool_denylist, tools: [x]}\n"
    await policies.edit(platform, owner, made.id, other)
    found = await policies.diff(platform, owner, made.id, 1, 2)
    assert (found.rules_added, found.rules_removed, found.rules_changed) == (
        ("extra",),
        (),
        ("no-rm",),
    )
    assert [line.sign for line in found.lines] == [" ", " ", "-", "+", "+"]
    whole = await policies.diff(platform, owner, made.id, 0, 1)
    assert {line.sign for line in whole.lines} == {"+"}
    moved = "# a comment\n" + text("rm")
    await policies.edit(platform, owner, made.id, moved)
    assert (await policies.diff(platform, owner, made.id, 1, 3)).rules_changed == ()


async def test_others_see_and_change_nothing(platform, owner, new_organisation) -> None:
    made = await policies.create(platform, owner, "tools", text("rm"))
    await policies.publish(platform, owner, made.id)
    other = await new_organisation("Other")
    stranger = member(other.id, "stranger", Role.OWNER)
    for attempt in (
        policies.policy(platform, stranger, made.id),
        policies.revision(platform, stranger, made.id, 1),
        policies.edit(platform, stranger, made.id, text("dd")),
        policies.publish(platform, stranger, made.id),
        policies.roll_back(platform, stranger, made.id, to=1),
        policies.withdraw(platform, stranger, made.id),
        policies.archive(platform, stranger, made.id),
        policies.policy(platform, owner, uuid4()),
    ):
        with pytest.raises(NotFoundError):
            await attempt
    assert (await bundle(platform, other))[0] == {}


async def test_a_viewer_only_looks(platform, owner, viewer) -> None:
    made = await policies.create(platform, owner, "tools", text("rm"))
    assert (await policies.policy(platform, viewer, made.id)).name == "tools"
    for attempt in (
        policies.create(platform, viewer, "mine", text("rm")),
        policies.edit(platform, viewer, made.id, text("dd")),
        policies.publish(platform, viewer, made.id),
        policies.archive(platform, viewer, made.id),
    ):
        with pytest.raises(ForbiddenError):
            await attempt


async def test_changes_are_audited(platform, owner) -> None:
    made = await policies.create(platform, owner, "tools", text("rm"))
    await policies.publish(platform, owner, made.id)
    await policies.withdraw(platform, owner, made.id)
    await policies.archive(platform, owner, made.id)
    entries = await audit.entries(platform, owner)
    assert [entry.action for entry in reversed(entries)] == [
        "policy.created",
        "policy.published",
        "policy.withdrawn",
        "policy.archived",
    ]


@given(instance=st.text(min_size=1, max_size=40), percents=st.tuples(*[st.integers(0, 100)] * 2))
def test_whoever_is_reached_stays_reached(instance: str, percents: tuple[int, int]) -> None:
    policy_id, (less, more) = uuid4(), sorted(percents)
    if reaches(policy_id, 1, less, instance):
        assert reaches(policy_id, 1, more, instance)
    assert reaches(policy_id, 1, 100, instance)
    assert not reaches(policy_id, 1, 0, instance)
