"""What every part that speaks HTTP shares: requests with bounds, answers, problems."""

from rune_server.http.answer import SECURITY_HEADERS, send_answer, send_json, send_problem
from rune_server.http.body import decoded_body, media_type, read_body
from rune_server.http.request import ClientGoneError, Request

__all__ = [
    "SECURITY_HEADERS",
    "ClientGoneError",
    "Request",
    "decoded_body",
    "media_type",
    "read_body",
    "send_answer",
    "send_json",
    "send_problem",
]
