"""Binary labels: which class is positive is said or well known, never guessed."""

from __future__ import annotations

import numpy as np
import pytest

from stats_tl.data.labels import binary_labels
from stats_tl.errors import UserError


@pytest.mark.parametrize(
    ("labels", "options", "expected"),
    [
        (["0", "1", "1.0"], {}, [0, 1, 1]),
        (["No", "Yes", "No"], {}, [0, 1, 0]),
        (["benign", "malignant"], {}, [0, 1]),
        (["benign", "malignant"], {"positive": "benign"}, [1, 0]),
        (["a", "b"], {"negative": "b"}, [1, 0]),
        ([0, 1, 2], {"positive": [1, 2], "negative": 0}, [0, 1, 1]),
        (["b", "m", "n"], {"positive": "m", "exclude": "n"}, [0, 1, -1]),
        (["true", "false"], {"positive": True}, [1, 0]),
        (["tear", "none"], {"negative": "none"}, [1, 0]),
    ],
)
def test_labels(labels, options, expected):
    cases = [str(i) for i in range(len(labels))]
    out = binary_labels(labels, cases, where="w", **options)
    assert out.dtype == np.int8
    assert out.tolist() == expected


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (["1", "nan", ""], {}, r"without a label \(2\): '1', '2'"),
        (["0", "1", "2"], {}, "cannot determine which class is positive"),
        (
            ["0", "1", "2"],
            {},
            "for several elsewhere and compare their scores with `python -m stats",
        ),
        (["0", "1", "2"], {"positive": "1"}, "3 classes were found"),
        (["0", "1", "2", "3"], {"positive": "1", "negative": "0"}, "name every class"),
        (["1", "1"], {}, "two classes are needed"),
        (["a", "b"], {}, "cannot determine which class is positive"),
        (["a", "b"], {"positive": "c"}, "the class 'c' does not occur"),
        (["a", "b"], {"positive": "a", "negative": "a"}, "named twice"),
        (["a", "b"], {"positive": ["a", "b"]}, "both a positive and a negative"),
        (["a", "b"], {"positive": "a", "exclude": "b"}, "two classes are needed"),
    ],
)
def test_labels_that_are_no_binary_reference_standard(labels, options, message):
    cases = [str(i) for i in range(len(labels))]
    with pytest.raises(UserError, match=message):
        binary_labels(labels, cases, where="w", **options)
