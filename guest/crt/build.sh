#!/usr/bin/env bash
# Builds kernelbase.dll and msvcrt.dll from the C files beside this script, and writes MANIFEST.json.
#   build.sh           build
#   build.sh --check   build elsewhere and compare with what is here; changes nothing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export LC_ALL=C SOURCE_DATE_EPOCH=0

tool=x86_64-w64-mingw32-gcc
command -v "$tool" >/dev/null || {
    echo "crt: mingw-w64 is missing (apt-get install gcc-mingw-w64-x86-64)" >&2
    exit 1
}
flags=(-std=gnu11 -Os -s -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-stack-protector -fno-ident -fwrapv
    -mno-stack-arg-probe -fno-tree-loop-distribute-patterns -nostdlib -nostartfiles -shared
    -Wl,--no-insert-timestamp -Wl,--dynamicbase -Wl,--nxcompat -Wl,--disable-auto-import -Wl,--disable-runtime-pseudo-reloc
    -Wl,-e,DllMain)
declare -A base=([kernelbase]=0x7ffc0a000000 [msvcrt]=0x7ffc0b800000)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

manifest="$scratch/MANIFEST.json"
{
    echo '{'
    echo "  \"gcc\": \"$($tool --version | sed -n 1p)\","
    echo "  \"binutils\": \"$(x86_64-w64-mingw32-ld --version | sed -n 1p)\","
    echo '  "libraries": ['
} >"$manifest"
comma=,
for name in kernelbase msvcrt; do
    command=("$tool" "${flags[@]}" "-Wl,--image-base,${base[$name]}" -o "$name.dll" "$name"/*.c "$name/$name.def")
    [[ $name == kernelbase ]] && command+=(-lntdll) || command+=(-lkernel32 -lntdll)
    "${command[@]/#$name.dll/$scratch/$name.dll}"
    sum=$(sha256sum "$scratch/$name.dll" | cut -d' ' -f1)
    [[ $name == msvcrt ]] && comma=
    echo "    { \"file\": \"$name.dll\", \"sha256\": \"$sum\", \"size\": $(stat -c %s "$scratch/$name.dll"), \"command\": \"${command[*]}\" }$comma" >>"$manifest"
done
printf '  ]\n}\n' >>"$manifest"

if [[ ${1-} == --check ]]; then
    for file in kernelbase.dll msvcrt.dll MANIFEST.json; do cmp "$scratch/$file" "$file"; done
    echo "crt: the same"
else
    cp "$scratch"/{kernelbase.dll,msvcrt.dll,MANIFEST.json} .
    echo "crt: built, $(cat kernelbase.dll msvcrt.dll | wc -c) bytes"
fi
