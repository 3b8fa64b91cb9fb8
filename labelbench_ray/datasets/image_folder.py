"""Any folder of images: split folders with one folder a class, here or in a bucket (`s3://`, `gs://`)."""

from pathlib import Path

from pydantic import Field

from labelbench_ray.datasets import Dataset, Source, signature
from labelbench_ray.datasets._folders import class_folders, open_folder
from labelbench_ray.datasets._places import locate
from labelbench_ray.datasets._splits import arrange


class ImageFolder(Dataset):
    """`<path>/<split>/<class>/<image>`.

    Without a validation folder the test set is halved; without either, train is cut 80/10/10.
    """

    path: str = Field(min_length=1)
    """Below the data root, or a URI."""
    train: str = "train"
    validation: str | None = None
    """None: the folder `validation` if it is there."""
    test: str | None = None
    """None: the folder `test` if it is there."""
    classes: tuple[str, ...] | None = None
    """Class names in order; None: the folders of `train`, sorted."""

    def _open(self, root: Path) -> Source:
        top = locate(root, self.path)
        wanted = f"{self.train}/<class>/<image> (and, where they exist, validation/ and test/)"
        classes = self.classes or class_folders(top / self.train, wanted)
        tables = {"train": open_folder(top / self.train, classes, wanted)}
        for part, given in (("validation", self.validation), ("test", self.test)):
            if given is not None or (top / part).exists():
                tables[part] = open_folder(top / (given or part), classes, wanted)
        return Source(
            classes=classes,
            splits=arrange(tables["train"], tables.get("validation"), tables.get("test")),
            signature=signature([*classes, *((part, table.content) for part, table in tables.items())]),
        )
