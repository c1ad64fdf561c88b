"""The preset `paper` in PyTorch, written the ordinary way: the second peer of bench_train.

The same layers as train/networks/; channels first, batch norm with running averages, an
optimizer for each network, the discriminator's step before the generator's. Needs PyTorch alone.
"""

from collections.abc import Callable

import torch
from torch import nn


class UNet(nn.Module):
    """The paper's generator: no norm on the first layer nor on the 1x1 bottleneck."""

    def __init__(self) -> None:
        super().__init__()
        widths = (64, 128, 256, 512, 512, 512, 512, 512)
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for stage, width in enumerate(widths):
            normalize = 0 < stage < len(widths) - 1
            block = [nn.LeakyReLU(0.2)] if stage else []
            before = widths[stage - 1] if stage else 3
            block += [nn.Conv2d(before, width, 4, 2, 1, bias=not normalize)]
            block += [nn.BatchNorm2d(width)] if normalize else []
            self.downs.append(nn.Sequential(*block))
        before = widths[-1]
        for stage, width in enumerate(widths[-2::-1]):
            block = [nn.ReLU(), nn.ConvTranspose2d(before, width, 4, 2, 1, bias=False)]
            block += [nn.BatchNorm2d(width)]
            block += [nn.Dropout(0.5)] if stage < 3 else []
            self.ups.append(nn.Sequential(*block))
            before = 2 * width
        self.last = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(before, 3, 4, 2, 1), nn.Tanh())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        for up, skip in zip(self.ups, skips[-2::-1], strict=True):
            x = torch.cat([up(x), skip], 1)
        return self.last(x)


def build_patchgan() -> nn.Sequential:
    """The conditional 70x70 PatchGAN; takes both pictures as six channels."""
    blocks, before = [], 6
    for width, stride in ((64, 2), (128, 2), (256, 2), (512, 1)):
        first = width == 64
        blocks += [nn.Conv2d(before, width, 4, stride, 1, bias=first)]
        blocks += [] if first else [nn.BatchNorm2d(width)]
        blocks += [nn.LeakyReLU(0.2)]
        before = width
    return nn.Sequential(*blocks, nn.Conv2d(before, 1, 4, 1, 1))


def initialize(layer: nn.Module) -> None:
    """Weights as of the paper: N(0, 0.02), scales of norms N(1, 0.02)."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


def build_step() -> Callable[[torch.Tensor, torch.Tensor], dict[str, float]]:
    """The step on one batch (input, target), both networks with it."""
    generator, discriminator = UNet().apply(initialize), build_patchgan().apply(initialize)
    generator_optimizer = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))
    cross_entropy, absolute = nn.BCEWithLogitsLoss(), nn.L1Loss()

    def step(inputs: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
        output = generator(inputs)

        discriminator.requires_grad_(True)
        discriminator_optimizer.zero_grad()
        fake = discriminator(torch.cat([inputs, output.detach()], 1))
        real = discriminator(torch.cat([inputs, target], 1))
        on_fake = cross_entropy(fake, torch.zeros_like(fake))
        discriminator_loss = (on_fake + cross_entropy(real, torch.ones_like(real))) / 2
        discriminator_loss.backward()
        discriminator_optimizer.step()

        discriminator.requires_grad_(False)
        generator_optimizer.zero_grad()
        logits = discriminator(torch.cat([inputs, output], 1))
        gan_loss = cross_entropy(logits, torch.ones_like(logits))
        l1 = absolute(output, target)
        (gan_loss + 100 * l1).backward()
        generator_optimizer.step()
        return {"gan": gan_loss.item(), "l1": l1.item(), "discriminator": discriminator_loss.item()}

    return step
