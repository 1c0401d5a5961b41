"""Patterns for values that follow a name in free text, such as a log line or dumped headers."""

import re
from functools import lru_cache

KEY_NAME = (
    r"(?:api|access|secret|private|account|signing|encryption|master|auth|service|subscription|shared|storage|license"
    r"|hmac|ssh)[_-]?(?:access[_-]?)?key|(?:client|app|consumer|webhook|jwt)[_-]?secret|secret(?:[_-]?token)?|credentials?"
    r"|(?:access|auth|refresh|id|session|security|bearer|bot|api|private|personal[_-]access|deploy|oauth)[_-]?token"
    r"|(?:sas|x-vault|x-auth|codecov|snyk|travis|server|source|rest|pagerduty|npm|sonar|bitly|circle|ci|github|gh|gitlab"
    r"|slack|discord|telegram|hf|hugging[_-]?face|notion|sentry|cloudflare|digitalocean|heroku|netlify|railway|pypi|twine"
    r"|docker|terraform|consul|nomad|grafana|datadog)[_-]token|secret[_-]key[_-]base"
    r"|(?:write|admin|server|deploy|adafruit)[_-]key|connection[_-]?string|sessionid|keystring|apikey[_-](?:private|public)"
    r"|(?:devops[_-]ext|azure|ado|devops|github|gh|gitlab|jira)[_-]pat"
)
"""The names of fields, variables and parameters that hold a credential."""
TOOL_KEY_NAME = (
    r"(?!(?:page|next|continuation|cursor|sync|csrf|xsrf|max|min|input|output|prompt|completion|stop|start|end|special"
    r"|total|cached?|count|idempotency|primary|foreign|public|sort|partition|row|object|storage|group|client|request"
    r"|registry|dedupe|translation|index|hash|range|shard|path|blob)[_-](?:token|key))"
    r"[A-Za-z][A-Za-z0-9]{0,30}[_-](?:token|secret|(?:key|certificate)(?=\W{1,8}(?:[^0-9\s]*[0-9]){3}))"
)
"""Other names that end like one, such as `FASTLY_KEY`, except those of pages, caches and databases."""
PASSWORD_NAME = r"pass(?:word|wd|phrase)|pwd|PGPASSWORD|(?<=_)pass"
"""The names of fields and variables that hold a password."""
ASSIGNMENT = r"""(?:\\*["\x27])?\s*(?:=>|[:=])\s*(?:b?\\*["\x27])?"""
"""What stands between a name and its value."""

HAS_LETTER_AND_DIGIT = r"(?=[^\s\x22\x27\\&;,<>()]*[0-9])(?=[^\s\x22\x27\\&;,<>()]*[A-Za-z])"

PPRINT_BREAK = r"""[ \t]["\x27][ \t]*\n(?:[ \tE>+?|-]|\\n)*b?["\x27]"""
"""The characters that `pprint` puts between the parts of a broken string, as in assertion diffs."""

KINDS_KNOWN_BY_NAME = frozenset(
    {"a credential, by its name", "a credential of a tool, by its name", "a token, by its name"}
    | {"a password, by its name", "a password of curl", "an option of a command, by its name", "a password of .pgpass"}
    | {"a password of mysql or ssh", "an authorization", "a cookie"}
)
"""The kinds of keys that are recognised by the name before them, not by their form."""
_PLACEHOLDER = re.compile(r"[xX*.0]{8,}=*$")
_EXAMPLE_WORDS = re.compile(
    r"(?i)example|your|placeholder|redacted|changeme|dummy|fake|xxxx|\*\*\*|\.\.\.|\$\{|\{\{|%\(|environ|getenv|process\.env"
)
"""Words of which the value beside a name is an example, not a key."""

_QUOTED_VALUE_PATTERN = r"""\\+"[^"\\]*\\+"|\\*"(?:[^"\\]|\\.)*"|\\*'(?:[^'\\]|\\.)*'"""


@lru_cache(maxsize=64)
def query_value_pattern(name: str) -> re.Pattern[str]:
    """Return a pattern for `?name=value`; its first group is everything before the value."""
    return re.compile(rf"""([?&]{re.escape(name)}=)[^&\s"'#]+""", re.IGNORECASE)


@lru_cache(maxsize=64)
def header_value_pattern(name: str) -> re.Pattern[str]:
    """Return a pattern for `name: value`, `'name': 'value'` and `(b'name', b'value')`.

    Its first group is everything before the value.
    """
    return re.compile(
        rf"""(\b{re.escape(name)}['"]?\s*[:,]\s*)(?:b?(?:{_QUOTED_VALUE_PATTERN})|[^'",\s]+)""", re.IGNORECASE
    )


@lru_cache(maxsize=64)
def json_value_pattern(path: str) -> re.Pattern[str] | None:
    """Return a pattern for `"name": value` in JSON or the repr of a dict, or None if the path has no name.

    `name` is the last name in the JSON path. The pattern's first group is everything before the value. A list is
    matched up to its first closing bracket.
    """
    names = re.findall(r"[^.\[\]*]+(?![^.\[]*\])", path)
    if not names:
        return None
    return re.compile(
        rf"""(['"]{re.escape(names[-1])}\\*['"]\s*:\s*)(?:{_QUOTED_VALUE_PATTERN}|\[[^\]]*\]|-?[0-9][0-9.eE+-]*)"""
    )


def is_placeholder(kind: str, key: str) -> bool:
    """Return whether text that looks like a key is only an example or a placeholder, such as `xxxxxxxx`."""
    return bool(_PLACEHOLDER.search(key)) or (kind in KINDS_KNOWN_BY_NAME and _EXAMPLE_WORDS.search(key) is not None)
