#!/usr/bin/env bash
# Builds the built-in DLLs that are written in C or assembly from the folders beside this script, for 64-bit code into
# x64/ and for 32-bit code into x86/, and writes MANIFEST.json.
#   build.sh           build
#   build.sh --check   build elsewhere and compare with what is here; changes nothing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export LC_ALL=C SOURCE_DATE_EPOCH=0

for arch in x86_64 i686; do
    command -v "$arch-w64-mingw32-gcc" >/dev/null || {
        echo "dll: mingw-w64 is missing: no $arch-w64-mingw32-gcc (apt-get install gcc-mingw-w64-x86-64 gcc-mingw-w64-i686)" >&2
        exit 1
    }
done
flags=(-std=gnu11 -Os -s -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-stack-protector -fno-ident -fwrapv
    -mno-stack-arg-probe -fno-tree-loop-distribute-patterns -nostdlib -nostartfiles -shared
    -Wl,--no-insert-timestamp -Wl,--dynamicbase -Wl,--nxcompat -Wl,--disable-auto-import -Wl,--disable-runtime-pseudo-reloc)
# Windows XP runs on processors without SSE.
narrow=(-march=i686 -mno-sse -mno-mmx -fno-asynchronous-unwind-tables -Wl,--kill-at)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/x64" "$scratch/x86"

rows=()
# row FILE COMMAND: one row of the manifest.
row() {
    local file="$scratch/$1"
    rows+=("    { \"file\": \"$1\", \"sha256\": \"$(sha256sum "$file" | cut -d' ' -f1)\", \"size\": $(stat -c %s "$file"), \"command\": \"$2\" }")
}
# link WIDTH NAME ENTRY BASE REST...: REST is sources, import libraries and flags.
link() {
    local width=$1 name=$2 entry=$3 base=$4 tool=x86_64-w64-mingw32-gcc own=()
    shift 4
    [[ $width == x86 ]] && tool=i686-w64-mingw32-gcc own=("${narrow[@]}")
    local command=("$tool" "${flags[@]}" "${own[@]}" "-Wl,-e,$entry" "-Wl,--image-base,$base" -o "$width/$name.dll" "$@")
    local real=("${command[@]/#$width\/$name.dll/$scratch/$width/$name.dll}")
    "${real[@]/#-LTMP/-L$scratch}"
    row "$width/$name.dll" "${command[*]}"
}

# compile WIDTH NAME FILE: all files of a folder as one object, sorted by name, as if they were one file. What it ran is
# in `command`.
compile() {
    local width=$1 name=$2 tool=x86_64-w64-mingw32-gcc own=(-mcmodel=small) file
    [[ $width == x86 ]] && tool=i686-w64-mingw32-gcc own=(-march=i686 -mno-mmx -mno-sse -fno-asynchronous-unwind-tables -fno-unwind-tables)
    command=("$tool" -std=gnu11 -Os -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-stack-protector -fno-ident
        -fwrapv -mno-stack-arg-probe -fno-tree-loop-distribute-patterns -I. -Iinclude "${own[@]}" -c -x c -o "$width/$name.o" -)
    for file in "$name"/*.c; do echo "#include \"$file\""; done | "${command[@]/#$width\/$name.o/$3}"
}

# object WIDTH NAME: ntdll stays an object; its stubs, which depend on the profile, are linked to it when a machine is
# made.
object() {
    local command
    compile "$1" "$2" "$scratch/$1/$2.o"
    row "$1/$2.o" "${command[*]}"
}

# system WIDTH NAME BASE: a DLL that imports what its object wants of ntdll. In its definitions a line may be for one
# width only.
system() {
    local width=$1 name=$2 tool=x86_64-w64-mingw32 command folder="$scratch/$2-$1"
    [[ $width == x86 ]] && tool=i686-w64-mingw32
    mkdir "$folder"
    compile "$width" "$name" "$folder/$name.o"
    {
        echo 'LIBRARY "ntdll.dll"'
        echo EXPORTS
        "$tool-nm" -u "$folder/$name.o" | sed -E "s/^ *U __imp_//$([[ $width == x86 ]] && echo ';s/^_//')" | sort -u
    } >"$folder/ntdll.def"
    "$tool-dlltool" --kill-at -d "$folder/ntdll.def" -l "$folder/libntdll.a"
    sed -E "/ ; x(64|86)\$/{/$width\$/!d;s/ ; .*//}" "$name/$name.def" >"$folder/$name.def"
    local last=("$tool-gcc" -s -nostdlib -shared -Wl,--enable-stdcall-fixup -Wl,--no-insert-timestamp -Wl,--dynamicbase
        -Wl,--nxcompat -Wl,--disable-auto-import -Wl,--disable-runtime-pseudo-reloc -Wl,-e,0 "-Wl,--image-base,$3"
        -o "$width/$name.dll" "TMP/$name.o" "TMP/$name.def" -LTMP -lntdll)
    local real=("${last[@]/#$width\/$name.dll/$scratch/$width/$name.dll}")
    real=("${real[@]/#TMP/$folder}")
    "${real[@]/#-LTMP/-L$folder}"
    row "$width/$name.dll" "${command[*]} && ${last[*]}"
}

