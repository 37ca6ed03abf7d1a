"""`Page`: the parts of a demo's page, in Gradio, and what they call.

The buttons call `ganzoo.demo.actions`. Whatever draws waits in one queue, since engines take one caller at a
time; projections wait in another.
"""

import inspect
import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from ganzoo.demo import actions
from ganzoo.demo.opening import DemoModel
from ganzoo.demo.stopping import Stopped, Visits
from ganzoo.generators.sampling import NOISE_MODES
from ganzoo.latent.look import PSI, Look
from ganzoo.projection.distance import FEATURES
from ganzoo.projection.projecting import SPACES, STEPS
from ganzoo.system.seeds import parse_seeds

MOST_SEEDS = 32
SHOWN_DIRECTIONS = 12  # the others are behind a click
_REACH = 3.0  # of the sliders, in deviations of w: samples lie within it
_EVERY, _KEPT = 600, 4 * 3600  # seconds between sweeps, and for which files are kept
_STYLE = """
.images .grid-wrap { height: auto !important; max-height: none !important; min-height: 0 !important; }
@media (max-width: 640px) {
  .images .grid-container { grid-template-columns: repeat(2, minmax(0, 1fr)) !important; }
}
.whole img { width: 100%; max-height: 70vh; object-fit: contain; }
"""
_DRAWING = {"concurrency_id": "drawing", "concurrency_limit": 1}
_PROJECTING = {"concurrency_id": "projecting", "concurrency_limit": 1}


