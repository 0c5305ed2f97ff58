"""DataTrove on the texts of ``prepare_texts.py``: short ones dropped, near ones (and with them
equal ones) by MinHash, the rest written as JSONL. ``python with_datatrove.py CORPUS OUT``
"""

import shutil
import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter

FILES = 2


def main(corpus: Path, out: Path) -> None:
    """The four steps of its own example, with two processes where it may have them."""
    shutil.rmtree(out, ignore_errors=True)
    # 3 words as everybody here; 14 x 8 hashes are its own choice
    config = MinhashConfig(n_grams=3)

    def read() -> list:
        return [
            JsonlReader(str(corpus / "parts"), text_key="text", id_key="id"),
            LambdaFilter(lambda document: len(document.text.split()) >= 5),
        ]

    steps = [
        ([*read(), MinhashDedupSignature(str(out / "signatures"), config)], FILES),
        (
            [MinhashDedupBuckets(str(out / "signatures"), str(out / "buckets"), config=config)],
            config.num_buckets,
        ),
        ([MinhashDedupCluster(str(out / "buckets"), str(out / "removed"), config=config)], 1),
        (
            [
                *read(),
                MinhashDedupFilter(str(out / "removed")),
                JsonlWriter(str(out / "kept"), compression=None),
            ],
            FILES,
        ),
    ]
    for number, (pipeline, tasks) in enumerate(steps):
        LocalPipelineExecutor(
            pipeline, tasks=tasks, workers=2, logging_dir=str(out / "logs" / str(number))
        ).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
