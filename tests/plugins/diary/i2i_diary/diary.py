import json

from i2i import Tracker, UsageError


class Diary(Tracker):
    def __init__(self, options):
        self.options, self.file = options, None
        if options.stumbles == "build":
            raise UsageError("needs ink")

    def _write(self, what, *told):
        if self.options.stumbles == what:
            raise OSError(28, "no ink left")
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps([what, *told]) + "\n")

    def started(self, folder, recipe, step):
        self.file = folder / self.options.name
        self._write("started", recipe["name"], step)

    def scalars(self, step, values):
        self._write("scalars", step, sorted(values))

    def pictures(self, step, columns):
        self._write("pictures", step, {title: list(pictures.shape) for title, pictures in columns.items()})

    def said(self, step, kind, text):
        self._write("said", step, kind, text)

    def ended(self):
        self._write("ended")
