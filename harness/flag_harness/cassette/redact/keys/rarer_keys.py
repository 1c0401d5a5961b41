"""The forms of keys of less common providers. Most are one word with a prefix that no other provider uses."""

from collections.abc import Mapping
from types import MappingProxyType

_UUID_PATTERN = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TWO_DIGITS_LOOKAHEAD = r"(?=(?:[A-Za-z_-]*[0-9]){2})"
_MIXED_CASE_LOOKAHEAD = r"(?=[A-Za-z]*[0-9])(?=[0-9a-z]*[A-Z])(?=[0-9A-Z]*[a-z])"
_BASE58_LETTER_PATTERN = "[1-9A-HJ-NP-Za-km-z]"

RARER_KEY_SHAPES: Mapping[str, str] = MappingProxyType(
    {
        "a key of a model provider": r"sk-(?:[a-z]{2,10}-){1,2}"
        rf"{_TWO_DIGITS_LOOKAHEAD}[A-Za-z0-9_]{{24,}}|(?:crsr|flp|tlk|pb|bu|apk_user|sgamp_user|confident_[a-z]{{2}}(?:_org)?)_"
        rf"{_TWO_DIGITS_LOOKAHEAD}[A-Za-z0-9_]{{20,}}|(?:ctx7sk|ste|bt-st)-{_TWO_DIGITS_LOOKAHEAD}[A-Za-z0-9-]{{30,}}"
        rf"|fk-[A-Za-z0-9]{{16,24}}-[A-Za-z0-9_-]{{30,}}|ak-{_UUID_PATTERN}-[A-Za-z0-9_-]{{16,}}"
        r"|z_1d[A-Za-z0-9]{10,}\.[A-Za-z0-9_-]{40,}|v1:[A-Za-z0-9]{24}:[A-Za-z0-9]{24}(?![A-Za-z0-9])"
        rf"|[0-9a-f]{{32}}\.{_MIXED_CASE_LOOKAHEAD}(?:[A-Za-z0-9]{{24}}|[A-Za-z0-9]{{16}})(?![A-Za-z0-9.])"
        rf"|[A-Za-z0-9]{{8}}\.{_MIXED_CASE_LOOKAHEAD}[A-Za-z0-9]{{32}}(?![A-Za-z0-9.])|eyJhcGlf[A-Za-z0-9]{{40,}}={{0,2}}",
        "a key of a cloud": r"cf(?:ut|at|k)_[A-Za-z0-9]{40,}|0x4AAAAAAA[A-Za-z0-9_-]{20,}|GOOG1E[A-Z0-9]{55}"
        r"|GOOG[A-Z0-9]{20}(?![A-Za-z0-9])|4/0A[A-Za-z0-9_-]{50,}|da2-[a-z0-9]{26}(?![a-z0-9])"
        r"|akab-[a-z0-9]{16}-[a-z0-9]{16}|AKID[A-Za-z0-9]{32}(?![A-Za-z0-9])|AKLT[A-Za-z0-9]{40,}(?![A-Za-z0-9+/=])"
        r"|bce-v3/ALTAK-[A-Za-z0-9]{16,}/[0-9a-f]{40}|y0_[A-Za-z0-9_-]{50,}"
        r"|[01]\.A[A-Za-z0-9_-]{20,2000}\.A[gw]ABA[A-Za-z0-9_-]{50,}",
        "a key of a database": r"mdb_sa_sk_[A-Za-z0-9_-]{30,}|cflt[A-Za-z0-9+/]{56,}|p\.eyJ[A-Za-z0-9_-]{16,2000}"
        r"\.[A-Za-z0-9_-]{20,}|b\.AAAAAQ[A-Za-z0-9_-]{80,}",
        "a key of a tool for developers": r"snyk_[us]at\.(?:[0-9a-f]{8}\.)?[A-Za-z0-9_-]{20,}"
        r"|packagist_[a-z]{3}_[0-9a-f]{40,}"
        rf"|perm[:-][A-Za-z0-9+/]{{4,}}={{0,2}}\.[A-Za-z0-9+/]{{4,}}={{0,2}}\.[A-Za-z0-9]{{20,}}|xapt-{_UUID_PATTERN}"
        r"|ph[arsx]_[A-Za-z0-9]{40,}|cx[tu]p_[A-Za-z0-9]{28,}|u\+[A-Za-z0-9_-]{18}(?![A-Za-z0-9_-])"
        rf"|dvc_(?:server|client|mobile)_[A-Za-z0-9_]{{24,}}|sgp_[A-Za-z0-9]{{64}}|v1\.[0-9a-f]{{40}}(?![0-9a-f])"
        rf"|(?:retool|syt_[a-z0-9]{{2,40}})_{_TWO_DIGITS_LOOKAHEAD}[A-Za-z0-9_]{{20,}}|eyJtaXJvLm9yaWdpbiI6[A-Za-z0-9]+_[A-Za-z0-9_-]{{20,}}",
        "a key of a shop or a network": r"secret-token:[A-Za-z0-9_~%.-]{16,}|amzn1\.oa2-cs\.v1\.[0-9a-f]{64}"
        r"|At[zc][ar]\|[A-Za-z0-9_-]{20,}|(?:SBX|PRD)-[0-9a-f]{12}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}"
        r"|(?<![+/])(?:IGAA|THAA)[A-Za-z0-9]{60,}(?![A-Za-z0-9+/=])|WPL_AP1\.[A-Za-z0-9]{10,}\.[A-Za-z0-9+/]{4,}={0,2}"
        r"|pina_[A-Za-z0-9]{40,}|key(?=[A-Za-z]*[0-9][A-Za-z]*[0-9])(?=[0-9a-z]*[A-Z])[A-Za-z0-9]{14}(?![A-Za-z0-9_-])",
        "a key of a wallet": rf"[xyzt]prv[0-9A-Za-z]{{100,}}|nsec1[a-z0-9]{{58}}|(?<![+/=_-])(?:S[A-Z2-7]{{55}}"
        rf"|5{_BASE58_LETTER_PATTERN}{{50}}|[KL]{_BASE58_LETTER_PATTERN}{{51}})(?![A-Za-z0-9+/=_-])",
    }
)
"""The regular expression of each kind of key, by a description of the kind."""
