"""Define the errors of the model package; their texts are shown to users."""


class ModelError(Exception):
    """Base of this package's errors."""


class BundleError(ModelError):
    """The files of a model are missing, damaged or of another format."""


class TooFewFlights(ModelError):  # noqa: N818 - reads better where it is raised
    """There are too few flights to fit or to evaluate on."""


class ClusterError(ModelError):
    """No Dask cluster answers."""


class MissingExtra(ModelError):  # noqa: N818 - reads better where it is raised
    """An optional package that is needed is not installed."""


class StudyError(ModelError):
    """A stored parameter search cannot be continued."""


class RefreshError(ModelError):
    """These flights cannot refresh the model."""


class UnknownAttempt(ModelError):  # noqa: N818 - reads better where it is raised
    """No experiment of that name is declared."""
