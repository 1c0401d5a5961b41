"""The shapes of keys of tools, files and commands, and texts that only resemble one."""

import json

import pytest

from flag_harness.cassette.redact.scan import redact_api_keys, scan_file
from tests.cassette.test_key_shapes import UUID, _hex, _letters

_UPPER = "A1B2C3D4E5F6G7H8J9K0L1M2N3P4"
_LOWER = _letters(60).lower()
EXAMPLES = {
    ".pgpass": f"db.example.com:5432:app:admin:{_letters(12)}",
    ".pgpass, any port": f"localhost:*:*:postgres:{_letters(12)}",
    "Alchemy": f"https://eth-mainnet.g.alchemy.com/v2/{_letters(32)}",
    "Alpaca": f"id PK{_UPPER[:18]}",
    "Alpaca, new": f"id PK{_UPPER[:24]}",
    "Amazon marketplace": f"amzn.mws.{UUID}",
    "Azure DevOps": f"{_letters(76)}AZDO{_letters(4)}",
    "Azure DevOps, by its name": f"AZURE_DEVOPS_EXT_PAT={_LOWER[:52]}",
    "Azure function": f"https://x.azurewebsites.net/api/f?code={_letters(54)}==",
    "Backblaze": f"K005{_letters(27)}",
    "Code Climate": f"CC_TEST_REPORTER_ID={_hex(64)}",
    "Databento": f"db-{_letters(29)}",
    "Etsy": f"ETSY_KEYSTRING={_LOWER[:24]}",
    "Infura": f"https://mainnet.infura.io/v3/{_hex(32)}",
    "Instagram": f"IGQVJ{_letters(90)}",
    "Laravel": f"APP_KEY=base64:{_letters(43)}=",
    "Loggly": f"https://logs-01.loggly.com/inputs/{UUID}/",
    "Mailjet": f"MJ_APIKEY_PRIVATE={_hex(32)}",
    "OpenWeather": f"https://api.openweathermap.org/data/2.5/weather?appid={_hex(32)}",
    "PubNub": f"sec-c-{_letters(48)}",
    "PubNub, subscription": f"sub-c-{UUID}",
    "Sentry": f"https://{_hex(32)}@o123456.ingest.sentry.io/1234567",
    "Sidekiq": f"BUNDLE_ENTERPRISE__CONTRIBSYS__COM={_hex(8)}:{_hex(8)}",
    "Twitch": f"oauth:{_LOWER[:30]}",
    "WakaTime": f"waka_{UUID}",
    "Yandex storage": f"YC{_letters(38)}",
    "ngrok": f"ngrok authtoken 2{_letters(26)}_5{_letters(20)}",
    "bcrypt": f"$2b$12${_letters(53)}",
    "htpasswd": f"admin:$apr1${_letters(8)}${_letters(22)}",
    "shadow": f"root:$6${_letters(16)}${_letters(86)}:19000:0:99999:7:::",
    "Ansible": f"ansible_become_pass: {_letters(12)}",
    "mysql": f"mysql -u root -p{_letters(12)} app",
    "sshpass": f"sshpass -p '{_letters(12)}' ssh x@h",
    "kubeadm": f"kubeadm join 10.0.0.1:6443 --token {_LOWER[:6]}.{_LOWER[6:22]}",
    "an option": f"tool --api-key {_LOWER[:24]} --verbose",
    "a wallet": "mnemonic: legal winner thank year wave sausage worth useful legal winner thank yellow",
}


@pytest.mark.parametrize("tool", EXAMPLES)
def test_a_key_of_a_tool_is_found_and_redacted(tool: str) -> None:
    """In the middle of a text and in JSON, and its last characters are not left."""
    for text in (f"We used:\n{EXAMPLES[tool]}\nthen.", json.dumps({"a": f"see {EXAMPLES[tool]} \n"})):
        assert scan_file(text.encode())
        assert "REDACTED" in redact_api_keys(text)
        assert [] == scan_file(redact_api_keys(text).encode())


@pytest.mark.parametrize(
    "text",
    [
        "app.py:5432:in:main:password",
        "docker run mysql -p3306:3306 -p 8080:80",
        "tool --token <your-token-1> --api-key $API_KEY_1 --password ${PASSWORD_1}",
        "the mnemonic: every good boy does fine",
        f"<img src='x?code={_letters(54)}'> sub-c-style PK and db-migration",
        "it costs $5$ and $1$ for $6$, base64:YWJj",
        "test_pass: 12 of 12, first_pass=done",
    ],
)
def test_what_only_resembles_a_key_of_a_tool_raises_no_alarm(text: str) -> None:
    """Ports, placeholders, prices, counts and prose."""
    assert [] == scan_file(text.encode())
