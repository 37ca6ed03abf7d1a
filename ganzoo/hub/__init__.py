"""Models to and from the Hugging Face Hub, by its own client; safetensors only."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
