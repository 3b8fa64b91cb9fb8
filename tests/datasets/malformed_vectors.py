"""Malformed files of embeddings: a name, the files, and what the message states."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from tests.datasets.vector_samples import LABELS_N, ROWS_ND, bomb, claims, column, npy, npz, zipped

LABELS: Final = {"labels.npy": npy(LABELS_N)}
OBJECTS = np.array([[1.0], [1.0, 2.0]], dtype=object)
LISTS = [[1.0, 2.0]] * 5

VECTORS: Final[tuple[tuple[str, Mapping[str, bytes], str], ...]] = (
    (
        "embeddings as Python objects",
        {"embeddings.npy": npy(OBJECTS, pickled=True), **LABELS},
        r"embeddings\.npy: holds Python objects, and reading those would run code of the file; save plain numbers",
    ),
    (
        "labels as Python objects",
        {"embeddings.npy": npy(ROWS_ND), "labels.npy": npy(np.array(["a", 1] * 4, dtype=object), pickled=True)},
        r"labels\.npy: holds Python objects, .*; save plain numbers or texts",
    ),
    (
        "a pickle that is called .npy",
        {"embeddings.npy": b"\x80\x04K\x01.", **LABELS},
        r"embeddings\.npy: no readable array \(ValueError: .*\); copy it again .* or save it again with numpy\.save",
    ),
    (
        "embeddings in one dimension",
        {"embeddings.npy": npy(ROWS_ND[:, 0]), **LABELS},
        r"embeddings\.npy: shape \(8,\); embeddings have the shape \(N, D\), .*; reshape the array",
    ),
    (
        "embeddings of integers",
        {"embeddings.npy": npy(ROWS_ND.astype(np.int8)), **LABELS},
        r"embeddings\.npy: holds int8; embeddings are float16, float32 or float64; save it again as `array\.astype",
    ),
    (
        "embeddings cut short",
        {"embeddings.npy": npy(ROWS_ND)[:-2], **LABELS},
        r"embeddings\.npy: 174 bytes, its header \(float16, shape \(8, 3\)\) states 176; copy the file again",
    ),
    (
        "a header of more rows than there are",
        {"embeddings.npy": claims((10**12, 512), zeros=1024), **LABELS},
        r"embeddings\.npy: 1,152 bytes, its header \(float16, shape \(1000000000000, 512\)\) states 1,024,",
    ),
    (
        "fewer labels than embeddings",
        {"embeddings.npy": npy(ROWS_ND), "labels.npy": npy(LABELS_N[:-1])},
        r"labels\.npy: 7 labels, embeddings\.npy has 8 rows; row i of one belongs to row i of the other: give as many",
    ),
    (
        "more ids than embeddings",
        {"embeddings.npy": npy(ROWS_ND), "ids.npy": npy(np.arange(9)), **LABELS},
        r"ids\.npy: 9 ids, embeddings\.npy has 8 rows",
    ),
    (
        "an id of two rows",
        {"embeddings.npy": npy(ROWS_ND), "ids.npy": npy(np.array([*"abcdefga"])), **LABELS},
        r"ids\.npy: id 'a' stands in 2 rows; ids are the keys of rows and must be distinct; rename all but one",
    ),
    (
        "a row without an id",
        {"embeddings.npy": npy(ROWS_ND), "ids.npy": npy(np.array(["a", "b", "", *"defgh"])), **LABELS},
        r"ids\.npy, row 2: no id; every row needs one, or leave the ids out to have rows numbered",
    ),
    (
        "a label that is not Unicode",
        {"embeddings.npy": npy(ROWS_ND), "labels.npy": npy(np.array([b"a", b"\xe9", b"a", b"b"] * 2))},
        r"labels\.npy, row 1: b'\\xe9' is not Unicode; save the texts as UTF-8",
    ),
    (
        "an id with half of a surrogate pair",
        {"embeddings.npy": npy(ROWS_ND), "ids.npy": npy(np.array([*"abc\ud800efgh"])), **LABELS},
        r"ids\.npy, row 3: '\\ud800' is not Unicode; save the texts as UTF-8",
    ),
    (
        "a column of labels that are not Unicode",
        {"x.parquet": column(LISTS, label=pa.array([b"a", b"b", b"\xff", b"a", b"b"]).view(pa.string()))},
        r"x\.parquet, column 'label', row 2: b'\\xff' is not Unicode; save the texts as UTF-8",
    ),
    (
        "labels of several columns",
        {"embeddings.npy": npy(ROWS_ND), "labels.npy": npy(np.eye(8, dtype=np.int64))},
        r"labels\.npy: shape \(8, 8\); labels have the shape \(N,\), one for each row",
    ),
    (
        "embeddings without labels",
        {"embeddings.npy": npy(ROWS_ND)},
        r'embeddings\.npy: no labels beside it; put one label a row into labels\.npy .* classes=\["cat", "dog"\]',
    ),
    (
        "labels of which array",
        {"train.npy": npy(ROWS_ND), "test.npy": npy(ROWS_ND), **LABELS},
        r"labels\.npy: several files of embeddings lie beside it; name it .* belongs to, train\.labels\.npy",
    ),
    (
        "two arrays that may be meant",
        {"a.npy": npy(ROWS_ND), "b.npy": npy(ROWS_ND)},
        r'a\.npy, b\.npy may each be the embeddings; name the one that is meant, as in train="a\.npy"',
    ),
    (
        "splits of other widths",
        {
            "train.npy": npy(ROWS_ND),
            "train.labels.npy": npy(LABELS_N),
            "test.npy": npy(ROWS_ND[:, :2]),
            "test.labels.npy": npy(LABELS_N),
        },
        r"embeddings of train\.npy 3, test\.npy 2 dimensions; all splits need as many: use one encoder",
    ),
    (
        "a label of test that train does not have",
        {
            "train.npy": npy(ROWS_ND),
            "train.labels.npy": npy(LABELS_N),
            "test.npy": npy(ROWS_ND),
            "test.labels.npy": npy(LABELS_N + 1),
        },
        r"test\.labels\.npy, row 1: 2 is not a class \(classes: 0, 1\); fix the label or the list of classes",
    ),
    (
        "an archive of several arrays",
        {"x.npz": npz(a=ROWS_ND, b=ROWS_ND, labels=LABELS_N)},
        r"x\.npz: 2 arrays may be the embeddings \(arrays: a, b, labels\); name the one that is meant as `column`",
    ),
    (
        "an archive that claims more than it holds",
        {"x.npz": zipped(embeddings=claims((10**9, 512), zeros=1024), labels=npy(LABELS_N))},
        r"x\.npz, array 'embeddings': 1,152 bytes, its header .* states 1,024,000,000,128; copy the file again",
    ),
    (
        "fewer labels than embeddings in an archive",
        {"x.npz": zipped(embeddings=claims((100_000, 512), zeros=100_000 * 1024), labels=npy(LABELS_N))},
        r"x\.npz, array 'labels': 8 labels, x\.npz has 100,000 rows",
    ),
    (
        "a zip bomb",
        {"x.npz": bomb(claims((100_000, 512), zeros=1024), 100_000 * 1024 - 1024, labels=npy(np.arange(100_000) % 2))},
        r"x\.npz, array 'embeddings': its bytes end in row 1 of 100,000 that the archive states; copy the file again",
    ),
    (
        "an archive cut short",
        {"x.npz": npz(embeddings=ROWS_ND, labels=LABELS_N)[:-30]},
        r"x\.npz: no readable array \(BadZipFile: .*\); copy it again from its source",
    ),
    (
        "lists of other lengths",
        {"x.parquet": column([*LISTS, [1.0], *LISTS[:4]], label=[0, 1] * 5)},
        r"x\.parquet, column 'embedding', row 5: 1 numbers, 2 in the first row; every embedding needs as many",
    ),
    (
        "a row without an embedding",
        {"x.parquet": column([*LISTS, None, *LISTS[:4]], label=[0, 1] * 5)},
        r"x\.parquet, column 'embedding', row 5: null; every row needs an embedding; leave the row out",
    ),
    (
        "a column of texts instead of lists",
        {"x.parquet": column(["1 2", "3 4"], label=[0, 1])},
        r"x\.parquet: 0 columns hold lists of floats \(columns: embedding string, label int64\); name the one",
    ),
    (
        "lists of integers",
        {"x.parquet": column([[1, 2]] * 4, pa.list_(pa.int8()), label=[0, 1, 0, 1])},
        r"x\.parquet: 0 columns hold lists of floats \(columns: embedding list<.*int8>, label int64\); .* write lists",
    ),
)