# ntdll's table of Win32 errors, from the data.
generate() {
    sed 1d ../data/dos_errors.csv | sed -E 's/^(.*),(.*)$/{0x\1, \2},/' | paste -d ' ' - - - - - - | sed 's/^/    /;s/ *$//' >"$1"
}
# The hosts of API sets, from the data.
api_sets() { sed 1d ../data/api_sets.csv | sed -E 's/^(.*),(.*)$/    {"\1", L"\2"},/' >"$1"; }
# The DLLs that come from the system's folder, from the data.
known_dlls() { sed -E 's/.*/    "&",/' ../data/known_dlls.txt >"$1"; }
if [[ ${1-} == --check ]]; then
    known_dlls "$scratch/known_dlls.inc"
    cmp "$scratch/known_dlls.inc" ntdll/known_dlls.inc
    rm "$scratch/known_dlls.inc"
    api_sets "$scratch/api_sets.inc"
    cmp "$scratch/api_sets.inc" ntdll/api_sets.inc
    rm "$scratch/api_sets.inc"
    generate "$scratch/dos_errors.inc"
    cmp "$scratch/dos_errors.inc" ntdll/dos_errors.inc
    rm "$scratch/dos_errors.inc"
else
    known_dlls ntdll/known_dlls.inc
    api_sets ntdll/api_sets.inc
    generate ntdll/dos_errors.inc
fi

object x64 ntdll
object x86 ntdll
# kernelbase for 32-bit code: every function is `stdcall`, and the names it imports are undecorated.
i686-w64-mingw32-dlltool -d kernelbase/imports.def -l "$scratch/libntdll32.a"
system x64 kernel32 0x7ffc0cd40000
system x86 kernel32 0x77e00000
system x64 advapi32 0x7ffc0ca00000
system x86 advapi32 0x77d00000
for small in bcrypt:7ffc0c500000:77a00000 bcryptprimitives:7ffc0c400000:77900000 userenv:7ffc0c300000:77800000 \
    ws2_32:7ffc0c600000:77700000 winmm:7ffc0c200000:77600000 powrprof:7ffc0c100000:77500000 psapi:7ffc0c080000:77480000 \
    version:7ffc0c060000:77460000 shlwapi:7ffc0c040000:77440000 shell32:7ffc0c020000:77420000 user32:7ffc0d800000:77400000 \
    ole32:7ffc0d900000:773e0000 combase:7ffc0d940000:773c0000 oleaut32:7ffc0d980000:773a0000 wsock32:7ffc0d9c0000:77380000 \
    secur32:7ffc0da00000:77360000 dbghelp:7ffc0da40000:77340000; do
    IFS=: read -r name wide low <<<"$small"
    system x64 "$name" "0x$wide"
    system x86 "$name" "0x$low"
