"""Keep each complete answer of the live API as soon as it arrives, so that a resumed run does not pay for it again.

The answers are in a file beside the record, which is deleted when the run has come to its end. If a resumed test sends
the same request again, it gets the kept answer. Each answer is used once.
"""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flag_harness.plugin.evidence.content import evidence_content_level, evidence_filters
from flag_harness.plugin.evidence.kept_cassettes import run_record_path
from flag_harness.wire.timeline import Edit, End, Layer, Piece, Request, Response, body

if TYPE_CHECKING:
    from flag_harness.cassette import Filters, Recorder
    from flag_harness.plugin.test.plan import TrafficPlan

PAID_ANSWERS_KEY = pytest.StashKey["PaidAnswers | None"]()
"""The stash key of the run's `PaidAnswers`, which is None if the run keeps no answers."""


def configure_paid_answers(config: pytest.Config) -> None:
    """Keep paid answers if the run repeats tests, writes a record, and may keep content in its record."""
    path, content = run_record_path(config), evidence_content_level(config)
    is_kept = path is not None and content != "none" and config.getoption("--harness-repeat") is not None
    config.stash[PAID_ANSWERS_KEY] = PaidAnswers(path, content) if path is not None and is_kept else None


def paid_answers_path(record: Path) -> Path:
    """Return the path of a record's paid answers: `run.answers.jsonl` for `run.jsonl`."""
    return record.with_suffix(".answers.jsonl")


class PaidAnswers:
    """The complete answers that the live API has given to a run.

    `record` is the path of the run's record, and `content` says what may be kept: `masked` or `full`.
    """

    def __init__(self, record: Path, content_level: str) -> None:
        self._path, self._content = paid_answers_path(record), content_level
        self._unused_answers: dict[tuple[str, str], list[Response]] = {}
        self._lock = threading.Lock()

    def load_answers(self, drops_incomplete_lines: bool) -> None:
        """Read the answers of the interrupted run from the file.

        A process that was killed may have left an incomplete line. With `drops_incomplete_lines`, such lines are
        removed from the file.
        """
        import msgspec

        from flag_harness.cassette.file.format import decode_response

        if not self._path.exists():
            return
        data, whole = self._path.read_bytes(), []
        for line in data.splitlines(keepends=True):
            with suppress(ValueError, RecursionError):
                case, key, answer = msgspec.json.decode(line, type=tuple[str, str, msgspec.Raw])
                self._unused_answers.setdefault((case, key), []).append(decode_response(bytes(answer)))
                whole.append(line.removesuffix(b"\n") + b"\n")
        if drops_incomplete_lines and data != b"".join(whole):
            from flag_harness.files import write_atomically

            write_atomically(self._path, b"".join(whole))

    def delete_file(self) -> None:
        """Delete the file of the answers."""
        self._path.unlink(missing_ok=True)

    def make_paid_answers_layer(self, plan: "TrafficPlan") -> Layer:
        """Return a layer that answers requests for which an earlier run has paid, and keeps the answers to all others.

        It must be the last layer in front of the upstream.
        """
        from flag_harness.cassette import Recorder
        from flag_harness.cassette.interaction import Interaction, make_storable_request

        filters = evidence_filters(plan.filters, self._content)

        def answer_or_store_answer(request: Request) -> Response | Edit:
            key = Interaction(make_storable_request(request), ()).match_key.hex()
            with self._lock:
                known = self._unused_answers.get((plan.case, key))
                if known:
                    return known.pop(0)
            recorder = Recorder(kept_headers=plan.headers_to_keep)
            return _make_edit_that_stores_answer(
                recorder, recorder(request), lambda: self._store_answer(plan.case, key, recorder, filters)
            )

        return answer_or_store_answer

    def _store_answer(self, case: str, key: str, recorder: "Recorder", filters: "Filters") -> None:
        """Append the answer in `recorder` to the file, unless the answer is or contains an error.

        An answer of which the filters hide a part is not kept either: a resumed test would get the masked answer, and
        might fail. `case` is the test's node id, and `key` identifies the request.
        """
        import msgspec

        from flag_harness.analysis.metrics import measure_request
        from flag_harness.cassette.file.format import encode_response

        [interaction] = recorder.interactions
        measured = measure_request(interaction.request, interaction.response)
        if measured.status is None or measured.status >= 400 or measured.is_broken_off:
            return
        if body(filters.filter_interaction(interaction).response) != body(interaction.response):
            return
        line = msgspec.json.encode((case, key, msgspec.Raw(encode_response(interaction.response)))) + b"\n"
        with self._lock:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)


def _make_edit_that_stores_answer(recorder: "Recorder", edit: Edit, keep: Callable[[], None]) -> Edit:
    """Return an edit that passes each piece of a response on unchanged, and calls `edit` with it.

    When the last piece of a complete answer arrives, the returned edit also calls `keep`.
    """

    def pass_on_and_store_answer(piece: Piece) -> Iterable[Piece]:
        edit(piece)
        if isinstance(piece, End) and not piece.is_abandoned:
            keep()
        return (piece,)

    return pass_on_and_store_answer
