"""Figures of results, a function each, which returns a figure of Plotly's.

    learning_curves("results/depth-family", y="loss", theme="dark")

Of each, ``results`` are results that were read, a folder of them or several, and ``theme`` is light
or dark; of an option of its own None takes the first that there is. Raises InputError for an option
that there is not. Without data the figure is empty and says so.
"""

from resray.figures.ablation import ablation
from resray.figures.accuracy_against_cost import accuracy_against_cost
from resray.figures.class_accuracy import class_accuracy
from resray.figures.confusion import confusion
from resray.figures.corruption_severity import corruption_severity
from resray.figures.generalisation_gap import generalisation_gap
from resray.figures.gradient_norms import gradient_norms
from resray.figures.learning_curves import learning_curves
from resray.figures.parallel_coordinates import parallel_coordinates
from resray.figures.phases import phases
from resray.figures.published_against_measured import published_against_measured
from resray.figures.robustness import robustness
from resray.figures.scaling import batch_size, scaling
from resray.figures.search_curves import search_curves
from resray.figures.search_history import search_history
from resray.figures.search_space import search_space
from resray.figures.search_workers import search_workers
from resray.figures.time_per_epoch import time_per_epoch
from resray.figures.time_to_accuracy import time_to_accuracy
from resray.figures.timeline import timeline
from resray.figures.utilisation import utilisation

__all__ = [
    "ablation",
    "accuracy_against_cost",
    "batch_size",
    "class_accuracy",
    "confusion",
    "corruption_severity",
    "generalisation_gap",
    "gradient_norms",
    "learning_curves",
    "parallel_coordinates",
    "phases",
    "published_against_measured",
    "robustness",
    "scaling",
    "search_curves",
    "search_history",
    "search_space",
    "search_workers",
    "time_per_epoch",
    "time_to_accuracy",
    "timeline",
    "utilisation",
]
