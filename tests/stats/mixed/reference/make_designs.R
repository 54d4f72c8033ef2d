# Makes designs.csv and designs.json: further unbalanced designs, one response column for each,
# fitted by R with tight tolerances.
#   Rscript make_designs.R        in this folder; R 4.2.2, lme4 1.1-31, lmerTest 3.1-3,
#                                 pbkrtest 0.5.2, emmeans 1.8.4-1, jsonlite
# Per design: Satterthwaite and Kenward-Roger tables, type III tests, variances, likelihoods,
# a likelihood-ratio test, and the marginal means of a factor with their differences.
suppressMessages({library(lmerTest); library(pbkrtest); library(jsonlite); library(emmeans)})
set.seed(20261)
n <- 110
pick <- function(levels, p = NULL) factor(sample(levels, n, TRUE, p), levels = levels)
d <- data.frame(
  g = pick(paste0("g", 0:9), c(3, 2, 2, 1, 1, 1, 1, 1, 1, 2)),
  h = pick(paste0("h", 0:5)), arm = pick(c("a", "b", "c"), c(5, 3, 2)),
  bb = pick(c("p", "q", "r"), c(2, 5, 3)), site = pick(c("s", "t")),
  x = round(rnorm(n, 3, 1), 3), z = round(runif(n, 100, 104), 3), k = sample(1:4, n, TRUE),
  w = round(runif(n, .5, 3), 2))
d$between <- factor(ifelse(d$g %in% c("g0", "g3", "g4", "g7", "g9"), "u", "v"))
d$size <- factor(sample(c("S", "M", "L"), n, TRUE), levels = c("S", "M", "L"), ordered = TRUE)
d$keep <- !(d$arm == "c" & d$bb == "r")
effect <- function(f, sd) sd * rnorm(nlevels(f))[as.integer(f)]
slope <- function(f, x, sd) sd * rnorm(nlevels(f))[as.integer(f)] * x
cell <- function(a, b, sd) {f <- interaction(a, b); effect(f, sd)}
# formula, random part of the data, factor of the marginal means, smaller fixed part, options
designs <- list(
  list("arm + (1 | g)", quote(effect(g, 1)), "arm", "1"),
  list("arm * bb + (1 | g)", quote(effect(g, 1)), "arm", "arm + bb"),
  list("arm / bb + (1 | g)", quote(effect(g, 1)), "bb", "arm"),
  list("arm:bb + (1 | g)", quote(effect(g, .7)), NA, "arm"),
  list("arm * bb + x + (1 | g) + (1 | h)", quote(effect(g, 1) + effect(h, .5)), "bb", "arm + bb + x"),
  list("0 + arm + x + (1 | g) + (1 | h)", quote(effect(g, 1) + effect(h, .5)), "arm", "0 + arm"),
  list("arm * x + (1 | g) + (1 | h)", quote(effect(g, .3) + effect(h, 1)), "arm", "arm + x"),
  list("x / arm + (1 | g)", quote(effect(g, 1)), NA, "x"),
  list("arm + arm:x + (1 | h)", quote(effect(h, 1)), NA, "arm"),
  list("arm + I(x^2) + x + (1 | g)", quote(effect(g, 1)), "arm", "arm + x"),
  list("poly(x, 2) * site + (1 | g)", quote(effect(g, 1)), "site", "poly(x, 2) + site"),
  list("scale(z) + log(z) + arm + (1 | h)", quote(effect(h, 1)), "arm", "scale(z) + arm"),
  list("factor(k) + site + (1 | g)", quote(effect(g, 1)), "site", "site"),
  list("size + arm + (1 | g)", quote(effect(g, 1)), "arm", "arm"),
  list("size * site + (1 | h)", quote(effect(h, 1)), "site", "size + site"),
  list("between + arm + (1 | g)", quote(effect(g, 1)), "between", "arm"),
  list("between * arm + (1 | g) + (1 | h)", quote(effect(g, 1) + effect(h, 1)), "arm", "between + arm"),
  list("arm + (1 | g / h)", quote(effect(g, 1) + cell(g, h, .8)), "arm", "1"),
  list("arm + site + (1 | g) + (1 | g:site)", quote(effect(g, 1) + cell(g, site, .8)), "arm", "site"),
  list("x + arm + (x | g)", quote(effect(g, 1) + slope(g, x, .5)), "arm", "x"),
  list("x + arm + (x || g)", quote(effect(g, 1) + slope(g, x, .5)), "arm", "x"),
  list("x * site + (x | g) + (1 | h)", quote(effect(g, 1) + slope(g, x, .6) + effect(h, .5)), "site", "x + site"),
  list("x + (0 + x | g) + (1 | h)", quote(slope(g, x, .6) + effect(h, .5)), NA, "1"),
  list("site + (site | g)", quote(effect(g, 1) + cell(g, site, 1)), "site", "1"),
  list("arm + (0 + site | g)", quote(cell(g, site, 1)), "arm", "1"),
  list("z + arm + (1 | g)", quote(effect(g, 1)), "arm", "z"),
  list("arm + bb + site + (1 | g) + (1 | h)", quote(0 * x), "bb", "arm + site"),
  list("arm * site + (1 | g) + (1 | h)", quote(effect(g, .2)), "site", "arm + site"),
  list("arm * bb + (1 | g)", quote(effect(g, 1)), "bb", "arm + bb", subset = TRUE),
  list("arm * bb + x + (1 | g) + (1 | h)", quote(effect(g, 1) + effect(h, 1)), NA, "arm + bb + x", subset = TRUE),
  list("arm * bb * site + (1 | g)", quote(effect(g, 1)), "site", "arm * bb + site"),
  list("arm + offset(x) + (1 | g)", quote(effect(g, 1)), "arm", "1 + offset(x)"),
  list("arm * x + (1 | g)", quote(effect(g, 1)), "arm", "arm + x", weights = TRUE),
  list("arm + (x | g)", quote(effect(g, 1) + slope(g, x, .5)), "arm", "1", weights = TRUE),
  list("I(x > 3) * site + (1 | g)", quote(effect(g, 1)), NA, "site"),
  list("C(arm, contr.sum) * C(bb, contr.sum) + (1 | g)", quote(effect(g, 1)), NA, "bb")
)
quiet <- function(x) suppressWarnings(suppressMessages(x))
table_of <- function(x) cbind(name = rownames(x), as.data.frame(x, check.names = FALSE))
tight <- function(start = NULL) lmerControl(optimizer = "nloptwrap", optCtrl = list(
  xtol_abs = 1e-12, ftol_abs = 1e-14, xtol_rel = 0, ftol_rel = 0, maxeval = 1e5))
