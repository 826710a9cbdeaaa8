from i2i_sound.healthy import game


class Game(game.Game):
    def generator(self, fake_logits, real_logits=None):
        return fake_logits.square().mean()
