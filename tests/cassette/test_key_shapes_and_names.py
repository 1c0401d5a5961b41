"""The shapes of keys of rarer providers, and keys behind names in calls, pairs, XML, commands and sentences."""

import json

import pytest

from flag_harness.cassette.redact.scan import redact_api_keys, scan_file
from tests.cassette.test_key_shapes import UUID, _hex, _letters

_LOWER, _UPPER = _letters(100).lower(), _letters(100).upper()
_BASE32, _BECH32 = "BA7C2DEFGHIJKLMNOPQRSTUVWXYZ234" * 2, "qpzry9x8gf2tvdw0s3jn54khce6mua7l" * 2
WORDS = {
    "MiniMax": "sk-api-" + _letters(60) + "_" + _letters(20),
    "Zhipu": _hex(32) + "." + _letters(16),
    "Ollama cloud": _hex(32) + "." + _letters(24),
    "Baseten": _letters(8) + "." + _letters(32),
    "Arize": "ak-" + UUID + "-" + _letters(32),
    "Braintrust service": "bt-st-" + _letters(48),
    "Airtable old": "key" + _letters(14),
    "Miro": "eyJtaXJvLm9yaWdpbiI6ImV1MDEifQ_" + _letters(27),
    "MongoDB Atlas": "mdb_sa_sk_" + _letters(40),
    "Tinybird": "p.eyJ" + _letters(60) + "." + _letters(43),
    "Confluent": "cflt" + _letters(60),
    "Cloudflare user token": "cfut_" + _letters(40) + _hex(8),
    "Cloudflare key": "cfk_" + _letters(48),
    "Cloudflare account": "cfat_" + _letters(48),
    "Turnstile secret": "0x4AAAAAAA" + _letters(25),
    "Akamai": "akab-" + _LOWER[:16] + "-" + _LOWER[16:32],
    "YouTrack": "perm:cm9vdA==.NDQtMA==." + _letters(30),
    "Snyk": "snyk_uat." + _hex(8) + "." + _letters(60),
    "Snyk service": "snyk_sat." + _letters(60),
    "Packagist": "packagist_ack_" + _hex(60),
    "Segment": "sgp_" + _letters(64),
    "PostHog other": "phs_" + _letters(43),
    "Coralogix": "cxtp_" + _letters(30),
    "PagerDuty user": "u+" + _letters(18),
    "DevCycle": "dvc_server_" + _hex(32),
    "Shopify customer": "shpua_" + _hex(32),
    "Amazon LWA secret": "amzn1.oa2-cs.v1." + _hex(64),
    "Amazon LWA token": "Atza|IwEB" + _letters(80),
    "Amazon LWA refresh": "Atzr|IwEB" + _letters(80),
    "eBay cert": "SBX-" + _hex(12) + "-" + _hex(8) + "-" + _hex(4) + "-" + _hex(4) + "-" + _hex(4),
    "Instagram new": "IGAA" + _letters(100),
    "Threads": "THAA" + _letters(100),
    "LinkedIn secret": "WPL_AP1." + _letters(16) + ".abcdEF==",
    "Pinterest": "pina_" + _UPPER[:80],
    "GCS HMAC id": "GOOG1E" + _UPPER[:55],
    "GCS auth code": "4/0A" + _letters(70),
    "AppSync": "da2-" + _LOWER[:26],
    "Azure event hub": _letters(33) + "+AEh" + _letters(6) + "=",
    "Azure service bus": _letters(33) + "+ASb" + _letters(6) + "=",
    "Azure redis": _letters(33) + "AzCa" + _letters(6) + "=",
    "Azure function id": _letters(44) + "AzFu" + _letters(6) + "==",
    "Azure API management": _letters(76) + "APIM" + _letters(6) + "==",
    "Azure IoT": _letters(33) + "AIoT" + _letters(6) + "=",
    "Azure relay": _letters(33) + "+ARm" + _letters(6) + "=",
    "Azure batch": _letters(76) + "+ABa" + _letters(6) + "==",
    "Azure event grid": _letters(44) + "AZEG" + _letters(35),
    "Azure refresh": "0.AX0A" + _letters(40) + ".AgABAAEAAAA" + _letters(300),
    "Tencent": "AKID" + _letters(32),
    "Baidu": "bce-v3/ALTAK-" + _letters(21) + "/" + _hex(40),
    "Volcengine": "AKLT" + _letters(43),
    "Yandex OAuth": "y0_" + _letters(55),
    "WIF": "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
    "xprv": "xprv" + _letters(107),
    "nostr": "nsec1" + _BECH32[:58],
    "Stellar": "S" + _BASE32[:55],
    "Matrix": "syt_" + _LOWER[:12] + "_" + _letters(20) + "_0a1B2c",
    "Retool": "retool_" + _LOWER[:26],
    "Cursor": "crsr_" + _hex(64),
    "Factory": "fk-" + _letters(20) + "-" + _letters(43),
    "Amp": "sgamp_user_01" + _UPPER[:24] + "_" + _hex(64),
    "Context7": "ctx7sk-" + UUID,
    "Browser-use": "bu_" + _letters(43),
    "Steel": "ste-" + _letters(70),
    "Letta": "sk-let-" + _letters(60),
    "Friendli": "flp_" + _letters(46),
    "Predibase": "pb_" + _letters(22),
    "TwelveLabs": "tlk_" + _UPPER[:36],
    "Confident AI": "confident_us_org_" + _letters(40),
    "LangWatch": "sk-lw-" + _letters(48),
    "Zep": "z_1dWlkIjoi" + _letters(40) + "." + _letters(86),
    "Neptune": "eyJhcGlfYWRkcmVzcyI6" + _letters(80),
    "v0": "v1:" + _letters(24) + ":" + _letters(24),
    "Devin": "apk_user_" + _letters(100),
    "Elastic ApiKey": "ApiKey " + _letters(60),
    "GitHub app old": "v1." + _hex(40),
    "GitLab workspace": "glwt-" + _letters(20),
    "Vault batch old": "b.AAAAAQ" + _letters(100),
}
NAMED = {
    "Django": "SECRET_KEY = 'django-insecure-#x(&7k" + _LOWER[:38] + "'",
    "WordPress": "define('AUTH_KEY', '" + _letters(30) + "|x:}~" + _letters(20) + "');",
    "PHP define": "define( 'DB_PASSWORD', 'correct7horse' );",
    "setenv": 'monkeypatch.setenv("SERVICE_API_KEY", "' + _letters(32) + '")',
    "setdefault": "os.environ.setdefault('DB_PASSWORD', 'correct7horse')",
    "header tuples": repr([(b"x-api-key", _letters(32).encode()), (b"accept", b"*/*")]),
    "XML element": f"<apiKey>{_letters(32)}</apiKey>",
    "XML password": "<password>correct7horse</password>",
    "XML add": f'<add key="ApiKey" value="{_letters(32)}" />',
    "YAML block": "password: >-\n  correct7horse9battery",
    "name value": json.dumps([{"name": "API_KEY", "value": _letters(32)}]),
    "name value password": json.dumps({"name": "DB_PASSWORD", "value": "correct7horse"}),
    "kubernetes env": f"- name: API_KEY\n  value: {_letters(32)}",
    "redis-cli": "redis-cli -h x -a correct7horse PING",
    "mongo": "mongosh -u admin -p correct7horse",
    "docker login": "docker login -u me -p correct7horse x.io",
    "openssl": "openssl rsa -passin pass:correct7horse",
    "sqlplus": "sqlplus scott/correct7horse@orcl",
    "jdbc oracle": "jdbc:oracle:thin:scott/correct7horse@h:1521:x",
    "identified by": "CREATE USER app IDENTIFIED BY 'correct7horse'",
    "with password": "ALTER ROLE app WITH PASSWORD 'correct7horse'",
    "ldapsearch": "ldapsearch -D cn=x -w correct7horse",
    "sudo -S": "echo correct7horse | sudo -S ls",
    "smb": "smbclient //h/s -U me%correct7horse",
    "htpasswd -b": "htpasswd -b f me correct7horse",
    "prose password": "The password is correct7horse9",
    "prose key": "My API key is " + _letters(32),
    "code_verifier": "code_verifier=" + _letters(43),
    "AssemblyAI header": "authorization: " + _hex(32),
    "SAML": "SAMLResponse=" + _letters(100) * 2,
    "German": "Passwort: correct7horse",
    "Spanish": "contraseña: correct7horse",
    "French": "mot de passe : correct7horse",
    "secret with dots": "app.secret.key=" + _letters(32),
    "ENV in Dockerfile": "ENV API_KEY " + _letters(32),
    "ARG": "ENV DB_PASSWORD correct7horse",
    "set x": "setx API_KEY " + _letters(32),
    "fish": "set -x API_KEY " + _letters(32),
    "go header": 'req.Header.Set("X-Api-Key", "' + _letters(32) + '")',
    "URL key": "https://maps.example.com/api?key=" + _letters(39),
    "url token only": "https://" + _letters(40) + "@github.com/a/b",
}


