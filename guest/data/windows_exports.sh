#!/usr/bin/env bash
# Writes windows_exports.txt: which functions Windows' own DLLs have, by name, from mingw-w64's import libraries (their
# definition files are in the public domain). A line is a DLL and its functions; variables are left out, and the services in
# ntdll.dll: which of them there are is what the build's own tables say.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
folder=${1:-/usr/x86_64-w64-mingw32/lib}
dlls=(advapi32 bcrypt cfgmgr32 comctl32 comdlg32 crypt32 cryptui dbghelp dnsapi dwmapi gdi32 imagehlp imm32 iphlpapi kernel32
    mpr msvcrt mswsock ncrypt netapi32 ntdll ole32 oleaut32 pdh powrprof propsys psapi rpcrt4 secur32 setupapi shell32 shlwapi
    mincore shcore ucrtbase urlmon user32 userenv usp10 uxtheme version winhttp wininet winmm winspool wintrust ws2_32 wtsapi32 vcruntime140_app)
c_of_ntdll=(__isascii __iscsym __iscsymf __toascii _atoi64 _i64toa _i64tow _itoa _itow _ltoa _ltow _memccpy _memicmp
    _snprintf _snwprintf _splitpath _strcmpi _stricmp _strlwr _strnicmp _strupr _ui64toa _ultoa _ultow _vsnprintf
    _vsnwprintf _wcsicmp _wcslwr _wcsnicmp _wcsupr _wtoi _wtoi64 _wtol abs atan atoi atol bsearch ceil cos fabs floor
    isalnum isalpha iscntrl isdigit isgraph islower isprint ispunct isspace isupper iswalpha iswctype iswdigit iswlower
    iswspace iswxdigit isxdigit labs log mbstowcs memchr memcmp memcpy memmove memset pow qsort sin sprintf sqrt sscanf
    strcat strchr strcmp strcpy strcspn strlen strncat strncmp strncpy strnlen strpbrk strrchr strspn strstr strtol
    strtoul swprintf tan tolower toupper towlower towupper vsprintf wcscat wcschr wcscmp wcscpy wcscspn wcslen wcsncat
    wcsncmp wcsncpy wcspbrk wcsrchr wcsspn wcsstr wcstol wcstombs wcstoul)
{
    echo "# Made by windows_exports.sh from mingw-w64's import libraries; a DLL, then the functions that it exports."
    for dll in "${dlls[@]}"; do
        library=$folder/lib$dll.a file=$dll.dll
        [[ $dll == winspool ]] && file=winspool.drv
        # The packaged form, which has the same functions.
        [[ $dll == vcruntime140_app ]] && file=vcruntime140.dll
        # What API sets have, whichever DLL hosts it.
        [[ $dll == mincore ]] && file=api-ms-win-
        [[ -f $library ]] || continue
        # Functions are those that can be called directly and have a place in the import table.
        names=$(x86_64-w64-mingw32-nm -g --defined-only "$library" 2>/dev/null |
            awk -v dll="$dll" '$2 == "T" && !(dll == "ntdll" && $3 ~ /^(Nt|Zw)[A-Z]/) {code[$3] = 1} $3 ~ /^__imp_/ {place[substr($3, 7)] = 1}
                END {for (name in code) if (name in place) print name}' | LC_ALL=C sort -u | tr '\n' ' ')
        # The C functions that ntdll.dll has as well, which mingw-w64 leaves out lest they be taken for the C library's.
        [[ $dll == ntdll ]] && names=$(printf '%s\n' $names "${c_of_ntdll[@]}" | LC_ALL=C sort -u | tr '\n' ' ')
        [[ -n $names ]] && echo "$file ${names% }"
    done
} >windows_exports.txt
