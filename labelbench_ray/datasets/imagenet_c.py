"""ImageNet-C (Hendrycks and Dietterich 2019), and what has its layout: class folders by corruption and severity."""

from collections.abc import Mapping

from pydantic import Field

from labelbench_ray.datasets import Source, Split
from labelbench_ray.datasets._splits import all_rows
from labelbench_ray.datasets.files.folders import folder_table, list_folder
from labelbench_ray.datasets.files.places import Place, missing
from labelbench_ray.datasets.shifts.published import PublishedCopies
from labelbench_ray.plugins import Part

WANTED = "<corruption>/<severity>/<synset>/*.JPEG, also in the archives' folders (noise/, blur/, weather/, digital/)"


class ImagenetC(PublishedCopies):
    """`<path>/<corruption>/<severity>/<synset>/*.JPEG`, and the same one folder deeper.

    The class folders are those of the data set. The published images are the official validation set's, so rows of
    `validation` and of `test` alike, and none of the pool's.
    """

    dataset: Part = Part(name="imagenet")
    """The data set; an `image_folder` with synsets as classes, for Tiny ImageNet-C and the like."""
    path: str = Field("imagenet-c", min_length=1)
    """Below the data root, or a URI."""

    def copies(self, top: Place, name: str, source: Source) -> Mapping[int, Split]:
        folder = _folder(top, name)
        return {
            severity: all_rows(folder_table(list_folder(folder / str(severity), WANTED), source.classes))
            for severity in self.severities
        }


def _folder(top: Place, name: str) -> Place:
    """The folder of a corruption: below the top, or below one of its folders."""
    inner: list[str] = [info.base_name for info in (top.listing() if top.is_folder() else ())]
    places: list[Place] = [top / name, *(top / each / name for each in inner)]
    found = next((place for place in places if place.is_folder()), None)
    if found is None:
        raise missing(top / name, WANTED)
    return found
