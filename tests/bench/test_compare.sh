#!/bin/sh
# The plan and the tables of bench/compare. Arguments: the script, figures to print.
set -eu

. "$(dirname "$0")/has.sh"

has "$(PYTHONDONTWRITEBYTECODE=1 "$1" --list)" '^alexnet infer:1:fp32 onnxruntime$' \
    '^alexnet-paper train:64:bf16 torch-compiled$' '^torchvision infer:8:int8 alexnet$'
list=$("$1" --list --networks alexnet --modes infer:1:int8 --only 'alexnet|openvino' | tr '\n' ' ')
[ "$list" = 'alexnet infer:1:int8 openvino alexnet infer:1:int8 alexnet ' ]
has "$("$1" --list --modes infer:1:half 2>&1 || true)" 'is no mode'

# The median ncnn over our median, and the range of the rounds' ratios; a batch in images/s.
has "$("$1" --show "$2")" 'inference, batch 1, fp32 *| 21.0 ±5 % *| 14.0 ±14 % *| 7.0 ±11 % ' \
    '2.00 (1.50 to 2.46)' '90 %' 'training, batch 64, bf16 *| failed *| - *| 160 ±0 % *| - ' \
    'inference, batch 1, fp32 *| 800 *| 400 *| 280 '

# bench/loader says what is missing before it installs or measures anything.
loader=$(dirname "$1")/loader
has "$(PYTHONDONTWRITEBYTECODE=1 "$loader" /nowhere 2>&1 || true)" '/nowhere is no folder'
has "$(PYTHONDONTWRITEBYTECODE=1 "$loader" / --alexnet /nowhere 2>&1 || true)" '/nowhere is not there'
has "$(PYTHONDONTWRITEBYTECODE=1 "$loader" / --crops sideways 2>&1 || true)" "invalid choice: 'sideways'"
