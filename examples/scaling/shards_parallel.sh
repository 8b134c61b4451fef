#!/bin/sh
# Many images on one machine, or several, by GNU parallel: 16 shards, as many at once
# as fit. What is complete is left as it is, so that the same line mends what failed.
#
#     SHARDS=16 sh examples/scaling/shards_parallel.sh MODEL CLASS N OUT [JOBS]
set -eu
model=$1 class=$2 n=$3 out=$4 jobs=${5:-2}
mkdir -p "$out"
export TF_NUM_INTRAOP_THREADS=1 # one core for each job
seq ${SHARDS:-16} | parallel --jobs "$jobs" \
    "test -e '$out'/{}.tar || balancegan generate '$model' --class '$class' --n '$n' --shard {}/${SHARDS:-16} --out '$out'/{}.tar --quiet"
