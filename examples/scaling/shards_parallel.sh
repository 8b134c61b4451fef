#!/bin/sh
# Generate images with GNU parallel on one or several machines: 16 shards. Complete
# shards are kept, so the same line repeats failed ones.
#
#     SHARDS=16 sh examples/scaling/shards_parallel.sh MODEL CLASS N OUT [JOBS]
set -eu
model=$1 class=$2 n=$3 out=$4 jobs=${5:-2}
mkdir -p "$out"
export TF_NUM_INTRAOP_THREADS=1 # one core for each job
seq ${SHARDS:-16} | parallel --jobs "$jobs" \
    "test -e '$out'/{}.tar || balancegan generate '$model' --class '$class' --n '$n' --shard {}/${SHARDS:-16} --out '$out'/{}.tar --quiet"
