"""What is answered where a request is not carried out."""

from __future__ import annotations


class Refused(Exception):
    """In one sentence for the client, with the status of the answer (RFC 9110, section 15)."""

    def __init__(self, status: int, text: str, retry_seconds: int | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.retry_seconds = status, text, retry_seconds

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer."""
        return {} if self.retry_seconds is None else {"Retry-After": str(self.retry_seconds)}


class Gone(Exception):
    """The client hung up."""
