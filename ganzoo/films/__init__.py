"""Films of a generator: ways through latent space, the frames on them, and files of frames.

from ganzoo.films import Motion, film, frames, through_seeds

path = through_seeds(G, range(8), Motion(frames=300))
film("film.mp4", frames(G, path), fps=30)
"""

from ganzoo.films.making import frames as frames
from ganzoo.films.paths import LatentPath as LatentPath
from ganzoo.films.paths import Motion as Motion
from ganzoo.films.paths import through_seeds as through_seeds
from ganzoo.films.paths import through_w as through_w
from ganzoo.films.writing import FilmWriter as FilmWriter
from ganzoo.films.writing import film as film
from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
