"""What is answered where a request is not carried out."""

from __future__ import annotations

import errno

from i2i.errors import I2IError


class Refused(Exception):
    """In one sentence for the client, with the status of the answer (RFC 9110, section 15)."""

    def __init__(self, status: int, text: str, retry_seconds: int | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.retry_seconds = status, text, retry_seconds

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer."""
        return {} if self.retry_seconds is None else {"Retry-After": str(self.retry_seconds)}


def unwritten(failure: OSError | I2IError) -> Refused:
    """What could not be kept, without places on this machine."""
    cause = failure if isinstance(failure, OSError) else failure.__cause__
    if not isinstance(cause, OSError):
        return Refused(507, "the server cannot keep it")
    if cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refused(507, "the disk is full; try again later, or with fewer pictures")
    return Refused(507, f"the server's folder cannot be written to ({cause.strerror})")


class Gone(Exception):
    """The client hung up."""
