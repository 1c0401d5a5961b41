"""Tell the folders that hold the product from those that hold something else."""

import re

_SIDE_FOLDER_PATTERN = re.compile(
    r"(^|[-_./])(examples?|samples?|demos?|tutorials?|notebooks?|cookbooks?|cookiecutters?|templates?|skeletons?"
    r"|boilerplates?|scaffold(s|ing)?|archived?|legacy|deprecated|old|docs?|scripts?|benchmarks?|evals?|tests?"
    r"|experiments?)([-_./]|$)"
)
"""Folders and files that hold something else than the product, if the repository has more."""
_SIDE_FOLDER_PENALTY = 10


def side_folder_penalty(path: str) -> int:
    """Return how much less likely an agent in this file is the product."""
    return _SIDE_FOLDER_PENALTY if _SIDE_FOLDER_PATTERN.search(path.rpartition(".")[0].lower()) else 0
