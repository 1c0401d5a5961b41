"""Search recordings for personal data, and refuse to write recordings that contain it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote_plus

from flag_harness.cassette.interaction import Interaction
from flag_harness.cassette.redact.body_texts import LOSSLESS_UTF8, BodyPart, BodyText, body_texts
from flag_harness.cassette.redact.detectors import Detector
from flag_harness.cassette.redact.scan import SecretFinding, finding_lines
from flag_harness.config import PrivacyAction
from flag_harness.errors import CassetteError
from flag_harness.wire.compression import decompress_response
from flag_harness.wire.timeline import Head, body


def find_personal_data(
    interactions: Iterable[Interaction], detectors: Iterable[Detector], action: PrivacyAction
) -> list[SecretFinding]:
    """Return a finding for each piece of personal data. It has the location, but not the data itself.

    Only detectors whose action is `action` are used.
    """
    wanted = [detector for detector in detectors if detector.action == action]
    return [
        SecretFinding(
            side + text.describe_location(edit.start, edit.stop), f"found by the detector {detector.name!r}", "", number
        )
        for number, interaction in enumerate(interactions if wanted else ())
        for side, text in _interaction_texts(interaction)
        for detector in wanted
        for edit in detector.redaction_edits(text.value)
    ]


def refuse_personal_data(path: Path, interactions: Iterable[Interaction], detectors: Iterable[Detector]) -> None:
    """Raise `CassetteError` if a detector whose action is `refuse` finds personal data.

    `path` is the file to be written.
    """
    if found := find_personal_data(interactions, detectors, "refuse"):
        names = dict.fromkeys(one.kind.rpartition(" ")[2].strip("'") for one in found)
        raise CassetteError(
            "\n".join(
                [
                    f"{path} was not written, because it would hold personal data:",
                    *finding_lines(found),
                    "Have the test send invented data; or have it masked, in pyproject.toml:",
                    "  [tool.flag-harness.privacy]",
                    *(f'  {name} = {{ ..., action = "mask" }}' for name in names),
                ]
            )
        )


def personal_data_warning(path: Path, interactions: Iterable[Interaction], detectors: Iterable[Detector]) -> str:
    """Return a warning that lists what detectors with the action `warn` find, or an empty string.

    `path` is the cassette.
    """
    found = find_personal_data(interactions, detectors, "warn")
    return "\n".join([f"{path} holds personal data:", *finding_lines(found)]) if found else ""


def _interaction_texts(interaction: Interaction) -> Iterator[tuple[str, BodyText]]:
    """Yield each text of an interaction, with `request ` or `response ` to say where it is."""
    request, response = interaction.request, decompress_response(interaction.response)
    yield "request ", _single_body_text("url", unquote_plus(request.url))
    heads = (("request ", request.headers), *(("response ", one.headers) for one in response if isinstance(one, Head)))
    for side, headers in heads:
        yield from ((side, _single_body_text(f"header {name}", unquote_plus(value))) for name, value in headers)
    for side, data in (("request ", request.body), ("response ", body(response))):
        yield from ((side, text) for text in body_texts(data.decode(*LOSSLESS_UTF8)))


def _single_body_text(location: str, value: str) -> BodyText:
    return BodyText((BodyPart(0, len(value), value),), location=location)
