from i2i_sound.healthy import diary


class Diary(diary.Diary):
    def started(self, folder, recipe, step):
        (folder / "diary").mkdir()
        super().started(folder, recipe, step)
