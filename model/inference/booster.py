"""Score by a LightGBM model through the C API, without LightGBM's Python package.

Importing `lightgbm` also imports scikit-learn, pandas and SciPy where they are installed: seconds
of start-up and about 190 MB that a service does not need. The shared library alone scores a model
text; this module calls the few functions needed. Large batches are scored by look-up tables
(`model.inference.quickscorer.forest`), which is faster and gives the same scores.

References
----------
LightGBM 4, `include/LightGBM/c_api.h`.
"""

from __future__ import annotations

import ctypes
import weakref
from ctypes import POINTER, byref, c_char_p, c_int, c_int32, c_int64, c_void_p
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import BundleError
from model.inference.quickscorer.forest import Forest
from model.inference.quickscorer.tree_text import END_OF_TREES

_FLOAT64 = 1
_RAW_SCORE, _CONTRIBUTIONS = 1, 3
_ALL_TREES = -1
_ROW_MAJOR = 1

WORTH_TABLES = 4_096
"""Rows from which building the tables costs less than it saves, if they are not built yet."""

FloatArray = npt.NDArray[np.float64]


class Booster:
    """Fitted LightGBM model that scores feature matrices.

    Parameters
    ----------
    text
        The model in LightGBM's text format.
    threads
        Threads of one call; 0 uses all processors. A service uses 1 and runs requests in parallel.

    Raises
    ------
    BundleError
        If the text is not a model.
    """

    def __init__(self, text: str, threads: int = 0) -> None:
        if END_OF_TREES not in text:
            message = "LightGBM refused the model: its text is incomplete"
            raise BundleError(message)
        self.text = text
        self._library = _library()
        self._handle = c_void_p()
        trees = c_int()
        self._check(
            self._library.LGBM_BoosterLoadModelFromString(
                text.encode(), byref(trees), byref(self._handle)
            )
        )
        weakref.finalize(self, self._library.LGBM_BoosterFree, self._handle)
        self.trees = trees.value
        self.features = self._count_features()
        self._forest: Forest | None = None
        self._compiled = False
        self._options = f"num_threads={threads} verbosity=-1".encode()
        self._single_row = self._prepare_single_row()

    def compile(self) -> None:
        """Build look-up tables from the trees, if they fit; it takes about 30 ms, once.

        Other threads may score meanwhile: scores are equal to the last bit before and after.
        """
        if not self._compiled:
            self._forest = Forest.of(self.text)
            self._compiled = True

    def raw_scores(self, matrix: FloatArray) -> FloatArray:
        """Return the log-odds of each row, shape ``(n,)``, of a matrix ``(n, features)``."""
        rows = self._checked(matrix)
        if len(rows) == 1:
            return self._predict_single_row(rows)
        if len(rows) >= WORTH_TABLES:
            self.compile()
        if self._forest is None:
            return self._predict(rows, _RAW_SCORE, np.empty(len(rows)))
        return self._forest.raw_scores(rows)

    def contributions(self, matrix: FloatArray) -> FloatArray:
        """Return exact TreeSHAP contributions to the log-odds, shape ``(n, features + 1)``.

        The last column is the expected value; the columns of a row add up to its raw score.

        References
        ----------
        Lundberg et al., "From local explanations to global understanding with explainable AI for
        trees", Nature Machine Intelligence 2, 2020.
        """
        rows = self._checked(matrix)
        return self._predict(rows, _CONTRIBUTIONS, np.empty((len(rows), self.features + 1)))

    def _predict(self, rows: FloatArray, kind: int, out: FloatArray) -> FloatArray:
        if not len(rows):
            return out
        length = c_int64()
        self._check(
            self._library.LGBM_BoosterPredictForMat(
                self._handle,
                rows.ctypes.data,
                _FLOAT64,
                rows.shape[0],
                rows.shape[1],
                _ROW_MAJOR,
                kind,
                0,
                _ALL_TREES,
                self._options,
                byref(length),
                out.ctypes.data,
            )
        )
        return out

    def _predict_single_row(self, row: FloatArray) -> FloatArray:
        """Return the log-odds of one row; parsed options are reused, which saves a third."""
        out, length = np.empty(1), c_int64()
        self._check(
            self._library.LGBM_BoosterPredictForMatSingleRowFast(
                self._single_row, row.ctypes.data, byref(length), out.ctypes.data
            )
        )
        return out

    def _prepare_single_row(self) -> c_void_p:
        prepared = c_void_p()
        self._check(
            self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._handle,
                _RAW_SCORE,
                0,
                _ALL_TREES,
                _FLOAT64,
                self.features,
                self._options,
                byref(prepared),
            )
        )
        weakref.finalize(self, self._library.LGBM_FastConfigFree, prepared)
        return prepared

    def _checked(self, matrix: FloatArray) -> FloatArray:
        """Return the matrix in C order, as LightGBM reads it, after checking its shape."""
        if matrix.ndim != 2 or matrix.shape[1] != self.features:
            message = f"the model takes {self.features} features, not shape {matrix.shape}"
            raise ValueError(message)
        return np.ascontiguousarray(matrix, dtype=np.float64)

    def _count_features(self) -> int:
        features = c_int()
        self._check(self._library.LGBM_BoosterGetNumFeature(self._handle, byref(features)))
        return features.value

    def _check(self, status: int) -> None:
        if status != 0:
            reason = self._library.LGBM_GetLastError().decode(errors="replace")
            message = f"LightGBM refused the model: {reason}"
            raise BundleError(message)


_INTEGERS = [c_int, c_int32, c_int32, c_int, c_int, c_int, c_int]
_ARGUMENTS: dict[str, list[Any]] = {
    "LGBM_BoosterLoadModelFromString": [c_char_p, POINTER(c_int), POINTER(c_void_p)],
    "LGBM_BoosterGetNumFeature": [c_void_p, POINTER(c_int)],
    "LGBM_BoosterFree": [c_void_p],
    "LGBM_FastConfigFree": [c_void_p],
    "LGBM_BoosterPredictForMatSingleRowFastInit": [
        *[c_void_p, c_int, c_int, c_int, c_int],
        *[c_int32, c_char_p, POINTER(c_void_p)],
    ],
    "LGBM_BoosterPredictForMatSingleRowFast": [c_void_p, c_void_p, POINTER(c_int64), c_void_p],
    "LGBM_BoosterPredictForMat": [
        *[c_void_p, c_void_p, *_INTEGERS],
        *[c_char_p, POINTER(c_int64), c_void_p],
    ],
}
"""Argument types of the functions of LightGBM's library that are called here."""


@cache
def _library() -> ctypes.CDLL:
    """Load the shared library of the installed package, without importing the package."""
    spec = find_spec("lightgbm")
    if spec is None or spec.origin is None:
        message = "the package lightgbm is not installed"
        raise BundleError(message)
    library = ctypes.CDLL(str(Path(spec.origin).parent / "lib" / "lib_lightgbm.so"))
    library.LGBM_GetLastError.restype = c_char_p
    for name, types in _ARGUMENTS.items():
        getattr(library, name).argtypes = types
    return library
