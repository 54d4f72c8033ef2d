# Columns of R's model.matrix for the formulas of formulas.txt, on the table below.
#   Rscript make_formulas.R       in this folder; R 4.2.2
# Writes formulas.json: names of the columns, and two weighted sums over the rows of each, which
# no other column of the same name would share.
suppressMessages(library(jsonlite))
d <- read.csv("formulas.csv", stringsAsFactors = TRUE, check.names = FALSE)
d$flag <- d$flag == "True"
d$size <- factor(d$size, levels = c("small", "medium", "large", "huge"), ordered = TRUE)
n <- nrow(d)
w1 <- seq_len(n)
w2 <- cos(seq_len(n))
out <- list()
for (text in readLines("formulas.txt")) {
  m <- model.matrix(as.formula(paste("~", text)), d)
  out[[text]] <- list(names = colnames(m), first = as.vector(w1 %*% m), second = as.vector(w2 %*% m))
}
write_json(out, "formulas.json", digits = NA, auto_unbox = FALSE, pretty = FALSE)
