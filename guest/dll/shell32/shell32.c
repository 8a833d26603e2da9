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

/* `SHGetFolderPathW`: the folders that Windows' own are; users have none here. */
static const WCHAR *ShellpFolder(int csidl) {
    switch (csidl & 0xff) {
    case 0x24: return L"C:\\Windows";
    case 0x25: return L"C:\\Windows\\System32";
    case 0x29: return WIDTH(L"C:\\Windows\\SysWOW64", L"C:\\Windows\\System32");
    }
    return NULL;
}
LONG NTAPI SHGetFolderPathW(HANDLE window, int csidl, HANDLE token, ULONG flags, WCHAR *to) {
    const WCHAR *path = ShellpFolder(csidl);
    (void)window, (void)token, (void)flags;
    *to = 0;
    if (!path) return E_FAIL;
    while ((*to++ = *path++)) {}
    return 0;
}
LONG NTAPI SHGetFolderPathA(HANDLE window, int csidl, HANDLE token, ULONG flags, char *to) {
    const WCHAR *path = ShellpFolder(csidl);
    (void)window, (void)token, (void)flags;
    *to = 0;
    if (!path) return E_FAIL;
    while ((*to++ = (char)*path++)) {}
    return 0;
}
BOOL NTAPI SHGetSpecialFolderPathW(HANDLE window, WCHAR *to, int csidl, BOOL create) {
    (void)create;
    return SHGetFolderPathW(window, csidl, NULL, 0, to) >= 0;
}
BOOL NTAPI SHGetSpecialFolderPathA(HANDLE window, char *to, int csidl, BOOL create) {
    (void)create;
    return SHGetFolderPathA(window, csidl, NULL, 0, to) >= 0;
}
LONG NTAPI SHGetKnownFolderPath(const void *id, ULONG flags, HANDLE token, WCHAR **path) {
    (void)id, (void)flags, (void)token;
    if (!path) return E_INVALIDARG;
    *path = NULL;
    return E_FAIL;
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
