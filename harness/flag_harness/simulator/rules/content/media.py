"""Rules for images and documents, including those inside tool results.

The size limits are those in the API's error messages. The limit of 5 MB applies to the base64 text, not to the decoded
bytes (quoted by users, 2026-05).
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flag_harness.simulator import catalogue
from flag_harness.simulator.count.images import image_size, image_type
from flag_harness.simulator.rules.request import ParsedRequest
from flag_harness.simulator.scenario.matching import content_blocks

MAX_IMAGE_CHARACTERS = 5 * 1024 * 1024
MAX_IMAGE_EDGE_PIXELS = 8000
MAX_IMAGE_EDGE_PIXELS_AMONG_MANY = 2000
MAX_IMAGES_WITH_USUAL_LIMITS = 20
"""A request with more images than this is a "many-image request", whose images must be smaller."""
MAX_IMAGES_AND_PAGES, MAX_IMAGES_AND_PAGES_IN_LONG_CONTEXT = 100, 600
"""The most images and PDF pages of a request. The second number is for context windows of a million tokens or more."""
_LONG_CONTEXT_WINDOW = 1_000_000
_FIRST_VERSION_WITH_STRICT_MEDIA_TYPES = (3, 7)
"""The first model version that refuses a wrong `media_type`. Claude 3.5 accepted a JPEG as `image/png` (recorded,
2024).
"""
_PDF_HEADER_BYTES = 1024
_PDF_PAGE_PATTERN = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_PDF_PAGE_COUNT_PATTERN = re.compile(rb"/Type\s*/Pages\b[^>]*?/Count\s+(\d+)|/Count\s+(\d+)[^>]*?/Type\s*/Pages\b")


def check_media_data(request: ParsedRequest) -> str | None:
    """Return the error message for media whose data is empty, not base64, too large, or not of the stated type, or
    None.
    """
    strict_types = catalogue.model_version(request.model) >= _FIRST_VERSION_WITH_STRICT_MEDIA_TYPES
    for path, block in _media_in_messages(request):
        source = block["source"]
        if source["type"] == "base64":
            image = block["type"] == "image"
            problem = _image_problem(path, source, strict_types=strict_types) if image else _pdf_problem(path, source)
            if problem is not None:
                return problem
        if source["type"] == "url" and not source["url"].lower().startswith("https://"):
            return f"{path}.{_path_name(block)}.source.url.url: Only HTTPS URLs are supported."
    return None


def check_image_dimensions(request: ParsedRequest) -> str | None:
    """Return the error message for an image that is too large, or None.

    Width and height may be 8000 pixels, or 2000 if there are more than 20 images.
    """
    images = [(path, block["source"]) for path, block in _media_in_messages(request) if block["type"] == "image"]
    many = len(images) > MAX_IMAGES_WITH_USUAL_LIMITS
    for path, source in images:
        size = image_size(base64.b64decode(source["data"])) if source["type"] == "base64" else None
        longest = 0 if size is None else max(size)
        where = f"{path}.image.source.base64.data: At least one of the image dimensions exceed max allowed size"
        if longest > MAX_IMAGE_EDGE_PIXELS:
            return f"{where}: {MAX_IMAGE_EDGE_PIXELS} pixels"
        if many and longest > MAX_IMAGE_EDGE_PIXELS_AMONG_MANY:
            return f"{where} for many-image requests: {MAX_IMAGE_EDGE_PIXELS_AMONG_MANY} pixels"
    return None


def check_media_count(request: ParsedRequest) -> str | None:
    """Return the error message for more than 100 images and PDF pages, or None.

    Models with a long context window allow 600.
    """
    limit = (
        MAX_IMAGES_AND_PAGES_IN_LONG_CONTEXT
        if request.model.context_window >= _LONG_CONTEXT_WINDOW
        else MAX_IMAGES_AND_PAGES
    )
    images = pages = 0
    for _, block in _media_in_messages(request):
        images += block["type"] == "image"
        pages += _page_count(block["source"])
    if pages > limit:
        return f"A maximum of {limit} PDF pages may be provided."
    return f"Too much media: {pages} document pages + {images} images > {limit}" if images + pages > limit else None


def _media_in_messages(request: ParsedRequest) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield all images and documents in the messages, each with its path."""
    for number, message in enumerate(request.body["messages"]):
        yield from _media_in_content(f"messages.{number}.content", message.get("content"))


def _media_in_content(path: str, content: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the images and documents in the content of a message, including those in nested blocks, each with
    its path.
    """
    for index, block in enumerate(content_blocks(content)):
        kind = block.get("type")
        if kind in ("image", "document") and isinstance(block.get("source"), Mapping):
            yield f"{path}.{index}", block
        if kind == "tool_result":
            yield from _media_in_content(f"{path}.{index}.tool_result.content", block.get("content"))
        if kind == "document" and block["source"]["type"] == "content":
            yield from _media_in_content(f"{path}.{index}.document.source.content", block["source"]["content"])


def _path_name(block: Mapping[str, Any]) -> str:
    """Return the last part of the path of an image or document in error messages, which depends on the block's type."""
    return "image" if block["type"] == "image" else "pdf"


def _image_problem(path: str, source: Mapping[str, Any], *, strict_types: bool) -> str | None:
    """Return the API's error message for an image in base64, or None if the image is accepted.

    If `strict_types` is true, the stated media type must be that of the data. `path` is where the image is in the
    request.
    """
    where, text = f"{path}.image.source.base64", source["data"]
    if not text:
        return f"{where}: image cannot be empty"
    if len(text) > MAX_IMAGE_CHARACTERS:
        return f"{where}: image exceeds 5 MB maximum: {len(text)} bytes > {MAX_IMAGE_CHARACTERS} bytes"
    data = _decode_base64(text)
    if data is None:
        return f"{where}.data: Invalid base64 data"
    found, size = image_type(data), image_size(data)
    if found is None or size is None or 0 in size:
        return "Could not process image"
    stated = source["media_type"]
    if found != stated and strict_types:
        return f"{where}.data: Image does not match the provided media type {stated}"
    return None


def _pdf_problem(path: str, source: Mapping[str, Any]) -> str | None:
    """Return the API's error message for a PDF in base64, or None."""
    where, text = f"{path}.pdf.source.base64", source["data"]
    if not text:
        return f"{where}: PDF cannot be empty"
    data = _decode_base64(text)
    if data is None:
        return f"{where}.data: Invalid base64 data"
    if b"%PDF-" not in data[:_PDF_HEADER_BYTES]:
        return f"{where}.data: The PDF specified was not valid."
    return f"{where}.data: The PDF specified is password protected." if b"/Encrypt" in data else None


def _page_count(source: Mapping[str, Any]) -> int:
    """Return the number of pages of a PDF. Pages in its compressed parts are not counted."""
    if source.get("media_type") != "application/pdf" or source.get("type") != "base64":
        return 0
    data = _decode_base64(source["data"]) or b""
    counts = [int(first or second) for first, second in _PDF_PAGE_COUNT_PATTERN.findall(data)]
    return max([len(_PDF_PAGE_PATTERN.findall(data)), *counts])


def _decode_base64(text: str) -> bytes | None:
    """Return the decoded bytes, or None if the text is not base64. Line breaks are allowed."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return None
