"""The operations of the API as its OpenAPI document lists them, and a valid request for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.rune_server.auth.conftest import PASSWORD

from rune_server.api import openapi

POLICY = 'version: "1.0"\nrules:\n  - {name: r, type: tool_denylist, tools: [x], action: block}\n'
RULE = {"name": "made by a test", "kind": "count"}
BODIES: dict[str, Any] = {
    "create_policy": {"name": "made by a test", "yaml": POLICY},
    "edit_policy": {"yaml": POLICY},
    "publish_policy": {},
    "roll_back_policy": {"to": 1},
    "validate_policy": {"yaml": POLICY},
    "dry_run_policy": {"yaml": POLICY},
    "register_agent": {"agent_id": "made-by-a-test"},
    "edit_agent": {"name": "made by a test"},
    "create_alert_rule": RULE,
    "edit_alert_rule": RULE,
    "mute_alert_rule": {"until": None},
    "create_alert_channel": {
        "name": "made by a test",
        "kind": "email",
        "addresses": ["a@example.com"],
    },
    "edit_alert_channel": {"name": "made by a test", "kind": "email"},
    "create_key": {"name": "made by a test"},
    "change_email": {"email": "made-by-a-test@example.com", "password": PASSWORD},
    "edit_organisation": {"name": "made by a test"},
    "set_member_role": {"role": "member"},
    "erase_data": {"agent_id": "made-by-a-test"},
    "invite_member": {"email": "made-by-a-test@example.com", "role": "viewer"},
}
QUERIES: dict[str, dict[str, Any]] = {
    "diff_policy": {"before": 0, "after": 1},
    "get_top": {"by": "agent"},
}


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        name: Its operation id.
        method: Such as ``GET``.
        path: With its parameters in braces.
        permission: What it needs; empty when anybody known may.
        parameters: Names of the path's parameters.
    """

    name: str
    method: str
    path: str
    permission: str
    parameters: tuple[str, ...]
    has_body: bool
    needs_version: bool

    @property
    def changes(self) -> bool:
        return self.method != "GET"

    def request(self, ids: dict[str, str]) -> dict[str, Any]:
        """Arguments of an httpx request for what these ids name."""
        missing = set(self.parameters) - ids.keys()
        assert not missing, f"{self.name}: put one of {missing} into conftest.populated"
        assert not self.has_body or self.name in BODIES, f"{self.name}: put a body into BODIES"
        found: dict[str, Any] = {
            "method": self.method,
            "url": self.path.format(**ids),
            "params": QUERIES.get(self.name),
            "headers": {"if-match": "*"} if self.needs_version else {},
        }
        if self.has_body:
            found["json"] = BODIES[self.name]
        return found


def operations() -> list[Operation]:
    """Every operation of the document."""
    found = []
    for path, methods in openapi()["paths"].items():
        for method, described in methods.items():
            parameters = described.get("parameters", ())
            found.append(
                Operation(
                    name=described["operationId"],
                    method=method.upper(),
                    path=path,
                    permission=described.get("x-permission", ""),
                    parameters=tuple(p["name"] for p in parameters if p["in"] == "path"),
                    has_body="requestBody" in described,
                    needs_version=any(p["name"].lower() == "if-match" for p in parameters),
                )
            )
    return found
