"""An OpenID provider on this machine, in Google's place."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CLIENT_ID, CLIENT_SECRET = "google-client", "google-secret"
WARNING = "ignore::DeprecationWarning:authlib"
"""For ``filterwarnings``: it uses deprecated parts of authlib, on a thread of its own."""


@contextmanager
def running(people: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    """Its issuer, for the length of the block.

    Args:
        people: What it says about each subject: ``email``, ``email_verified``, ``name``.
    """
    with warnings.catch_warnings(record=True):  # authlib overrules filters when it is imported
        warnings.simplefilter("ignore")
        import oidc_provider_mock

    users = [
        oidc_provider_mock.User(sub=subject, claims=dict(claims))
        for subject, claims in people.items()
    ]
    with oidc_provider_mock.run_server_in_thread(user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"
