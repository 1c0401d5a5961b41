"""The shapes of keys: one example of each provider's, and texts that only resemble one."""

import hashlib
import json

import pytest

from flag_harness.cassette.redact.scan import KEY_SHAPES, redact_api_keys, scan_file


def _hex(length: int) -> str:
    return (hashlib.sha256(b"a").hexdigest() * 3)[:length]


def _letters(length: int) -> str:
    return ("aB3dE5gH7jK9mN1pQ2sT4vW6yZ8" * 4)[:length]


UUID = "0f8b2c1d-3e4f-4a5b-8c6d-7e8f9a0b1c2d"
EXAMPLES = {
    "Anthropic": "sk-ant-api03-" + _letters(40),
    "OpenAI project": "sk-proj-" + _letters(60),
    "OpenAI service account": "sk-svcacct-" + _letters(60),
    "OpenRouter": "sk-or-v1-" + _hex(64),
    "DeepSeek": "sk-" + _hex(32),
    "Langfuse": f"sk-lf-{UUID}",
    "LangSmith": "lsv2_pt_" + _hex(32) + "_" + _hex(10),
    "LangSmith, old": "ls__" + _hex(32),
    "AWS key id": "AKIA" + "Q7W2" * 4,
    "AWS SigV4": "Credential=AKIA" + "Q7W2" * 4 + "/20260101/us-east-1/s3/aws4_request",
    "AWS signature": "SignedHeaders=host, Signature=" + _hex(64),
    "AWS secret": '"SecretAccessKey": "' + _letters(40) + '"',
    "Bedrock": "ABSK" + _letters(100),
    "Google API": "AIza" + _letters(35),
    "Google OAuth": "GOCSPX-" + _letters(28),
    "Google access": "ya29.a0" + _letters(60),
    "Google refresh": "1//0" + _letters(40),
    "GitHub classic": "ghp_" + _letters(36),
    "GitHub fine-grained": "github_pat_" + _letters(22) + "_" + _letters(59),
    "GitLab": "glpat-" + _letters(20),
    "GitLab runner": "glrt-" + _letters(20),
    "Atlassian": "ATATT3x" + _letters(60),
    "Slack bot": "xoxb-123456789012-" + _letters(24),
    "Slack app": "xapp-1-A012345-" + _letters(24),
    "Slack webhook": "https://hooks.slack.com/services/T012AB3CD/B012AB3CD/" + _letters(24),
    "Discord webhook": "https://discord.com/api/webhooks/123456789012345678/" + _letters(68),
    "Telegram": "123456789:AA" + _letters(33),
    "Stripe live": "sk_live_" + _letters(24),
    "Stripe test": "sk_test_" + _letters(24),
    "Stripe webhook": "whsec_" + _letters(32),
    "Square": "sq0atp-" + _letters(22),
    "Shopify": "shpat_" + _hex(32),
    "Hugging Face": "hf_" + _letters(34),
    "Groq": "gsk_" + _letters(52),
    "xAI": "xai-" + _letters(80),
    "Perplexity": "pplx-" + _letters(48),
    "Tavily": "tvly-dev-" + _letters(32),
    "Replicate": "r8_" + _letters(37),
    "Fireworks": "fw_" + _letters(24),
    "Cerebras": "csk-" + _letters(48),
    "NVIDIA": "nvapi-" + _letters(64),
    "Jina": "jina_" + _letters(60),
    "Pinecone": "pcsk_" + _letters(60),
    "Firecrawl": "fc-" + _hex(32),
    "E2B": "e2b_" + _hex(40),
    "Llama Cloud": "llx-" + _letters(48),
    "Databricks": "dapi" + _hex(32),
    "Vault": "hvs." + _letters(90),
    "Terraform": _letters(14) + ".atlasv1." + _letters(60),
    "Grafana": "glsa_" + _letters(32) + "_" + _hex(8),
    "Notion": "ntn_" + _letters(46),
    "Notion, old": "secret_" + _letters(43),
    "Linear": "lin_api_" + _letters(40),
    "Airtable": "pat" + _letters(14) + "." + _hex(64),
    "Figma": "figd_" + _letters(40),
    "HubSpot": f"pat-na1-{UUID}",
    "npm": "npm_" + _letters(36),
    "PyPI": "pypi-" + _letters(80),
    "RubyGems": "rubygems_" + _hex(48),
    "Docker": "dckr_pat_" + _letters(27),
    "SendGrid": f"SG.{_letters(22)}.{_letters(43)}",
    "Twilio": "SK" + _hex(32),
    "Mailgun": "key-" + _hex(32),
    "Mailchimp": _hex(32) + "-us12",
    "Resend": "re_" + _letters(9) + "_" + _letters(24),
    "Postman": "PMAK-" + _hex(24) + "-" + _hex(34),
    "New Relic": "NRAK-" + _letters(27),
    "Sentry": "sntrys_" + _letters(60),
    "PostHog": "phx_" + _letters(43),
    "LaunchDarkly": f"sdk-{UUID}",
    "DigitalOcean": "dop_v1_" + _hex(64),
    "Doppler": "dp.pt." + _letters(43),
    "Heroku": "HRKU-" + UUID,
    "Supabase": "sbp_" + _hex(40),
    "PlanetScale": "pscale_tkn_" + _letters(43),
    "age": "AGE-SECRET-KEY-1" + "QPZRY9X8" * 7 + "GF",
    "JWT": f"eyJ{_letters(20)}.eyJ{_letters(40)}.{_letters(43)}",
    "private key": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n-----END OPENSSH PRIVATE KEY-----",
    "bearer": "Authorization: Bearer " + _letters(30),
    "basic": "Authorization: Basic dXNlcjpodW50ZXIyaHVudGVyMg==",
    "password in a URL": "postgres://app:hunter2hunter2@db.internal:5432/app",
    "Azure storage": "DefaultEndpointsProtocol=https;AccountKey=" + _letters(86) + "==",
    "Azure client secret": "abc8Q~" + _letters(34),
    "Azure signature": "https://a.blob.core.windows.net/c?sv=2024&sig=" + _letters(43) + "%3D",
    "field api_key": json.dumps({"api_key": _hex(32)}),
    "parameter access_token": "https://api.example.org/v1?access_token=" + _letters(32),
    "field clientSecret": json.dumps({"clientSecret": _letters(32)}),
    "variable": "export DB_PASSWORD=correct7horse",
}

