"""What scikit-learn makes of the wines of examples/tf_example, fitted without the example. No tests."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What scikit-learn learns of the same wines, fitted here once more."""

    features: list[str]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    cultivar: Any
    alcohol: Any
    accuracy: float
    error: float

    def standardised(self, wines: list[dict[str, float]]) -> NDArray[np.float64]:
        """The measurements as the linear models see them: float [wines, 12]."""
        values = np.array([[wine[name] for name in self.features] for wine in wines])
        standardised: NDArray[np.float64] = (values - self.mean) / self.scale
        return standardised

    def probabilities(self, wines: list[dict[str, float]]) -> NDArray[np.float64]:
        """Of each wine and cultivar: float [wines, 3]."""
        probabilities: NDArray[np.float64] = self.cultivar.predict_proba(self.standardised(wines))
        return probabilities

    def percents(self, wines: list[dict[str, float]]) -> NDArray[np.float64]:
        """The alcohol of each wine: float [wines]."""
        percents: NDArray[np.float64] = self.alcohol.predict(self.standardised(wines))
        return percents


def fitted() -> Own:
    """The linear models, on the split that the example has."""
    wine = load_wine()
    train, test = train_test_split(np.arange(178), test_size=60, random_state=7)
    x, alcohol = np.delete(wine.data, 0, axis=1), wine.data[:, 0]
    mean, scale = x[train].mean(axis=0), x[train].std(axis=0)
    x = (x - mean) / scale
    classifier = LogisticRegression().fit(x[train], wine.target[train])
    regressor = LinearRegression().fit(x[train], alcohol[train])
    return Own(
        features=wine.feature_names[1:],
        mean=mean,
        scale=scale,
        cultivar=classifier,
        alcohol=regressor,
        accuracy=(classifier.predict(x[test]) == wine.target[test]).mean(),
        error=abs(regressor.predict(x[test]) - alcohol[test]).mean(),
    )
