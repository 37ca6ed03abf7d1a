"""Prints how long an image of StyleGAN3 takes, and its filters against zeros, convolutions and strides.

python tests/benchmarks/stylegan3.py [--recipe stylegan3_t] [--resolution 256] [--channel-base 16384]

One thread, float32, the deploy form; seconds are those of one core, the least of several runs.
"""

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

import ganzoo
from ganzoo.generators.stylegan3 import layer as module
from ganzoo.ops.filtered import filtered_lrelu
from ganzoo.system.allocator import keep_freed_memory


def plain(
    x: Tensor, first: Tensor, second: Tensor, *, up: int, down: int, padding: tuple[int, int], slope: float,
    gain: float, clamp: float,
) -> Tensor:  # fmt: skip
    """`filtered_lrelu` by zeros, grouped convolutions and strides, each of one axis where it can be."""
    n, c, h, w = x.shape
    zeros = x.new_zeros(n, c, h, up, w, up)
    zeros[:, :, :, 0, :, 0] = x
    x = _fir(F.pad(zeros.reshape(n, c, h * up, w * up), padding * 2), first * up)
    x = (F.leaky_relu(x, slope) * gain).clamp(-clamp, clamp)
    return _fir(x, second, down)


def _fir(x: Tensor, f: Tensor, down: int = 1) -> Tensor:
    c = x.shape[1]
    if f.ndim == 2:
        return F.conv2d(x, f.flip([0, 1]).expand(c, 1, -1, -1), stride=down, groups=c)
    f = f.flip(0).expand(c, 1, 1, -1)
    x = F.conv2d(x, f, stride=(1, down), groups=c)
    return F.conv2d(x, f.transpose(2, 3), stride=(down, 1), groups=c)


def seconds(call: Callable[[], object], runs: int = 3) -> float:
    """Least processor time of several calls after one."""
    call()
    times = []
    for _ in range(runs):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="stylegan3_t")
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--channel-base", type=int, help="default: the recipe's, which are for 1024")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-plain", action="store_true", help="only the image")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    widths = {} if options.channel_base is None else {"channel_base": options.channel_base}
    generator = ganzoo.create(options.recipe, resolution=options.resolution, **widths)
    deployed = ganzoo.deploy(generator)
    calls: list[tuple[Tensor, dict[str, object]]] = []

    def watched(x: Tensor, *filters: Tensor, **settings: object) -> Tensor:
        calls.append(((x.clone(), *filters), settings))
        return filtered_lrelu(x, *filters, **settings)

    with torch.inference_mode():
        w = deployed.mapping(deployed.sample_z(1))
        whole = seconds(lambda: deployed.synthesis(w), options.runs)
        print(f"{options.recipe} at {options.resolution}: {whole:.2f} s an image")
        if options.no_plain:
            return
        module.filtered_lrelu = watched
        deployed.synthesis(w)
        module.filtered_lrelu = filtered_lrelu
        ours = [seconds(lambda: filtered_lrelu(*x, **s), options.runs) for x, s in calls]  # noqa: B023
        theirs = [seconds(lambda: plain(*x, **s), 1) for x, s in calls]  # noqa: B023
        for (inputs, settings), a, b in zip(calls, ours, theirs, strict=True):
            shape = " x ".join(map(str, inputs[0].shape[1:]))
            print(f"  {shape}, up {settings['up']}, down {settings['down']}: {a:.3f} s; plain {b:.3f} s")
        print(f"filters: {sum(ours):.2f} s; plain {sum(theirs):.2f} s, {sum(theirs) / sum(ours):.1f} times")


if __name__ == "__main__":
    main()
