"""MLflow: a run in a database of its own, or in that of a user."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from time import time

from .logger import Logger, TrainingFacts, kept_id

_LONGEST_SETTING = 6000  # what MLflow takes
_TAG = "modalmill.training"


class MlflowLogger(Logger):
    """``mlflow/mlflow.db``: a run of the experiment, which ``mlflow ui --backend-store-uri
    sqlite:///OUT/training/mlflow/mlflow.db`` shows. Nothing leaves the machine unasked, the
    package's reports of its own use included.

    uri: another store, as ``sqlite:////data/mlflow.db`` or ``http://host:5000``; it is the only way
    to one, and MLFLOW_TRACKING_URI has no influence. experiment, name: where and as what the run is
    filed; the name is that of the data where it is not given.
    """

    def __init__(
        self,
        folder: Path,
        training: TrainingFacts,
        *,
        uri: str = "",
        experiment: str = "modalmill",
        name: str = "",
    ) -> None:
        # read when the package is imported
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # that it makes the tables of a new database
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.tracking import MlflowClient

        self._metric = Metric
        training_id, _ = kept_id(folder)
        store = uri or f"sqlite:///{folder.absolute() / 'mlflow.db'}"
        self._client = MlflowClient(tracking_uri=store)
        found = self._client.get_experiment_by_name(experiment)
        # of its own store the artifacts lie beside it; another one knows where to
        artifacts = None if uri else (folder.absolute() / "artifacts").as_uri()
        place = (
            self._client.create_experiment(experiment, artifact_location=artifacts)
            if found is None
            else found.experiment_id
        )
        runs = self._client.search_runs([place], f"tags.`{_TAG}` = '{training_id}'", max_results=1)
        if runs:
            self._id = runs[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
            return
        self._id = self._client.create_run(
            place, run_name=name or training.name, tags={_TAG: training_id}
        ).info.run_id
        settings = [Param(setting, _cut(value)) for setting, value in training.settings.items()]
        self._client.log_batch(self._id, params=settings, tags=[RunTag(_TAG, training_id)])

    def numbers(self, epoch: int, numbers: Mapping[str, float]) -> None:
        now_ms = int(time() * 1000)
        self._client.log_batch(
            self._id,
            metrics=[self._metric(name, number, now_ms, epoch) for name, number in numbers.items()],
        )

    def close(self, is_finished: bool) -> None:
        self._client.set_terminated(self._id, "FINISHED" if is_finished else "KILLED")


def _cut(value: str) -> str:
    """A setting as long as MLflow takes it."""
    return value if len(value) <= _LONGEST_SETTING else value[: _LONGEST_SETTING - 1] + "…"
