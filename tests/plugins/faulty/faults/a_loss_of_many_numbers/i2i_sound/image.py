from i2i_sound.healthy import image


class Image(image.Image):
    def forward(self, prediction, target):
        return (prediction - target).square().mean((1, 2, 3))
