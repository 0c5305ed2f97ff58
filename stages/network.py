"""Networks that lie in an installed package, and nothing is downloaded for."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ..schemas.errors import InputError, MissingPackageError
from ..schemas.fingerprint import hash_file


@dataclass(frozen=True, slots=True)
class InstalledNetwork:
    """A network in a package. file: where it lies there. hash: of the one whose measurements are
    kept. extra: what of modalmill installs it. measures: what is measured with it.
    """

    package: str
    module: str
    file: str
    hash: str
    extra: str
    measures: str

    def check(self, wanted_by: str) -> None:
        """MissingPackageError where it is not installed, InputError where it is another one than
        that whose measurements are kept.
        """
        found = importlib.util.find_spec(self.module)
        if found is None or found.origin is None:
            raise MissingPackageError(self.package, self.extra, wanted_by)
        file = Path(found.origin).parent / self.file
        if not file.is_file() or hash_file(file) != self.hash:
            raise InputError(
                f"{wanted_by}: the installed {self.package} brings another network than the one"
                f" that this version of modalmill measures {self.measures} with ({file}); pip"
                f" install 'modalmill[{self.extra}]'"
            )
