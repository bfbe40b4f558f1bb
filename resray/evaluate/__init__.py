"""`resray evaluate`: more than the test set for stored checkpoints, appended to the results."""

from resray.evaluate.asked import KINDS, Evaluation
from resray.evaluate.run import Evaluated, run_evaluation

__all__ = ["KINDS", "Evaluated", "Evaluation", "run_evaluation"]
