"""Policies: edited as revisions, checked by core's loader, published, rolled out and taken back.

Services take the platform and the actor first; ``bundle_for`` is what an SDK's instance gets.
"""

from __future__ import annotations

from rune_server.policies.bundle import body_of, bundle_for
from rune_server.policies.dry_run import dry_run, dry_run_revision
from rune_server.policies.edit import (
    create,
    diff,
    edit,
    policies,
    policy,
    publications,
    revision,
    revisions,
    validate,
)
from rune_server.policies.model import (
    Adoption,
    Diff,
    DiffLine,
    DryRun,
    Fault,
    Policy,
    Publication,
    Refused,
    Revision,
    RuleForecast,
    RuleSummary,
    Validation,
)
from rune_server.policies.publish import abort, archive, publish, roll_back, topic, withdraw

__all__ = [
    "Adoption",
    "Diff",
    "DiffLine",
    "DryRun",
    "Fault",
    "Policy",
    "Publication",
    "Refused",
    "Revision",
    "RuleForecast",
    "RuleSummary",
    "Validation",
    "abort",
    "archive",
    "body_of",
    "bundle_for",
    "create",
    "diff",
    "dry_run",
    "dry_run_revision",
    "edit",
    "policies",
    "policy",
    "publications",
    "publish",
    "revision",
    "revisions",
    "roll_back",
    "topic",
    "validate",
    "withdraw",
]
