"""The generators and the discriminator."""
