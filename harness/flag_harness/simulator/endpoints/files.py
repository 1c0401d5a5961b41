"""The Files API: files are uploaded once and then named in messages. The simulator ignores their content."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import Message
from email.parser import BytesParser
from typing import Any

import msgspec

from flag_harness.simulator.endpoints.paging import DEFAULT_PAGE_SIZE, make_list_page
from flag_harness.simulator.rules import IncomingRequest, RefusedRequest
from flag_harness.wire.timeline import Request, header_value

FILES_PATH = "/v1/files"
_JSON_CONTENT_TYPE = "application/json"
_FORBIDDEN_FILE_NAME_CHARACTERS = re.compile(r'[<>:"|?*\\/\x00-\x1f]')
_MAX_FILE_NAME_LENGTH = 255
_DEFAULT_MIME_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """The metadata of an uploaded file."""

    id: str
    filename: str
    mime_type: str
    size: int
    created_at: datetime
    expires_at: datetime | None = None

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of the file as the API reports it."""
        return {
            "type": "file",
            "id": self.id,
            "size_bytes": self.size,
            "created_at": _format_time(self.created_at),
            "filename": self.filename,
            "mime_type": self.mime_type,
            "downloadable": False,
            "expires_at": None if self.expires_at is None else _format_time(self.expires_at),
        }


class FileStore:
    """All files that were uploaded to one simulator, by id."""

    def __init__(self) -> None:
        self._files: dict[str, UploadedFile] = {}

    def answer_request(
        self, incoming: IncomingRequest, now: datetime, new_id: str
    ) -> tuple[str, bytes] | RefusedRequest:
        """Answer a request about files. Return the content type and the body, or the error.

        If the request uploads a file, its id is `new_id`.
        """
        name, _, action = incoming.path.removeprefix(FILES_PATH).removeprefix("/").partition("/")
        if not name:
            return (
                self._upload_file(incoming.request, now, new_id)
                if incoming.request.method == "POST"
                else self._list_files(incoming)
            )
        file = self._files.get(name)
        if file is None:
            return RefusedRequest("file", 404, "not_found_error", f"File not found: {name}")
        if action == "content":
            details = {"error_code": "file_not_downloadable"}
            words = f"File '{name}' is not downloadable."
            return RefusedRequest("file", 400, "invalid_request_error", words, details)
        if incoming.request.method == "DELETE":
            del self._files[name]
            return _JSON_CONTENT_TYPE, msgspec.json.encode({"id": name, "type": "file_deleted"})
        return _JSON_CONTENT_TYPE, msgspec.json.encode(file.metadata())

    def _upload_file(self, request: Request, now: datetime, new_id: str) -> tuple[str, bytes] | RefusedRequest:
        """Store the uploaded file and return its metadata, or an error if the form is invalid."""
        parts = _parts_of_multipart_form(request)
        part = parts.get("file")
        if part is None:
            return RefusedRequest("file", 400, "invalid_request_error", "file: Field required")
        data = part.get_payload(decode=True)
        filename = part.get_filename() or ""
        if not filename or len(filename) > _MAX_FILE_NAME_LENGTH or _FORBIDDEN_FILE_NAME_CHARACTERS.search(filename):
            words = f"file: Invalid filename {filename!r}"
            return RefusedRequest("file", 400, "invalid_request_error", words)
        kind = part.get_content_type() if part["content-type"] else _DEFAULT_MIME_TYPE
        size = len(data) if isinstance(data, bytes) else 0
        file = UploadedFile(new_id, filename, kind, size, now, _expiry_time(parts.get("expires_in_seconds"), now))
        self._files[new_id] = file
        return _JSON_CONTENT_TYPE, msgspec.json.encode(file.metadata())

    def _list_files(self, incoming: IncomingRequest) -> tuple[str, bytes]:
        """Return a page of the list of files, the newest first."""
        newest_first = list(reversed(self._files.values()))
        limit = int(incoming.query_value("limit") or DEFAULT_PAGE_SIZE)
        after, before = (
            incoming.query_value("after_id") or incoming.query_value("page"),
            incoming.query_value("before_id"),
        )
        page = make_list_page(
            newest_first,
            UploadedFile.metadata,
            lambda one: (one.id,),
            limit=limit,
            after_name=after,
            before_name=before,
        )
        next_page = page["last_id"] if page["has_more"] else None
        return _JSON_CONTENT_TYPE, msgspec.json.encode({**page, "next_page": next_page})


def _parts_of_multipart_form(request: Request) -> dict[str, Message]:
    """Return the parts of a multipart form by name, or an empty dict if the body is no such form."""
    head = f"content-type: {header_value(request.headers, 'content-type')}\r\n\r\n".encode()
    form = BytesParser().parsebytes(head + request.body)
    parts = form.get_payload() if form.is_multipart() else []
    return {
        str(part.get_param("name", header="content-disposition")): part for part in parts if isinstance(part, Message)
    }


def _expiry_time(part: Message | None, now: datetime) -> datetime | None:
    """Return when a file expires, or None if `part` is None. `part` is the form part with the number of seconds until
    then.
    """
    data = part.get_payload(decode=True) if part is not None else None
    text = data.decode("ascii", "replace").strip() if isinstance(data, bytes) else ""
    return now + timedelta(seconds=int(text)) if text.isdecimal() and len(text) < 10 else None


def _format_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