_LOWER, _UPPER = _letters(80).lower(), _letters(80).upper()
RARER_EXAMPLES = {
    "1Password": "A3-P8IX4E-A4Q9OM4894Z-JOJ7Y-AEKCT-BR4Y1",
    "1Password service account": "ops_eyJ" + _letters(108),
    "Adobe": "p8e-" + _letters(32),
    "Adafruit": "aio_" + _letters(28),
    "Alibaba": "LTAI" + _letters(20),
    "Artifactory reference": "cmVmd" + _letters(59),
    "Asana": f"1/{'1234567890123456'}:{_hex(32)}",
    "Atlassian admin": "ATCTT3xFfG" + _letters(80),
    "Authress": f"sc_{_LOWER[:8]}.{_LOWER[:6]}.acc-{_LOWER[:12]}.{_letters(50)}",
    "Axiom": f"xaat-{UUID}",
    "Azure DevOps": f"{_letters(52)}JQQJ99{_letters(10)}AZDO{_letters(8)}",
    "Brave": "BSA" + _letters(28),
    "CircleCI project": f"CCIPRJ_{_letters(22)}_{_hex(40)}",
    "ClickHouse": "4b1d" + _letters(38),
    "Clojars": "CLOJARS_" + _LOWER[:60],
    "Cloudflare": f"v1.0-{_hex(24)}-{_hex(146)}",
    "ConfigCat": f"configcat-sdk-1/{_letters(22)}/{_letters(22)}",
    "Defined Networking": f"dnkey-{_LOWER[:26]}-{_LOWER[:52]}",
    "Duffel": "duffel_live_" + _letters(43),
    "Dynatrace": f"dt0c01.{_UPPER[:24]}.{_UPPER[:64]}",
    "EasyPost": "EZAK" + _letters(54),
    "Endor Labs": "endr+" + _letters(16),
    "Flagsmith": "ser." + _letters(22),
    "Flutterwave": f"FLWSECK-{_hex(32)}-X",
    "Frame.io": "fio-u-" + _letters(64),
    "GitLab runner registration": "GR1348941" + _letters(20),
    "GoCardless": "live_" + _letters(40),
    "Grafana, old": "eyJrIjoi" + _letters(70),
    "GrowthBook": "secret_admin_" + _letters(40),
    "Harness": f"pat.{_letters(22)}.{_hex(24)}.{_letters(20)}",
    "Inngest": "signkey-prod-" + _hex(64),
    "Intra42": "s-s4t2ud-" + _hex(64),
    "LiteLLM": "sk-litellm-" + _letters(22),
    "Lob": "live_" + _hex(35),
    "Logfire": "pylf_v1_us_" + _letters(44),
    "Mailgun signing": f"{_hex(32)}-{_hex(8)}-{_hex(8)}",
    "Mapbox": f"sk.eyJ{_letters(60)}.{_letters(22)}",
    "MaxMind": f"{_letters(6)}_{_letters(29)}_mmk",
    "Neon": "napi_" + _LOWER[:64],
    "New Relic browser": "NRJS-" + _hex(19),
    "NuGet": "oy2" + _LOWER[:43],
    "Octopus": "API-" + _UPPER[:26],
    "OpenShift": "sha256~" + _letters(43),
    "Paddle": f"pdl_live_apikey_{_LOWER[:26]}_{_letters(22)}_{_letters(3)}",
    "PayPal": f"access_token$production${_LOWER[:16]}${_hex(32)}",
    "Polar": "polar_oat_" + _letters(43),
    "RapidAPI": f"{_LOWER[:10]}msh{_LOWER[:15]}p1{_LOWER[:5]}jsn{_LOWER[:12]}",
    "ReadMe": "rdme_" + _LOWER[:70],
    "RunPod": "rpa_" + _UPPER[:46],
    "Salesforce": f"00D{_letters(12)}!{_letters(96)}",
    "Scaleway": "SCW" + _UPPER[:17],
    "SettleMint": "sm_pat_" + _letters(16),
    "Shippo": "shippo_live_" + _hex(40),
    "Slack cookie": "xoxd-" + _letters(30) + "%2B" + _letters(30),
    "Sourcegraph": f"sgp_{_hex(16)}_{_hex(40)}",
    "Statsig": "secret-" + _letters(43),
    "Stripe organization": "sk_org_live_" + _letters(40),
    "Tailscale": f"tskey-auth-{_letters(12)}-{_letters(32)}",
    "Together": "tgp_v1_" + _letters(43),
    "Twitter": "A" * 21 + _letters(80),
    "Ubidots": "BBFF-" + _letters(30),
    "Unleash": "*:development." + _hex(56),
    "Yandex": f"t1.{_letters(20)}.{_letters(86)}",
    "Zapier": f"https://hooks.zapier.com/hooks/catch/1234567/{_LOWER[:7]}/",
    ".netrc": f"machine example.org\nlogin me\npassword {_letters(20)}",
    "HMAC": "hmac_key=" + _letters(32),
    "Rails": "SECRET_KEY_BASE=" + _hex(128),
    "variable of a tool's token": "GH_TOKEN: " + _letters(40),
    "variable of a token": "UPSTASH_REDIS_REST_TOKEN=" + _letters(56),
    "variable of a key": "ALGOLIA_ADMIN_KEY=" + _hex(32),
    "Apify": "apify_api_" + _letters(36),
    "Azure Search": f"{_letters(42)}AzSe{_letters(6)}",
    "Bitwarden": f"0.{UUID}.{_letters(30)}:{_letters(22)}==",
    "Browserbase": "bb_live_" + _letters(27),
    "Checkout.com": "sk_sbox_" + _LOWER[:27],
    "ClickUp": f"pk_1234567_{_UPPER[:32]}",
    "Convex": "prod:calm-otter-12|eyJ2MiI6" + _letters(30),
    "Cosmos DB": f"{_letters(76)}ACDb{_letters(6)}==",
    "Dagster": "user:" + _hex(32),
    "dbt": "dbtu_" + _letters(40),
    "Deno": "ddp_" + _letters(36),
    "fal": f"{UUID}:{_hex(32)}",
    "Fauna": "fnA" + _letters(37),
    "Firebase": f"AAAA{_letters(7)}:APA91b{_letters(134)}",
    "Gemini": "AQ.Ab8RN6" + _letters(45),
    "Ghost": f"{_hex(24)}:{_hex(64)}",
    "Google signed URL": "X-Goog-Signature=" + _hex(256),
    "Kaggle": f'{{"username": "me", "key": "{_hex(32)}"}} is all',
    "Luma": f"luma-{UUID}",
    "MailerSend": "mlsn." + _hex(64),
    "Mem0": "m0-" + _letters(40),
    "Mollie": "live_" + _letters(30),
    "New Relic licence": _hex(36) + "NRAL",
    "OpenAI session": "sess-" + _letters(40),
    "PuTTY": f"PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 1\n{_letters(64)}\nPrivate-MAC: {_hex(40)}",
    "Retell": "key_" + _hex(28),
    "Slack client": "xoxc-" + _letters(40),
    "Stytch": f"secret-live-{_letters(34)}=",
    "TeamCity": f"eyJ0eXAiOiAiVENWMiJ9.{_letters(36)}.{_letters(36)}",
    "Telnyx": f"KEY0{_UPPER[:31]}_{_letters(22)}",
    "Trello": "ATTA" + _hex(72),
    "Zoho": f"1000.{_hex(32)}.{_hex(32)}",
    "scheme of an authorization": "Authorization: Splunk " + UUID,
    "digest": f'Authorization: Digest username="me", response="{_hex(32)}"',
    "cookie": f"Set-Cookie: theme=dark; sid=s%3A{_letters(32)}; Path=/",
    "curl": "curl -s -u admin:hunter2hunter2 https://example.org/",
    "registry of Docker": json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": "Ym9iOmh1bnRlcjJodW50ZXIy"}}}),
    "registry": f"_auth={_letters(24)}==",
    "header of a tool": "X-Figma-Token: " + UUID,
    "header of a key": "Fastly-Key: " + _letters(32),
    "certificate": "AGORA_APP_CERTIFICATE=" + _hex(32),
}


