import time

from torch import nn

from i2i import Geometry

STEPS = 100


class Snail(nn.Module):
    geometry = Geometry()
    remarks = ("it takes its time",)

    def __init__(self, options):
        super().__init__()

    def translate(self, images, request):
        options = request.options
        if options.word == "fall":
            raise RuntimeError("fell over")
        for step in range(STEPS if options.seconds else 0):
            time.sleep(options.seconds / STEPS)
            request.report((step + 1) / STEPS)
        answer = images if options.again else 1 - images
        if options.tint == "red":
            answer = answer.clone()
            answer[:, 0] = 1
        return answer
