"""NAFNet, a common alternative, trained for a given time on a data folder's training images.

Reference: Chen et al., "Simple Baselines for Image Restoration", arXiv 2204.04676, with local
pooling at test time, as its authors do (Chu et al., arXiv 2112.04491). With width 16 it costs about
as much as the residual generator. It is scored on the test images by this project's metrics, as
`make evaluate` scores a run.

`make dataset N=100`, then where PyTorch is (`benchmarks/requirements.txt`) beside the project's own
packages: `python -m benchmarks.torch_nafnet --minutes 15`, and `make train MAX_MINUTES=15`.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from train.dataset import find_pairs, read_picture, read_split
from train.evaluation import metrics
from train.evaluation.metrics import mean_with_ci95

CROP, BATCH, RATE, LAST_RATE = 128, 4, 1e-3, 1e-6
ENCODER, NUM_MIDDLE, DECODER = (1, 1, 1, 8), 1, (1, 1, 1, 1)  # blocks at each scale
POOLED_PX = CROP * 3 // 2  # side of the neighborhood that attention looks at in larger pictures


class LayerNorm(nn.Module):
    """Normalizes over channels at each pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def gate(x: torch.Tensor) -> torch.Tensor:
    """Product of both halves of the channels."""
    first, second = x.chunk(2, 1)
    return first * second


