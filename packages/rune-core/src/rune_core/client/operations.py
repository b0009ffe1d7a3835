"""The operations of the management API. Written by ``python -m rune_server.api.client``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rune_core.client.call import UNSET, Call, Many, Nothing, One, Pieces, Sender, Unset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class Operations(Sender[One, Many, Nothing, Pieces]):
    """A method an operation. An argument that is not given is left to the server."""

    def list_agents(
        self, *, days: int | Unset = UNSET, search: str | Unset = UNSET, limit: int | Unset = UNSET
    ) -> Many:
        """The agents with what they did of late, the riskiest first."""
        return self._many(
            Call("GET", "/v1/agents", query={"days": days, "search": search, "limit": limit})
        )

    def register_agent(
        self,
        *,
        agent_id: str,
        name: str | Unset = UNSET,
        framework: str | Unset = UNSET,
        description: str | Unset = UNSET,
        tags: Sequence[str] | Unset = UNSET,
    ) -> One:
        """Enter an agent, heard of or not."""
        return self._one(
            Call(
                "POST",
                "/v1/agents",
                body={
                    "name": name,
                    "framework": framework,
                    "description": description,
                    "tags": tags,
                    "agent_id": agent_id,
                },
            )
        )

    def get_agent(self, agent_id: str, *, days: int | Unset = UNSET) -> One:
        """One agent."""
        return self._one(
            Call(
                "GET", "/v1/agents/{agent_id}", places={"agent_id": agent_id}, query={"days": days}
            )
        )

    def edit_agent(
        self,
        agent_id: str,
        *,
        name: str | Unset = UNSET,
        framework: str | Unset = UNSET,
        description: str | Unset = UNSET,
        tags: Sequence[str] | Unset = UNSET,
        version: int | None = None,
    ) -> One:
        """Change what is entered about an agent."""
        return self._one(
            Call(
                "PUT",
                "/v1/agents/{agent_id}",
                places={"agent_id": agent_id},
                body={
                    "name": name,
                    "framework": framework,
                    "description": description,
                    "tags": tags,
                },
                version=version,
                versioned=True,
            )
        )

    def list_alert_channels(self, *, limit: int | Unset = UNSET) -> Many:
        """The channels, without their secrets."""
        return self._many(Call("GET", "/v1/alert-channels", query={"limit": limit}))

    def create_alert_channel(
        self,
        *,
        name: str,
        kind: str,
        url: str | Unset = UNSET,
        addresses: Sequence[str] | Unset = UNSET,
        enabled: bool | Unset = UNSET,
    ) -> One:
        """Make a channel. A webhook's signing secret is in this answer and never again."""
        return self._one(
            Call(
                "POST",
                "/v1/alert-channels",
                body={
                    "name": name,
                    "kind": kind,
                    "url": url,
                    "addresses": addresses,
                    "enabled": enabled,
                },
            )
        )

    def delete_alert_channel(self, channel_id: str, *, version: int | None = None) -> Nothing:
        """Remove a channel; rules forget it."""
        return self._nothing(
            Call(
                "DELETE",
                "/v1/alert-channels/{channel_id}",
                places={"channel_id": channel_id},
                version=version,
                versioned=True,
            )
        )

    def get_alert_channel(self, channel_id: str) -> One:
        """One channel, without its secrets."""
        return self._one(
            Call("GET", "/v1/alert-channels/{channel_id}", places={"channel_id": channel_id})
        )

    def edit_alert_channel(
        self,
        channel_id: str,
        *,
        name: str,
        kind: str,
        url: str | Unset = UNSET,
        addresses: Sequence[str] | Unset = UNSET,
        enabled: bool | Unset = UNSET,
        new_secret: bool | Unset = UNSET,
        version: int | None = None,
    ) -> One:
        """Change a channel; its kind stays."""
        return self._one(
            Call(
                "PUT",
                "/v1/alert-channels/{channel_id}",
                places={"channel_id": channel_id},
                body={
                    "name": name,
                    "kind": kind,
                    "url": url,
                    "addresses": addresses,
                    "enabled": enabled,
                    "new_secret": new_secret,
                },
                version=version,
                versioned=True,
            )
        )

    def test_alert_channel(self, channel_id: str) -> One:
        """Send a test notice now, and say what came of it."""
        return self._one(
            Call("POST", "/v1/alert-channels/{channel_id}/test", places={"channel_id": channel_id})
        )

    def count_alerts(self) -> One:
        """How many alerts are open, and how many somebody has taken on."""
        return self._one(Call("GET", "/v1/alert-counts"))

    def list_alert_deliveries(
        self,
        *,
        channel_id: str | Unset = UNSET,
        alert_id: str | Unset = UNSET,
        limit: int | Unset = UNSET,
    ) -> Many:
        """What was sent to whom over the last 30 days, and how it fared."""
        return self._many(
            Call(
                "GET",
                "/v1/alert-deliveries",
                query={"channel_id": channel_id, "alert_id": alert_id, "limit": limit},
            )
        )

    def list_alert_rules(self, *, limit: int | Unset = UNSET) -> Many:
        """The rules, in the order they were made."""
        return self._many(Call("GET", "/v1/alert-rules", query={"limit": limit}))

    def create_alert_rule(
        self,
        *,
        name: str,
        kind: str,
        severity: str | Unset = UNSET,
        match: Mapping[str, Any] | Unset = UNSET,
        of: Mapping[str, Any] | Unset = UNSET,
        window_seconds: int | Unset = UNSET,
        threshold: float | Unset = UNSET,
        minimum: int | Unset = UNSET,
        group_by: str | Unset = UNSET,
        first_seen: str | Unset = UNSET,
        cooldown_seconds: int | Unset = UNSET,
        channels: Sequence[str] | Unset = UNSET,
        enabled: bool | Unset = UNSET,
    ) -> One:
        """Make a rule; it is evaluated from now on."""
        return self._one(
            Call(
                "POST",
                "/v1/alert-rules",
                body={
                    "name": name,
                    "kind": kind,
                    "severity": severity,
                    "match": match,
                    "of": of,
                    "window_seconds": window_seconds,
                    "threshold": threshold,
                    "minimum": minimum,
                    "group_by": group_by,
                    "first_seen": first_seen,
                    "cooldown_seconds": cooldown_seconds,
                    "channels": channels,
                    "enabled": enabled,
                },
            )
        )

    def delete_alert_rule(self, rule_id: str, *, version: int | None = None) -> Nothing:
        """Remove a rule and its alerts."""
        return self._nothing(
            Call(
                "DELETE",
                "/v1/alert-rules/{rule_id}",
                places={"rule_id": rule_id},
                version=version,
                versioned=True,
            )
        )

    def get_alert_rule(self, rule_id: str) -> One:
        """One rule."""
        return self._one(Call("GET", "/v1/alert-rules/{rule_id}", places={"rule_id": rule_id}))

    def edit_alert_rule(
        self,
        rule_id: str,
        *,
        name: str,
        kind: str,
        severity: str | Unset = UNSET,
        match: Mapping[str, Any] | Unset = UNSET,
        of: Mapping[str, Any] | Unset = UNSET,
        window_seconds: int | Unset = UNSET,
        threshold: float | Unset = UNSET,
        minimum: int | Unset = UNSET,
        group_by: str | Unset = UNSET,
        first_seen: str | Unset = UNSET,
        cooldown_seconds: int | Unset = UNSET,
        channels: Sequence[str] | Unset = UNSET,
        enabled: bool | Unset = UNSET,
        version: int | None = None,
    ) -> One:
        """Give a rule another content."""
        return self._one(
            Call(
                "PUT",
                "/v1/alert-rules/{rule_id}",
                places={"rule_id": rule_id},
                body={
                    "name": name,
                    "kind": kind,
                    "severity": severity,
                    "match": match,
                    "of": of,
                    "window_seconds": window_seconds,
                    "threshold": threshold,
                    "minimum": minimum,
                    "group_by": group_by,
                    "first_seen": first_seen,
                    "cooldown_seconds": cooldown_seconds,
                    "channels": channels,
                    "enabled": enabled,
                },
                version=version,
                versioned=True,
            )
        )

    def mute_alert_rule(
        self, rule_id: str, *, until: str | datetime | None, version: int | None = None
    ) -> One:
        """Tell nobody of a rule's alerts until a time."""
        return self._one(
            Call(
                "POST",
                "/v1/alert-rules/{rule_id}/mute",
                places={"rule_id": rule_id},
                body={"until": until},
                version=version,
                versioned=True,
            )
        )

    def preview_alert_rule(self, rule_id: str) -> Many:
        """What a rule finds now, without raising anything."""
        return self._many(
            Call("GET", "/v1/alert-rules/{rule_id}/preview", places={"rule_id": rule_id})
        )

    def list_alerts(
        self,
        *,
        state: Sequence[str] | Unset = UNSET,
        severity: Sequence[str] | Unset = UNSET,
        rule_id: str | Unset = UNSET,
        group: str | Unset = UNSET,
        limit: int | Unset = UNSET,
    ) -> Many:
        """The alerts, those that began last first."""
        return self._many(
            Call(
                "GET",
                "/v1/alerts",
                query={
                    "state": state,
                    "severity": severity,
                    "rule_id": rule_id,
                    "group": group,
                    "limit": limit,
                },
            )
        )

    def get_alert(self, alert_id: str) -> One:
        """One alert."""
        return self._one(Call("GET", "/v1/alerts/{alert_id}", places={"alert_id": alert_id}))

    def acknowledge_alert(self, alert_id: str) -> One:
        """Take it on: it is not told again until it is resolved."""
        return self._one(
            Call("POST", "/v1/alerts/{alert_id}/acknowledge", places={"alert_id": alert_id})
        )

    def resolve_alert(self, alert_id: str) -> One:
        """End it."""
        return self._one(
            Call("POST", "/v1/alerts/{alert_id}/resolve", places={"alert_id": alert_id})
        )

    def list_audit_entries(
        self, *, action: str | Unset = UNSET, limit: int | Unset = UNSET
    ) -> Many:
        """What was done by whom, the newest first."""
        return self._many(Call("GET", "/v1/audit", query={"action": action, "limit": limit}))

    def list_erasures(self) -> Many:
        """Erasures that were asked for, the newest first."""
        return self._many(Call("GET", "/v1/data/erasures"))

    def erase_data(
        self, *, agent_id: str | Unset | None = UNSET, confirm: str | Unset | None = UNSET
    ) -> One:
        """Erase an agent, or the whole organisation. There is no way back but a back-up."""
        return self._one(
            Call("POST", "/v1/data/erasures", body={"agent_id": agent_id, "confirm": confirm})
        )

    def export_data(self, *, agent_id: str | Unset = UNSET) -> Pieces:
        """Everything that is kept, as JSON lines. The last line's table is `end`."""
        return self._pieces(Call("GET", "/v1/data/export", query={"agent_id": agent_id}))

    def list_events(
        self,
        *,
        limit: int | Unset = UNSET,
        agent: Sequence[str] | Unset = UNSET,
        action: Sequence[str] | Unset = UNSET,
        threat: Sequence[str] | Unset = UNSET,
        surface: Sequence[str] | Unset = UNSET,
        tool: Sequence[str] | Unset = UNSET,
        rule: Sequence[str] | Unset = UNSET,
        policy: Sequence[str] | Unset = UNSET,
        detector: Sequence[str] | Unset = UNSET,
        severity: Sequence[str] | Unset = UNSET,
        framework: Sequence[str] | Unset = UNSET,
        tag: Sequence[str] | Unset = UNSET,
        event_type: Sequence[str] | Unset = UNSET,
        session: str | Unset = UNSET,
        decision: str | Unset = UNSET,
        min_risk: float | Unset = UNSET,
        degraded: bool | Unset = UNSET,
        search: str | Unset = UNSET,
        since: str | datetime | Unset = UNSET,
        until: str | datetime | Unset = UNSET,
    ) -> Many:
        """Events, the newest first."""
        return self._many(
            Call(
                "GET",
                "/v1/events",
                query={
                    "limit": limit,
                    "agent": agent,
                    "action": action,
                    "threat": threat,
                    "surface": surface,
                    "tool": tool,
                    "rule": rule,
                    "policy": policy,
                    "detector": detector,
                    "severity": severity,
                    "framework": framework,
                    "tag": tag,
                    "event_type": event_type,
                    "session": session,
                    "decision": decision,
                    "min_risk": min_risk,
                    "degraded": degraded,
                    "search": search,
                    "since": since,
                    "until": until,
                },
            )
        )

    def get_event(self, event_id: str) -> One:
        """One event."""
        return self._one(Call("GET", "/v1/events/{event_id}", places={"event_id": event_id}))

    def list_instances(
        self,
        *,
        agent_id: str | Unset = UNSET,
        live: bool | Unset = UNSET,
        limit: int | Unset = UNSET,
    ) -> Many:
        """The processes that report; with `live`, those that did within the last hour."""
        return self._many(
            Call("GET", "/v1/instances", query={"agent_id": agent_id, "live": live, "limit": limit})
        )

    def list_invitations(self) -> Many:
        """Invitations that were not accepted yet."""
        return self._many(Call("GET", "/v1/invitations"))

    def invite_member(self, *, email: str, role: str | Unset = UNSET) -> One:
        """Invite somebody by mail, to a role at most your own."""
        return self._one(Call("POST", "/v1/invitations", body={"email": email, "role": role}))

    def take_back_invitation(self, invitation_id: str) -> Nothing:
        """Make an invitation void."""
        return self._nothing(
            Call(
                "DELETE", "/v1/invitations/{invitation_id}", places={"invitation_id": invitation_id}
            )
        )

    def list_keys(self) -> Many:
        """API keys, the newest first, revoked ones included; never the keys themselves."""
        return self._many(Call("GET", "/v1/keys"))

    def create_key(
        self,
        *,
        name: str,
        permissions: Sequence[str] | Unset = UNSET,
        expires_at: str | datetime | Unset | None = UNSET,
    ) -> One:
        """Make a key. It is in this answer and never shown again."""
        return self._one(
            Call(
                "POST",
                "/v1/keys",
                body={"name": name, "permissions": permissions, "expires_at": expires_at},
            )
        )

    def revoke_key(self, key_id: str) -> Nothing:
        """End a key, everywhere within a second."""
        return self._nothing(Call("DELETE", "/v1/keys/{key_id}", places={"key_id": key_id}))

    def get_caller(self) -> One:
        """Who you are here, and what you may do."""
        return self._one(Call("GET", "/v1/me"))

    def change_email(
        self, *, email: str, password: str | Unset = UNSET, code: str | Unset = UNSET
    ) -> One:
        """Send a link to a new address of your own. For people: keys have none."""
        return self._one(
            Call("POST", "/v1/me/email", body={"email": email, "password": password, "code": code})
        )

    def list_members(self) -> Many:
        """The members, by address."""
        return self._many(Call("GET", "/v1/members"))

    def remove_member(self, user_id: str) -> Nothing:
        """Remove a member (needs members:write), or leave."""
        return self._nothing(Call("DELETE", "/v1/members/{user_id}", places={"user_id": user_id}))

    def set_member_role(self, user_id: str, *, role: str) -> Nothing:
        """Give a member another role, at most your own."""
        return self._nothing(
            Call("PUT", "/v1/members/{user_id}", places={"user_id": user_id}, body={"role": role})
        )

    def get_organisation(self) -> One:
        """Its name, plan, region and retention."""
        return self._one(Call("GET", "/v1/organisation"))

    def edit_organisation(
        self,
        *,
        name: str | Unset | None = UNSET,
        retention_days: int | Unset | None = UNSET,
        second_factor_required: bool | Unset | None = UNSET,
    ) -> One:
        """Change its name, retention or whether members need a second factor."""
        return self._one(
            Call(
                "PATCH",
                "/v1/organisation",
                body={
                    "name": name,
                    "retention_days": retention_days,
                    "second_factor_required": second_factor_required,
                },
            )
        )

    def get_adoption(self) -> One:
        """How many instances run exactly what they should, and what others refused."""
        return self._one(Call("GET", "/v1/policies/adoption"))

    def list_policies(self, *, limit: int | Unset = UNSET, archived: bool | Unset = UNSET) -> Many:
        """The policies in order of name; with `archived`, also those put away."""
        return self._many(
            Call("GET", "/v1/policies/documents", query={"limit": limit, "archived": archived})
        )

    def create_policy(self, *, name: str, yaml: str, note: str | Unset = UNSET) -> One:
        """Make a policy. It is not in force before it is published."""
        return self._one(
            Call("POST", "/v1/policies/documents", body={"name": name, "yaml": yaml, "note": note})
        )

    def archive_policy(self, policy_id: str, *, version: int | None = None) -> One:
        """Put it away, out of force. Its revisions stay."""
        return self._one(
            Call(
                "DELETE",
                "/v1/policies/documents/{policy_id}",
                places={"policy_id": policy_id},
                version=version,
                versioned=True,
            )
        )

    def get_policy(self, policy_id: str) -> One:
        """One policy, without its text."""
        return self._one(
            Call("GET", "/v1/policies/documents/{policy_id}", places={"policy_id": policy_id})
        )

    def edit_policy(
        self, policy_id: str, *, yaml: str, note: str | Unset = UNSET, version: int | None = None
    ) -> One:
        """Give it a new text, as its latest revision. What is in force stays in force."""
        return self._one(
            Call(
                "PUT",
                "/v1/policies/documents/{policy_id}",
                places={"policy_id": policy_id},
                body={"yaml": yaml, "note": note},
                version=version,
                versioned=True,
            )
        )

    def abort_rollout(self, policy_id: str, *, version: int | None = None) -> One:
        """End a roll-out: every instance goes back to what is published."""
        return self._one(
            Call(
                "POST",
                "/v1/policies/documents/{policy_id}/abort",
                places={"policy_id": policy_id},
                version=version,
                versioned=True,
            )
        )

    def diff_policy(self, policy_id: str, *, before: int, after: int) -> One:
        """Two revisions compared; 0 stands for the empty text."""
        return self._one(
            Call(
                "GET",
                "/v1/policies/documents/{policy_id}/diff",
                places={"policy_id": policy_id},
                query={"before": before, "after": after},
            )
        )

    def list_publications(self, policy_id: str) -> Many:
        """Its last 50 steps into force and out of it, the newest first."""
        return self._many(
            Call(
                "GET",
                "/v1/policies/documents/{policy_id}/publications",
                places={"policy_id": policy_id},
            )
        )

    def publish_policy(
        self,
        policy_id: str,
        *,
        revision: int | Unset | None = UNSET,
        percent: int | Unset = UNSET,
        version: int | None = None,
    ) -> One:
        """Put a revision in force, for all instances or for some first."""
        return self._one(
            Call(
                "POST",
                "/v1/policies/documents/{policy_id}/publish",
                places={"policy_id": policy_id},
                body={"revision": revision, "percent": percent},
                version=version,
                versioned=True,
            )
        )

    def list_revisions(self, policy_id: str, *, limit: int | Unset = UNSET) -> Many:
        """Its revisions without their texts, the newest first."""
        return self._many(
            Call(
                "GET",
                "/v1/policies/documents/{policy_id}/revisions",
                places={"policy_id": policy_id},
                query={"limit": limit},
            )
        )

    def get_revision(self, policy_id: str, number: int) -> One:
        """One revision with its text."""
        return self._one(
            Call(
                "GET",
                "/v1/policies/documents/{policy_id}/revisions/{number}",
                places={"policy_id": policy_id, "number": number},
            )
        )

    def dry_run_revision(self, policy_id: str, number: int, *, days: int | Unset = UNSET) -> One:
        """How often each rule of a revision would have matched. Also needs events:read."""
        return self._one(
            Call(
                "GET",
                "/v1/policies/documents/{policy_id}/revisions/{number}/dry-run",
                places={"policy_id": policy_id, "number": number},
                query={"days": days},
            )
        )

    def roll_back_policy(
        self, policy_id: str, *, to: int | Unset | None = UNSET, version: int | None = None
    ) -> One:
        """Put an earlier text back in force everywhere, as a new revision."""
        return self._one(
            Call(
                "POST",
                "/v1/policies/documents/{policy_id}/roll-back",
                places={"policy_id": policy_id},
                body={"to": to},
                version=version,
                versioned=True,
            )
        )

    def withdraw_policy(self, policy_id: str, *, version: int | None = None) -> One:
        """Take it out of force everywhere."""
        return self._one(
            Call(
                "POST",
                "/v1/policies/documents/{policy_id}/withdraw",
                places={"policy_id": policy_id},
                version=version,
                versioned=True,
            )
        )

    def dry_run_policy(
        self, *, yaml: str, days: int | Unset = UNSET, agents: Sequence[str] | Unset = UNSET
    ) -> One:
        """How often each rule of a text would have matched. Also needs events:read."""
        return self._one(
            Call(
                "POST", "/v1/policies/dry-run", body={"yaml": yaml, "days": days, "agents": agents}
            )
        )

    def validate_policy(self, *, yaml: str) -> One:
        """What agents would say of a text: its faults by line, or its rules."""
        return self._one(Call("POST", "/v1/policies/validate", body={"yaml": yaml}))

    def list_sessions(
        self,
        *,
        limit: int | Unset = UNSET,
        agent: Sequence[str] | Unset = UNSET,
        action: Sequence[str] | Unset = UNSET,
        threat: Sequence[str] | Unset = UNSET,
        surface: Sequence[str] | Unset = UNSET,
        tool: Sequence[str] | Unset = UNSET,
        rule: Sequence[str] | Unset = UNSET,
        policy: Sequence[str] | Unset = UNSET,
        detector: Sequence[str] | Unset = UNSET,
        severity: Sequence[str] | Unset = UNSET,
        framework: Sequence[str] | Unset = UNSET,
        tag: Sequence[str] | Unset = UNSET,
        event_type: Sequence[str] | Unset = UNSET,
        session: str | Unset = UNSET,
        decision: str | Unset = UNSET,
        min_risk: float | Unset = UNSET,
        degraded: bool | Unset = UNSET,
        search: str | Unset = UNSET,
        since: str | datetime | Unset = UNSET,
        until: str | datetime | Unset = UNSET,
    ) -> Many:
        """Sessions, the last active first; by default those of the last seven days."""
        return self._many(
            Call(
                "GET",
                "/v1/sessions",
                query={
                    "limit": limit,
                    "agent": agent,
                    "action": action,
                    "threat": threat,
                    "surface": surface,
                    "tool": tool,
                    "rule": rule,
                    "policy": policy,
                    "detector": detector,
                    "severity": severity,
                    "framework": framework,
                    "tag": tag,
                    "event_type": event_type,
                    "session": session,
                    "decision": decision,
                    "min_risk": min_risk,
                    "degraded": degraded,
                    "search": search,
                    "since": since,
                    "until": until,
                },
            )
        )

    def get_session(self, session_id: str) -> Many:
        """The events of one session in the order in which they happened, at most 5,000."""
        return self._many(
            Call("GET", "/v1/sessions/{session_id}", places={"session_id": session_id})
        )

    def get_stats(
        self,
        *,
        since: str | datetime | Unset = UNSET,
        until: str | datetime | Unset = UNSET,
        step: int | Unset = UNSET,
        agent: Sequence[str] | Unset = UNSET,
        action: Sequence[str] | Unset = UNSET,
        threat: Sequence[str] | Unset = UNSET,
        surface: Sequence[str] | Unset = UNSET,
        tool: Sequence[str] | Unset = UNSET,
        rule: Sequence[str] | Unset = UNSET,
        policy: Sequence[str] | Unset = UNSET,
        detector: Sequence[str] | Unset = UNSET,
        severity: Sequence[str] | Unset = UNSET,
        framework: Sequence[str] | Unset = UNSET,
        tag: Sequence[str] | Unset = UNSET,
        event_type: Sequence[str] | Unset = UNSET,
        session: str | Unset = UNSET,
        decision: str | Unset = UNSET,
        min_risk: float | Unset = UNSET,
        degraded: bool | Unset = UNSET,
        search: str | Unset = UNSET,
    ) -> One:
        """Sums over a window."""
        return self._one(
            Call(
                "GET",
                "/v1/stats",
                query={
                    "since": since,
                    "until": until,
                    "step": step,
                    "agent": agent,
                    "action": action,
                    "threat": threat,
                    "surface": surface,
                    "tool": tool,
                    "rule": rule,
                    "policy": policy,
                    "detector": detector,
                    "severity": severity,
                    "framework": framework,
                    "tag": tag,
                    "event_type": event_type,
                    "session": session,
                    "decision": decision,
                    "min_risk": min_risk,
                    "degraded": degraded,
                    "search": search,
                },
            )
        )

    def get_coverage(
        self,
        *,
        since: str | datetime | Unset = UNSET,
        until: str | datetime | Unset = UNSET,
        step: int | Unset = UNSET,
    ) -> Many:
        """Per agent and surface: how much was looked at, and which layers did not run."""
        return self._many(
            Call("GET", "/v1/stats/coverage", query={"since": since, "until": until, "step": step})
        )

    def get_latency(
        self,
        *,
        since: str | datetime | Unset = UNSET,
        until: str | datetime | Unset = UNSET,
        step: int | Unset = UNSET,
        agent: Sequence[str] | Unset = UNSET,
        action: Sequence[str] | Unset = UNSET,
        threat: Sequence[str] | Unset = UNSET,
        surface: Sequence[str] | Unset = UNSET,
        tool: Sequence[str] | Unset = UNSET,
        rule: Sequence[str] | Unset = UNSET,
        policy: Sequence[str] | Unset = UNSET,
        detector: Sequence[str] | Unset = UNSET,
        severity: Sequence[str] | Unset = UNSET,
        framework: Sequence[str] | Unset = UNSET,
        tag: Sequence[str] | Unset = UNSET,
        event_type: Sequence[str] | Unset = UNSET,
        session: str | Unset = UNSET,
        decision: str | Unset = UNSET,
        min_risk: float | Unset = UNSET,
        degraded: bool | Unset = UNSET,
        search: str | Unset = UNSET,
    ) -> Many:
        """Quantiles per layer, in milliseconds, and of the whole scan as `total`."""
        return self._many(
            Call(
                "GET",
                "/v1/stats/latency",
                query={
                    "since": since,
                    "until": until,
                    "step": step,
                    "agent": agent,
                    "action": action,
                    "threat": threat,
                    "surface": surface,
                    "tool": tool,
                    "rule": rule,
                    "policy": policy,
                    "detector": detector,
                    "severity": severity,
                    "framework": framework,
                    "tag": tag,
                    "event_type": event_type,
                    "session": session,
                    "decision": decision,
                    "min_risk": min_risk,
                    "degraded": degraded,
                    "search": search,
                },
            )
        )

    def get_series(
        self,
        *,
        by: str | Unset = UNSET,
        since: str | datetime | Unset = UNSET,
        until: str | datetime | Unset = UNSET,
        step: int | Unset = UNSET,
        agent: Sequence[str] | Unset = UNSET,
        action: Sequence[str] | Unset = UNSET,
        threat: Sequence[str] | Unset = UNSET,
        surface: Sequence[str] | Unset = UNSET,
        tool: Sequence[str] | Unset = UNSET,
        rule: Sequence[str] | Unset = UNSET,
        policy: Sequence[str] | Unset = UNSET,
        detector: Sequence[str] | Unset = UNSET,
        severity: Sequence[str] | Unset = UNSET,
        framework: Sequence[str] | Unset = UNSET,
        tag: Sequence[str] | Unset = UNSET,
        event_type: Sequence[str] | Unset = UNSET,
        session: str | Unset = UNSET,
        decision: str | Unset = UNSET,
        min_risk: float | Unset = UNSET,
        degraded: bool | Unset = UNSET,
        search: str | Unset = UNSET,
    ) -> One:
        """Counts over time, a line per value of `by`."""
        return self._one(
            Call(
                "GET",
                "/v1/stats/series",
                query={
                    "by": by,
                    "since": since,
                    "until": until,
                    "step": step,
                    "agent": agent,
                    "action": action,
                    "threat": threat,
                    "surface": surface,
                    "tool": tool,
                    "rule": rule,
                    "policy": policy,
                    "detector": detector,
                    "severity": severity,
                    "framework": framework,
                    "tag": tag,
                    "event_type": event_type,
                    "session": session,
                    "decision": decision,
                    "min_risk": min_risk,
                    "degraded": degraded,
                    "search": search,
                },
            )
        )

    def get_top(
        self,
        *,
        by: str,
        limit: int | Unset = UNSET,
        since: str | datetime | Unset = UNSET,
        until: str | datetime | Unset = UNSET,
        step: int | Unset = UNSET,
        agent: Sequence[str] | Unset = UNSET,
        action: Sequence[str] | Unset = UNSET,
        threat: Sequence[str] | Unset = UNSET,
        surface: Sequence[str] | Unset = UNSET,
        tool: Sequence[str] | Unset = UNSET,
        rule: Sequence[str] | Unset = UNSET,
        policy: Sequence[str] | Unset = UNSET,
        detector: Sequence[str] | Unset = UNSET,
        severity: Sequence[str] | Unset = UNSET,
        framework: Sequence[str] | Unset = UNSET,
        tag: Sequence[str] | Unset = UNSET,
        event_type: Sequence[str] | Unset = UNSET,
        session: str | Unset = UNSET,
        decision: str | Unset = UNSET,
        min_risk: float | Unset = UNSET,
        degraded: bool | Unset = UNSET,
        search: str | Unset = UNSET,
    ) -> Many:
        """The most frequent values of a dimension."""
        return self._many(
            Call(
                "GET",
                "/v1/stats/top",
                query={
                    "by": by,
                    "limit": limit,
                    "since": since,
                    "until": until,
                    "step": step,
                    "agent": agent,
                    "action": action,
                    "threat": threat,
                    "surface": surface,
                    "tool": tool,
                    "rule": rule,
                    "policy": policy,
                    "detector": detector,
                    "severity": severity,
                    "framework": framework,
                    "tag": tag,
                    "event_type": event_type,
                    "session": session,
                    "decision": decision,
                    "min_risk": min_risk,
                    "degraded": degraded,
                    "search": search,
                },
            )
        )

    def get_usage(self, *, month: str | Unset = UNSET) -> Many:
        """Events per day of a month; by default this one."""
        return self._many(Call("GET", "/v1/stats/usage", query={"month": month}))

    def list_tool_changes(
        self, *, agent_id: str | Unset = UNSET, limit: int | Unset = UNSET
    ) -> Many:
        """Tools that agents got or whose definition changed, the latest first."""
        return self._many(
            Call("GET", "/v1/tool-changes", query={"agent_id": agent_id, "limit": limit})
        )

    def list_tools(self, *, agent_id: str | Unset = UNSET, days: int | Unset = UNSET) -> Many:
        """The tools of an agent, or of all."""
        return self._many(Call("GET", "/v1/tools", query={"agent_id": agent_id, "days": days}))
