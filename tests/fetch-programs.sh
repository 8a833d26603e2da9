#!/usr/bin/env bash
# Fetches the programs that tests/it/real.rs runs, as their vendors ship them, by version and checksum, with the registries'
# own clients. What is there already is not fetched again. The last line is the folder they are in.
#   7za.exe    7-Zip, from npm's 7zip-bin (Microsoft's compiler)
#   esbuild.exe  esbuild, from npm's @esbuild/win32-x64 (Go)
#   ninja.exe  Ninja, from PyPI's ninja (Microsoft's compiler, static run time)
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

if [[ ! -f $folder/7za.exe ]]; then
    say "fetching 7zip-bin 5.2.0 from npm"
    if command -v npm >/dev/null; then
        (cd "$scratch" && npm pack --silent 7zip-bin@5.2.0 >/dev/null) || die "npm could not fetch 7zip-bin"
    else
        curl -fsSL -o "$scratch/7zip-bin-5.2.0.tgz" https://registry.npmjs.org/7zip-bin/-/7zip-bin-5.2.0.tgz ||
            die "no npm, and curl could not fetch 7zip-bin"
    fi
    check "$scratch/7zip-bin-5.2.0.tgz" 04f9738ee00be8be53f5d06254a9e6e4b5117b17f8b74058477d870e62764a7d
    tar -xzf "$scratch/7zip-bin-5.2.0.tgz" -C "$scratch" package/win/x64/7za.exe
    mv "$scratch/package/win/x64/7za.exe" "$folder/7za.exe"
fi
if [[ ! -f $folder/esbuild.exe ]]; then
    # The last that Go 1.20 compiled: newer ones need a DLL that Wine 8 has not.
    say "fetching @esbuild/win32-x64 0.19.12 from npm"
    if command -v npm >/dev/null; then
        (cd "$scratch" && npm pack --silent @esbuild/win32-x64@0.19.12 >/dev/null) || die "npm could not fetch esbuild"
    else
        curl -fsSL -o "$scratch/esbuild-win32-x64-0.19.12.tgz" https://registry.npmjs.org/@esbuild/win32-x64/-/win32-x64-0.19.12.tgz ||
            die "no npm, and curl could not fetch esbuild"
    fi
    check "$scratch/esbuild-win32-x64-0.19.12.tgz" 825028ec9f67f68858027ea16a6d0bf30cd7c05b2970f3940cd6e97fbf5807b8
    tar -xzf "$scratch/esbuild-win32-x64-0.19.12.tgz" -C "$scratch" package/esbuild.exe
    mv "$scratch/package/esbuild.exe" "$folder/esbuild.exe"
fi
if [[ ! -f $folder/ninja.exe ]]; then
    python3 -m pip --version >/dev/null 2>&1 || die "no pip, which fetches Ninja (apt-get install python3-pip)"
    say "fetching ninja 1.13.2 from PyPI"
    python3 -m pip download --quiet --disable-pip-version-check --no-input --no-deps --only-binary=:all: \
        --platform win_amd64 --dest "$scratch" ninja==1.13.2 >&2 || die "pip could not fetch ninja"
    check "$scratch/ninja-1.13.2-py3-none-win_amd64.whl" 1293f4078278b70d0ee4b6cc8f3a9e030656c9b2f59909970343c4fe76070118
    python3 -m zipfile -e "$scratch/ninja-1.13.2-py3-none-win_amd64.whl" "$scratch/ninja"
    mv "$scratch/ninja/ninja-1.13.2.data/scripts/ninja.exe" "$folder/ninja.exe"
fi
echo "$folder"
