from copy import deepcopy

from i2i_sound.healthy import softener


class Softener(softener.Softener):
    def __init__(self, options):
        super().__init__(options)
        self.teacher = deepcopy(self.network)
        for module in self.teacher.modules():
            for name, value in list(module.named_parameters(recurse=False)):
                delattr(module, name)
                module.register_buffer(name, value.detach())