class Page:
    """A page that is being put together.

    Args:
        model: Model that it shows.
    """

    def __init__(self, model: DemoModel) -> None:
        self.model, self.visits = model, Visits()

    def blocks(self) -> gr.Blocks:
        """The page."""
        model = self.model
        title = f"{model.name} · ganzoo"
        with gr.Blocks(analytics_enabled=False, title=title, delete_cache=(_EVERY, _KEPT)) as page:
            gr.Markdown(_head(model))
            with gr.Accordion("Look", open=False):
                self.look = self._look()
            with gr.Tab("Seeds"):
                self._seeds(page)
            with gr.Tab("Mix"):
                self._mix()
            if model.directions:
                with gr.Tab("Edit"):
                    self._edit()
            with gr.Tab("Walk"):
                self._walk()
            if model.projects:
                with gr.Tab("Project"):
                    self._project()

            def gone(request: gr.Request) -> None:
                self.visits.end(request.session_hash)

            page.unload(gone)
        # Gradio takes these when a page is launched, which those who call `app` do.
        page.launch = partial(page.launch, css=_STYLE, footer_links=["api", "settings"], ssr_mode=False)
        return page

    def _look(self) -> list[Any]:
        """What all images share."""
        generator = self.model.generator
        rows, classes = generator.num_ws, generator.label_dim
        with gr.Row():
            psi = gr.Slider(
                0, 1.5, PSI, step=0.05, label="Truncation (psi)",
                info="1 for full variety, 0 for the mean image.",
            )  # fmt: skip
            cutoff = gr.Slider(
                0, rows, rows, step=1, label="Truncated rows of w", info="The first ones: coarse to fine."
            )
            noise = gr.Radio(list(NOISE_MODES), value="const", label="Noise", info="Hair, pores, freckles.")
        label = gr.Number(
            0 if classes else None, precision=0, label=f"Class (0 to {classes - 1})", visible=bool(classes)
        )
        return [psi, cutoff, noise, label]

    def _gallery(self, label: str, columns: int) -> Any:
        return gr.Gallery(
            label=label, columns=columns, object_fit="contain", interactive=False, elem_classes="images",
            buttons=["download", "fullscreen"],
        )  # fmt: skip

    def _whole(self, label: str) -> Any:
        return gr.Image(
            label=label, type="filepath", interactive=False, elem_classes="whole",
            buttons=["download", "fullscreen"],
        )  # fmt: skip

    def _seeds(self, page: Any) -> None:
        """Images of seeds."""
        model = self.model
        with gr.Row(equal_height=True):
            seeds = gr.Textbox(
                "0-3", label="Seeds", info=f"One, or up to {MOST_SEEDS}: 0-7, or 1,4,10-12.", max_lines=1
            )
            with gr.Column(min_width=160):
                button = gr.Button("Draw", variant="primary")
                other = gr.Button("Another seed")
        gallery = self._gallery("Images", 4)

        def draw(seeds: str, psi: float, cutoff: int, noise: str, label: int | None = None) -> list[str]:
            with _told():
                found = parse_seeds(seeds, "Seeds", MOST_SEEDS)
                look = self._looked(psi, cutoff, noise, label)
                return _paths(actions.draw(model, _folder(gallery), found, look))

        how = {"fn": draw, "inputs": [seeds, *self.look], "outputs": gallery, **_DRAWING}
        gr.on([button.click, seeds.submit], api_name="draw", **how)
        found = other.click(lambda: str(secrets.randbelow(100_000)), None, seeds, api_visibility="private")
        found.then(api_visibility="private", **how)
        page.load(api_visibility="private", **how)

    def _mix(self) -> None:
        """Two seeds and their mix."""
        model = self.model
        with gr.Row():
            first = gr.Number(0, precision=0, label="Pose and shape from seed")
            second = gr.Number(1, precision=0, label="Colors and details from seed")
        rows = model.generator.num_ws
        crossover = gr.Slider(
            0, rows, min(4, rows), step=1, label="Crossover",
            info="So many rows of w, from the coarsest on, are the first seed's.",
        )  # fmt: skip
        button = gr.Button("Mix", variant="primary")
        gallery = self._gallery("First, second, mix", 3)

        def mix(
            first: int, second: int, crossover: int, psi: float, cutoff: int, noise: str,
            label: int | None = None,
        ) -> list[str]:  # fmt: skip
            with _told():
                look, ends = self._looked(psi, cutoff, noise, label), (_seed(first), _seed(second))
                return _paths(actions.mix(model, _folder(gallery), *ends, int(crossover), look))

        gr.on(
            [button.click, crossover.release], mix, [first, second, crossover, *self.look], gallery,
            api_name="mix", trigger_mode="always_last", **_DRAWING,
        )  # fmt: skip

    def _edit(self) -> None:
        """A seed or a projection, moved along directions."""
        model = self.model
        sliders = []
        with gr.Row():
            with gr.Column():
                gallery = self._gallery("Before, after", 2)
                seed = gr.Number(0, precision=0, label="Seed")
                self.saved = gr.File(
                    label="Or a file of w, such as a projection's", file_types=[".safetensors", ".npz"],
                    type="filepath", height=140,
                )  # fmt: skip
                with gr.Row():
                    button = gr.Button("Edit", variant="primary")
                    back = gr.Button("All to 0")
            with gr.Column():
                with gr.Row():
                    sliders += [self._slider(direction) for direction in model.directions[:SHOWN_DIRECTIONS]]
                if others := model.directions[SHOWN_DIRECTIONS:]:
                    with gr.Accordion(f"{len(others)} more directions", open=False), gr.Row():
                        sliders += [self._slider(direction) for direction in others]
        names = [direction.name for direction in model.directions]

        def edit(
            seed: int | None, w: str | None, psi: float, cutoff: int, noise: str, label: int | None = None,
            *strengths: float,
        ) -> list[str]:  # fmt: skip
            with _told():
                look, start = self._looked(psi, cutoff, noise, label), Path(w) if w else _seed(seed)
                wanted = dict(zip(names, strengths, strict=False))
                return _paths(actions.edit(model, _folder(gallery), start, wanted, look))

        _name_rest(edit, names)
        how = {"fn": edit, "inputs": [seed, self.saved, *self.look, *sliders], "outputs": gallery, **_DRAWING}
        moved = [slider.release for slider in sliders]
        gr.on([button.click, *moved], api_name="edit", trigger_mode="always_last", **how)
        zeroed = back.click(lambda: [0] * len(sliders), None, sliders, api_visibility="private")
        zeroed.then(api_visibility="private", **how)

    def _slider(self, direction: Any) -> Any:
        return gr.Slider(
            -_REACH, _REACH, 0, step=0.1, label=direction.name, info=direction.facts.get("changes"),
            min_width=230,
        )  # fmt: skip

    def _walk(self) -> None:
        """A film through seeds."""
        model = self.model
        with gr.Row():
            seeds = gr.Textbox("0-3", label="Through the seeds", info="And back to the first.", max_lines=1)
            seconds = gr.Slider(1, actions.MOST_SECONDS, 4, step=1, label="Seconds")
        with gr.Row():
            button, stop = gr.Button("Walk", variant="primary"), gr.Button("Stop")
        film = gr.Image(label="Walk", type="filepath", interactive=False, buttons=["download", "fullscreen"])

        async def walk(
            request: gr.Request, seeds: str, seconds: float, psi: float, cutoff: int, noise: str,
            label: int | None = None, progress: gr.Progress = gr.Progress(),  # noqa: B008
        ) -> str:  # fmt: skip
            with _told():
                stops = parse_seeds(seeds, "Seeds", MOST_SEEDS)
                look, folder = self._looked(psi, cutoff, noise, label), _folder(film)
                progress(0, desc="Drawing")
                made = await self.visits.run(
                    str(request.session_hash),
                    lambda report: actions.walk(model, folder, stops, seconds, look, report),
                    lambda done, total: progress((done, total), desc="Drawing", unit="frames"),
                )
                return str(made)

        running = button.click(walk, [seeds, seconds, *self.look], film, api_name="walk", **_DRAWING)
        stop.click(None, cancels=[running], api_visibility="private")

    def _project(self) -> None:
        """An image back to w."""
        model = self.model
        aligned = " One face; it is brought to where the model has faces." if model.aligns else ""
        with gr.Row():
            image = gr.Image(
                label="Your image", type="filepath", sources=["upload", "clipboard"], height=300,
                buttons=[], format="png", image_mode=None,
            )  # fmt: skip
            with gr.Column():
                steps = gr.Slider(
                    1, actions.MOST_STEPS, STEPS, step=1, label="Steps", info=f"More come nearer.{aligned}"
                )
                space = gr.Radio(
                    list(SPACES), value=SPACES[0], label="Space", info="w edits better, w+ comes nearer."
                )
                features = gr.Checkbox(
                    True, label="Compare features",
                    info=f"By {FEATURES}, fetched once; without it, pixels alone.",
                )  # fmt: skip
                with gr.Row():
                    button, stop = gr.Button("Project", variant="primary"), gr.Button("Stop")
        pair = self._whole("Your image, and what the model draws")
        file = gr.File(label="Its w, for Edit and for ganzoo's --w", interactive=False, height=110)

        async def project(
            request: gr.Request, image: str | None, space: str, steps: int, features: bool,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
        ) -> tuple[str, str]:  # fmt: skip
            with _told():
                if image is None:
                    raise ValueError("Upload an image first.")
                folder = _folder(pair)
                progress(0, desc="Opening the networks")
                found = await self.visits.run(
                    str(request.session_hash),
                    lambda report: actions.project(
                        model, folder, Path(image), space, int(steps), report=report,
                        features=FEATURES if features else None,
                    ),
                    lambda done, total: progress((done, total), desc="Projecting", unit="steps"),
                )  # fmt: skip
                return str(found[0]), str(found[1])

        running = button.click(
            project, [image, space, steps, features], [pair, file], api_name="project", **_PROJECTING
        )
        stop.click(None, cancels=[running], api_visibility="private")
        if model.directions:
            running.then(lambda w: w, file, self.saved, api_visibility="private")

    def _looked(self, psi: float, cutoff: int, noise: str, label: int | None) -> Look:
        """The look that the parts above say."""
        rows = None if cutoff == self.model.generator.num_ws else int(cutoff)
        return Look(psi, rows, noise, None if label is None else int(label))


