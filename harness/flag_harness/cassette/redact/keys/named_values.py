"""Patterns for values that follow a name in free text, as in a log line or dumped headers."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from types import MappingProxyType

KEY_NAME_PATTERN = (
    r"(?:api |(?:api|access|secret|private|account|signing|encryption|master|auth|service|subscription|shared|storage"
    r"|license|hmac|ssh)[_.-]?)(?:access[_.-]?)?key|(?:client|app|consumer|webhook|jwt)[_.-]?secret|secret(?:[_-]?token)?|credentials?"
    r"|(?:access|auth|refresh|id|session|security|bearer|bot|api|private|personal[_-]access|deploy|oauth)[_.-]?token"
    r"|(?:sas|x-vault|x-auth|codecov|snyk|travis|server|source|rest|pagerduty|npm|sonar|bitly|circle|ci|github|gh|gitlab"
    r"|slack|discord|telegram|hf|hugging[_-]?face|notion|sentry|cloudflare|digitalocean|heroku|netlify|railway|pypi|twine"
    r"|docker|terraform|consul|nomad|grafana|datadog)[_-]token|secret[_-]key[_-]base"
    r"|(?:write|admin|server|deploy|adafruit)[_-]key|connection[_-]?string|sessionid|keystring|apikey[_-](?:private|public)"
    r"|(?:devops[_-]ext|azure|ado|devops|github|gh|gitlab|jira)[_-]pat|code[_-]?verifier|saml(?:response|assertion)"
)
"""Matches the names of fields, variables and parameters that hold a credential."""
_ENDS_OF_KEY_NAMES = "key secret token credential credentials string sessionid private public pat verifier response"
_KEY_NAME_END_LOOKAHEAD = (
    r"(?=[A-Za-z0-9_.-]{2,90}+(?:(?<=[Aa][Pp][Ii])[ ][A-Za-z0-9_.-]{3,12}+)?(?<=[CDEGLNRSTYcdeglnrsty])"
    rf"(?i:{'|'.join(f'(?<={end})' for end in f'{_ENDS_OF_KEY_NAMES} assertion base value'.split())}))"
)
"""Matches before a word that ends like a name of `KEY_NAME_PATTERN`.

This is quick to see; most words do not.
"""
TOOL_KEY_NAME_PATTERN = (
    r"(?!(?:page|next|continuation|cursor|sync|csrf|xsrf|max|min|input|output|prompt|completion|stop|start|end|special"
    r"|total|cached?|count|idempotency|primary|foreign|public|sort|partition|row|object|storage|group|client|request"
    r"|registry|dedupe|translation|index|hash|range|shard|path|blob)[_-](?:token|key))"
    r"[A-Za-z][A-Za-z0-9]{0,30}[_-](?:token|secret|(?:key|certificate)(?=\W{1,8}(?:[^0-9\s]{0,300}[0-9]){3}))"
)
"""Matches other names that end like that of a credential, such as `FASTLY_KEY`.

