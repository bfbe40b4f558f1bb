"""resray: parallel benchmarks of the ResNet family on CIFAR, run by Ray."""

__version__ = "0.1.0"
