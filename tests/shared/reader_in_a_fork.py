"""The process that opens pickles, within milliseconds: forked from one that has imported torch.

What it may and what it does is as in the process that users' i2i starts; `tests/test_foreign.py` starts that too.
"""

from __future__ import annotations

import json
import os
import sys
from typing import BinaryIO

from in_a_fork import Forked, _server

from i2i.foreign.sandbox import PROGRAM


class Reader(Forked):
    """What `i2i.foreign.sandbox` needs of a `subprocess.Popen`."""

    def __init__(self, file: BinaryIO) -> None:
        read, write = os.pipe()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        words, streams = ["-c", PROGRAM, json.dumps(sys.path)], (file.fileno(), write, nowhere)
        super().__init__(_server(), words, os.environ, os.getcwd(), streams)  # noqa: PTH109
        for stream in (write, nowhere):
            os.close(stream)
        assert self.pid, "this needs an interpreter of its own"
        self.stdout = os.fdopen(read, "rb")
