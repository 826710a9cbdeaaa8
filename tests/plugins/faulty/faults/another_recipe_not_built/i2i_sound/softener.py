from i2i_sound.healthy import softener


class Softener(softener.Softener):
    def __init__(self, options):
        super().__init__(options)
        if options.width == 4:
            raise ValueError("four channels are too many")
