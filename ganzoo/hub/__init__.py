"""Models to and from the Hugging Face Hub, by its own client; safetensors only."""

from ganzoo._lazy import offer_modules

offer_modules(__name__)
