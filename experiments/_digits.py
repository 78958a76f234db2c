"""The images that several experiments share."""

import kdtheory as kd


def digits(samples):
    """Images (samples, 784) of handwritten digits, as many of each class, and centred one-hot targets (samples, 10)."""
    images, labels = kd.datasets.mnist()
    chosen = slice(None, None, len(images) // samples)  # the digits come in order
    targets = kd.datasets.one_hot(labels[chosen])
    return images[chosen], targets - targets.mean(axis=0)


def centred(gram):
    """A Gram matrix after its features were centred."""
    return gram - gram.mean(axis=0) - gram.mean(axis=1, keepdims=True) + gram.mean()
