"""The picture of TensorBoard in docs/: `make gallery` takes it, after a run of bn_vs_nobn.

python -m tests.screenshot
"""

import io
import shutil
import tempfile
import time
from pathlib import Path

from PIL import Image

from recipes._lab import quiet

quiet.import_tensorflow()

from tests.browser import Browser, find  # noqa: E402
from tests.server import TensorBoardServer  # noqa: E402

ROOT = Path(__file__).parent.parent
LOGS = ROOT / "runs" / "reference" / "bn_vs_nobn" / "digits" / "tensorboard"
PICTURE = ROOT / "recipes" / "results" / "tensorboard.png"
# Two variants that differ in normalization alone, at a scale at which only one of them learns.
SHOWN = {
    "with BN": "*_with_BN_init_std_0.0022",
    "without BN": "*_without_BN_init_std_0.0022",
}
PAGE = "?tagFilter=gradients_log10%2Fh%5B15%5D&smoothing=0#timeseries"
COLOURS = 64  # of the palette; a tenth of the size


def main():
    """Serve two runs, open them in the browser and write the picture."""
    missing = "" if find() else "no Chromium is installed"
    missing = missing or ("" if LOGS.exists() else "no reference run of bn_vs_nobn lies here")
    if missing:
        print(f"{missing}, so the picture of TensorBoard in docs/ stays as it was")
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "logs"
        for name, variant in SHOWN.items():
            (run,) = LOGS.glob(variant)
            shutil.copytree(run, root / name)
        server = TensorBoardServer(root)
        browser = Browser(Path(folder) / "profile")
        try:
            browser.open(server.url + PAGE)
            browser.wait_for("gradients_log10/h5", *SHOWN)
            time.sleep(5)  # for the histograms to be drawn
            path = Path(folder) / "page.png"
            browser.screenshot(path)
        finally:
            browser.close()
        small = io.BytesIO()
        Image.open(path).convert("RGB").quantize(COLOURS).save(small, "PNG", optimize=True)
        PICTURE.write_bytes(small.getvalue())


if __name__ == "__main__":
    main()
