from i2i_sound.healthy import regulariser


class Regulariser(regulariser.Regulariser):
    every = 0
