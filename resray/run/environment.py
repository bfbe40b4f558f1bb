"""What Ray reads from the environment, set before the first `import ray`."""

import os

SETTINGS = {
    # `uv run` would otherwise make Ray build a new environment for each worker.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # Ray's own boxes and tables: resray draws its own.
    "RAY_AIR_NEW_OUTPUT": "0",
    # Ray Tune's per-trial files; resray's result store holds what matters.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Users' relative paths stay valid in the workers.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # ray.train.report() waits for the controller's next look, by default 2 seconds away.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
    # Silences a warning about Ray's coming default; resray never relies on either.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    # A stopped trial's process may still write a checkpoint, before it takes its next trial.
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "600",
    # Ray Tune would start the processes of a Searcher's trials one after another.
    "TUNE_MAX_PENDING_TRIALS_PG": "200",
}


def prepare_environment() -> None:
    """Set what resray needs of Ray, leaving alone what the user has set."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
