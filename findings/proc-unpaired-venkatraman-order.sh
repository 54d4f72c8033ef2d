#!/usr/bin/env bash
# Version:   pROC 1.18.0 (Debian's r-cran-proc 1.18.0-1+b1) with R 4.2.2
# Behaviour: roc.test(method = "venkatraman", paired = FALSE) on samples of different sizes gives another
#            statistic when the two curves change places, where one would expect one area between them. The
#            share of positive cases that weighs the errors is their number in both samples over twice the size
#            of the *first* one; in the second example it is 60 / 40 = 1.5.
# Seen:      40 and 80 cases: 0.05085937 or 0.06357422; 20 and 100 cases: 0.2121 or 0.062496
# Needs:     R, and a package mirror of Debian 12.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -qq r-cran-proc=1.18.0-1+b1 r-cran-plyr=1.8.8-1 r-cran-rcpp=1.0.10-1 >/dev/null
for package in ./*.deb; do dpkg -x "$package" "$work"; done
R_LIBS="$work/usr/lib/R/site-library" Rscript - <<'R'
suppressMessages(library(pROC))
curve <- function(n, step, period, effect) {
    y <- rep(c(0, 1), each = n / 2)
    scores <- (seq_len(n) * step) %% period + effect * y + seq_len(n) / 1000
    roc(y, scores, quiet = TRUE, direction = "<")
}
statistic <- function(a, b) {
    test <- roc.test(a, b, method = "venkatraman", paired = FALSE, boot.n = 10, progress = "none")
    as.numeric(test$statistic)
}
for (sizes in list(c(40, 80), c(20, 100))) {
    a <- curve(sizes[1], 7, 11, 3)
    b <- curve(sizes[2], 5, 13, 1)
    cat(statistic(a, b), "or", statistic(b, a), "\n")
    stopifnot(abs(statistic(a, b) - statistic(b, a)) > 0.01)
}
# Samples of one size: the same either way.
a <- curve(60, 7, 11, 3)
b <- curve(60, 5, 13, 1)
stopifnot(abs(statistic(a, b) - statistic(b, a)) < 1e-12)
R
