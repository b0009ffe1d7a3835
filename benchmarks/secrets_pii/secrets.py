"""Valid and nearly valid secrets, written from the providers' published formats."""

# ruff: noqa: E501, ARG005 (one kind a line, so that the formats read as a table)

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from typing import TYPE_CHECKING

from benchmarks.secrets_pii.kinds import (
    ALNUM,
    BASE64,
    HEX,
    LETTERS,
    LOWER,
    UPPER,
    URLSAFE,
    Kind,
    Make,
    chars,
    named,
    prefixed,
    uuid4,
)

if TYPE_CHECKING:
    from random import Random

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def secret(name: str, fields: str, make: Make, *wrong: tuple[str, Make]) -> Kind:
    """A secret whose making needs more than a prefix and a length."""
    return Kind(name, "secret_exposure", tuple(fields.split(",")), make, wrong)


def _base62(number: int, width: int) -> str:
    out = ""
    for _ in range(width):
        number, rest = divmod(number, 62)
        out = _BASE62[rest] + out
    return out


def _crc_token(prefix: str, *, broken: bool = False) -> Make:
    def make(random: Random) -> str:
        body = "".join(random.choice(_BASE62) for _ in range(30))
        checksum = zlib.crc32(body.encode()) ^ (random.randint(1, 2**31) if broken else 0)
        return prefix + body + _base62(checksum, 6)

    return make


def _github(name: str, prefix: str, fields: str) -> Kind:
    def short(random: Random) -> str:
        return _crc_token(prefix)(random)[:-6]

    return secret(
        name, fields, _crc_token(prefix), ("checksum", _crc_token(prefix, broken=True)),
        ("length", short), ("placeholder", lambda r: prefix + "x" * 36),
    )  # fmt: skip


def _grafana(random: Random, *, broken: bool = False) -> str:
    key = "glsa_" + chars(random, ALNUM, 32)
    checksum = zlib.crc32(key.encode()) ^ (0x5A5A if broken else 0)
    return f"{key}_{checksum.to_bytes(4, 'little').hex()}"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _jwt(random: Random, algorithm: str | None = None) -> str:
    header = {"typ": "JWT", "alg": algorithm or random.choice(("HS256", "RS256", "ES384", "EdDSA"))}
    claims = {"iss": "https://login.acme.dev", "sub": chars(random, LOWER, 10), "exp": 1900000000}
    parts = [_b64(json.dumps(part).encode()) for part in (header, claims)]
    return ".".join((*parts, _b64(random.randbytes(32))))


def _not_jwt(random: Random) -> str:
    return f"eyJ{chars(random, ALNUM, 20)}.eyJ{chars(random, ALNUM, 40)}.{chars(random, ALNUM, 43)}"


def _discord(random: Random) -> str:
    user = str(random.randrange(10**17, 10**18))
    return f"{_b64(user.encode())}.{chars(random, ALNUM, 6)}.{chars(random, URLSAFE, 38)}"


def _base58check(payload: bytes) -> str:
    data = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, out = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        out = _BASE58[rest] + out
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + out


def _wif(random: Random) -> str:
    return _base58check(b"\x80" + random.randbytes(32) + random.choice((b"", b"\1")))


