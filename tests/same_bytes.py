"""``make bytes BASE=commit``: do the demo and the recipes still write the same bytes as another
commit?

Both trees run the same recipes with the same libraries, so a difference is one of the code between
them. What changes bytes is a line of CHANGELOG.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from modalmill.schemas.fingerprint import hash_file

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("MODALMILL_TEST_DATA", ROOT.parent / "shared" / "data"))
RECIPES = {
    "mixed": ".",
    "grid_s1": "grid_s1",
    "vqa_coco": "vqa_coco",
    "esc50_sample": "esc50_sample",
    "meld": "meld",
}
WRITTEN = ("manifest", "shards", "features", "rejects.parquet", "signals.parquet")


def sums(out: Path) -> dict[str, str]:
    """Checksum of every file that a run wrote for others to read, by its path."""
    paths = [
        path
        for name in WRITTEN
        for path in ((out / name).rglob("*") if (out / name).is_dir() else [out / name])
    ]
    return {str(path.relative_to(out)): hash_file(path) for path in sorted(paths) if path.is_file()}


def written_by(tree: Path, recipe: Path, data: Path | None, out: Path) -> dict[str, str]:
    """What the code of a tree writes for a recipe."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "modalmill").symlink_to(tree)
        command = [
            sys.executable,
            "-m",
            "modalmill",
            "run",
            str(recipe),
            "--out",
            str(out),
            "--until",
            "shard",
            "--quiet",
        ]
        command += [] if data is None else ["--set", f"data={data}"]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": place}, cwd=place)
    return sums(out)


def main(base: str) -> int:
    """Print each file that differs; 1 if any does."""
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        subprocess.run(
            [
                "git",
                "-C",
                str(ROOT),
                "worktree",
                "add",
                "--quiet",
                "--detach",
                str(place / "base"),
                base,
            ],
            check=True,
        )
        try:
            from modalmill.demo.corpus import write_corpus
            from modalmill.demo.demo import recipe_bytes

            write_corpus(place / "demo" / "raw", 120)
            (place / "demo" / "demo.yaml").write_bytes(recipe_bytes())
            work: list[tuple[str, Path, Path | None]] = [
                ("demo", place / "demo" / "demo.yaml", None)
            ]
            if DATA.is_dir():
                work += [
                    (name, ROOT / "recipes" / f"{name}.yaml", DATA / data)
                    for name, data in RECIPES.items()
                ]
            for name, recipe, data in work:
                before = written_by(place / "base", recipe, data, place / "before" / name)
                after = written_by(ROOT, recipe, data, place / "after" / name)
                unlike = sorted(
                    path
                    for path in before.keys() | after.keys()
                    if before.get(path) != after.get(path)
                )
                different += len(unlike)
                print(f"{name}: {len(before)} files, {len(unlike)} differ {unlike[:8]}", flush=True)
        finally:
            subprocess.run(
                ["git", "-C", str(ROOT), "worktree", "remove", "--force", str(place / "base")],
                check=True,
            )
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "HEAD"))
