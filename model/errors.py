"""What can go wrong with a model.

ModelError
├── BundleError      the files of a model are missing, damaged or of another format
├── TooFewFlights    there is not enough data to fit or to evaluate on
├── ClusterError     no Dask cluster answers
├── MissingExtra     an optional package is needed for what was asked
├── StudyError       a stored search cannot be gone on with
├── RefreshError     flights cannot bring a model up to date
└── UnknownAttempt   an experiment was asked for that is not declared
"""


class ModelError(Exception):
    """Base of this package's errors; its text is meant for people."""


class BundleError(ModelError):
    """The files of a model are missing, damaged or of another format."""


class TooFewFlights(ModelError):  # noqa: N818 - reads better where it is raised
    """There is not enough data to fit or to evaluate on."""


class ClusterError(ModelError):
    """No Dask cluster answers."""


class MissingExtra(ModelError):  # noqa: N818 - reads better where it is raised
    """An optional package is needed for what was asked."""


class StudyError(ModelError):
    """A stored search cannot be gone on with."""


class RefreshError(ModelError):
    """These flights cannot bring the model up to date."""


class UnknownAttempt(ModelError):  # noqa: N818 - reads better where it is raised
    """An experiment was asked for that is not declared."""
