"""How close a restored picture comes to the sharp one."""

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def psnr_db(picture_u8: np.ndarray, sharp_u8: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, over all channels; data range 255.

    Args:
        picture_u8: uint8, shape (height, width, 3), RGB, 0..255.
        sharp_u8: the reference, the same shape.

    Returns:
        dB; infinite for equal pictures.
    """
    if np.array_equal(picture_u8, sharp_u8):
        return float("inf")
    return float(peak_signal_noise_ratio(sharp_u8, picture_u8, data_range=255))


def ssim(picture_u8: np.ndarray, sharp_u8: np.ndarray) -> float:
    """Structural similarity, 1 for equal pictures: mean over RGB channels, data range 255.

    Args:
        picture_u8: uint8, shape (height, width, 3), RGB, 0..255, at least 11 pixels a side.
        sharp_u8: the reference, the same shape.

    Reference: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", IEEE TIP 2004, Sec. III-C: Gaussian window of sigma 1.5, population covariance.
    """
    return float(
        structural_similarity(
            sharp_u8,
            picture_u8,
            data_range=255,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )
