"""Datasets and encoders as they are here: each opened and checked once for all that share them."""

from mmbench.atomic import locked
from mmbench.datasets.dataset import Dataset, prepared
from mmbench.datasets.prepare import prepare
from mmbench.errors import UsageError
from mmbench.feature_plan import FeaturePlan, plan_features
from mmbench.home import Home
from mmbench.machine import Machine
from mmbench.progress import Progress
from mmbench.specs import Encoding, dataset_spec, names


class Opened:
    """What was opened in a home. Hashing tables and weights takes seconds; a grid shares them.

    Plans that share their features are for looking at: a backend that is loaded for one of them
    is loaded for all.
    """

    def __init__(self, home: Home, progress: Progress) -> None:
        self.home, self.progress = home, progress
        self._datasets: dict[str, Dataset] = {}
        self._features: dict[tuple[str, str, Encoding, Machine], FeaturePlan] = {}

    def dataset(self, name: str) -> Dataset:
        """Return a dataset; one that needs nothing from the person is made on the spot.

        Raises:
            UsageError: there is none, or its tables are not those that were prepared.
        """
        if name not in self._datasets:
            self._datasets[name] = self._open(name)
        return self._datasets[name]

    def features(
        self, dataset: Dataset, encoder: str, encoding: Encoding, machine: Machine
    ) -> FeaturePlan:
        """Return the plan of a dataset's features; UsageError as `plan_features` raises it."""
        key = dataset.name, encoder, encoding, machine
        if key not in self._features:
            self._features[key] = plan_features(dataset, encoder, encoding, machine, self.home)
        return self._features[key]

    def _open(self, name: str) -> Dataset:
        home = self.home
        if name not in prepared(home) and name in names("datasets") and dataset_spec(name).ready:
            home.require_writable()
            with locked(home.datasets / f".{name}.lock"):
                if name not in prepared(home):  # another process may just have made it
                    self.progress.say(f"preparing the dataset {name}")
                    return prepare(name, home=home, progress=self.progress)
        found = Dataset.load(home, name)
        for line in found.damage():
            raise UsageError(f"{line}: prepare the dataset again with --force")
        return found
