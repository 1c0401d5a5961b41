"""Flag bugs of public projects, rebuilt in small."""

collect_ignore = ["suite"]
"""Run by the tests here, in a process of its own: most of its tests fail under some combinations of flags."""
