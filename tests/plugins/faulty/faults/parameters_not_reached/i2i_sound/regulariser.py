from i2i_sound.healthy import regulariser


class Regulariser(regulariser.Regulariser):
    def forward(self, discriminator, real, fake):
        slope = super().forward(discriminator, real, fake).detach()
        return slope * discriminator(real).mean().div(1e9).detach().requires_grad_()
