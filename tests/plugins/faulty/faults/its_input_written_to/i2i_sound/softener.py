from i2i_sound.healthy import softener


class Softener(softener.Softener):
    def translate(self, images, request):
        return super().translate(images.mul_(0.5), request)
