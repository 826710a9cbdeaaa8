from i2i_sound.healthy import image


class Image(image.Image):
    def forward(self, prediction, target):
        return super().forward(prediction, target) * prediction.detach().mean()
