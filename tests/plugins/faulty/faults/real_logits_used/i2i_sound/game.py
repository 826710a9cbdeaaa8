from i2i_sound.healthy import game


class Game(game.Game):
    def generator(self, fake_logits, real_logits=None):
        wanted = 1 if real_logits is None else real_logits.mean()
        return (fake_logits - wanted).square().mean()
