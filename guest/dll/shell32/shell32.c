/* shell32.dll: command lines, and where folders are. There is no shell. */
#include "nt.h"

enum { ERROR_NOT_SUPPORTED = 50, SE_ERR_NOASSOC = 31 };
#define E_FAIL ((LONG)0x80004005)
#define E_INVALIDARG ((LONG)0x80070057)

/* `CommandLineToArgvW`: the arguments of a command line, freed by LocalFree. */
WCHAR **NTAPI CommandLineToArgvW(const WCHAR *line, int *count) {
    ULONG length = 0, n = 0;
    if (!line || !count) return NULL;
    if (!*line) line = NtCurrentPeb()->ProcessParameters->ImagePathName.Buffer;
    while (line[length]) length++;
    /* No argument is longer than the line, and no more are there than half its characters. */
    WCHAR **list = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, (length / 2 + 3) * sizeof *list + (length + 2) * 2);
    if (!list) return NULL;
    WCHAR *to = (WCHAR *)(list + length / 2 + 3);
    BOOL quoted = FALSE;
    /* The program's name has no escapes. */
    list[n++] = to;
    for (; *line && (quoted || (*line != ' ' && *line != '\t')); line++) {
        if (*line == '"') quoted = !quoted;
        else *to++ = *line;
    }
    *to++ = 0;
    for (;;) {
        while (*line == ' ' || *line == '\t') line++;
        if (!*line) break;
        list[n++] = to;
        for (quoted = FALSE; *line && (quoted || (*line != ' ' && *line != '\t'));) {
            ULONG slashes = 0;
            while (*line == '\\') slashes++, line++;
            if (*line != '"') {
                while (slashes--) *to++ = '\\';
                if (*line && (quoted || (*line != ' ' && *line != '\t'))) *to++ = *line++;
                continue;
            }
            for (ULONG i = 0; i < slashes / 2; i++) *to++ = '\\';
            if (slashes & 1) *to++ = '"';
            else if (quoted && line[1] == '"') *to++ = '"', line++;
            else quoted = !quoted;
            line++;
        }
        *to++ = 0;
    }
    list[n] = NULL;
    *count = (int)n;
    return list;
}

/* Folders by their identifiers (KNOWNFOLDERID, CSIDL; FF: has none): the variable that says where, and what is below it. */
static const struct { ULONG Id[4]; UCHAR Csidl; const WCHAR *Variable, *Tail; } ShellpFolders[] = {
    {{0xf1b32785, 0x4fcf6fba, 0x8e7b559d, 0x9170157f}, 0x1c, L"LOCALAPPDATA", L""}, /* LocalAppData */
    {{0xa520a1a4, 0x4ff61780, 0x731618bd, 0x16afc543}, 0xff, L"USERPROFILE", L"\\AppData\\LocalLow"}, /* LocalAppDataLow */
    {{0x3eb685db, 0x4cf665f9, 0xefe33aa0, 0x3d9f7265}, 0x1a, L"APPDATA", L""}, /* RoamingAppData */
    {{0x5e6c858f, 0x47600e22, 0x33eafe9a, 0x7371b617}, 0x28, L"USERPROFILE", L""}, /* Profile */
    {{0xb4bfcc3a, 0x424cdb2c, 0xe97f29b0, 0x41c6879a}, 0x10, L"USERPROFILE", L"\\Desktop"}, /* Desktop */
    {{0xfdd39ad0, 0x46af238f, 0x856cb4ad, 0xc7690348}, 0x05, L"USERPROFILE", L"\\Documents"}, /* Documents */
    {{0x374de290, 0x4565123f, 0xc4396491, 0x7b465e92}, 0xff, L"USERPROFILE", L"\\Downloads"}, /* Downloads */
    {{0x62ab5d82, 0x4dc3fdc1, 0x0d07dda9, 0x975d491d}, 0x23, L"ALLUSERSPROFILE", L""}, /* ProgramData */
    {{0x905e63b6, 0x494ec1bf, 0xb7659cb2, 0x1ad2d332}, 0x26, L"ProgramFiles", L""}, /* ProgramFiles */
    {{0x7c5a40ef, 0x4bfca0fb, 0xf2c04a87, 0x8efab9e0}, 0x2a, L"ProgramFiles(x86)", L""}, /* ProgramFilesX86 */
    {{0x6d809377, 0x444b6af0, 0x77a35789, 0x0e20023f}, 0xff, L"ProgramW6432", L""}, /* ProgramFilesX64 */
    {{0xf7f1ed05, 0x47a29f6d, 0xd329aeaa, 0x66f0c617}, 0x2b, L"CommonProgramFiles", L""}, /* ProgramFilesCommon */
    {{0xdfdf76a2, 0x4d63c82a, 0x44566a90, 0x857345ac}, 0xff, L"PUBLIC", L""}, /* Public */
    {{0x0762d272, 0x4bb0c50a, 0x7d6982a3, 0x809b72cd}, 0xff, L"SystemDrive", L"\\Users"}, /* UserProfiles */
    {{0xf38bf404, 0x42f21d43, 0xde670593, 0x23fc280b}, 0x24, L"SystemRoot", L""}, /* Windows */
    {{0xfd228cb7, 0x4ae3ae11, 0xf3164c86, 0xfeb80a91}, 0x14, L"SystemRoot", L"\\Fonts"}, /* Fonts */
    {{0x1ac14e77, 0x4e5d02e7, 0xb12e44b7, 0xb79851ae}, 0x25, L"SystemRoot", L"\\System32"}, /* System */
    {{0xd65231b0, 0x4857b2f1, 0xe7a8cea4, 0x277deac6}, 0x29, L"SystemRoot", WIDTH(L"\\SysWOW64", L"\\System32")}, /* SystemX86 */
};