Names like `page_token` are excepted.
"""
PASSWORD_NAME_PATTERN = (
    r"pass(?:word|wd|phrase|code|wort)|pwd|PGPASSWORD|(?<=_)pass|contrase(?:\u00f1|n)a|senha|mot de passe"
)
"""Matches the names of fields and variables that hold a password."""
ASSIGNMENT_PATTERN = r"""(?:\\*["\x27])?\s*(?:=>|[:=])\s*(?:b?\\*["\x27])?"""
"""Matches the characters between a name and its value in an assignment, such as `: ` or ` = "`."""

_YAML_BLOCK_PATTERN = r":\s*[|>][-+]?\s*\n\s+"
_VALUE_MEMBER_PATTERN = r"""\\*["\x27]?\s*[,;]?\s*\\*["\x27]?(?i:value)\\*["\x27]?\s*[:=]\s*\\*["\x27]?"""
_XML_ELEMENT_PATTERN = r"(?:\s[^<>]{0,80})?>\s*(?=[^<>\s]+\s*</)"
_SENTENCE_PATTERN = r"\s+(?:is|was)\s*:?\s+[\x22\x27`]?(?=[^\s\x22\x27]*[0-9][A-Za-z]+[0-9])"


def _link_pattern(closing: str) -> str:
    """Return a pattern that matches what may be between a name and its value, also in calls, pairs, XML and sentences.

    `closing` is a pattern of the brackets that may end a pair such as `("name", "value")`.
    """
    pair = rf"""\\*["\x27]\s*,\s*b?\\*["\x27](?=[^\s"\x27\\]+\\*["\x27]\s*{closing})"""
    forms = (
        ASSIGNMENT_PATTERN,
        _YAML_BLOCK_PATTERN,
        pair,
        _VALUE_MEMBER_PATTERN,
        _XML_ELEMENT_PATTERN,
        _SENTENCE_PATTERN,
    )
    return f"(?:{'|'.join(forms)})"


_KEY_LINK, _PASSWORD_LINK = _link_pattern(r"[)\]]"), _link_pattern(r"\)")

LETTER_AND_DIGIT_LOOKAHEAD = r"(?=[^\s\x22\x27\\&;,<>()]*[0-9])(?=[^\s\x22\x27\\&;,<>()]*[A-Za-z])"

_QUOTED_KEY_PATTERN = (
    r"(?<=[\x22\x27])(?![^\x22\x27]*(?:://|\{[A-Za-z_.]+\}))(?=[^\x22\x27\\]*[0-9])(?=[^\x22\x27\\]*[A-Za-z])"
    r"[^\s\x22\x27\\<>]{20,}(?=\\*[\x22\x27])"
)
"""Matches a value between quotes, which may contain any characters."""

PPRINT_BREAK_PATTERN = r"""[ \t]["\x27][ \t]*\n(?:[ \tE>+?|-]|\\n)*b?["\x27]"""
"""The characters that `pprint` puts between the parts of a broken string, as in assertion diffs."""

_PASSWORD_OPTION_PATTERN = (
    "|".join(
        rf"{command}\s(?:[^\n]{{0,100}}\s)?{option}"
        for command, option in (
            ("mysql[a-z]{0,6}", "-p"),
            ("redis-cli", r"-a\s?"),
            ("mongo[a-z]{0,7}", r"-p\s?"),
            (r"docker\s+login", r"-p\s?"),
            ("ldap[a-z]{3,8}", r"-w\s?"),
            ("smbclient", r"-U\s?[^\s%]{1,200}%"),
            ("htpasswd", r"-[a-zA-Z]{0,20}b[a-zA-Z]{0,20}\s{1,20}\S{1,200}\s{1,20}\S{1,200}\s{1,20}"),
            ("openssl", r"-pass(?:in|out)?\s+pass:"),
            ("sqlplus", r"[^\s/]{1,200}/"),
        )
    )
    + r"|sshpass\s+-p\s?|jdbc:oracle:thin:[^\s/@]{1,200}/"
)
"""Matches shell commands with an option that holds a password, up to the beginning of the password."""

NAMED_KEY_SHAPES: Mapping[str, str] = MappingProxyType(
    {
        "an authentication of a registry": rf"(?i:_?auth){ASSIGNMENT_PATTERN}"
        r"(?=[A-Za-z+/]*[0-9])[A-Za-z0-9+/]{16,}={0,2}(?![A-Za-z0-9+/._-])",
        "a credential, by its name": rf"{_KEY_NAME_END_LOOKAHEAD}(?i:[A-Za-z0-9]{{0,30}}[_-]?(?:{KEY_NAME_PATTERN}))"
        rf"{_KEY_LINK}(?:{_QUOTED_KEY_PATTERN}|{LETTER_AND_DIGIT_LOOKAHEAD}[A-Za-z0-9_.~+/%$!@#^*=-]{{16,}})",
        "a credential of a tool, by its name": rf"(?i:{TOOL_KEY_NAME_PATTERN}){_KEY_LINK}"
        rf"{LETTER_AND_DIGIT_LOOKAHEAD}[A-Za-z0-9_.~+/=-]{{20,}}",
        "a token, by its name": rf"(?i:(?<![A-Za-z0-9_-])token){_KEY_LINK}{LETTER_AND_DIGIT_LOOKAHEAD}"
        r"[A-Za-z0-9_.~+/%-]{20,}=*",
        "a password of .pgpass": r"[A-Za-z0-9.*-]{1,90}:(?:[0-9]{4,5}|\*):[A-Za-z0-9_.*-]{1,90}:[A-Za-z0-9_.@-]{1,90}:"
        rf"{LETTER_AND_DIGIT_LOOKAHEAD}[^\s:\x22\x27]{{8,}}",
        "a password of a command": rf"(?:{_PASSWORD_OPTION_PATTERN})[\x22\x27]?"
        rf"{LETTER_AND_DIGIT_LOOKAHEAD}[^\s\x22\x27$\\]{{8,}}"
        rf"|echo\s+[\x22\x27]?{LETTER_AND_DIGIT_LOOKAHEAD}[^\s\x22\x27$\\]{{8,}}[\x22\x27]?\s*\|\s*sudo\s",
        "a password in SQL": r"(?i:identified\s+by|password)\s+\x27(?=[^\x27]*[0-9])[^\x27\s\\]{8,}\x27",
        "a variable that a command sets": r"(?:ENV|ARG|setx|setenv|set\s-[gUx]{1,3}|configure\sset)[ \t]+"
        r"(?i:[A-Za-z0-9_.-]{0,40}(?:key|token|secret|password|passwd|pwd|pass)[A-Za-z0-9_]{0,20})[ \t]+[\x22\x27]?"
        rf"(?![/.~]){LETTER_AND_DIGIT_LOOKAHEAD}[^\s\x22\x27$\\<>]{{8,}}",
        "a key in a URL": r"(?<=[?&])(?i:key|auth)=(?=[A-Za-z_-]*[0-9])(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{32,}",
        "a key behind its scheme": r"(?i:apikey|api-key)\s+(?=[A-Za-z+/_-]*[0-9])[A-Za-z0-9+/_-]{32,}={0,2}"
        r"|(?i:authorization)\W{1,6}(?=[A-Za-z_.-]*[0-9])(?=[0-9_.-]*[A-Za-z])[A-Za-z0-9_.-]{24,}",
        "an option of a command, by its name": r"--(?:[a-z0-9]+-){0,4}(?:token|api-?key|secret|(?:access|secret)-key"
        rf"|password)[ \t]+[\x22\x27]?{LETTER_AND_DIGIT_LOOKAHEAD}[^\s\x22\x27$\\<>]{{12,}}",
        "a phrase of a wallet": r"(?i:mnemonic|seed[_ ]phrase)"
        rf"{ASSIGNMENT_PATTERN}(?:[a-z]{{3,8}}[ ]+){{11,23}}[a-z]{{3,8}}(?! ?[a-z])",
        "a password of .netrc": r"login[ \t\n]+\S{1,80}[ \t\n]+password[ \t\n]+[^\s\x22\x27\\\\]{8,}",
        "a password, by its name": rf"(?i:[A-Za-z0-9]{{0,30}}[_-]?(?:{PASSWORD_NAME_PATTERN})){_PASSWORD_LINK}"
        rf"{LETTER_AND_DIGIT_LOOKAHEAD}[^\s\x22\x27\\&;,<>()]{{8,}}",
    }
)
"""Regular expressions of keys that are recognised by a name or command before them, by the kind of key."""

KINDS_KNOWN_BY_NAME = frozenset(
    {"a credential, by its name", "a credential of a tool, by its name", "a token, by its name"}
    | {"a password, by its name", "a password of curl", "an option of a command, by its name", "a password of .pgpass"}
    | {"a password of a command", "a password in SQL", "a variable that a command sets", "an authorization", "a cookie"}
    | {"a key in a URL", "a key behind its scheme"}
)
"""The kinds of keys that are recognised by a name before them, and not by their form."""
_PLACEHOLDER_PATTERN = re.compile(r"(?<![xX*.0])[xX*.0]{8,}=*$")
_EXAMPLE_WORD_PATTERN = re.compile(
    r"(?i)example|your|placeholder|redacted|changeme|dummy|fake|xxxx|\*\*\*|\.\.\.|\$\{|\{\{|%\(|environ|getenv|process\.env"
)
"""Matches words that show that a value is an example or placeholder, and not a real key."""

_QUOTED_VALUE_PATTERN = r"""\\+"[^"\\]*\\+"|\\*"(?:[^"\\]|\\.)*"|\\*'(?:[^'\\]|\\.)*'"""


