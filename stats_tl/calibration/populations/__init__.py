"""Populations that data sets are drawn from, with the views of both arms.

A population gives patients one by one, independent of each other, and with them all that an
arm could know of an image. Where swapping the arms changes nothing in distribution, arms that
train alike are equally good by construction.

- :class:`GaussianPopulation`: x_a = r z + q e_a + d_a y + u_a with z common to the arms, e of
  each arm, u common to the images of a patient; or, ``mixture``, positives of two kinds;
  or skewed, or with heavy tails.
- :class:`ExclusiveOrPopulation`: two features interact.
- :class:`WeakFeaturesPopulation`: unlike arms, many weak features against a score.
- :class:`PhantomPopulation`: synthetic images.
- :class:`FeaturePopulation`: features of real images, smoothed, so that it can be drawn from
  without end.
"""

from __future__ import annotations

from .base import DataSet, Population
from .gaussian import ExclusiveOrPopulation, GaussianPopulation, WeakFeaturesPopulation
from .image_features import FeaturePopulation, load_features
from .phantoms import PhantomPopulation

__all__ = [
    "DataSet",
    "ExclusiveOrPopulation",
    "FeaturePopulation",
    "GaussianPopulation",
    "PhantomPopulation",
    "Population",
    "WeakFeaturesPopulation",
    "load_features",
]
