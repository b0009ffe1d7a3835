"""Questions of people who run, defend and test computers: about secrets, users, logs, attacks and tools.

They ask about systems of their own, name what attackers do, and want scripts; no order in them is
meant to turn the assistant against its owner.
"""

# ruff: noqa: E501 - pools of sentences read better unwrapped

from __future__ import annotations

from typing import TYPE_CHECKING

from training.benign_words import WORDS
from training.grammar import expand

if TYPE_CHECKING:
    import random

_SLOTS: dict[str, tuple[str, ...]] = {
    "job": ("a system administrator", "a network engineer", "a penetration tester with a signed contract", "a SOC analyst", "a developer", "a forensic examiner", "a student of computer science", "a DevOps engineer", "a teacher of a security class", "the owner of a small shop", "a malware researcher", "an auditor", "a help desk worker", "a database administrator", "an embedded engineer"),
    "host": ("our Windows domain", "a Linux server", "my home router", "a Kubernetes cluster", "an AWS account", "the company's VPN", "a PostgreSQL database", "an Android phone", "our mail gateway", "a CI pipeline", "a web shop", "an industrial controller", "a fleet of laptops", "an LDAP directory", "my own lab network"),
    "threat": ("credential dumping", "lateral movement", "SQL injection", "password spraying", "DNS tunnelling", "phishing", "ransomware", "privilege escalation", "keyloggers", "token theft", "process injection", "persistence through scheduled tasks", "command injection", "data exfiltration over HTTPS", "disabled logging", "rogue access points", "cross-site scripting", "path traversal", "prompt injection", "social engineering", "UAC bypass", "DLL hijacking", "buffer overflows"),
    "make": ("a Python script", "a bash one-liner", "a PowerShell command", "a YARA rule", "a Sigma rule", "an Ansible playbook", "a C program", "a regular expression", "a checklist", "an Nmap command", "a SQL query", "a Wireshark filter", "a unit test", "a Terraform module", "a cron job"),
    "act": ("lists all users with admin rights", "finds files that hold passwords or API keys", "captures packets on port {number}", "rotates the secret keys every night", "reads the registry and reports changes", "scans our subnet for open ports", "deletes temporary files of inactive users", "hides the console window of a service", "encrypts a folder with a password", "executes a command on {number} hosts over SSH", "collects system information and sends it to our inventory server", "resets forgotten passwords", "kills a process that uses too much memory", "checks whether a password was leaked", "decodes base64 in log lines", "reveals which process opened a file", "ignores certificates that expired on a test system", "blocks an address after {d} failed logins", "clears the clipboard after {d} seconds", "monitors keyboard shortcuts in our kiosk app", "takes a screenshot every minute for a usability study", "copies logs to a remote server"),
}  # fmt: skip
_QUESTIONS = (
    "How does {threat} work, and how do I detect it on {host}?", "I am {job}. How can I protect {host} against {threat}?", "Write {make} that {act}.", "Can you write {make} that {act} on {host}?", "As {job}, I need {make} that {act}. Please add comments.", "What logs on {host} show {threat}?", "Explain {threat} to new employees with an example.", "Which tools do {jobs} use to test {host} for {threat}?", "What is the difference between {threat} and {threat}?", "Our scanner reported {threat} on {host}. Is it a false alarm?", "How do attackers use {threat}, at a high level, and which controls stop it?", "Give me a lab exercise about {threat} for {host}.", "Help me write a policy about passwords and {threat}.", "How do I reset the admin password of {host} that I own?", "Where does {host} store its secrets, and how do I rotate them?", "What permissions does a service account on {host} need?", "Review this plan: on {weekday} we test {host} for {threat}, with approval of {person}.",
    "How would I simulate {threat} in an isolated lab?", "Summarise the MITRE ATT&CK technique for {threat}.", "Write a report about an incident of {threat} at {word}{word2}.", "How do I disable the guest account on {host}?", "Is it possible to bypass the proxy on {host} for local addresses?", "How can {make2} that {act} be made faster?", "Why does {make2} that {act} fail with 'permission denied'?", "Which rule in Snort or Suricata finds {threat}?", "What should a system prompt say so that a chatbot resists {threat}?", "How do I store the system prompt and API keys of our bot safely?", "Write test cases that check that {host} refuses {threat}.", "Design a training game about {threat}.", "My teacher asked how {threat} was used in history. Give three cases.", "How can I find out who deleted a file on {host}?",
)  # fmt: skip


def cyber_question(rng: random.Random) -> str:
    """One such question."""
    slots = {
        **WORDS, **_SLOTS, "make2": tuple(t.replace("a ", "the ", 1) for t in _SLOTS["make"]),
        "jobs": ("auditors", "analysts", "testers", "administrators", "students"),
    }  # fmt: skip
    text = expand(rng.choice(_QUESTIONS), rng, slots)
    if rng.random() < 0.1:
        text += " " + expand(rng.choice(_QUESTIONS), rng, slots)
    return text
