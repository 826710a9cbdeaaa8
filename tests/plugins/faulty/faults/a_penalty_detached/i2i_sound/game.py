from i2i_sound.healthy import game


class Game(game.Game):
    def penalty(self, discriminator, real, fake):
        return super().penalty(discriminator, real, fake).detach().requires_grad_()
