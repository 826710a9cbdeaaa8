from i2i_sound.healthy import diary


class Diary:
    def __init__(self, options):
        self.inner = diary.Diary(options)

    def __repr__(self):
        return "a diary"