out <- list()
for (i in seq_along(designs)) {
  if (nzchar(Sys.getenv("VERBOSE"))) message(i)
  design <- designs[[i]]
  name <- paste0("y", i)
  d[[name]] <- round(eval(design[[2]], d) + .4 * (d$arm == "b") - .2 * (d$bb == "q") + .1 * d$x + rnorm(n, 0, .8), 4)
  rows <- if (isTRUE(design$subset)) d[d$keep, ] else d
  rows$weight <- if (isTRUE(design$weights)) rows$w else 1
  formula <- paste(name, "~", design[[1]])
  fit <- function(f, ...) quiet(lmer(as.formula(f), rows, weights = weight, control = tight(), ...))
  m <- fit(formula)
  bars <- regmatches(design[[1]], gregexpr("\\([^()]*\\|[^()]*\\)", design[[1]]))[[1]]
  small <- fit(paste(name, "~", design[[4]], "+", paste(bars, collapse = " + ")), REML = FALSE)
  large <- fit(formula, REML = FALSE)
  chisq <- 2 * (as.numeric(logLik(large)) - as.numeric(logLik(small)))
  means <- if (is.na(design[[3]])) NULL else quiet(emmeans(m, design[[3]], lmer.df = "kenward-roger"))
  satterthwaite <- if (is.na(design[[3]])) NULL else quiet(emmeans(m, design[[3]], lmer.df = "satterthwaite"))
  out[[name]] <- list(
    formula = formula, smaller = design[[4]], bars = paste(bars, collapse = " + "),
    subset = isTRUE(design$subset), weights = isTRUE(design$weights), factor = design[[3]],
    satterthwaite = table_of(coef(summary(m))),
    kenward_roger = table_of(coef(summary(m, ddf = "Kenward-Roger"))),
    anova = table_of(quiet(anova(m))), anova_kr = table_of(quiet(anova(m, ddf = "Kenward-Roger"))),
    variance = as.data.frame(VarCorr(m))[c("grp", "var1", "var2", "vcov")],
    likelihoods = c(as.numeric(logLik(m)), as.numeric(logLik(large)), chisq),
    means = if (!is.null(means)) as.data.frame(means),
    means_satterthwaite = if (!is.null(means)) as.data.frame(satterthwaite),
    pairs = if (!is.null(means)) as.data.frame(pairs(means, adjust = "none")),
    mvt = if (!is.null(means)) {set.seed(1); as.data.frame(pairs(satterthwaite, adjust = "mvt"))},
    dunnett = if (!is.null(means)) as.data.frame(contrast(satterthwaite, "trt.vs.ctrl", adjust = "dunnettx"))
  )
}
write.csv(d, "designs.csv", row.names = FALSE, quote = FALSE)
write_json(out, "designs.json", digits = 11, auto_unbox = TRUE, na = "null")
