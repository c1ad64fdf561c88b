import itertools
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from scipy.ndimage import uniform_filter

from train.networks.blind_deconvolution import blind_inverse
from train.networks.generators import build_patchgan, build_residual, build_unet
from train.networks.layers import DeepConv2DTranspose, StatisticsNorm, WeightedConv
from train.settings import SIZE_MULTIPLES


@pytest.fixture(scope="module")
def unet():
    return build_unet("batch", seed=0)


@pytest.fixture(scope="module")
def residual():
    """The residual generator with weights that do something everywhere."""
    generator = build_residual(channels=64, num_blocks=12, seed=0)
    rng = np.random.default_rng(0)
    for weight in generator.weights:
        if not np.any(weight.numpy()):
            weight.assign(rng.normal(0, 0.01, weight.shape))
    return generator


@pytest.fixture(scope="module")
def patchgan():
    return build_patchgan("batch", seed=0)


def pictures(num, height, width=None, seed=0):
    shape = (num, height, width or height, 3)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def test_unet_has_the_parameters_of_the_papers_layout(unet):
    encoder = [*itertools.pairwise([3, 64, 128, 256, 512, 512, 512, 512, 512])]
    # Each decoder stage but the first takes the one before it beside its skip.
    decoder = [(512, 512), (1024, 512), (1024, 512), (1024, 512), (1024, 256), (512, 128)]
    decoder += [(256, 64), (128, 3)]
    expected = sum(4 * 4 * before * after for before, after in encoder + decoder)
    # Biases of the three layers without a norm; scale and offset of each norm.
    expected += 64 + 512 + 3 + 2 * sum(after for _, after in encoder[1:-1] + decoder[:-1])
    assert unet.count_params() == expected
    assert 54_400_000 < expected < 54_500_000


