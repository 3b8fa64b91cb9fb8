"""CPU seconds and memory of choosing: every strategy, at the sizes of the issue.

.venv/bin/python benchmarks/select.py [PART ...] [--strategies NAME ...] [--pools DIR] [--classes K ...]
                                      [--rows N ...] [--budgets B ...] [--dimensions D]

The parts (default: table). Every case is a process of its own on one thread, unless said otherwise:

table        50,000 x 512 float32, 1,000 labeled, budget 1,000, K = 10 and 100: long-tailed Gaussian clusters and a
             logistic probe fitted to the labels; coreset and badge also on 500 tight clusters
growth       exponents of the CPU seconds over N (budget 1,000) and over the budget (N = 50,000), and memory, K = 10
imagenet     1,281,167 x 512 float16 in a memory-mapped file, K = 1,000, 10,000 labeled, budget 10,000, two threads
ten_million  10,000,000 x 64 float16 in a memory-mapped file, K = 10, budget 10,000
scorers      two scorer actors: 400,000 x 512, K = 100; wall seconds against one, calls and bytes of a round, and CPU
             seconds of what scorers and driver compute (in one process, its pickling for the count with the driver)
roofline     which part of a plain matrix product's rate the table's cases reach

Measured: `select` of a view of a linear proxy, which computes the probabilities too, block by block; CPU seconds of the
process, the median of several calls where they take less than 2 s; and the growth of the process's peak resident memory
over what it held before. Where the embeddings lie in a mapped file, the anonymous memory of the whole process counts
instead, sampled 20 times a second: all but pages of files. Pools lie in DIR and are made where they are missing;
without DIR they are made afresh and deleted at the end.
"""

import sys

if __name__ == "select":
    # The folder of a running script comes first on the path, so this file hides the standard library's `select`, which
    # subprocess and others import: they get what they mean.
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec
    from pathlib import Path

    here = Path(__file__).resolve().parent
    spec = PathFinder.find_spec("select", [path for path in sys.path if Path(path).resolve() != here])
    assert spec is not None, "the standard library has a module select"
    assert spec.loader is not None, "it is a file"
    meant = module_from_spec(spec)
    spec.loader.exec_module(meant)
    sys.modules["select"] = meant

if __name__ == "__main__":
    from selection import main

    main(__doc__)
