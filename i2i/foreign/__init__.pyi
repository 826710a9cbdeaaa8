from .inside import WRAPPERS as WRAPPERS
from .reading import read_tensors as read_tensors
