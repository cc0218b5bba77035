"""`python -m basin.bench gpu`: speed of the GPU kernels, beside limits and peers.

plan        cases, in order of value, with the bytes and operations that each must cost
objects     the plan's kernels as a folder that another machine can measure
norms, attention, baselines     operands, references, contenders
timing      CUDA events
driver      checks, then times; supervisor starts it again where a case takes it down
records     results as they come, a JSON object a line
report      tables
"""
