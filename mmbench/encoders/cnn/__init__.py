"""Convolutional networks, and whatever else timm has, as encoders of pictures."""
