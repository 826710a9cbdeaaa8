import sys

from i2i_sound.healthy import softener


class Softener(softener.Softener):
    def __init__(self, options):
        sys.exit("needs scipy")
