"""stub"""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from labelbench_ray import plugins
from labelbench_ray.encoders import Decoded

PACKAGE = __name__


class Augmentation(plugins.Plugin, ABC):
    payload: ClassVar[Literal["image", "text"]]

    @abstractmethod
    def weak(self, decoded: Decoded, key: int) -> Decoded: ...
    @abstractmethod
    def strong(self, decoded: Decoded, key: int) -> Decoded: ...
