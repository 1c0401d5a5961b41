"""What the prompt cache did in one test, as part of the test's row in the run record."""

import msgspec


class CacheTurn(msgspec.Struct, frozen=True):
    """The effect of the prompt cache on one request, from the token counts that the API reported.

    Attributes:
        request: the index of the request in the test's row.
        read: the number of tokens that were read from the cache.
        written: the number of tokens that were written to the cache.
        uncached: the number of input tokens that were neither read from the cache nor written to it.
        missed: the number of tokens that an earlier request had cached and that were processed again; an estimate.
        why: why tokens were missed, or why nothing was read or written; empty if there is nothing to explain.
        read_to: the path of the last block that was read, such as `system[0]`; empty if nothing was read.
        written_to: the path of the last block that was written; empty if nothing was written.
    """

    request: int
    read: int
    written: int
    uncached: int
    missed: int = 0
    why: str = ""
    read_to: str = ""
    written_to: str = ""


class CacheBreak(msgspec.Struct, frozen=True):
    """A cached prefix that a request could not read, because a block in the prefix had changed.

    Attributes:
        request: the index of the request in the test's row.
        block: the path of the changed block in the request's body, such as `system[0]`.
        byte: the index of the first different byte in the block's canonical JSON.
        before, after: the text around that byte in the earlier and in this request, without secrets and personal data;
            empty if the record keeps no content.
        tokens: the number of tokens that were not read; an estimate.
        cost: US dollars at list price to process these tokens again, or None if no price is known.
    """

    request: int
    block: str
    byte: int
    before: str
    after: str
    tokens: int
    cost: float | None


class CacheUse(msgspec.Struct, frozen=True):
    """The effect of the prompt cache in a test that sends cache marks (`cache_control`). Rows of other tests have none.

    Attributes:
        turns: one for each answer that reports its tokens.
        breaks: the cached prefixes that could not be read because a block changed.
        unread: the number of tokens that were written and that no later request of the test read.
        saved: US dollars at list price that the cache saved, compared with the same requests without cache marks. It is
            negative if the marks cost more than they saved, and None if no price is known.
    """

    turns: tuple[CacheTurn, ...] = ()
    breaks: tuple[CacheBreak, ...] = ()
    unread: int = 0
    saved: float | None = None

    @property
    def tokens_read(self) -> int:
        """The number of tokens that all requests read from the cache."""
        return sum(turn.read for turn in self.turns)

    @property
    def tokens_written(self) -> int:
        """The number of tokens that all requests wrote to the cache."""
        return sum(turn.written for turn in self.turns)

    @property
    def costs_more(self) -> bool:
        """Whether the test would be cheaper without cache marks.

        It is False if the test sent a single request, which cannot gain.
        """
        if len(self.turns) < 2 or not self.tokens_written:
            return False
        return not self.tokens_read if self.saved is None else self.saved < 0
