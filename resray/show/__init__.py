"""`resray show`: what a study compares and searches, what is known of it, and what it will cost."""

from resray.show.study import print_study

__all__ = ["print_study"]