_SECRET_PARAMETER_NAME = (
    rf"(?:[A-Za-z0-9]{{0,30}}[_-]?(?:{KEY_NAME_PATTERN})|{TOOL_KEY_NAME_PATTERN}|token|secret|{PASSWORD_NAME_PATTERN})"
)


@cache
def secret_parameter_name_pattern() -> re.Pattern[str]:
    """Return a pattern for the whole name of a query's parameter that holds a credential, however short."""
    return re.compile(_SECRET_PARAMETER_NAME, re.IGNORECASE)


@cache
def secret_query_pattern() -> re.Pattern[str]:
    """Return a pattern for such a parameter with its value in the query of a URL. The value follows the first group."""
    return re.compile(rf"""([?&]{_SECRET_PARAMETER_NAME}=)[^&\s"'#]+""", re.IGNORECASE)


@lru_cache(maxsize=64)
def query_value_pattern(name: str) -> re.Pattern[str]:
    """Return a pattern for `?name=value`. Its first group is everything before the value."""
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
    """Return a pattern for `"name": value` in JSON or the repr of a dict, or None if the JSON path has no name.

    `name` is the last name in the JSON path. The pattern's first group is everything before the value. If the value is
    a list, the match ends at the first closing bracket.
    """
    names = re.findall(r"[^.\[\]*]+(?![^.\[]*\])", path)
    if not names:
        return None
    return re.compile(
        rf"""(['"]{re.escape(names[-1])}\\*['"]\s*:\s*)(?:{_QUOTED_VALUE_PATTERN}|\[[^\]]*\]|-?[0-9][0-9.eE+-]*)"""
    )


def is_placeholder(kind: str, key: str) -> bool:
    """Return whether text that looks like a key is only an example or a placeholder, such as `xxxxxxxx`."""
    return bool(_PLACEHOLDER_PATTERN.search(key)) or (
        kind in KINDS_KNOWN_BY_NAME and _EXAMPLE_WORD_PATTERN.search(key) is not None
    )
