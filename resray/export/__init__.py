"""Results for others: a trained network as a folder or on the Hugging Face hub, tables as files.

What needs the optional extra ``hub`` (huggingface_hub, safetensors) is imported where
it is used, so that tables are written without it.
"""

from resray.export.loading import load_exported

__all__ = ["load_exported"]
