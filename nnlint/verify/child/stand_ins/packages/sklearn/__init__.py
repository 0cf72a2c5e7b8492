"""scikit-learn: its small data sets, splits, scalers and measures; an estimator that is not there takes everything."""

from nnlint.verify.child.stand_ins.packages.sklearn import (
    datasets,
    feature_selection,
    metrics,
    model_selection,
    preprocessing,
)

__all__ = ["datasets", "feature_selection", "metrics", "model_selection", "preprocessing"]
