"""What users of other libraries do with a generator: show it, halve it, copy it, compile it, hand it on."""

import copy
import io

import pytest
import torch
from covering import thinned
from helpers import assert_same_image, tiny, trained
from PIL import Image
from processes import SERVER
from torch.utils.data import DataLoader, Dataset

import ganzoo
from ganzoo.system.images import contact_sheet

NETWORKS = ["pixel", "wavelet"]


def generator(network="wavelet", deployed=False):
    made = trained(tiny(network))
    return ganzoo.deploy(made) if deployed else made


# In a notebook


def shown(images):
    return Image.open(io.BytesIO(images._repr_png_()))


def test_a_notebook_shows_images_as_one_sheet():
    made = generator()
    images = made.to_pil(made(made.sample_z(4)).detach())
    assert shown(images).tobytes() == contact_sheet(images).tobytes() == images.sheet().tobytes()


def test_a_notebook_shows_one_image_as_it_is_and_none_as_text():
    made = generator()
    images = made.to_pil(made(made.sample_z(1)).detach())
    assert shown(images).tobytes() == images[0].tobytes()
    assert made.to_pil(made(made.sample_z(0)).detach())._repr_png_() is None


def test_large_images_are_shrunk_on_a_sheet_and_stay_whole_in_the_list():
    images = ganzoo.Generator.to_pil(torch.zeros(9, 3, 512, 512))
    assert max(shown(images).size) < 3 * 512 and images[0].size == (512, 512)


# Other types of numbers


@pytest.mark.parametrize("deployed", [False, True])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("dtype", "most"), [(torch.float16, 0.01), (torch.bfloat16, 0.1)])
def test_a_halved_generator_makes_nearly_the_same_images(network, deployed, dtype, most):
    made = generator(network, deployed)
    z = made.sample_z(2, seed=1)
    with torch.no_grad():
        expected = made(z, truncation_psi=0.7)
        got = made.to(dtype)(made.sample_z(2, seed=1), truncation_psi=0.7)
    assert got.dtype == dtype
    assert (got.float() - expected).square().mean().sqrt() < most * expected.std()


def test_latents_of_another_type_are_refused_in_one_line():
    made = generator()
    z = made.sample_z(1)
    with pytest.raises(TypeError, match=r"z is torch\.float32, the network torch\.float16: give z\.to"):
        made.half()(z)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert made.float()(z.half()).isfinite().all()


# Copies, processes, compilers


@pytest.mark.parametrize("deployed", [False, True])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_deep_copy_is_a_generator_of_its_own(network, deployed):
    made = generator(network, deployed)
    z = made.sample_z(2)
    with torch.no_grad():
        expected = made(z)
        other = copy.deepcopy(made)
        for parameter in made.parameters():
            parameter.zero_()
        assert torch.equal(other(z), expected) and repr(other) == repr(made)


class Samples(Dataset):
    """Images that a generator makes where they are asked for."""

    def __init__(self, source, count):
        self.source, self.count = source, count

    def __len__(self):
        return self.count

    def __getitem__(self, seed):
        if seed >= self.count:
            raise IndexError(seed)
        with torch.inference_mode():
            return self.source(self.source.sample_z([seed]), truncation_psi=0.7)[0]


@pytest.mark.parametrize("deployed", thinned([False, True], [True]))
def test_workers_of_a_data_loader_make_the_images_of_their_seeds(deployed):
    made = generator(deployed=deployed)
    loader = DataLoader(Samples(made, 5), batch_size=2, num_workers=2, multiprocessing_context=SERVER)
    with torch.inference_mode():
        expected = made(made.sample_z(5), truncation_psi=0.7)
    assert_same_image(torch.cat(list(loader)), expected)


@pytest.mark.slow
@pytest.mark.parametrize("deployed", [False, True])
def test_a_generator_is_one_graph_for_the_compiler(deployed):
    torch.compiler.reset()
    made = generator(deployed=deployed)
    z = made.sample_z(2)
    compiled = torch.compile(made, fullgraph=True, backend="eager")
    with torch.no_grad():
        assert_same_image(compiled(z, truncation_psi=0.7), made(z, truncation_psi=0.7))
    assert compiled.resolution == made.resolution


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_a_compiled_generator_makes_the_same_images(network):
    torch.compiler.reset()
    made = generator(network)
    z = made.sample_z(2)
    with torch.no_grad():
        assert_same_image(torch.compile(made, fullgraph=True)(z), made(z))