def test_patchgan_has_2_768_705_parameters(patchgan):
    expected = 16 * (6 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + 64 + 1
    expected += 2 * (128 + 256 + 512)
    assert patchgan.count_params() == expected == 2_768_705


@pytest.mark.parametrize(("name", "num_leaks"), [("unet", 7), ("patchgan", 4)])
def test_layers_leak_and_drop_as_the_paper_has_it(name, num_leaks, request):
    known = request.getfixturevalue(name).layers
    leaks = [layer for layer in known if isinstance(layer, layers.LeakyReLU)]
    assert len(leaks) == num_leaks
    for layer in leaks:
        np.testing.assert_allclose(layer(np.array([-1.0, 2.0], np.float32)), [-0.2, 2.0])
    rates = [layer.rate for layer in known if isinstance(layer, layers.Dropout)]
    assert rates == ([0.5, 0.5, 0.5] if name == "unet" else [])
    for layer in known:
        if isinstance(layer, (layers.Conv2D, layers.Conv2DTranspose)):
            kernel = layer.kernel.numpy()
            assert kernel.std() == pytest.approx(0.02, rel=0.1), layer.name
            assert abs(kernel.mean()) < 0.002


def test_unet_keeps_size_and_range_and_drops_in_training_alone(unet):
    blurred = pictures(1, 256)
    restored = unet(blurred).numpy()
    assert restored.shape == (1, 256, 256, 3)
    assert np.abs(restored).max() <= 1
    assert restored.std() > 0  # a norm on the 1x1 bottleneck would make it constant
    np.testing.assert_array_equal(unet(blurred), restored)
    assert np.abs(unet(blurred, training=True) - restored).max() > 1e-6


def test_residual_generator_has_1_1_million_parameters(residual):
    def conv(channels_in, channels_out):
        return 9 * channels_in * channels_out + channels_out

    radius_probs = 4 * (16 * 24 + 24)  # for each of four noises
    trained = sum(int(np.prod(each.shape)) for each in residual.trainable_weights)
    # A folded picture and its inverse, the belief in 23 blurs and in none, which noise, and the
    # inverse of each blur.
    clues = 24 + 4 + 5 * 16 + 18 * 4
    assert trained == radius_probs + conv(64 + clues, 64) + 24 * conv(64, 64) + conv(64, 48)


def test_receptive_field_of_a_logit_is_70_pixels():
    # Norms mix the whole picture on purpose, and leaks only scale: the reach is the convolutions'.
    patchgan = build_patchgan("none", seed=0)
    judged = tf.Variable(pictures(1, 256))
    with tf.GradientTape() as tape:
        logit = patchgan([tf.zeros((1, 256, 256, 3)), judged], training=True)[0, 15, 15, 0]
    reached = np.any(tape.gradient(logit, judged)[0].numpy() != 0, axis=2)
    rows, columns = np.flatnonzero(reached.any(1)), np.flatnonzero(reached.any(0))
    assert rows[-1] - rows[0] + 1 == 70
    assert columns[-1] - columns[0] + 1 == 70


def test_discriminator_of_corrections_takes_the_same_pictures():
    plain, by_correction = build_patchgan("none", seed=0), build_patchgan("none", 0, True)
    by_correction.set_weights(plain.get_weights())
    blurred, judged = pictures(1, 64), pictures(1, 64, seed=1)
    expected = plain([blurred, 4 * (judged - blurred)])
    np.testing.assert_allclose(by_correction([blurred, judged]), expected, atol=1e-6)


def test_residual_generator_starts_from_the_classical_inverse():
    blurred = keras.Input((None, None, 3))
    front = keras.Model(blurred, blind_inverse(blurred, pooled=False)[0])
    smooth = uniform_filter(pictures(2, 64), (0, 7, 7, 0))
    restored = build_residual(8, 2, seed=3)(smooth)
    np.testing.assert_allclose(restored, smooth + front(smooth).numpy(), atol=1e-6)
    assert np.abs(restored - smooth).max() > 0.01


def test_residual_generator_takes_any_multiple_of_4(residual):
    for height, width in ((4, 4), (100, 60)):
        restored = residual(pictures(1, height, width))
        assert restored.shape == (1, height, width, 3)
        assert np.all(np.isfinite(restored))


@pytest.mark.parametrize("name", ["unet", "residual"])
def test_answer_for_an_image_does_not_depend_on_its_batch(name, request):
    generator = request.getfixturevalue(name)
    blurred = pictures(3, SIZE_MULTIPLES[name], seed=5)
    blurred[1] *= 0.1
    together = generator(blurred, training=False).numpy()
    for index in range(3):
        alone = generator(blurred[index : index + 1], training=False).numpy()[0]
        # float32 rounding only: far below one of 255 levels (2 / 255 = 8e-3).
        np.testing.assert_allclose(together[index], alone, atol=2e-4)


@pytest.mark.parametrize("build", [partial(build_patchgan, "batch"), partial(build_residual, 8, 4)])
def test_two_builds_of_one_seed_have_equal_weights(build):
    def weights(seed):
        known = keras.initializers.Constant  # of what is computed, not random
        own = [layer for layer in build(seed).layers if layer.weights]
        own = [each for each in own if not isinstance(each, WeightedConv)]
        own = [each for each in own if type(getattr(each, "kernel_initializer", None)) is not known]
        return [weight.numpy() for layer in own for weight in layer.weights]

    first, second, other = weights(7), weights(7), weights(8)
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)
    random = [(one, two) for one, two in zip(first, other, strict=True) if one.std() > 0]
    assert random
    assert all(np.any(one != two) for one, two in random)
    kernels = [one for one, _ in random if one.ndim == 4]
    for one, two in itertools.pairwise(kernels):
        assert one.shape != two.shape or np.any(one != two)  # no two layers share their numbers


def test_norm_is_batch_normalization_in_training_and_instance_normalization_after():
    x = np.random.default_rng(0).normal(3, 2, (2, 5, 7, 4)).astype(np.float32)
    norm = StatisticsNorm(over_batch=True, seed=1)
    norm.build(x.shape)
    gamma, beta = np.array([1, 2, 0.5, 1], np.float32), np.array([0, 1, -1, 3], np.float32)
    norm.gamma.assign(gamma)
    norm.beta.assign(beta)
    for training, axes in ((True, (0, 1, 2)), (False, (1, 2))):
        mean, deviation = x.mean(axes, keepdims=True), x.std(axes, keepdims=True)
        expected = (x - mean) / np.sqrt(deviation**2 + 1e-5) * gamma + beta
        np.testing.assert_allclose(norm(x, training=training), expected, atol=1e-4)
    norm.over_batch = False  # the "instance" of the settings: each image alone, in training, too
    together = norm(x, training=True)
    np.testing.assert_allclose(together[:1], norm(x[:1], training=True), atol=1e-6)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("side", [1, 3])
def test_deep_transposed_convolution_is_a_transposed_convolution(biased, side):
    x = np.random.default_rng(0).normal(size=(2, side, side + 1, 7)).astype(np.float32)
    how = {"strides": 2, "padding": "same", "use_bias": biased, "bias_initializer": "ones"}
    ours, keras_own = DeepConv2DTranspose(5, 4, **how), layers.Conv2DTranspose(5, 4, **how)
    ours.build(x.shape)
    keras_own.build(x.shape)
    keras_own.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours(x), keras_own(x), atol=1e-5)