def _bech32_checksum(prefix: str, data: list[int]) -> list[int]:
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + data + [0] * 6
    state = 1
    for value in values:
        top, state = state >> 25, (state & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            state ^= term if top >> bit & 1 else 0
    return [(state ^ 1) >> 5 * (5 - place) & 31 for place in range(6)]


def _age(random: Random, *, broken: bool = False) -> str:
    data = [random.randrange(32) for _ in range(51)] + [16 * random.randrange(2)]
    check = _bech32_checksum("age-secret-key-", data)
    if broken:
        check[0] ^= 1
    return ("age-secret-key-1" + "".join(_BECH32[v] for v in data + check)).upper()


def _swapped(make: Make) -> Make:
    """Values of ``make`` with one character in the middle changed."""

    def wrong(random: Random) -> str:
        value = make(random)
        at = len(value) // 2
        return value[:at] + ("k" if value[at] != "k" else "m") + value[at + 1 :]

    return wrong


def _pem(label: str, lines: int) -> Make:
    def make(random: Random) -> str:
        body = "\n".join(
            base64.b64encode(random.randbytes(48)).decode()
            for _ in range(lines + random.randint(0, 3))
        )
        return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----"

    return make


def _pem_placeholder(random: Random) -> str:
    label = random.choice(("RSA PRIVATE", "PRIVATE", "EC PRIVATE")) + " KEY"
    body = random.choice(("...", "MIIE...\n...", "<key>", "x" * 64 + "\n" + "x" * 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----"


def _password(random: Random) -> str:
    words = ("harbor", "Falcon", "quartz", "Meadow", "copper", "Violet", "anchor", "Timber")
    signs = "!#%*-_+"
    return random.choice(
        (
            chars(random, ALNUM + "!#%*-_+", random.randint(10, 20)),
            f"{random.choice(words)}{random.choice(signs)}{random.randint(10, 9999)}",
            f"{random.choice(words)}{random.randint(10, 99)}{random.choice(words)}{random.choice(signs)}",
        )
    )


def _no_password(random: Random) -> str:
    return random.choice(
        (
            "changeme",
            "password",
            "your_password",
            "<password>",
            "${DB_PASSWORD}",
            "xxxxxxxx",
            "secret",
        )
    )


def _in_text(name: str, template: str, make: Make, placeholder: Make) -> Kind:
    return Kind(
        name,
        "secret_exposure",
        ("value",),
        make,
        (("placeholder", placeholder),),
        template=template,
    )


def _basic(random: Random) -> str:
    user = random.choice(("deploy", "svc-app", "ops@acme.dev"))
    return base64.b64encode(f"{user}:{_password(random)}".encode()).decode()


def _two(prefix: str, first: int, joint: str, alphabet: str, second: int, alphabet2: str) -> Make:
    def make(random: Random) -> str:
        return prefix + chars(random, alphabet, first) + joint + chars(random, alphabet2, second)

    return make


def _truncated(make: Make, keep: int) -> Make:
    return lambda random: make(random)[:keep]


def _parts(name: str, fields: str, make: Make, keep: int) -> Kind:
    return secret(name, fields, make, ("length", _truncated(make, keep)))


def _slack(random: Random) -> str:
    team, bot = str(random.randrange(10**11, 10**12)), str(random.randrange(10**12, 10**13))
    if random.random() < 0.5:
        return f"xoxb-{team}-{bot}-{chars(random, ALNUM, 24)}"
    return f"xoxp-{team}-{bot}-{random.randrange(10**12, 10**13)}-{chars(random, HEX, 32)}"


def _openai(random: Random) -> str:
    kind = random.choice(("proj", "svcacct", "admin"))
    half = 74 if kind == "proj" else 58
    return f"sk-{kind}-{chars(random, URLSAFE, half)}T3BlbkFJ{chars(random, URLSAFE, half)}"


def _stripe(live: str) -> Make:
    def make(random: Random) -> str:
        return f"{random.choice(('sk', 'rk'))}_{live}_" + chars(
            random, ALNUM, random.choice((24, 99))
        )

    return make


def _azure_ad(random: Random) -> str:
    return f"{chars(random, ALNUM, 3)}{random.choice('78')}Q~{chars(random, ALNUM + '._~-', 34)}"


def _sas(random: Random) -> str:
    signature = base64.b64encode(random.randbytes(32)).decode()
    return signature.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


def _pypi(random: Random) -> str:
    return "pypi-AgEIcHlwaS5vcmc" + _b64(random.randbytes(random.randint(90, 120)))


def _linear_word(random: Random) -> str:
    return "lin_" + random.choice(("ear_regression", "alg_solve", "space_points", "ux_release"))


_AWS_STS = "IQoJb3JpZ2lu"

SECRETS: tuple[Kind, ...] = (
    prefixed("aws access key id", "aws_access_key_id,AccessKeyId", "AKIA", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
    prefixed("aws temporary key id", "AWS_ACCESS_KEY_ID", "ASIA", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
    named("aws secret access key", "AWS_SECRET_ACCESS_KEY,aws_secret_access_key,SecretAccessKey", BASE64, 40),
    _parts("aws session token", "AWS_SESSION_TOKEN", lambda r: _AWS_STS + chars(r, BASE64, 340) + "==", 60),
    prefixed("gcp api key", "GOOGLE_API_KEY,maps_key", "AIza", URLSAFE, 35),
    prefixed("google oauth client secret", "client_secret", "GOCSPX-", URLSAFE, 28),
    _parts("google oauth access token", "access_token", lambda r: "ya29.a0A" + chars(r, URLSAFE, 200), 20),
    Kind("gcp service account key id", "secret_exposure", ("value",), lambda r: chars(r, HEX, 40), (("placeholder", lambda r: "0" * 40),), template='{{"type": "service_account", "project_id": "acme", "private_key_id": "{}"}}'),
    Kind("azure storage key", "secret_exposure", ("value",), lambda r: base64.b64encode(r.randbytes(64)).decode(), (("placeholder", lambda r: "x" * 86 + "=="),), template="DefaultEndpointsProtocol=https;AccountName=acmestore;AccountKey={};EndpointSuffix=core.windows.net"),
    secret("azure ad client secret", "AZURE_CLIENT_SECRET,clientSecret", _azure_ad, ("length", _truncated(_azure_ad, 16))),
    Kind("azure sas", "secret_exposure", ("value",), _sas, (("placeholder", lambda r: "xxxxxxxx"),), template="https://acmestore.blob.core.windows.net/backups/a.tar?sp=r&st=2026-01-01T00:00:00Z&se=2027-01-01T00:00:00Z&sv=2024-11-04&sr=b&sig={}"),
    _github("github classic", "ghp_", "GITHUB_TOKEN,github_pat"),
    _github("github oauth", "gho_", "access_token"),
    _github("github user-to-server", "ghu_", "token"),
    _github("github server-to-server", "ghs_", "GITHUB_TOKEN"),
    secret("github fine-grained", "GH_PAT", _two("github_pat_", 22, "_", ALNUM, 59, ALNUM), ("length", lambda r: "github_pat_" + chars(r, ALNUM, 12))),
    prefixed("gitlab personal", "GITLAB_TOKEN", "glpat-", URLSAFE, 20),
    prefixed("gitlab deploy", "deploy_token", "gldt-", URLSAFE, 20),
    prefixed("gitlab runner", "runner_token", "glrt-", URLSAFE, 20),
    prefixed("bitbucket app password", "BITBUCKET_PASSWORD", "ATBB", ALNUM, 32),
    secret("slack token", "SLACK_TOKEN,slack_bot_token", _slack, ("length", _truncated(_slack, 18)), ("placeholder", lambda r: "xoxb-your-bot-token")),
    _parts("slack app token", "SLACK_APP_TOKEN", lambda r: f"xapp-1-A{chars(r, UPPER, 10)}-{r.randrange(10**12, 10**13)}-{chars(r, HEX, 64)}", 20),
    secret("slack webhook", "SLACK_WEBHOOK,webhook_url", lambda r: f"https://hooks.slack.com/services/T{chars(r, UPPER, 10)}/B{chars(r, UPPER, 10)}/{chars(r, ALNUM, 24)}", ("placeholder", lambda r: "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX")),
    secret("discord bot", "DISCORD_TOKEN", _discord, ("length", _truncated(_discord, 30))),
    secret("discord webhook", "webhook", lambda r: f"https://discord.com/api/webhooks/{r.randrange(10**17, 10**18)}/{chars(r, URLSAFE, 68)}", ("length", lambda r: f"https://discord.com/api/webhooks/{r.randrange(10**17, 10**18)}")),
    _parts("telegram bot", "TELEGRAM_TOKEN,bot_token", lambda r: f"{r.randrange(10**8, 10**10)}:AA{chars(r, URLSAFE, 33)}", 20),
    _parts("openai project", "OPENAI_API_KEY,openai_key", _openai, 18),
    _parts("openai user (old)", "OPENAI_API_KEY", _two("sk-", 20, "T3BlbkFJ", ALNUM, 20, ALNUM), 12),
    _parts("anthropic", "ANTHROPIC_API_KEY", lambda r: f"sk-ant-api03-{chars(r, URLSAFE, 93)}AA", 22),
    prefixed("huggingface", "HF_TOKEN,huggingface_token", "hf_", LETTERS, 34),
    prefixed("replicate", "REPLICATE_API_TOKEN", "r8_", ALNUM, 37),
    prefixed("groq", "GROQ_API_KEY", "gsk_", ALNUM, 52),
    prefixed("perplexity", "PERPLEXITY_API_KEY", "pplx-", ALNUM, 48),
    prefixed("xai", "XAI_API_KEY", "xai-", ALNUM, 80),
    prefixed("openrouter", "OPENROUTER_API_KEY", "sk-or-v1-", HEX, 64),
    named("cohere", "COHERE_API_KEY,cohere_key", ALNUM, 40),
    named("mistral", "MISTRAL_API_KEY,mistral_key", ALNUM, 32),
    _parts("langsmith", "LANGSMITH_API_KEY", _two("lsv2_pt_", 32, "_", HEX, 10, HEX), 16),
    prefixed("tavily", "TAVILY_API_KEY", "tvly-", ALNUM, 32),
    prefixed("nvidia", "NVIDIA_API_KEY", "nvapi-", URLSAFE, 64),
    secret("stripe live", "STRIPE_SECRET_KEY,stripe_key", _stripe("live"), ("length", lambda r: "sk_live_" + chars(r, ALNUM, 8)), ("prefix", lambda r: "pk_live_" + chars(r, ALNUM, 24)), ("placeholder", lambda r: "sk_live_" + "x" * 24)),
    secret("stripe test", "STRIPE_KEY", _stripe("test"), ("placeholder", lambda r: "sk_test_your_key_here_please_thanks")),
    prefixed("stripe webhook secret", "STRIPE_WEBHOOK_SECRET", "whsec_", ALNUM, 32),
    prefixed("square access token", "SQUARE_TOKEN", "sq0atp-", URLSAFE, 22),
    prefixed("square oauth secret", "SQUARE_SECRET", "sq0csp-", URLSAFE, 43),
    _parts("braintree", "braintree_token", lambda r: f"access_token$production${chars(r, LOWER, 16)}${chars(r, HEX, 32)}", 30),
    prefixed("shopify", "SHOPIFY_TOKEN", "shpat_", HEX, 32),
    prefixed("twilio api key", "TWILIO_API_KEY", "SK", HEX, 32),
    named("twilio auth token", "TWILIO_AUTH_TOKEN,twilio_auth_token", HEX, 32),
    _parts("sendgrid", "SENDGRID_API_KEY", _two("SG.", 22, ".", URLSAFE, 43, URLSAFE), 14),
    prefixed("mailgun", "MAILGUN_API_KEY", "key-", HEX, 32),
    secret("mailchimp", "MAILCHIMP_API_KEY", lambda r: f"{chars(r, HEX, 32)}-us{r.randint(1, 21)}", ("placeholder", lambda r: "0" * 32 + "-us1")),
    Kind("postmark", "secret_exposure", ("POSTMARK_SERVER_TOKEN", "X-Postmark-Server-Token"), uuid4, (("placeholder", lambda r: "00000000-0000-0000-0000-000000000000"),), bare=False),
    _github("npm", "npm_", "NPM_TOKEN,_authToken"),
    secret("pypi", "PYPI_TOKEN,password", _pypi, ("length", _truncated(_pypi, 28))),
    prefixed("rubygems", "GEM_HOST_API_KEY", "rubygems_", HEX, 48),
    prefixed("docker hub", "DOCKERHUB_TOKEN", "dckr_pat_", URLSAFE, 27),
    _parts("terraform cloud", "TFE_TOKEN", _two("", 14, ".atlasv1.", ALNUM, 67, ALNUM), 24),
    _parts("vault", "VAULT_TOKEN", lambda r: "hvs.CAESI" + chars(r, URLSAFE, 86), 14),
    prefixed("digitalocean", "DIGITALOCEAN_TOKEN", "dop_v1_", HEX, 64),
    prefixed("heroku", "HEROKU_API_KEY", "HRKU-AA", URLSAFE, 58),
    Kind("heroku (uuid)", "secret_exposure", ("HEROKU_API_KEY", "heroku_auth_token"), uuid4, (("placeholder", lambda r: "00000000-0000-0000-0000-000000000000"),), bare=False),
    _parts("fly.io", "FLY_API_TOKEN", lambda r: "fm2_" + chars(r, BASE64, 260) + "=", 20),
    prefixed("netlify", "NETLIFY_AUTH_TOKEN", "nfp_", ALNUM, 36),
    named("vercel", "VERCEL_TOKEN,vercel_token", ALNUM, 24),
    named("cloudflare token", "CLOUDFLARE_API_TOKEN,CF_API_TOKEN", URLSAFE, 40),
    prefixed("supabase", "SUPABASE_ACCESS_TOKEN", "sbp_", HEX, 40),
    prefixed("planetscale", "PLANETSCALE_TOKEN", "pscale_tkn_", URLSAFE, 43),
    prefixed("databricks", "DATABRICKS_TOKEN", "dapi", HEX, 32),
    named("datadog api key", "DD_API_KEY,datadog_api_key", HEX, 32),
    named("datadog app key", "DATADOG_APP_KEY,DD_APP_KEY", HEX, 40),
    prefixed("new relic", "NEW_RELIC_API_KEY", "NRAK-", UPPER, 27),
    secret("grafana", "GRAFANA_TOKEN", _grafana, ("checksum", lambda r: _grafana(r, broken=True))),
    prefixed("sentry", "SENTRY_AUTH_TOKEN", "sntryu_", HEX, 64),
    named("pagerduty", "PAGERDUTY_API_KEY,pagerduty_token", ALNUM, 20),
    secret("linear", "LINEAR_API_KEY", lambda r: "lin_api_" + chars(r, ALNUM, 40), ("prefix", _linear_word)),
    _parts("notion", "NOTION_TOKEN", lambda r: f"ntn_{r.randrange(10**10, 10**11)}{chars(r, ALNUM, 35)}", 12),
    prefixed("notion (old)", "NOTION_API_KEY", "secret_", ALNUM, 43),
    _parts("airtable", "AIRTABLE_TOKEN", _two("pat", 14, ".", ALNUM, 64, HEX), 14),
    prefixed("figma", "FIGMA_TOKEN", "figd_", URLSAFE, 40),
    _parts("asana", "ASANA_TOKEN", lambda r: f"1/{r.randrange(10**15, 10**16)}:{chars(r, HEX, 32)}", 18),
    _parts("atlassian", "JIRA_API_TOKEN", lambda r: f"ATATT3xFfGF0{chars(r, URLSAFE, 171)}={chars(r, HEX, 8).upper()}", 26),
    named("okta", "OKTA_API_TOKEN,okta_token", URLSAFE, 42, "00"),
    named("auth0", "AUTH0_CLIENT_SECRET", URLSAFE, 64),
    prefixed("doppler", "DOPPLER_TOKEN", "dp.pt.", ALNUM, 43),
    prefixed("pulumi", "PULUMI_ACCESS_TOKEN", "pul-", HEX, 40),
    secret("launchdarkly", "LAUNCHDARKLY_SDK_KEY", lambda r: "sdk-" + uuid4(r), ("prefix", lambda r: "req-" + uuid4(r))),
    _parts("postman", "POSTMAN_API_KEY", _two("PMAK-", 24, "-", HEX, 34, HEX), 14),
    _parts("dropbox", "DROPBOX_TOKEN", lambda r: "sl.B" + chars(r, URLSAFE, 134), 14),
    _parts("facebook", "FB_ACCESS_TOKEN", lambda r: "EAAG" + chars(r, ALNUM, 180), 14),
    _parts("twitter bearer", "TWITTER_BEARER_TOKEN", lambda r: f"{'A' * 21}{chars(r, ALNUM, 8)}AAAAAA{chars(r, ALNUM, 10)}%2F{chars(r, ALNUM, 20)}%3D{chars(r, ALNUM, 50)}", 24),
    prefixed("contentful", "CONTENTFUL_MANAGEMENT_TOKEN", "CFPAT-", URLSAFE, 43),
    named("algolia", "ALGOLIA_ADMIN_KEY,algolia_api_key", HEX, 32),
    _parts("mapbox", "MAPBOX_SECRET_TOKEN", lambda r: f"sk.eyJ1Ijoi{chars(r, ALNUM, 72)}.{chars(r, URLSAFE, 22)}", 16),
    secret("age key", "age_key", _age, ("checksum", lambda r: _age(r, broken=True))),
    secret("bitcoin private key", "wif", _wif, ("checksum", _swapped(_wif))),
    prefixed("rune", "RUNE_API_KEY", "rune_live_", ALNUM, 32),
    secret("jwt", "access_token,id_token", _jwt, ("structure", _not_jwt)),
    secret("rsa private key", "private_key", _pem("RSA PRIVATE KEY", 25), ("placeholder", _pem_placeholder), ("prefix", _pem("CERTIFICATE", 18))),
    secret("pkcs8 private key", "private_key", _pem("PRIVATE KEY", 26), ("prefix", _pem("PUBLIC KEY", 7))),
    secret("ec private key", "key", _pem("EC PRIVATE KEY", 3)),
    secret("openssh private key", "ssh_key", _pem("OPENSSH PRIVATE KEY", 35)),
    secret("pgp private key", "gpg_key", _pem("PGP PRIVATE KEY BLOCK", 60), ("prefix", _pem("PGP PUBLIC KEY BLOCK", 30))),
    _in_text("database url", "postgresql://app:{}@db.internal.acme.dev:5432/orders", lambda r: chars(r, ALNUM + "!*-_", 16), _no_password),
    _in_text("redis url", "redis://:{}@cache.acme.dev:6379/0", lambda r: chars(r, ALNUM, 20), _no_password),
    _in_text("amqp url", "amqps://worker:{}@mq.acme.dev/prod", lambda r: chars(r, ALNUM, 18), _no_password),
    _in_text("smtp url", "smtps://mailer:{}@smtp.acme.dev:465", lambda r: chars(r, ALNUM, 14), _no_password),
    _in_text("basic-auth url", "https://deploy:{}@git.acme.dev/shop.git", lambda r: chars(r, ALNUM, 22), _no_password),
    _in_text("bearer header", "Authorization: Bearer {}", lambda r: chars(r, URLSAFE, 40), lambda r: r.choice(("<token>", "$ACCESS_TOKEN", "YOUR_ACCESS_TOKEN", "xxxxxxxxxxxxxxxxxxxx"))),
    _in_text("basic header", "Authorization: Basic {}", _basic, lambda r: r.choice(("<credentials>", "base64(user:pass)", "$AUTH"))),
    _in_text("netrc", "machine git.acme.dev login deploy password {}", _password, _no_password),
    _in_text("curl password", "curl -sS -u deploy:{} https://repo.acme.dev/a.jar", _password, _no_password),
    Kind("password", "secret_exposure", ("DB_PASSWORD", "password", "smtp_password", "admin_passwd"), _password, (("placeholder", _no_password),), bare=False),
    Kind("generic api key", "secret_exposure", ("ACME_API_KEY", "api_key", "x-api-key", "client_secret", "access_token"), lambda r: chars(r, ALNUM, r.randint(28, 48)), (("placeholder", lambda r: r.choice(("your-api-key-here", "1234567890abcdef1234567890abcdef", "<api-key>", "${API_KEY}", "x" * 32, "settings.services.acme.api_key"))),), bare=False),
    _in_text("telegram url", "https://api.telegram.org/bot{}/sendMessage", lambda r: f"{r.randrange(10**9, 10**10)}:AA{chars(r, URLSAFE, 33)}", lambda r: "<token>"),
)  # fmt: skip
