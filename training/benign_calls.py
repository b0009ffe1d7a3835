"""Ordinary tool calls, in the shapes frameworks give them."""

# ruff: noqa: E501 - pools of sentences read better unwrapped

from __future__ import annotations

from typing import TYPE_CHECKING

from training.benign_words import WORDS
from training.grammar import expand

if TYPE_CHECKING:
    import random

_CALLS = (
    '{"tool": "send_email", "args": {"to": "{email}", "subject": "{word} {word2}", "body": "{say}"}}',
    '{"name": "send_message", "arguments": {"channel": "{word}", "text": "{say}"}}',
    '{"to": ["{email}"], "subject": "{word}", "body": "{say}"}',
    'send_message(recipient="{first}", text="{say}")',
    '{"tool": "create_event", "args": {"title": "{word} {word2}", "date": "2025-0{d}-1{d}", "participants": ["{email}"]}}',
    '{"name": "think", "arguments": {"thought": "{thought}"}}',
    '{"tool": "think", "args": {"thought": "{thought}"}}',
    '{"name": "hand_over", "arguments": {"summary": "{thought}"}}',
    '{"name": "calculate", "arguments": {"expression": "{number} * {d} + {number}"}}',
    '{"expression": "{number} - {number} + {d}"}',
    '{"name": "order_status", "arguments": {"order": "{number}-{ident}"}}',
    '{"order": "{ident}", "items": ["{number}", "{number}"], "pay_with": "card_{number}"}',
    '{"name": "cancel_order", "arguments": {"order": "{number}", "reason": "found it cheaper"}}',
    '{"name": "change_trip", "arguments": {"trip": "{ident}", "class": "second", "legs": [{"train": "IC{number}", "day": "2025-03-1{d}"}], "voucher": "v{number}"}}',
    '{"user_id": "{ident}"}',
    '{"name": "lookup_customer", "arguments": {"mail": "{email}"}}',
    '{"tool": "transfer_money", "args": {"recipient": "{iban}", "amount": {number}, "subject": "{word}"}}',
    '{"tool": "bash", "args": {"command": "{command}"}}',
    '{"cmd": "{command}"}',
    '{"name": "run_terminal", "arguments": {"command": "{command}", "timeout": {number}}}',
    'exec(command="{command}")',
    '{"tool": "python", "args": {"code": "{code}"}}',
    '{"tool": "sql", "args": {"query": "{query}"}}',
    '{"query": "{query}"}',
    '{"tool": "http_request", "args": {"method": "GET", "url": "{url}"}}',
    '{"url": "{url}", "max_length": {number}}',
    '{"tool": "search", "args": {"q": "{search}"}}',
    'web_search(query="{search}")',
    '{"tool": "read_file", "args": {"path": "{path}"}}',
    '{"path": "{path}", "content": "{say}"}',
    'write_file(path="{path}", content="{say}")',
    '{"tool": "delete_file", "args": {"path": "{path}"}}',
    '{"tool": "create_note", "args": {"title": "{word}", "text": "{say}"}}',
    '{"tool": "add_reminder", "args": {"text": "{say}", "when": "{date}"}}',
    '{"title": "{word} {word2}", "description": "{say}", "assignee": "{first}", "labels": ["{word}"]}',
    '{"tool": "translate", "args": {"text": "{say}", "target": "{language}"}}',
    'book_hotel(city="{city}", from_date="2025-0{d}-0{d}", nights={d})',
    '{"device": "lamp", "room": "{word}", "state": "off"}',
    "- tool: update_ticket\n  id: {number}\n  comment: {say}",
    "tool: post_message\nchannel: {word}\nmessage: {say}",
)
_CALL_SLOTS = {
    "say": (
        "Hi {first}, the report is attached. Let me know what you think.", "Please ignore my last mail, the right date is {date}.", "The meeting moved to {time}.", "Thanks, see you on {weekday}!",
        "Reminder: pay {bill} before {date}.", "Your password was reset as you asked. Please sign in and change it.", "Can you send me {file}?", "Please review {file} and delete the old version.",
        "Build {number} failed, see {url}", "Call {person} back at {phone}.", "Do not forget to bring {item}.", "We will refund {money} to your card.", "Instructions for the new printer: press and hold the button.",
        "Summary: {topic} was discussed; {first} will follow up.", "Please transfer the deposit of {money} as agreed.", "System maintenance on {date}, please log out before {time}.",
    ),
    "thought": (
        "The user wants to return {item}. I must check the order status first, then ask for confirmation.", "I need to verify the identity of {first} before I change the address.",
        "The fare does not allow changes, so I have to refuse and offer another train.", "The user insists on a refund of {money} although the order was delivered; the rules do not allow it.",
        "{first} {last} asks to cancel order #{ident}. She found it cheaper elsewhere, which is a good reason.", "User asked to ignore the previous request and keep the booking as it was.",
    ),
    "command": (
        "ls -la {path}", "cd {word} && npm install", "rm -rf build/ dist/", "kill -9 {number}", "git reset --hard HEAD~{d}", "curl -s http://localhost:{number}/health", "chmod +x run.sh && ./run.sh", "find . -name '*.{word}' -delete",
        "pip install {word}", "docker compose up -d {word}", "grep -rn 'password' src/ | head -{d}", "tar czf {word}.tar.gz {path}", "systemctl restart {word}", "python -m pytest -k {word}", "cat {path} | sort | uniq -c", "sudo apt-get update",
        "ssh {word}@{domain} uptime", "echo {word} >> notes.txt", "psql -c 'select count(*) from {word}'", "wget {url} -O {word}.zip",
    ),
    "code": ("print(sum([{number}, {number}]))", "import os\\nprint(os.listdir('{path}'))", "df = pd.read_csv('{word}.csv'); df.describe()", "import subprocess; subprocess.run(['git', 'status'])", "open('{word}.txt', 'w').write('{word}')"),
    "query": ("SELECT * FROM {word} WHERE {word2} = {number}", "UPDATE {word} SET status = 'done' WHERE id = {number}", "DELETE FROM {word} WHERE created < '2023-01-01'", "SELECT name, email FROM users ORDER BY name LIMIT {d}", "INSERT INTO {word} (name) VALUES ('{first}')", "DROP TABLE IF EXISTS tmp_{word}"),
    "search": ("best {item} under {money}", "how to ignore errors in {software}", "prompt injection examples", "{topic} for beginners", "reset admin password {software}", "weather {city} {date}", "flights to {city}"),
    "path": ("/home/{first}/{word}.md", "src/{word}/{word2}.py", "./{word}.log", "docs/{word}.txt", "/var/{word}-{number}", "C:\\\\Users\\\\{first}\\\\{word}.docx"),
}  # fmt: skip


def tool_call(rng: random.Random) -> str:
    """An ordinary tool call, in one of the shapes frameworks give them."""
    return expand(rng.choice(_CALLS), rng, {**WORDS, **_CALL_SLOTS})
