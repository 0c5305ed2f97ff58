"""Hugging Face datasets on the texts of ``prepare_texts.py``: short ones dropped, equal ones by a
set of digests, near ones by MinHash of datasketch (datasets has none of its own), the rest written
as Parquet. ``python with_datasets.py CORPUS OUT``
"""

import hashlib
import sys
from pathlib import Path

from datasets import disable_progress_bars, load_dataset
from datasketch import MinHash, MinHashLSH

HASHES = 112  # as DataTrove's 14 x 8


def signature(row: dict) -> dict:
    """The MinHash of the runs of three words."""
    words = row["text"].lower().split()
    minhash = MinHash(num_perm=HASHES)
    runs = {" ".join(words[place : place + 3]) for place in range(max(1, len(words) - 2))}
    minhash.update_batch([run.encode() for run in runs])
    return {"signature": minhash.hashvalues}


def main(corpus: Path, out: Path) -> None:
    """As its documentation does it."""
    disable_progress_bars()
    files = sorted(str(path) for path in (corpus / "parts").glob("*.jsonl"))
    rows = load_dataset("json", data_files=files, split="train", cache_dir=str(out / "cache"))
    rows = rows.filter(lambda row: len(row["text"].split()) >= 5, num_proc=2)
    seen = set()

    def is_new(row: dict) -> bool:
        digest = hashlib.md5(row["text"].encode()).digest()
        return digest not in seen and not seen.add(digest)

    rows = rows.filter(is_new).map(signature, num_proc=2)
    near = MinHashLSH(threshold=0.8, num_perm=HASHES)
    kept = []
    scheme = MinHash(num_perm=HASHES).scheme
    for number, values in enumerate(rows["signature"]):
        minhash = MinHash(num_perm=HASHES, hashvalues=values, scheme=scheme)
        if not near.query(minhash):
            near.insert(str(number), minhash)
            kept.append(number)
    rows.remove_columns("signature").select(kept).to_parquet(out / "kept.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
