from i2i_sound.healthy import game


class Game(game.Game):
    def generator(self, fake_logits, real_logits=None):
        return fake_logits.square().mean()

    def discriminator(self, real_logits, fake_logits):
        return (real_logits - 1).square().mean() + (fake_logits + 1).square().mean()
