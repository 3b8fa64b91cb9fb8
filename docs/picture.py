"""The picture of a report, for the front page: the quickstart's page as Chromium shows it.

labelbench run experiments/quickstart.py
python docs/picture.py runs/quickstart.quickstart/report.html    # writes docs/report.png; needs Chromium and Pillow
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image

WIDTH, HEIGHT, SCALE = 1120, 680, 1.5
OUT: Final = Path(__file__).parent / "report.png"


def main() -> int:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None or len(sys.argv) != 2:
        print("python docs/picture.py REPORT.html, on a machine with Chromium", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        options = [
            "--headless",
            "--no-sandbox",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--force-device-scale-factor={SCALE}",
        ]
        page = Path(sys.argv[1]).resolve().as_uri()
        subprocess.run([browser, *options, "--hide-scrollbars", f"--screenshot={shot}", page], check=True)
        Image.open(shot).convert("RGB").quantize(128).save(OUT, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
