"""MP4 and WebM by the program ffmpeg, which gets the pixels of a frame at a time through a pipe."""

import importlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo.system.extras import how

PACKAGE = "imageio_ffmpeg"  # a package that brings the program
# Nearly without loss to the eye; tagged BT.709, since players guess the colours of what says nothing.
_COLOURS = [
    "-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,"
    "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709",
]  # fmt: skip
_CODECS = {
    ".mp4": ["-c:v", "libx264", "-preset", "fast", "-crf", "18", "-movflags", "+faststart", "-f", "mp4"],
    ".webm": [
        "-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "4", "-row-mt", "1", "-crf", "24",
        "-b:v", "0", "-f", "webm",
    ],
}  # fmt: skip
SUFFIXES = tuple(_CODECS)
# Ctrl-C in a terminal reaches all programs of a group: ffmpeg has its own, so that it ends the file in peace.
_OWN_GROUP: dict[str, int | bool] = (
    {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    if sys.platform == "win32"
    else {"start_new_session": True}
)


def ffmpeg() -> str:
    """The program: the one on the PATH, or of the package imageio-ffmpeg.

    Raises:
        ValueError: if there is neither.
    """
    found = shutil.which("ffmpeg")
    if found is None and importlib.util.find_spec(PACKAGE) is not None:
        try:
            found = str(importlib.import_module(PACKAGE).get_ffmpeg_exe())
        except RuntimeError:
            found = None
    if found is None:
        raise ValueError(
            "MP4 and WebM need the program ffmpeg, which is not here: install it or its extra, or write a "
            f".webp or .gif. {how('film')}"
        )
    return found


class Video:
    """A film that ffmpeg writes.

    Args:
        path: File to write.
        suffix: Kind of film, in `SUFFIXES`.
        size: Width and height of the frames; an odd side gets one more row or column of pixels in MP4.
        fps: Frames a second.
    """

    def __init__(self, path: Path, suffix: str, size: tuple[int, int], fps: float) -> None:
        self._more = tuple(side % 2 if suffix == ".mp4" else 0 for side in size)
        width, height = (side + more for side, more in zip(size, self._more, strict=True))
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the program
        self._process = subprocess.Popen(
            [
                ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
                "-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "pipe:0", *_COLOURS, *_CODECS[suffix],
                str(path.absolute()),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._said, **_OWN_GROUP,
        )  # type: ignore[call-overload]  # fmt: skip

    def add(self, image: Image.Image) -> None:
        """Write one frame.

        Raises:
            OSError: if ffmpeg has ended, with what it said.
        """
        pixels = np.asarray(image)
        width, height = self._more
        if width or height:
            pixels = np.pad(pixels, [(0, height), (0, width), (0, 0)], mode="edge")
        try:
            self._process.stdin.write(np.ascontiguousarray(pixels).data)
        except OSError:
            self.finish()
            raise OSError("ffmpeg ended before the last frame.") from None

    def finish(self) -> None:
        """Let ffmpeg end the file.

        Raises:
            OSError: if it could not, with what it said.
        """
        with suppress(OSError):  # it may have ended already
            self._process.stdin.close()
        status = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        self._said.close()
        if status:
            raise OSError(f"ffmpeg failed: {lines[-1] if lines else f'status {status}'}")

    def abandon(self) -> None:
        """End ffmpeg at once."""
        self._process.kill()
        self._process.wait()
        self._said.close()
