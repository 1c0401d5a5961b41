"""Builds the documentation site: `python docs/site/build.py FOLDER` writes it to FOLDER/site.

The pages are the README, the files in docs/ and the reference, which is made from the code. Beside each page lies its
Markdown, and `llms.txt` lists them. Warnings, such as a link that leads nowhere, are errors.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from reference import REFERENCE

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SECTIONS = {
    "Start": ("index", "tutorial", "cases"),
    "How to": (
        "flags",
        "cassettes",
        "scenarios",
        "moving-in",
        "moving-in-flags",
        "agents",
        "sweep",
        "streamlit",
        "record",
        "cache",
        "ci",
        "monorepos",
        "verdict",
        "gate",
        "privacy",
        "upgrades",
    ),
    "What it does": ("faults", "blame", "time", "network", "fidelity", "performance", "security"),
}
"""The pages of each section of the site, in this order. Other pages come last."""

_LINK = re.compile(r"(\]\()(?!https?:|#|mailto:)([^)\s#]+)(#[^)\s]*)?(\))")


def build(folder: Path) -> None:
    """Write the site to `folder`/site. Exit with an error if mkdocs warns of anything."""
    pages = folder / "pages"
    shutil.rmtree(folder, ignore_errors=True)
    pages.mkdir(parents=True)
    for picture in (picture for kind in ("*.svg", "images/*.png", "ci/*.yml") for picture in HERE.parent.glob(kind)):
        target = pages / picture.relative_to(HERE.parent)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(picture, target)
    sources = {
        "index": ROOT / "README.md",
        "contributing": ROOT / "CONTRIBUTING.md",
        "changelog": ROOT / "CHANGELOG.md",
    }
    sources |= {page.stem: page for page in sorted(HERE.parent.glob("*.md"))}
    for name, source in sources.items():
        (pages / f"{name}.md").write_text(_site_links(source, sources), encoding="utf-8")
    for name, make_page in REFERENCE.items():
        (pages / f"{name}.md").write_text(make_page(), encoding="utf-8")
    config = yaml.safe_load((HERE / "mkdocs.yml").read_text(encoding="utf-8"))
    config["nav"] = _nav(list(sources))
    config["plugins"][1]["mkdocstrings"]["handlers"]["python"]["paths"] = [str(ROOT / "harness")]
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", str(folder / "mkdocs.yml")]
    subprocess.run(command, check=True)
    _write_markdown(pages, folder / "site")


def _site_links(page: Path, sources: dict[str, Path]) -> str:
    """Return the text of a page whose links lead to pages of the site, or to the file in the repository."""
    names = {source.resolve(): f"{name}.md" for name, source in sources.items()}

    def change(link: re.Match[str]) -> str:
        start, target, anchor, end = link[1], link[2], link[3] or "", link[4]
        file = (page.parent / target).resolve()
        if file in names:
            return f"{start}{names[file]}{anchor}{end}"
        if file.is_relative_to(HERE.parent) and file.suffix in (".svg", ".png", ".yml"):
            return f"{start}{file.relative_to(HERE.parent).as_posix()}{end}"
        raise SystemExit(f"{page}: the link to {target} leads to no page of the site; name the file in words instead")

    return _LINK.sub(change, page.read_text(encoding="utf-8"))


def _nav(names: list[str]) -> list[dict[str, list[str]]]:
    reference = [*REFERENCE, "api", "settings"]
    placed = {*reference, *(name for section in SECTIONS.values() for name in section)}
    sections = {**SECTIONS, "Reference": reference, "Project": [name for name in names if name not in placed]}
    return [{title: [f"{name}.md" for name in section]} for title, section in sections.items()]


def _write_markdown(pages: Path, site: Path) -> None:
    """Write the Markdown of each page beside it, and their list to `llms.txt`."""
    lines = ["# flag harness", "", "> Run your agent under every combination of its feature flags.", ""]
    for page in sorted(pages.glob("*.md")):
        shutil.copy(page, site / page.name)
        title = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        lines.append(f"- [{title[1] if title else page.stem}]({page.name})")
    (site / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve())
