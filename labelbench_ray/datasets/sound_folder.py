"""Any folder of sounds: split folders with one folder a class, here or in a bucket (`s3://`, `gs://`)."""

from typing import ClassVar

from labelbench_ray.datasets import Modality
from labelbench_ray.datasets.files.class_folders import ClassFolders
from labelbench_ray.datasets.files.file_kinds import SOUNDS, FileKind


class SoundFolder(ClassFolders):
    """`<path>/<split>/<class>/<sound>`, wav and flac; with `train="."`, `<path>/<class>/<sound>`.

    Without a validation folder the test set is halved; without either, train is cut 80/10/10: as LabelBench does. With
    `held_out="hash"` 20 % of train are split off for test and 10 % for validation where there is no such folder.
    """

    kind: ClassVar[FileKind] = SOUNDS

    def modality(self) -> Modality:
        return Modality.AUDIO
