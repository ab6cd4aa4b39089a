#!/bin/sh
# The cuda backend on this machine's GPU, against the reference, every network in every kind of numbers; ends with 77,
# and says why, where there is no GPU to use. Argument: the command.
set -eu
alexnet=$1
why=$("$alexnet" --version | sed -n 's/^ *device cuda *not usable: //p')
if [ -n "$why" ]; then
    echo "skipped, no GPU: $why"
    exit 77
fi
for arch in alexnet alexnet-code alexnet-paper alexnet-2012 caffe-alexnet caffenet torchvision darknet; do
    for precision in fp32 tf32 bf16 fp16; do
        "$alexnet" check --device cuda --arch "$arch" --precision "$precision" --input-size 67 --classes 10
    done
done
