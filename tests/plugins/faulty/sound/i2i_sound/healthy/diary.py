from i2i import Tracker


class Diary(Tracker):
    def __init__(self, options):
        self.stream = None

    def started(self, folder, recipe, step):
        self.ended()
        self.stream = (folder / "diary.txt").open("a", encoding="utf-8")

    def scalars(self, step, values):
        self.stream.write(f"{step} {values}\n")

    def pictures(self, step, columns):
        self.stream.write(f"{step} {[float(pictures.mean()) for pictures in columns.values()]}\n")

    def said(self, step, kind, text):
        self.stream.write(f"{step} {kind} {text}\n")

    def ended(self):
        if self.stream is not None:
            self.stream.close()
