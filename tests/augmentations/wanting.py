"""A trainer that wants augmented views, and fits as logistic regression does."""

from pydantic import PositiveInt

from labelbench_ray import augmentations, plugins
from labelbench_ray.augmentations import WantedViews
from labelbench_ray.plugins import Part, Plugin
from labelbench_ray.trainers.logistic import Logistic


class Wanting(Logistic):
    """The least that a semi-supervised trainer has."""

    views: PositiveInt = 2
    augmentation: Part = Part(name="images")

    def inner_plugins(self) -> dict[str, Plugin]:
        return {"augmentation": self._augmentation()}

    def wanted_views(self) -> WantedViews | None:
        made = self._augmentation()
        return WantedViews(made, plugins.recipe(self.augmentation.name, made), self.views)

    def _augmentation(self) -> augmentations.Augmentation:
        return plugins.build(augmentations.Augmentation, augmentations.PACKAGE, self.augmentation)
