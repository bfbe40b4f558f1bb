"""The ids of all shipped trials, as `trial_ids.json` keeps them."""

import json
from pathlib import Path

from resray.search.plan import plan_search, search_settings
from resray.study.expand import Options, PlannedTrial, expand
from resray.study.load import load_study, study_files
from resray.study.recipes import trial_id

FILE = Path(__file__).with_suffix(".json")


def named_id(trial: PlannedTrial, *, tested: bool = True) -> str:
    return trial_id(
        trial.recipe, trial.seed, dataset_checksum="0" * 64, world_size=1, tested=tested
    )


def trial_ids() -> dict[str, dict[str, str]]:
    """Return by study and variant, with --quick and without, and by search, each trial's id."""
    found = {}
    for name in study_files():
        study = load_study(name)
        for variant in study.variant_names:
            for quick in (False, True):
                options = Options(variant=variant, seeds=(0,), quick=quick)
                trials = expand(study, options)
                key = f"{name} {variant}{' --quick' * quick}"
                found[key] = {trial.name: named_id(trial) for trial in trials}
        if study.search:
            plan = plan_search(study, search_settings(study, {}, quick=False), (), Options())
            found[f"{name} search"] = {
                each.point.name: named_id(each.trial, tested=False) for each in plan.trials
            }
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps(trial_ids(), indent=1) + "\n")
