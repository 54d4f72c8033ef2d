#!/usr/bin/env bash
# Version:   formulaic 1.2.2 (pandas 2.3.3, numpy 2.2.6)
# Behaviour: I(x^2), which is the square of x in R, lme4 and nlme, is evaluated as Python, where ^ on whole
#            numbers is the bitwise exclusive or: the model is fitted without a word, on other numbers. On
#            floats the same formula is an error, so it depends on the dtype of a column. I(x**2) is the square
#            in both. statsmodels 0.15.0 depends on formulaic.
# Seen:      I(x^2) of 1, 2, 3, 10: [3, 0, 1, 8]
#            I(x**2) of 1, 2, 3, 10: [1, 4, 9, 100]
#            I(x^2) of 1.0, 2.0, 3.0, 10.0: FactorEvaluationError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    formulaic==1.2.2 pandas==2.3.3 numpy==2.2.6
"$folder/env/bin/python" - <<'EOF'
import pandas as pd
from formulaic import model_matrix

data = pd.DataFrame({"x": [1, 2, 3, 10]})
power = model_matrix("0 + I(x^2)", data).iloc[:, 0].astype(int).tolist()
square = model_matrix("0 + I(x**2)", data).iloc[:, 0].astype(int).tolist()
print("I(x^2) of 1, 2, 3, 10:", power)
print("I(x**2) of 1, 2, 3, 10:", square)
try:
    model_matrix("0 + I(x^2)", data.astype(float))
    outcome = "accepted"
except Exception as error:
    outcome = type(error).__name__
print("I(x^2) of 1.0, 2.0, 3.0, 10.0:", outcome)
assert power == [3, 0, 1, 8] and square == [1, 4, 9, 100] and outcome == "FactorEvaluationError"
EOF