class Block(nn.Module):
    """Mixes pixels with a depthwise convolution, then channels; both halves are residual."""

    def __init__(self, channels: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.norms = nn.ModuleList(LayerNorm(channels) for _ in range(2))
        self.widen = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels),
        )
        self.attend = nn.Conv2d(channels, channels, 1)
        self.narrow = nn.Conv2d(channels, channels, 1)
        self.feed = nn.ModuleList(
            (nn.Conv2d(channels, 2 * channels, 1), nn.Conv2d(channels, channels, 1))
        )
        self.scales = nn.ParameterList(torch.zeros(1, channels, 1, 1) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = gate(self.widen(self.norms[0](x)))
        y = self.narrow(y * self.attend(_pooled(y, self.reach)))
        x = x + y * self.scales[0]
        y = self.feed[1](gate(self.feed[0](self.norms[1](x))))
        return x + y * self.scales[1]


class NAFNet(nn.Module):
    """An encoder and a decoder with skips, whose answer is added to its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.last = nn.Conv2d(width, 3, 3, padding=1)
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for scale, (num_encoding, num_decoding) in enumerate(zip(ENCODER, DECODER, strict=True)):
            channels, reach = width * 2**scale, POOLED_PX >> scale
            self.encoder.append(_blocks(channels, reach, num_encoding))
            self.downs.append(nn.Conv2d(channels, 2 * channels, 2, 2))
            up = nn.Conv2d(2 * channels, 4 * channels, 1, bias=False), nn.PixelShuffle(2)
            self.ups.append(nn.Sequential(*up))
            self.decoder.append(_blocks(channels, reach, num_decoding))
        self.middle = _blocks(2 * channels, reach // 2, NUM_MIDDLE)

    def forward(self, blurred: torch.Tensor) -> torch.Tensor:
        x, skips = self.first(blurred), []
        for blocks, down in zip(self.encoder, self.downs, strict=True):
            skips.append(blocks(x))
            x = down(skips[-1])
        x = self.middle(x)
        for up, blocks in zip(self.ups[::-1], self.decoder[::-1], strict=True):
            x = blocks(up(x) + skips.pop())
        return blurred + self.last(x)


def _blocks(channels: int, reach: int, number: int) -> nn.Sequential:
    return nn.Sequential(*(Block(channels, reach) for _ in range(number)))


def _pooled(x: torch.Tensor, reach: int) -> torch.Tensor:
    """Mean around each place, or of the whole picture where it is no larger."""
    if max(x.shape[2:]) <= reach:
        return x.mean((2, 3), keepdim=True)
    padding = (reach // 2 + 1, (reach - 1) // 2) * 2
    sums = functional.pad(x, padding, mode="replicate").double().cumsum(2).cumsum(3)
    rows = sums[:, :, reach:] - sums[:, :, :-reach]
    return ((rows[..., reach:] - rows[..., :-reach]) / reach**2).float()


def draw_batch(
    rng: np.random.Generator, pairs: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops of both halves alike, mirrored and turned by chance; (batch, 3, side, side), -1..1."""
    crops = []
    for index in rng.integers(len(pairs), size=BATCH):
        top, left = rng.integers(len(pairs[index][0]) - CROP + 1, size=2)
        turns, mirror = rng.integers(4), rng.choice((-1, 1))
        for picture in pairs[index]:
            crop = np.rot90(picture[top : top + CROP, left : left + CROP], turns)
            crops.append(crop[:, ::mirror])
    both = _signed(np.stack(crops))
    return both[::2], both[1::2]


def _signed(pictures_u8: np.ndarray) -> torch.Tensor:
    """(number, height, width, 3), 0..255, to (number, 3, height, width), -1..1."""
    return torch.from_numpy(pictures_u8.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)


def train(network: nn.Module, pairs: list[tuple[np.ndarray, np.ndarray]], seconds: float) -> int:
    """Trains for so long, the rate falling as a cosine of the time; the number of steps."""
    rng, steps, began_s = np.random.default_rng(0), 0, time.monotonic()
    optimizer = torch.optim.AdamW(network.parameters(), RATE, (0.9, 0.9), weight_decay=0)
    while (done := (time.monotonic() - began_s) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = LAST_RATE + (RATE - LAST_RATE) * (1 + math.cos(math.pi * done)) / 2
        blurred, sharp = draw_batch(rng, pairs)
        optimizer.zero_grad()
        functional.l1_loss(network(blurred), sharp).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        steps += 1
    return steps


def restored(network: nn.Module, blurred: np.ndarray) -> np.ndarray:
    """uint8, (height, width, 3), of the same; sides divisible by 16."""
    with torch.no_grad():
        answer = network(_signed(blurred[None]))[0].numpy().transpose(1, 2, 0)
    return np.clip(np.rint((answer + 1) * 127.5), 0, 255).astype(np.uint8)


def main() -> None:
    """Trains and scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--kernel", default="disc-r30")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--width", type=int, default=16)
    arguments = parser.parse_args()
    split = read_split(arguments.data_dir / "manifest.jsonl")
    folder = arguments.data_dir / "blurred_resized" / arguments.kernel
    pictures = {}
    for side in ("train", "test"):
        found = find_pairs(split[side], arguments.data_dir / "not_blurred_resized", [folder])
        paths = zip(found.blurred[0], found.sharp, strict=True)
        pictures[side] = [tuple(read_picture(path) for path in pair) for pair in paths]
    torch.manual_seed(0)
    network = NAFNet(arguments.width)
    num_weights = sum(weight.numel() for weight in network.parameters())
    steps = train(network, pictures["train"], 60 * arguments.minutes)
    network.eval()
    scores = []
    for blurred, sharp in tqdm(pictures["test"], desc="score", disable=None):
        answer = restored(network, blurred)
        gain = metrics.psnr_db(answer, sharp) - metrics.psnr_db(blurred, sharp)
        haarpsi = metrics.haarpsi(metrics.Views(answer), metrics.Views(sharp))
        scores.append((gain, metrics.ssim(answer, sharp), haarpsi))
    gains, ssim, haarpsi = np.transpose(scores)
    mean, (low, high) = mean_with_ci95(gains.tolist(), 0)
    print(
        f"NAFNet of width {arguments.width}, {num_weights / 1e6:.1f} M weights, {steps} steps: "
        f"{mean:+.2f} dB ({low:+.2f} to {high:+.2f}) over {len(gains)} test images, "
        f"SSIM {ssim.mean():.3f}, HaarPSI {haarpsi.mean():.3f}"
    )


if __name__ == "__main__":
    main()
