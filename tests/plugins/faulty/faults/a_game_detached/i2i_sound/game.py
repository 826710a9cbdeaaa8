from i2i_sound.healthy import game


class Game(game.Game):
    def discriminator(self, real_logits, fake_logits):
        return super().discriminator(real_logits, fake_logits) * fake_logits.detach().mean()
