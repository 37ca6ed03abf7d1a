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

    The paper compares N samples with N others, whose w are moved along directions of the latent space.
    Its pairs are in a batch of 2N that holds both halves, with the pairs within each half besides. The
    authors' code has this divergence, without a temperature, and a squared difference as the alternative.

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
    units = [F.normalize(x.flatten(1), dim=1) for x in (features, target_features)]
    found, wanted = (F.log_softmax(unit @ unit.T / temperature, dim=1) for unit in units)
    return F.kl_div(found, wanted, reduction="batchmean", log_target=True)
