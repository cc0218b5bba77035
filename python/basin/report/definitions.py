"""What each figure of the report is: name, formula, threshold, source."""

from __future__ import annotations

from typing import NamedTuple


class Definition(NamedTuple):
    """One line of the section "Definitions"."""

    name: str
    formula: str
    threshold: str
    source: str


DEFINITIONS = [
    Definition(
        "sink importance alpha_k",
        "mean over the queries that see key k of the probability p_ik; over the first T queries",
        "a sink where alpha_k > 0.3, at T = 64",
        "arXiv 2410.10781, section 3.2",
    ),
    Definition(
        "sink rate",
        "100 times the share of sequences, layers and heads with alpha_1 > eps",
        "eps = 0.3; no published rate above which a model has sinks",
        "arXiv 2410.10781",
    ),
    Definition(
        "heaviest token",
        "the key with the largest mean alpha among those that at least half of the queries see",
        "as alpha_k",
        "this report, after arXiv 2410.10781",
    ),
    Definition(
        "first-token mass",
        "mean over queries but the first of the probability p_i1",
        "none; uniform causal attention over T tokens gives (1/2 + ... + 1/T) / (T - 1)",
        "arXiv 2505.06708",
    ),
    Definition("entropy", "mean over queries of -sum p ln p, in nats", "none", ""),
    Definition(
        "learned sinks",
        "mean probability of learned columns in the softmax, which are no keys",
        "none",
        "gpt-oss; arXiv 2402.17762",
    ),
    Definition(
        "value ratio, key ratio",
        "norm2 of the first token's value (rotated key) over the mean of the others'",
        "value-state drain: far below 1; the report marks 0.25",
        "arXiv 2410.13835; the mark is this report's",
    ),
    Definition(
        "massive activation",
        "abs(x) against the median abs(x) of the same sequence's hidden state",
        "above 100 and at least 1000 medians",
        "arXiv 2402.17762, section 2",
    ),
    Definition(
        "residual peak",
        "norm2 of the first token's residual vector over the mean of the others'",
        "none; far above 1",
        "arXiv 2410.13835",
    ),
    Definition(
        "Havg",
        "mean over layers, tokens and sequences of abs(x), by dimension, embedding included",
        "none; the order of the figures' dimensions",
        "arXiv 2601.22966",
    ),
    Definition(
        "residual sink",
        "dimension whose mean abs(x) without each sequence's largest token is far above the median "
        "dimension's, carried by most: presence = (sum abs(x))^2 / (n sum x^2) over n tokens",
        "at least 8 medians and presence 0.5 where it is largest",
        "arXiv 2601.22966, section 2; the marks are Basin's",
    ),
    Definition(
        "norm weight over median",
        "abs(gamma_j) over the median of abs(gamma) of the same norm",
        "0.004 to 0.06 at residual sinks in the paper; the report marks 0.5",
        "arXiv 2601.22966; the mark is this report's",
    ),
    Definition(
        "bound on a norm's output",
        "max abs(gamma) sqrt((1 - r^2) + e^2 r^2), r = max_j abs(x_j) / norm2(x), e = "
        "abs(gamma_j) / max abs(gamma) at that j",
        "none; it falls as r grows",
        "arXiv 2601.22966, appendix A.1",
    ),
    Definition(
        "tightness", "largest over tokens of output rms / bound", "at most 1", "arXiv 2601.22966"
    ),
    Definition(
        "kurtosis",
        "mean (x - mean)^4 / (mean (x - mean)^2)^2 over tokens and channels, mean over sequences",
        "none; a Gaussian has 3",
        "arXiv 2306.12929",
    ),
    Definition(
        "neuron kurtosis",
        "with s_j the root mean square over tokens of dimension j: mean s^4 / (mean s^2)^2",
        "none; 1 where all dimensions are alike",
        "arXiv 2405.19279",
    ),
    Definition("infinity norm", "largest abs(x), mean over sequences", "none", "arXiv 2306.12929"),
    Definition(
        "outlier feature",
        "a dimension of the inputs of attention and feed-forward with abs(x) >= 6",
        "in at least 25 % of layers and 6 % of positions",
        "LLM.int8, arXiv 2208.07339",
    ),
    Definition(
        "token ratio",
        "largest over tokens t of max_j abs(x_tj), over its median over t",
        "above 64 at the input of the down projection",
        "PrefixQuant, arXiv 2410.05265",
    ),
    Definition(
        "room in f16",
        "65504 / largest abs(x) of the stream",
        "below 1 overflows; the report marks 2",
        "IEEE 754 binary16; the mark is this report's",
    ),
]
