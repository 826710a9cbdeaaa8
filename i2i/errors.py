"""What a user can mend: every message says what, where, what was found and what would work."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class I2IError(Exception):
    """A failure with an explanation for the user; the command line prints its text and ends with `exit_code`."""

    exit_code = 1


class UsageError(I2IError):
    """The request itself is wrong: an unknown name, a missing folder, options that exclude each other."""

    exit_code = 2


class RecipeError(UsageError):
    """Everything that is wrong with a recipe, one line a mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class BrokenPicture(I2IError):
    """A file that has a picture's suffix and cannot be decoded."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path: Any = str(path) if "://" in str(path) else Path(path)
        """A `Path`; of a URL its text, which as a path would lose a slash."""
        self.reason = reason

    def __reduce__(self) -> tuple[type[BrokenPicture], tuple[Any, str]]:  # crosses from loader workers to the loop
        return type(self), (self.path, self.reason)


class Interrupted(I2IError):
    """Stopped by a signal after everything was saved; the exit code is 128 + the signal's number."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


def counted(count: int, what: str) -> str:
    """`1 picture`, `2 pictures`: for what is said of something that has a regular plural."""
    return f"{count} {what}{'' if count == 1 else 's'}"