@pytest.mark.parametrize("provider", WORDS)
def test_a_key_with_a_prefix_of_its_own_is_found_and_redacted(provider: str) -> None:
    """In a sentence and in JSON, and its last characters are not left."""
    key = WORDS[provider]
    for text in (f"We used {key} then.", json.dumps({"a": key})):
        assert scan_file(text.encode())
        assert key[-8:] not in redact_api_keys(text)


@pytest.mark.parametrize("manner", NAMED)
def test_a_key_is_found_behind_its_name_however_the_name_is_linked_to_it(manner: str) -> None:
    """By a call, a pair, an attribute, an element, a command, a line of SQL or a sentence."""
    for text in (f"We used {NAMED[manner]} then.", json.dumps({"a": NAMED[manner]})):
        assert scan_file(text.encode())
        left = redact_api_keys(text)
        assert "correct7horse" not in left
        assert _letters(20) not in left
        assert [] == scan_file(left.encode())


@pytest.mark.parametrize(
    "text",
    [
        '{"required": ["password", "address2"], "enum": ("api_key", "oauth2")}',
        "the password is base64-encoded, and the session token is RS256-signed-by-the-issuer",
        "api_key = f'{settings.prefix2}/keys/{name_of_the_key_1}'",
        "https://example.org/search?key=name-of-a-field&auth=oauth2",
        "the keyboard, keyframes and keyedCollections of key1",
        f"app.{_hex(32)}.js main1234.{_hex(32)}.css {_hex(32)}.{_LOWER[:16]}",
        "docker login -u me -p $PASSWORD_1 and mysql -p then mongosh -p",
        "ENV PATH_TO_KEY /etc/ssl/private2.pem.d, set -x KEY $1",
        "<password>at least 8 characters</password>",
        "sk-oriented-disk-drives-of-the-first-generation and perm: read.write",
        "secret-token:short, u+0041, cf_abc, S is 5 and K is 1.5",
    ],
)
def test_what_stands_behind_such_a_name_and_is_no_key_raises_no_alarm(text: str) -> None:
    """Names of fields, prose, variables and hashes in the names of files."""
    assert [] == scan_file(text.encode())
    assert text == redact_api_keys(text)
