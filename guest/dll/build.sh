#!/usr/bin/env bash
# Builds the built-in DLLs from the C files beside this script, for x86 and x64, and writes MANIFEST.json.
#   build.sh           build
#   build.sh --check   build elsewhere and compare with what is here; changes nothing
#
# ntdll is an object file: the stubs, which depend on the profile, are linked to it when a machine is made.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export LC_ALL=C SOURCE_DATE_EPOCH=0

declare -A tool=([x64]=x86_64-w64-mingw32 [x86]=i686-w64-mingw32)
for width in x64 x86; do
    command -v "${tool[$width]}-gcc" >/dev/null || {
        echo "dll: mingw-w64 is missing (apt-get install gcc-mingw-w64-x86-64 gcc-mingw-w64-i686)" >&2
        exit 1
    }
done
compile=(-std=gnu11 -Os -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-stack-protector -fno-ident -fwrapv
    -mno-stack-arg-probe -fno-tree-loop-distribute-patterns -I. -Iinclude)
link=(-s -nostdlib -nostartfiles -shared -Wl,--no-insert-timestamp -Wl,--dynamicbase -Wl,--nxcompat
    -Wl,--disable-auto-import -Wl,--disable-runtime-pseudo-reloc -Wl,-e,DllMain)
# Every 64-bit processor has SSE2; a 32-bit machine may have none, and nothing unwinds by tables there.
declare -A own=([x64]="-mcmodel=small"
    [x86]="-march=i686 -mno-mmx -mno-sse -fno-asynchronous-unwind-tables -fno-unwind-tables")
declare -A base=([x64/kernelbase]=0x7ffc0a000000 [x64/msvcrt]=0x7ffc0b800000)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch"/{x64,x86}
rows=()

# One row of the manifest: the file and the command that made it.
row() {
    local file=$1 command=${*:2}
    rows+=("{ \"file\": \"$file\", \"sha256\": \"$(sha256sum "$scratch/$file" | cut -d' ' -f1)\", \"size\": $(stat -c %s "$scratch/$file"), \"command\": \"$command\" }")
}

# All files of a folder as one object: sorted by name, as if they were one file.
object() {
    local width=$1 name=$2 file
    local command=("${tool[$width]}-gcc" "${compile[@]}" ${own[$width]} -c -x c -o "$width/$name.o" -)
    for file in "$name"/*.c; do echo "#include \"$file\""; done | "${command[@]/#$width\/$name.o/$scratch/$width/$name.o}"
    row "$width/$name.o" "${command[@]}"
}

dll() {
    local width=$1 name=$2
    local command=("${tool[$width]}-gcc" "${compile[@]}" ${own[$width]} "${link[@]}" "-Wl,--image-base,${base[$width/$name]}"
        -o "$width/$name.dll" "$name"/*.c "$name/$name.def" "${@:3}")
    "${command[@]/#$width\/$name.dll/$scratch/$width/$name.dll}"
    row "$width/$name.dll" "${command[@]}"
}

for width in x64 x86; do
    object $width ntdll
    [[ $width == x86 ]] && continue
    dll $width kernelbase -lntdll
    dll $width msvcrt -lkernel32 -lntdll
done

{
    echo '{'
    echo "  \"gcc\": \"$(${tool[x64]}-gcc --version | sed -n 1p), $(${tool[x86]}-gcc --version | sed -n 1p)\","
    echo "  \"binutils\": \"$(${tool[x64]}-ld --version | sed -n 1p)\","
    echo '  "files": ['
    for ((i = 0; i < ${#rows[@]}; i++)); do
        ((i + 1 < ${#rows[@]})) && echo "    ${rows[i]}," || echo "    ${rows[i]}"
    done
    printf '  ]\n}\n'
} >"$scratch/MANIFEST.json"

files=(MANIFEST.json)
for file in "$scratch"/x64/* "$scratch"/x86/*; do files+=("${file#"$scratch"/}"); done
if [[ ${1-} == --check ]]; then
    for file in "${files[@]}"; do cmp "$scratch/$file" "$file"; done
    echo "dll: the same"
else
    for file in "${files[@]}"; do cp "$scratch/$file" "$file"; done
    echo "dll: built, $(cat x64/* x86/* | wc -c) bytes"
fi
