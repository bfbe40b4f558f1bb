"""The only rooms that import ray: connecting, scheduling, recording, progress.

Ray reads its settings when it is imported, so they are set here, before any module below can.
"""

from resray.run.environment import prepare_environment

prepare_environment()
