"""Test that labels pass .5 at the limit, rise with the delay and can match the late share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from model.training.labels import LIMIT, matching_centre, soft_labels


def test_labels_pass_one_half_between_fifteen_and_sixteen_minutes() -> None:
    """Labels of 15 and 16 minutes lie on either side of .5, at the same distance."""
    fifteen, sixteen = soft_labels(np.array([15.0, 16.0]))
    assert fifteen < 0.5 < sixteen
    assert fifteen + sixteen == pytest.approx(1)


def test_labels_rise_with_the_delay() -> None:
    """Labels rise from 0 to 1 with the delay."""
    labels = soft_labels(np.arange(-60.0, 121.0))
    assert (np.diff(labels) >= 0).all()
    assert (np.diff(labels[:140]) > 0).all()
    assert labels[0] < 0.001
    assert labels[-1] > 0.999


def test_labels_agree_with_the_outcome(frame: pd.DataFrame) -> None:
    """The label of every flight lies on the side of its outcome."""
    assert ((soft_labels(frame["delay_minutes"].to_numpy()) > 0.5) == frame["delayed"]).all()


def test_the_matching_centre_gives_the_late_share(frame: pd.DataFrame) -> None:
    """The mean label around the centre is the late share, and the centre lies near the limit."""
    delay = frame["delay_minutes"].to_numpy()
    centre = matching_centre(delay)
    assert soft_labels(delay, centre).mean() == pytest.approx(frame["delayed"].mean(), abs=1e-6)
    assert abs(centre - LIMIT) < 8
