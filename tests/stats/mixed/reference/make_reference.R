# Makes reference.json from the CSV files beside it (simulated, ours).
#   Rscript make_reference.R        in this folder; R 4.2.2, lme4 1.1-31, lmerTest 3.1-3,
#                                   pbkrtest 0.5.2, emmeans 1.8.4-1, jsonlite
# The optimiser's tolerances are tightened: with lme4's defaults variance components are good
# to about 1e-5 only. The data are unbalanced on purpose; the names say what else they are.
suppressMessages({library(lmerTest); library(pbkrtest); library(jsonlite); library(emmeans)})
formulas <- list(
  three_factors = y ~ arm + bb + x + (1 | g) + (1 | h) + (1 | g:h),
  slope = y ~ arm + x + (x | g) + (1 | h),
  perfect_correlation = y ~ x + arm + (x | g),
  nested_zero = y ~ arm + (1 | g/h),
  factor_slope = y ~ arm * x + bb + (arm | g) + (1 | h),
  boolean = y ~ flag * arm + (1 | g) + (1 | h),
  zero_variance = y ~ arm + (1 | g) + (1 | h),
  three_level_slope = y ~ bb + (bb | g),
  cell_effects = y ~ log(z) + arm + (1 | g) + (0 + arm | h)
)
quiet <- function(x) suppressWarnings(suppressMessages(x))
table_of <- function(x) cbind(name = rownames(x), as.data.frame(x, check.names = FALSE))
out <- list()
for (name in names(formulas)) {
  data <- read.csv(paste0(name, ".csv"))
  if (!is.null(data$flag)) data$flag <- data$flag == "True"
  formula <- formulas[[name]]
  tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(
    xtol_abs = 1e-12, ftol_abs = 1e-13, xtol_rel = 0, ftol_rel = 0, maxeval = 1e5))
  m <- quiet(lmer(formula, data, control = tight))
  factor <- if ("arm" %in% names(data)) "arm" else "bb"
  grid <- quiet(emmeans(m, factor, lmer.df = "satterthwaite"))
  out[[name]] <- list(
    formula = paste(deparse(formula), collapse = " "),
    singular = isSingular(m),
    satterthwaite = table_of(coef(summary(m))),
    kenward_roger = table_of(coef(summary(m, ddf = "Kenward-Roger"))),
    vcov_kr = as.matrix(vcovAdj(m)),
    varcorr = as.data.frame(VarCorr(m)),
    logLik = as.numeric(logLik(m)),
    logLik_ml = as.numeric(logLik(quiet(refitML(m)))),
    anova_satterthwaite = table_of(anova(m)),
    anova_kr = table_of(anova(m, ddf = "Kenward-Roger")),
    ranova = table_of(quiet(ranova(m))),
    factor = factor,
    means = as.data.frame(grid),
    pairs = as.data.frame(pairs(grid, adjust = "none"))
  )
}
write_json(out, "reference.json", digits = NA, auto_unbox = TRUE, na = "null", pretty = TRUE)