def test_a_key_of_a_rarer_provider_is_found_and_redacted() -> None:
    """The formats that gitleaks, trufflehog and the providers document, in a sentence and in JSON."""
    for provider, key in RARER_EXAMPLES.items():
        for text in (f"We used {key} then.", json.dumps({"a": key})):
            assert scan_file(text.encode()), provider
            assert key[8:] not in redact_api_keys(text), provider


@pytest.mark.parametrize("provider", EXAMPLES)
def test_a_key_of_every_provider_is_found_and_redacted(provider: str) -> None:
    """In the middle of a sentence, and nothing of it is left."""
    text = f"We used {EXAMPLES[provider]} then."
    assert scan_file(text.encode())
    assert [] == scan_file(redact_api_keys(text).encode())


def test_a_key_of_anthropic_is_found_within_a_word() -> None:
    """It may follow other letters in bytes, or in a text without spaces."""
    assert "zzzREDACTED!" == redact_api_keys(f"zzz{EXAMPLES['Anthropic']}!")


def test_a_key_inside_an_example_is_found() -> None:
    """The value beside a name is an example, but a part of it is a key."""
    (found,) = scan_file(b"password: https://example.org/?access_token=" + _letters(32).encode())
    assert "a credential, by its name" == found.kind


def test_at_least_fifty_six_shapes_are_known() -> None:
    """The table of shapes, and the examples above."""
    assert min(len(KEY_SHAPES), len(EXAMPLES)) >= 56


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens: 1024, next_page_token, csrf_token",
        "api_key = os.environ['ANTHROPIC_API_KEY']",
        '{"api_key": "your-api-key-goes-here-123"}',
        "after the login it shows the password field of the form",
        "the password must have 8 characters and 1 digit",
        "password: ${DB_PASSWORD1}",
        "toolu_01A09q90qw90lq917835lq9 and msg_01XFDUDYJgAACzvnptvVoYEL",
        "https://example.org:8080/path@2 and git@github.com:a/b.git",
        "sha256 " + _hex(64),
        f"id {UUID}",
        "basic usage of the internationalization module",
        "curl -u user:password https://example.org/ and curl -u $NAME:$PASSWORD1 https://example.org/",
        "Authorization: Required for-all-requests, Cookie: theme=dark; lang=en",
        f"next_page_token: {_letters(40)} cache-key: {_hex(64)} primary_key=a1b2c3d4e5f6a7b8c9d0",
        "Authorization: Splunk your-token-goes-here-123",
        f"test_{_letters(40)} call_{_letters(24)} fc_{_hex(50)} req_{_letters(24)}",
    ],
)
def test_what_only_resembles_a_key_raises_no_alarm(text: str) -> None:
    """Names without values, examples, ids and hashes."""
    assert [] == scan_file(text.encode())
    assert text == redact_api_keys(text)


def test_long_base64_is_not_taken_for_a_token_that_it_begins_like() -> None:
    """A Facebook token does not end with `=`, even if that is far behind its beginning."""
    assert f"EAAC{_letters(60)}" != redact_api_keys(f"EAAC{_letters(60)}")
    text = f"EAAC{_letters(60) * 8}="
    assert text == redact_api_keys(text)
