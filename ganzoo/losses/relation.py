"""StyleKD's relation between samples: who resembles whom, not what each looks like (Xu et al. 2022)."""

import torch.nn.functional as F
from torch import Tensor


def relation(features: Tensor, target_features: Tensor, temperature: float = 1.0) -> Tensor:
    """Divergence of the samples' similarities from their targets'.

    Row i of the similarity matrix `[N, N]` holds the cosines between sample i's features and those of every
    sample, itself included. Divided by the temperature and passed through a softmax, it says how sample i
    divides its attention among the batch. The loss is the Kullback-Leibler divergence KL(target || features)
    of the rows, averaged over the N of them, without a factor for the temperature. The softmax does not see
    what is added to a whole row; the diagonal, 1 for both, is what the other cosines are held against.

    The paper compares N samples with N others, whose w are moved along directions of the latent space: that
    is `offset_relation`. The authors' code has this divergence, without a temperature, and a squared
    difference as the alternative.

    Args:
        features: `[N, ...]`, flattened per sample; N is at least 2.
        target_features: `[N, ...]`, of any width.
        temperature: Positive number; below 1, the nearest samples count for more.

    Raises:
        ValueError: for one sample, which resembles nobody, other numbers of samples, or a temperature that is
            not positive.
    """
    if len(features) != len(target_features) or len(features) < 2:
        raise ValueError(
            "A relation is between at least 2 samples, as many as there are targets; got "
            f"{len(features)} and {len(target_features)}."
        )
    if not temperature > 0:
        raise ValueError(f"temperature is positive; got {temperature!r}.")
    found, wanted = (_attention(x, x, temperature) for x in (features, target_features))
    return F.kl_div(found, wanted, reduction="batchmean", log_target=True)


def offset_relation(
    features: Tensor, moved: Tensor, target_features: Tensor, target_moved: Tensor, temperature: float = 1.0
) -> Tensor:
    """Divergence of similarities between samples and moved samples (Xu et al. 2022, the offset form).

    Row i of the matrix `[N, N]` holds the cosines between sample i and every sample whose w was moved along
    a direction of the latent space; otherwise as `relation`, KL(target || features), averaged over the rows.
    The paper gives it a weight of 30 and moves w by a length of 5.

    Args:
        features: `[N, ...]`, flattened per sample; N is at least 2.
        moved: Features of the same samples, moved, of the same width.
        target_features: Features of the teacher, of any width.
        target_moved: Those of its moved samples.
        temperature: Positive number.

    Raises:
        ValueError: for one sample, or other numbers of samples.
    """
    numbers = [len(x) for x in (features, moved, target_features, target_moved)]
    if len(set(numbers)) > 1 or numbers[0] < 2:
        raise ValueError(f"A relation is between at least 2 samples, all as many; got {numbers}.")
    found = _attention(features, moved, temperature)
    wanted = _attention(target_features, target_moved, temperature)
    return F.kl_div(found, wanted, reduction="batchmean", log_target=True)


def distance_consistency(features: Tensor, source_features: Tensor) -> Tensor:
    """Divergence of the samples' similarities from those they had before (Ojha et al. 2021, section 3.1).

    Row i `[N - 1]` holds the cosines between sample i's features and those of every other sample, passed
    through a softmax; the loss is KL(features || source_features), averaged over the N rows. So a generator
    that adapts to few images keeps apart what it kept apart.

    Args:
        features: `[N, ...]`, flattened per sample; N is at least 3.
        source_features: `[N, ...]` of the generator that it began as, of any width.

    Raises:
        ValueError: for fewer samples, of which none has two others, or other numbers of them.
    """
    if len(features) != len(source_features) or len(features) < 3:
        raise ValueError(
            "A consistency is between at least 3 samples, as many as of the source; got "
            f"{len(features)} and {len(source_features)}."
        )
    own, before = (F.log_softmax(_others(x), dim=1) for x in (features, source_features))
    return F.kl_div(before, own, reduction="batchmean", log_target=True)


def _others(x: Tensor) -> Tensor:
    """Cosines of every sample with all others, `[N, N - 1]`."""
    one = F.normalize(x.flatten(1), dim=1)
    n = len(one)
    return (one @ one.T).flatten()[1:].view(n - 1, n + 1)[:, :-1].reshape(n, n - 1)  # without the diagonal


def _attention(x: Tensor, others: Tensor, temperature: float) -> Tensor:
    """Logarithm of how each sample divides its attention among the others, `[N, N]`."""
    one, other = (F.normalize(y.flatten(1), dim=1) for y in (x, others))
    return F.log_softmax(one @ other.T / temperature, dim=1)