/* A variable of the environment. */
static const WCHAR *ShellpVariable(const WCHAR *name) {
    for (const WCHAR *at = NtCurrentPeb()->ProcessParameters->Environment; at && *at;) {
        ULONG i = 0;
        while (name[i] && at[i] == name[i]) i++;
        if (!name[i] && at[i] == '=') return at + i + 1;
        while (*at++) {}
    }
    return NULL;
}

/* Writes a folder's path, or no more than its length: the length with the zero, or 0 for one that is not there. */
static ULONG ShellpFolder(ULONG index, WCHAR *to) {
    const WCHAR *parts[] = {ShellpVariable(ShellpFolders[index].Variable), ShellpFolders[index].Tail};
    ULONG length = 0;
    if (!parts[0]) return 0;
    for (ULONG part = 0; part < 2; part++)
        for (const WCHAR *from = parts[part]; *from; from++, length++)
            if (to) to[length] = *from;
    if (to) to[length] = 0;
    return length + 1;
}
static ULONG ShellpByCsidl(int csidl) {
    ULONG count = sizeof ShellpFolders / sizeof *ShellpFolders, index = 0;
    while (index < count && (ShellpFolders[index].Csidl == 0xff || ShellpFolders[index].Csidl != (csidl & 0xff))) index++;
    return index < count ? index : ~0u;
}

/* `SHGetFolderPathW`: into MAX_PATH units. E_FAIL for a folder that this Windows does not have. */
LONG NTAPI SHGetFolderPathW(HANDLE window, int csidl, HANDLE token, ULONG flags, WCHAR *to) {
    ULONG index = ShellpByCsidl(csidl);
    (void)window, (void)token, (void)flags;
    *to = 0;
    if (index == ~0u) return E_INVALIDARG;
    ULONG length = ShellpFolder(index, NULL);
    if (!length || length > 260) return E_FAIL;
    ShellpFolder(index, to);
    return 0;
}
LONG NTAPI SHGetFolderPathA(HANDLE window, int csidl, HANDLE token, ULONG flags, char *to) {
    WCHAR wide[260];
    LONG result = SHGetFolderPathW(window, csidl, token, flags, wide);
    ULONG i = 0;
    do to[i] = (char)wide[i];
    while (wide[i++]);
    return result;
}
BOOL NTAPI SHGetSpecialFolderPathW(HANDLE window, WCHAR *to, int csidl, BOOL create) {
    (void)create;
    return SHGetFolderPathW(window, csidl, NULL, 0, to) >= 0;
}
BOOL NTAPI SHGetSpecialFolderPathA(HANDLE window, char *to, int csidl, BOOL create) {
    (void)create;
    return SHGetFolderPathA(window, csidl, NULL, 0, to) >= 0;
}

/* `SHGetKnownFolderPath`: to be freed by CoTaskMemFree. The running process's user's alone; a folder is not made. */
LONG NTAPI SHGetKnownFolderPath(const ULONG *id, ULONG flags, HANDLE token, WCHAR **path) {
    ULONG count = sizeof ShellpFolders / sizeof *ShellpFolders, index = 0;
    (void)flags, (void)token;
    if (!path || !id) return E_INVALIDARG;
    *path = NULL;
    while (index < count && RtlCompareMemory(ShellpFolders[index].Id, id, 16) != 16) index++;
    ULONG length = index < count ? ShellpFolder(index, NULL) : 0;
    if (!length) return (LONG)0x80070002; /* HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND) */
    *path = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, length * sizeof **path);
    if (!*path) return (LONG)0x8007000e; /* E_OUTOFMEMORY */
    ShellpFolder(index, *path);
    return 0;
}

/* `ShellExecuteW`: no file has a program here. */
HANDLE NTAPI ShellExecuteW(HANDLE window, const WCHAR *verb, const WCHAR *file, const WCHAR *parameters, const WCHAR *folder, int show) {
    (void)window, (void)verb, (void)file, (void)parameters, (void)folder, (void)show;
    RtlSetLastWin32Error(1155); /* ERROR_NO_ASSOCIATION */
    return (HANDLE)SE_ERR_NOASSOC;
}
HANDLE NTAPI ShellExecuteA(HANDLE window, const char *verb, const char *file, const char *parameters, const char *folder, int show) {
    (void)verb, (void)file, (void)parameters, (void)folder;
    return ShellExecuteW(window, NULL, NULL, NULL, NULL, show);
}
BOOL NTAPI ShellExecuteExW(PVOID info) {
    (void)info;
    RtlSetLastWin32Error(1155);
    return FALSE;
}
BOOL NTAPI ShellExecuteExA(PVOID info) { return ShellExecuteExW(info); }
/* `Shell_NotifyIconW`: there is no place for icons. */
BOOL NTAPI Shell_NotifyIconW(ULONG message, PVOID data) {
    (void)message, (void)data;
    RtlSetLastWin32Error(ERROR_NOT_SUPPORTED);
    return FALSE;
}
BOOL NTAPI Shell_NotifyIconA(ULONG message, PVOID data) { return Shell_NotifyIconW(message, data); }
