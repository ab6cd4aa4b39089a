#!/bin/sh
# bench/gpu where there is no GPU: what it asks for, and, with tools that only pretend (fake_gpu), what it
# makes of their answers. Argument: the script.
set -eu
. "$(dirname "$0")/has.sh"
gpu=$1
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONDONTWRITEBYTECODE=1

# ends CODE COMMAND...: runs it and keeps both of its outputs.
ends() {
    wanted=$1
    shift
    found=0
    text=$("$@" 2>&1) || found=$?
    [ "$found" -eq "$wanted" ] || { printf '%s\nended with %s, not %s\n' "$text" "$found" "$wanted" >&2; exit 1; }
}

ends 0 "$gpu" --help
has "$text" 'in eight minutes' '--prepare' '--compile-seconds N'
ends 2 "$gpu" --modes train:256:int8
has "$text" "'train:256:int8' is no mode"
ends 2 "$gpu" --steps paint
ends 2 "$gpu" --minutes 0
ends 2 "$gpu" --packages "$folder"
has "$text" 'holds no packages'
ends 2 "$gpu" --python /nowhere/python
ends 1 "$gpu" --show /nowhere/figures.json

# What counts most comes first.
ends 0 "$gpu" --list
[ "$(printf '%s\n' "$text" | head -n 1)" = 'alexnet-paper train:256:bf16' ]
has "$text" '^torchvision infer:256:bf16 compiled$' '^alexnet infer:2048:tf32$' '^alexnet train:128:fp16$'
ends 0 "$gpu" --list --networks torchvision --modes infer:8:fp32 infer:1:bf16
[ "$(printf '%s' "$text" | tr '\n' ' ')" = 'torchvision infer:1:bf16 torchvision infer:1:bf16 compiled torchvision infer:8:fp32 '\
'torchvision infer:8:fp32 compiled' ]

# No GPU: one sentence, and nothing is built. A driver without a card says so itself.
mkdir "$folder/none" "$folder/broken"
python=$(python3 -c 'import sys; print(sys.executable)')
if [ ! -e /usr/local/nvidia/bin/nvidia-smi ]; then
    ends 1 env PATH="$folder/none" "$python" "$gpu" --build "$folder/build"
    has "$text" '^gpu: there is no NVIDIA GPU .*nvidia-smi, which comes with the driver, is not installed'
    [ "$(printf '%s\n' "$text" | wc -l)" -eq 1 ]
fi
printf '#!/bin/sh\necho "No devices were found"\nexit 6\n' >"$folder/broken/nvidia-smi"
chmod +x "$folder/broken/nvidia-smi"
ends 1 env PATH="$folder/broken:$PATH" "$gpu" --build "$folder/build"
has "$text" '^gpu: there is no NVIDIA GPU .*nvidia-smi says: No devices were found'
[ ! -e "$folder/build" ]

# A whole run.
fake() {
    env PATH="$here/fake_gpu:$PATH" "$gpu" --build "$folder/build" --python "$here/fake_gpu/python" \
        --compile-seconds 1 --json "$folder/figures.json" --out "$folder/tables" "$@"
}
ends 1 fake --networks alexnet-paper torchvision --modes train:256:bf16 infer:1:fp32 infer:8:fp16
text=$(cat "$folder/tables")
has "$text" '^| build *| [0-9]* *| built for 90a-real' '^| ctest -R .* 100% tests passed, 0 tests failed out of 4' \
    '^NVIDIA H200, compute capability 9.0, 143771 MiB, driver 580.159.04; clocks at most 1980 MHz' \
    'seen while measuring, at most: 1980 MHz (memory 3201 MHz), 512 W, 61 C' \
    'alexnet 9.8.7' 'PyTorch 2.11.0 (CUDA 13.0, cuDNN 9.13.0)' \
    '^| memcheck check alexnet-paper *| 0 errors ' '^| racecheck train torchvision *| 0 hazards displayed' \
    '^| alexnet-paper | bf16 *| 2 *| 0 *| 1 *| 2e-06 of 0.0001 (gradient conv1.weight)' \
    '^| torchvision *| bf16 *| 2 *| 1 *| 1 *| inf of 0.0001 (gradient conv1.weight)' \
    '^| torchvision *| fp16 *| 2 *| 0 ' '^| alexnet-paper | tf32 *| 2 *| 0 ' \
    '^| cutlass::gemm *| 1 *| 60 % *| 70 % *| 50 % *| - ' '^| lrn<8> *| 2 *| 40 % *| 25 % *| 50 % *| 60 % '
# 256 images in 10 ms; PyTorch's fastest takes 15, and 20 when it is fed.
has "$text" '^| alexnet-paper | training, batch 256, bf16 *| 25600 *| 16000 *| 17067 *| 17067 *| ' \
    ' autocast bf16, channels last, CUDA graph *| 1.50 *| 12800 *| 2.00 ' \
    '^| alexnet-paper | inference, batch 1, fp32 *| 10.0 *| 16.0 *| 15.0 *| [^|]* | fp32, channels last, CUDA graph' \
    '^| alexnet-paper | inference, batch 8, fp16 *| 800.0 *| ' '^| torchvision *| training, batch 256, bf16 *| - *| 16000 '
has "$text" '^- torchvision train:256:bf16: alexnet bench: the GPU has not enough memory' \
    '^- check torchvision bf16: alexnet check: 1 comparisons are WRONG' '^- initcheck infer alexnet-paper: 1 error; ' \
    'autocast fp16, channels last: RuntimeError: no luck' \
    'max-autotune: took longer than 1 s'
ends 0 "$gpu" --show "$folder/figures.json" "$folder/figures.json"
[ "$(printf '%s\n' "$text" | grep -c '^| .*training, batch 256')" -eq 2 ] # one line a network, though seen twice

# With the same bits in every run it takes 11.25 ms; asked for only in training with batch 256.
has "$text" '^- alexnet-paper training, batch 256, bf16: deterministic: 12.5 % slower'
[ "$(grep -c 'deterministic: ' "$folder/tables")" -eq 1 ]

# All is well; a card that cannot be used; a command that is not there.
ends 0 fake --steps measure --networks alexnet --modes infer:64:bf16
has "$text" '1 of 1 lines'
export FAKE_PRECISIONS='fp32|bf16'
ends 0 fake --steps measure --networks alexnet --modes infer:64:bf16 infer:64:fp16
has "$text" '1 of 2 lines' '^- alexnet in fp16: it has no such --precision'
unset FAKE_PRECISIONS
export FAKE_DEVICE='not usable: no driver'
ends 1 fake --steps check
has "$text" 'cannot use this GPU: no driver'
unset FAKE_DEVICE
export FAKE_CMAKE='CUDA (toolkit 12 or later, cuDNN 9) not found: the cuda plug-in is left out'
ends 1 fake --steps build check
has "$text" '^- build: CUDA 12 or later with cuDNN 9 was not found'
ends 1 fake --steps measure --alexnet /nowhere/alexnet
has "$text" '/nowhere/alexnet is not there; the step build makes it'
