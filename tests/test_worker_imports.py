"""What each kind of worker imports: a process of Ray's is started often, and imports are most of what it costs."""

import subprocess
import sys

import pytest

PROGRAM = "import sys, {module}; print(*sorted({{*sys.modules}} & {{*{unwanted!r}}}))"
ALWAYS = ["matplotlib", "mlflow", "onnxruntime", "open_clip", "sentence_transformers", "sklearn", "torchvision"]


@pytest.mark.parametrize(
    ("module", "more"),
    [
        ("labelbench_ray.cluster.pipeline", ["torch", "scipy"]),  # readers, and actors of encoders that need none
        ("labelbench_ray.cluster.embed", ["torch", "ray.data"]),  # the driver, which embeds few rows in a child
        ("labelbench_ray.embeddings.child", ["torch", "ray"]),
        ("labelbench_ray.cluster.scorers", ["torch", "scipy", "pandas"]),
        ("labelbench_ray.cluster.sweep", ["scipy", "torch"]),  # a fit imports torch
        ("labelbench_ray.cluster.executor", ["torch", "scipy"]),  # the driver
        ("labelbench_ray.tracking.mlflow_mirror", ["sqlalchemy", "torch"]),
        ("labelbench_ray.embeddings.isolation", ["torch", "ray", "pandas", "scipy", "pyarrow"]),  # decoding children
    ],
)
def test_a_worker_imports_nothing_that_it_may_not_need(module: str, more: list[str]) -> None:
    program = PROGRAM.format(module=module, unwanted=ALWAYS + more)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
