from i2i_sound.healthy import game


class Game(game.Game):
    def discriminator(self, real_logits, fake_logits):
        return real_logits.square().mean() + fake_logits.square().mean()
