"""Tell the folders that contain the product from those with something else, such as examples."""

import re

_SIDE_FOLDER_PATTERN = re.compile(
    r"(^|[-_./])(examples?|samples?|demos?|tutorials?|notebooks?|cookbooks?|cookiecutters?|templates?|skeletons?"
    r"|boilerplates?|scaffold(s|ing)?|archived?|legacy|deprecated|old|docs?|scripts?|benchmarks?|evals?|tests?"
    r"|experiments?)([-_./]|$)"
)
"""Matches folders and files that usually hold something other than the product."""
_SIDE_FOLDER_PENALTY = 10


def rank_penalty_for_side_folder(path: str) -> int:
    """Return by how much to lower the rank of an agent in a file: 0, or more if the file is an example or the like."""
    return _SIDE_FOLDER_PENALTY if _SIDE_FOLDER_PATTERN.search(path.rpartition(".")[0].lower()) else 0