def _head(model: DemoModel) -> str:
    """The page's first lines: which model, whose license, what computes."""
    side, entry = model.generator.resolution, None if model.source is None else model.source.entry
    lines = [f"# {model.name}", f"{side} x {side} · {model.engine}"]
    if entry is not None:
        licenses = "; ".join(f"{what}: {text}" for what, text in entry.license.items())
        lines[1:1] = [f"{entry.summary}."]
        lines.append(f"<small>{licenses}</small>")
    return "\n\n".join(lines)


@contextmanager
def _told() -> Iterator[None]:
    """A block in which mistakes become sentences on the page."""
    try:
        yield
    except Stopped:
        raise gr.Error("Stopped.", print_exception=False) from None
    except (ValueError, OSError, ImportError) as error:
        raise gr.Error(" ".join(str(error).split()), duration=None, print_exception=False) from error


def _folder(component: Any) -> Path:
    """A new folder for the files of one answer, in Gradio's cache, which is swept."""
    cache = Path(component.GRADIO_CACHE)
    cache.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="ganzoo-", dir=cache))


def _paths(files: list[Path]) -> list[str]:
    return [str(file) for file in files]


def _seed(number: float | None) -> int:
    """A seed of a number on the page; outside of the range, the generator's own sentence tells."""
    if number is None:
        raise ValueError("Give a seed, such as 0.")
    return int(number)


def _name_rest(function: Callable[..., Any], names: Sequence[str]) -> None:
    """Give the `*rest` of a function names of its own, which the page's API then has, if all can be names."""
    signature = inspect.signature(function)
    *given, _ = signature.parameters.values()
    kind, default = inspect.Parameter.POSITIONAL_OR_KEYWORD, 0.0
    with suppress(ValueError):  # such as a direction called 3d-look
        rest = [inspect.Parameter(name, kind, default=default) for name in names]
        vars(function)["__signature__"] = signature.replace(parameters=[*given, *rest])