done
link x64 kernelbase DllMain 0x7ffc0a000000 kernelbase/*.c kernelbase/kernelbase.def -lntdll
link x86 kernelbase _DllMain 0x75000000 -mrtd kernelbase/*.c kernelbase/kernelbase32.def -LTMP -lntdll32
link x64 msvcrt DllMain 0x7ffc0b800000 msvcrt/*.c msvcrt/msvcrt.def -lkernel32 -lntdll
link x86 msvcrt _DllMain@12 0x76b00000 msvcrt/*.c msvcrt/msvcrt32.def -lkernel32 -lntdll -lgcc
link x64 ucrtbase DllMain 0x7ffc0bc00000 -DUCRT msvcrt/*.c ucrtbase/*.c ucrtbase/ucrtbase.def -lkernel32 -lntdll
link x86 ucrtbase _DllMain@12 0x76e00000 -DUCRT msvcrt/*.c ucrtbase/*.c ucrtbase/ucrtbase32.def -lkernel32 -lntdll -lgcc
# C++'s run time: it imports from ucrtbase.
x86_64-w64-mingw32-dlltool -d ucrtbase/ucrtbase.def -l "$scratch/libtucrt.a"
i686-w64-mingw32-dlltool -d ucrtbase/ucrtbase32.def -l "$scratch/libtucrt32.a"
link x64 vcruntime140 DllMain 0x7ffc0be00000 vcruntime140/*.c vcruntime140/vcruntime140.def -LTMP -ltucrt -lkernel32 -lntdll
link x86 vcruntime140 _DllMain@12 0x76f00000 vcruntime140/*.c msvcrt/{jump,seh32}.c vcruntime140/vcruntime140_32.def -LTMP -ltucrt32 -lkernel32 -lntdll
x86_64-w64-mingw32-dlltool -d vcruntime140/vcruntime140.def -l "$scratch/libtvcruntime.a"
link x64 vcruntime140_1 0 0x7ffc0bf00000 -DFH4 vcruntime140/{catch,frame64,guard64,object}.c vcruntime140_1/*.c vcruntime140_1/vcruntime140_1.def -LTMP -ltvcruntime -ltucrt -lntdll
# R14 stays the 32-bit stack while it runs, as wow64cpu leaves it: traces tell by it where a call comes from.
link x64 wow64 0 0x7ffc0d000000 -ffixed-r14 wow64/*.c wow64/*.S wow64/wow64.def -lntdll
x86_64-w64-mingw32-dlltool -d wow64/wow64.def -l "$scratch/libwow64.a"
link x64 wow64cpu 0 0x77b00000 wow64cpu/wow64cpu.S wow64cpu/wow64cpu.def -LTMP -lwow64

{
    echo '{'
    echo "  \"gcc\": \"$(x86_64-w64-mingw32-gcc --version | sed -n 1p), $(i686-w64-mingw32-gcc --version | sed -n 1p)\","
    echo "  \"binutils\": \"$(x86_64-w64-mingw32-ld --version | sed -n 1p)\","
    echo '  "libraries": ['
    printf '%s,\n' "${rows[@]}" | sed '$ s/,$//'
    printf '  ]\n}\n'
} >"$scratch/MANIFEST.json"

if [[ ${1-} == --check ]]; then
    for file in x64/* x86/* MANIFEST.json; do cmp "$scratch/$file" "$file"; done
    echo "dll: the same"
else
    mkdir -p x64 x86
    cp "$scratch"/x64/* x64/
    cp "$scratch"/x86/* x86/
    cp "$scratch/MANIFEST.json" .
    echo "dll: built, $(cat x64/* x86/* | wc -c) bytes"
fi
