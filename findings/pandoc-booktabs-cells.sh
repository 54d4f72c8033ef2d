#!/usr/bin/env bash
# Version:   pandoc 3.9 (pypandoc_binary 1.17), reading LaTeX; the same with pandoc 2.17.1.1
# Behaviour: \cmidrule(lr){2-3} of booktabs, which is in most journal tables, is not a rule for pandoc: its
#            argument becomes text of the cell that follows, without a warning. After \addlinespace a \multicolumn
#            is lost with its text: the panel heading becomes a row of empty cells. A missing value that is
#            written as \textendash{} becomes an empty cell, where -- is kept.
# Seen:      [['', 'AUC'], ['2-3 Name', 'A', 'B'], ['first', '0.8', ''], ['', '', ''], ['last', '0.9', '–']]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pypandoc_binary==1.17
"$folder/env/bin/python" - <<'EOF'
import json

import pypandoc

TABLE = r"""
\begin{tabular}{lcc}
\toprule
 & \multicolumn{2}{c}{AUC} \\
\cmidrule(lr){2-3}
Name & A & B \\
\midrule
first & 0.8 & \textendash{} \\
\addlinespace
\multicolumn{3}{l}{A panel} \\
last & 0.9 & -- \\
\bottomrule
\end{tabular}
"""


def text(tree):
    if isinstance(tree, list):
        return "".join(map(text, tree))
    if not isinstance(tree, dict):
        return ""
    return " " if tree["t"] in ("Space", "SoftBreak") else (
        tree["c"] if tree["t"] == "Str" else text(tree.get("c"))
    )


(table,) = json.loads(pypandoc.convert_text(TABLE, "json", format="latex"))["blocks"]
_, _, _, head, bodies, _ = table["c"]
rows = [*head[1], *(row for body in bodies for row in (*body[2], *body[3]))]
seen = [[text(cell[4]) for cell in row[1]] for row in rows]
print(seen)
assert seen == [
    ["", "AUC"], ["2-3 Name", "A", "B"], ["first", "0.8", ""], ["", "", ""], ["last", "0.9", "–"],
]
EOF
