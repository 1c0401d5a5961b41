"""What the prompt cache did in one test, as part of the test's row in the run record."""

import msgspec


class CacheTurn(msgspec.Struct, frozen=True):
    """The effect of the prompt cache on one request, from the token counts that the API reported.

    Attributes:
        request_index: the index of the request in the test's row.
        tokens_read: the number of tokens that were read from the cache.
        tokens_written: the number of tokens that were written to the cache.
        tokens_not_cached: the number of input tokens that were neither read from the cache nor written to it.
        tokens_missed: the estimated number of tokens that an earlier request had cached and that were processed again.
        explanation: why tokens were missed, or why nothing was read or written; empty if there is nothing to explain.
        last_block_read: the path of the last block that was read, such as `system[0]`; empty if nothing was read.
        last_block_written: the path of the last block that was written; empty if nothing was written.
    """

    request_index: int = msgspec.field(name="request")
    tokens_read: int = msgspec.field(name="read")
    tokens_written: int = msgspec.field(name="written")
    tokens_not_cached: int = msgspec.field(name="uncached")
    tokens_missed: int = msgspec.field(name="missed", default=0)
    explanation: str = msgspec.field(name="why", default="")
    last_block_read: str = msgspec.field(name="read_to", default="")
    last_block_written: str = msgspec.field(name="written_to", default="")


class CacheBreak(msgspec.Struct, frozen=True):
    """A cached prefix that a request could not read, because a block in the prefix had changed.

    Attributes:
        request_index: the index of the request in the test's row.
        block_path: the path of the changed block in the request's body, such as `system[0]`.
        byte_index: the index of the first different byte in the block's canonical JSON.
        old_text: the text around that byte in the earlier request, without secrets and personal data; empty if the
            record keeps no content.
        new_text: the same for this request.
        tokens_not_read: the estimated number of tokens that were not read.
        cost: US dollars at list price to process these tokens again, or None if no price is known.
    """

    request_index: int = msgspec.field(name="request")
    block_path: str = msgspec.field(name="block")
    byte_index: int = msgspec.field(name="byte")
    old_text: str = msgspec.field(name="before")
    new_text: str = msgspec.field(name="after")
    tokens_not_read: int = msgspec.field(name="tokens")
    cost: float | None


class CacheUse(msgspec.Struct, frozen=True):
    """The effect of the prompt cache in a test that sends cache marks (`cache_control`).

    Attributes:
        turns: the effect on each request whose answer reports its tokens.
        breaks: the cached prefixes that could not be read because a block changed.
        tokens_never_read: the number of tokens that were written and that no later request of the test read.
        dollars_saved: the US dollars at list price that the cache saved, compared with the same requests without cache
            marks. It is negative if the marks cost more than they saved, and None if no price is known.
    """

    turns: tuple[CacheTurn, ...] = ()
    breaks: tuple[CacheBreak, ...] = ()
    tokens_never_read: int = msgspec.field(name="unread", default=0)
    dollars_saved: float | None = msgspec.field(name="saved", default=None)

    @property
    def tokens_read(self) -> int:
        """The number of tokens that all requests read from the cache."""
        return sum(turn.tokens_read for turn in self.turns)

    @property
    def tokens_written(self) -> int:
        """The number of tokens that all requests wrote to the cache."""
        return sum(turn.tokens_written for turn in self.turns)

    @property
    def costs_more(self) -> bool:
        """Whether the test would be cheaper without cache marks.

        False if the test sent a single request, since only later requests can read from the cache.
        """
        if len(self.turns) < 2 or not self.tokens_written:
            return False
        return not self.tokens_read if self.dollars_saved is None else self.dollars_saved < 0
