"""`FilmWriter`: frames into a film, as they come; the suffix of the file says which kind.

    with FilmWriter("film.mp4", fps=30, size=(256, 256)) as writer:
        for image in images:
            writer.add(image)

The file appears when the block ends. After Ctrl-C it holds the frames that there were, and can be played;
after any other failure there is none. Length costs no memory: see `ganzoo.films.animations` and `video`.
"""

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

from PIL import Image

from ganzoo.films import video
from ganzoo.films.animations import Animation, Gif, WebP
from ganzoo.films.video import Video
from ganzoo.system.files import refuse_unwritable, replacing
from ganzoo.system.paths import user_path

ANIMATIONS: dict[str, type[Animation]] = {".gif": Gif, ".webp": WebP}
SUFFIXES = (*video.SUFFIXES, *ANIMATIONS)
MAX_FPS = {".gif": 50}  # browsers show what is quicker at 10
MAX_SIDE = {".gif": 2**16 - 1, ".webp": 2**14 - 1}
_MOST_FPS, _MOST_SIDE = 240, 2**14


def check_film(path: str | os.PathLike[str], fps: float, what: str = "--out") -> Path:
    """The path of a film, if one can be written there.

    Args:
        path: File to write.
        fps: Frames a second.
        what: Name of the path for messages.

    Raises:
        ValueError: for an unknown suffix, frames a second that the kind of film does not have, or a missing
            ffmpeg.
        OSError: if its folder cannot be written.
    """
    file = user_path(path)
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES or file.is_dir():
        raise ValueError(f"{what} is a film, a file that ends in {', '.join(SUFFIXES)}; got {str(path)!r}.")
    most = MAX_FPS.get(suffix, _MOST_FPS)
    if not (math.isfinite(fps) and 0 < fps <= most):
        raise ValueError(f"A {suffix} has more than 0 and at most {most} frames a second; got {fps:g}.")
    if suffix in video.SUFFIXES:
        video.ffmpeg()
    refuse_unwritable(file.absolute().parent, what)
    return file


class FilmWriter:
    """A film that is being written, as a context manager.

    Args:
        path: File to write; .mp4 and .webm need the program ffmpeg, .gif and .webp do not. Its folder is
            made if it does not exist.
        fps: Frames a second.
        size: Width and height of the frames.

    Attributes:
        frames: How many frames there are.

    Raises:
        ValueError: for what `check_film` refuses, or a size that the kind of film does not have.
        OSError: if it cannot be written, such as on a full disk.
    """

    def __init__(self, path: str | os.PathLike[str], fps: float, size: tuple[int, int]) -> None:
        self.path, self.fps, self.size = check_film(path, fps, "A film"), fps, size
        self.frames = 0
        self._suffix = self.path.suffix.lower()
        most = MAX_SIDE.get(self._suffix, _MOST_SIDE)
        if not all(1 <= side <= most for side in size):
            raise ValueError(f"Frames of a {self._suffix} have 1 to {most} pixels a side; got {size}.")
        self._place = replacing(self.path)

    def __enter__(self) -> "FilmWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._told():
            temporary = self._place.__enter__()
            self._film: Video | Animation
            if self._suffix in ANIMATIONS:
                self._film = ANIMATIONS[self._suffix](temporary, self.size, self.fps)
            else:
                self._film = Video(temporary, self._suffix, self.size, self.fps)
        return self

    def add(self, image: Image.Image) -> None:
        """Write one frame: `L`, `RGB` or `RGBA`; what is transparent is laid over white, but not in a .webp.

        Raises:
            ValueError: for another size than the film's.
            OSError: if it cannot be written.
        """
        if image.size != self.size:
            raise ValueError(f"The frames of this film are {self.size}; got one of {image.size}.")
        keeps_alpha = self._suffix == ".webp" and image.mode == "RGBA"
        with self._told():
            self._film.add(image if keeps_alpha else _over_white(image))
        self.frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        try:
            if kind is not None and not (interrupted and self.frames):
                self._film.abandon()
                raise value or kind
            if not self.frames:
                self._film.abandon()
                raise ValueError("A film has at least one frame; there was none.")
            with self._told():
                self._film.finish()
        except BaseException as error:
            self._place.__exit__(type(error), error, error.__traceback__)
            raise
        self._place.__exit__(None, None, None)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A block whose failures name the film."""
        try:
            yield
        except OSError as error:
            raise OSError(f"{self.path} cannot be written: {error.strerror or error}.") from error


def film(path: str | os.PathLike[str], frames: Iterable[Image.Image], fps: float) -> Path:
    """Write a film of frames as they come; all have the size of the first. Returns its path.

    Args:
        path: File to write: .mp4, .webm, .gif or .webp; see `FilmWriter`.
        frames: Frames, such as those of `ganzoo.films.frames`.
        fps: Frames a second.

    Raises:
        ValueError: for no frame, or what `FilmWriter` refuses.
        OSError: if it cannot be written.
    """
    check_film(path, fps, "A film")
    with ExitStack() as stack:
        writer: FilmWriter | None = None
        for image in frames:
            writer = writer or stack.enter_context(FilmWriter(path, fps, image.size))
            writer.add(image)
        if writer is None:
            raise ValueError("A film has at least one frame; there was none.")
    return writer.path


def _over_white(image: Image.Image) -> Image.Image:
    """RGB of an image, over white where it has alpha."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image)
    return ground
