"""Cut a continuous signal into 30-s epochs."""

import numpy as np

from somnolens.aasm import EPOCH_S


def count_epochs(duration_s: float, start_s: float = 0.0, step_s: float = EPOCH_S) -> int:
    """Whole epochs from `start_s` to the end of the signal, one every `step_s`.

    Examples
    --------
    >>> count_epochs(100.0), count_epochs(100.0, start_s=17.0), count_epochs(20.0), count_epochs(100.0, step_s=20)
    (3, 2, 0, 4)
    """
    return max(0, int((duration_s - start_s - EPOCH_S + 1e-6) // step_s) + 1)


def cut_epochs(
    signal_uv: np.ndarray, sampling_rate_hz: float, start_s: float = 0.0, step_s: float = EPOCH_S
) -> np.ndarray:
    """Cut a continuous signal into consecutive 30-s epochs.

    A last, incomplete epoch is dropped: the manual scores whole epochs only. Each epoch begins at the
    sample nearest to its time, so no error adds up where a rate has no whole number of samples in 30 s.

    Parameters
    ----------
    signal_uv : ndarray, shape (n_derivations, n_samples)
        Continuous signal in microvolts, one row per derivation.
    sampling_rate_hz : float
    start_s : float
        Time of the first epoch; 0 or later.
    step_s : float
        From one epoch to the next; below 30 they overlap.

    Returns
    -------
    ndarray, shape (n_epochs, n_derivations, n_samples_per_epoch)

    Examples
    --------
    >>> cut_epochs(np.zeros((3, 12_000)), sampling_rate_hz=100).shape
    (4, 3, 3000)
    """
    n_samples_per_epoch = round(EPOCH_S * sampling_rate_hz)
    n_epochs = count_epochs(signal_uv.shape[1] / sampling_rate_hz, start_s, step_s)
    begins = np.round((start_s + step_s * np.arange(n_epochs)) * sampling_rate_hz).astype(int)
    begins = begins[begins + n_samples_per_epoch <= signal_uv.shape[1]]
    epochs = np.empty((len(begins), len(signal_uv), n_samples_per_epoch), signal_uv.dtype)
    for epoch, begin in zip(epochs, begins, strict=True):
        epoch[:] = signal_uv[:, begin : begin + n_samples_per_epoch]
    return epochs
