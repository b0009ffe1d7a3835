"""What the drop-in clients take besides a shield: OpenAI's own options, for type checkers.

Those of the newest client; what the installed one does not know, it refuses itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import httpx
    import httpx2
    from openai import NotGiven, Timeout
    from openai._client import WorkloadIdentity, X509WorkloadIdentity, _Provider
    from openai._data_residency import DataResidency


class _Options(TypedDict, total=False):
    """Options that all clients take."""

    admin_api_key: str | None
    workload_identity: WorkloadIdentity | X509WorkloadIdentity | None
    organization: str | None
    project: str | None
    webhook_secret: str | None
    websocket_base_url: str | httpx2.URL | None
    timeout: float | Timeout | NotGiven | None
    max_retries: int
    default_headers: Mapping[str, str] | None
    default_query: Mapping[str, object] | None
    _strict_response_validation: bool
    _enforce_credentials: bool


class _OpenAIOptions(_Options, total=False):
    base_url: str | httpx2.URL | NotGiven | None
    data_residency: DataResidency | None
    provider: _Provider | None


class _AzureOptions(_Options, total=False):
    azure_endpoint: str | None
    azure_deployment: str | None
    api_version: str | None
    azure_ad_token: str | None
    base_url: str | None


class OpenAIOptions(_OpenAIOptions, total=False):
    """The options of ``openai.OpenAI``."""

    api_key: str | Callable[[], str] | None
    http_client: httpx.Client | httpx2.Client | None


class AsyncOpenAIOptions(_OpenAIOptions, total=False):
    """The options of ``openai.AsyncOpenAI``."""

    api_key: str | Callable[[], Awaitable[str]] | None
    http_client: httpx.AsyncClient | httpx2.AsyncClient | None


class AzureOpenAIOptions(_AzureOptions, total=False):
    """The options of ``openai.AzureOpenAI``."""

    api_key: str | Callable[[], str] | None
    azure_ad_token_provider: Callable[[], str] | None
    http_client: httpx.Client | httpx2.Client | None


class AsyncAzureOpenAIOptions(_AzureOptions, total=False):
    """The options of ``openai.AsyncAzureOpenAI``."""

    api_key: str | Callable[[], Awaitable[str]] | None
    azure_ad_token_provider: Callable[[], str | Awaitable[str]] | None
    http_client: httpx.AsyncClient | httpx2.AsyncClient | None
