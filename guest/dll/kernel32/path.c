/* Paths: full ones, the current directory, Windows' own folders, temporary files. */
#include "files.h"

/* The NT path of a DOS path, to be freed. */
NTSTATUS BasepNtPath(const WCHAR *name, UNICODE_STRING *path) {
    if (!name || !*name) return STATUS_OBJECT_PATH_NOT_FOUND;
    NTSTATUS status = RtlDosPathNameToNtPathName_U_WithStatus(name, path, NULL, NULL);
    return status == STATUS_OBJECT_NAME_INVALID ? STATUS_OBJECT_PATH_NOT_FOUND : status;
}

/* Opens what is there, sharing everything. */
NTSTATUS BasepOpenPath(const WCHAR *name, ACCESS_MASK access, ULONG options, HANDLE *file) {
    UNICODE_STRING path;
    IO_STATUS_BLOCK io;
    NTSTATUS status = BasepNtPath(name, &path);
    if (status < 0) return status;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &path, OBJ_CASE_INSENSITIVE, NULL, NULL};
    status = NtOpenFile(file, access | SYNCHRONIZE, &attributes, &io, FILE_SHARE_ALL, options | FILE_SYNCHRONOUS_IO_NONALERT);
    RtlFreeUnicodeString(&path);
    return status;
}

/* UTF-8 of UTF-16 with a zero behind it: its length, or, where there is no room for both, how much it takes. */
ULONG BasepNarrow(const WCHAR *text, ULONG length, char *to, ULONG room) {
    char *own = BasepAllocate(3 * (SIZE_T)length + 8);
    ULONG taken;
    if (!own) return 0;
    ULONG size = BasepUtf8FromUtf16(text, length, own, 3 * length + 8, &taken);
    BOOL fits = size < room;
    if (fits) {
        memmove(to, own, size);
        to[size] = 0;
    }
    BasepFree(own);
    return fits ? size : size + 1;
}

/* A path in UTF-8 as UTF-16, to be freed. NULL, with a last error, for none and for one beyond MAX_PATH. */
WCHAR *BasepWiden(const char *name) {
    WCHAR *wide = BasepAllocate((LONGEST_NAME + 1) * sizeof *wide);
    if (!name) name = "";
    if (wide && BasepWideName(name, wide)) return wide;
    if (wide) BasepFree(wide);
    return NULL;
}

/* `GetFullPathNameW`: the length, or how much room with the zero it takes. */
ULONG NTAPI GetFullPathNameW(const WCHAR *name, ULONG room, WCHAR *to, WCHAR **file) {
    if (room > 0x7fff) room = 0x7fff;
    return RtlGetFullPathName_U(name, room * 2, to, file) / 2;
}

/* `GetFullPathNameA`. */
ULONG NTAPI GetFullPathNameA(const char *name, ULONG room, char *to, char **file) {
    WCHAR full[MAX_PATH + 1], *part, *wide = BasepWiden(name);
    if (file) *file = NULL;
    if (!wide) return 0;
    ULONG length = GetFullPathNameW(wide, MAX_PATH + 1, full, &part);
    BasepFree(wide);
    if (!length || length > MAX_PATH) return length;
    ULONG size = BasepNarrow(full, length, to, room);
    if (file && part && size < room) {
        /* The file's name is what follows the last separator, whatever the spelling. */
        for (char *c = to; *c; c++)
            if (*c == '\\') *file = c + 1;
    }
    return size;
}

/* Copies a text with its zero: its length, or how much room it takes. */
static ULONG BasepGive(const WCHAR *text, WCHAR *to, ULONG room) {
    ULONG length = (ULONG)wcslen(text);
    if (length >= room) return length + 1;
    memmove(to, text, (length + 1) * 2);
    return length;
}
#define GIVE(function, path) \
    ULONG NTAPI function##W(WCHAR *to, ULONG room) { return BasepGive(path, to, room); } \
    ULONG NTAPI function##A(char *to, ULONG room) { return BasepNarrow(path, (ULONG)wcslen(path), to, room); }
GIVE(GetWindowsDirectory, L"C:\\Windows")
GIVE(GetSystemWindowsDirectory, L"C:\\Windows")
GIVE(GetSystemDirectory, L"C:\\Windows\\system32")

/* `GetCurrentDirectoryW`. */
ULONG NTAPI GetCurrentDirectoryW(ULONG room, WCHAR *to) {
    return RtlGetCurrentDirectory_U(room > 0x7fff ? 0xfffe : room * 2, to) / 2;
}

/* `GetCurrentDirectoryA`. */
ULONG NTAPI GetCurrentDirectoryA(ULONG room, char *to) {
    ULONG size = RtlGetCurrentDirectory_U(0, NULL);
    WCHAR *wide = BasepAllocate(size + 2);
    if (!wide) return 0;
    ULONG length = GetCurrentDirectoryW(size / 2 + 1, wide);
    ULONG result = BasepNarrow(wide, length, to, room);
    BasepFree(wide);
    return result;
}

/* `SetCurrentDirectoryW`. */
BOOL NTAPI SetCurrentDirectoryW(const WCHAR *name) {
    UNICODE_STRING path;
    if (!name || !*name) return BasepFail(ERROR_INVALID_NAME);
    NTSTATUS status = RtlInitUnicodeStringEx(&path, name);
    if (status >= 0) status = RtlSetCurrentDirectory_U(&path);
    return BasepStatus(status);
}
BASEP_PATH_A(BOOL, FALSE, SetCurrentDirectoryA, (const char *name), SetCurrentDirectoryW(wide))

/* A variable of the environment; NULL: it is not set, or empty. */
const WCHAR *BasepVariable(const char *name) {
    const WCHAR *at = NtCurrentPeb()->ProcessParameters->Environment;
    for (; at && *at; at += wcslen(at) + 1) {
        ULONG i = 0;
        while (name[i] && (WCHAR)(at[i] >= 'a' && at[i] <= 'z' ? at[i] - 32 : at[i]) == (WCHAR)name[i]) i++;
        if (!name[i] && at[i] == '=') return at[i + 1] ? at + i + 1 : NULL;
    }
    return NULL;
}

/* The folder for temporary files, with a separator at its end. */
static ULONG BasepTemporary(WCHAR *to, ULONG room) {
    static const char *const names[] = {"TMP", "TEMP", "USERPROFILE"};
    const WCHAR *found = NULL;
    for (ULONG i = 0; i < 3 && !found; i++) found = BasepVariable(names[i]);
    ULONG length = RtlGetFullPathName_U(found ? found : L"C:\\Windows", room * 2, to, NULL) / 2;
    if (!length || length + 1 >= room) return length + (length < room);
    if (to[length - 1] != '\\') {
        to[length++] = '\\';
        to[length] = 0;
    }
    return length;
}

/* `GetTempPathW`, and `GetTempPath2W`, which is the same for who is not the system. */
ULONG NTAPI GetTempPathW(ULONG room, WCHAR *to) {
    WCHAR own[MAX_PATH + 2];
    ULONG length = BasepTemporary(own, MAX_PATH + 2);
    if (length >= MAX_PATH + 2) return length;
    return BasepGive(own, to, room);
}

/* `GetTempPathA`. */
ULONG NTAPI GetTempPathA(ULONG room, char *to) {
    WCHAR own[MAX_PATH + 2];
    ULONG length = BasepTemporary(own, MAX_PATH + 2);
    return length >= MAX_PATH + 2 ? length : BasepNarrow(own, length, to, room);
}

/* `GetTempFileNameW`: with no number, one that no file has yet, which is made. */
ULONG NTAPI GetTempFileNameW(const WCHAR *folder, const WCHAR *prefix, ULONG unique, WCHAR *to) {
    ULONG length = (ULONG)wcslen(folder), number = unique & 0xffff;
    if (length > MAX_PATH - 14) return (ULONG)BasepFail(ERROR_INVALID_PARAMETER);
    HANDLE directory;
    NTSTATUS status = BasepOpenPath(folder, FILE_READ_ATTRIBUTES, FILE_DIRECTORY_FILE, &directory);
    if (status < 0) return (ULONG)BasepFail(ERROR_DIRECTORY);
    NtClose(directory);
    memmove(to, folder, length * 2);
    if (length && to[length - 1] != '\\') to[length++] = '\\';
    for (ULONG i = 0; prefix && i < 3 && prefix[i]; i++) to[length++] = prefix[i];
    if (!number) number = (ULONG)(SharedUserData->TickCount.LowPart & 0xffff);
    for (ULONG tries = 0; tries < 0x10000; tries++, number = (number + 1) & 0xffff) {
        ULONG at = length;
        if (!number) continue;
        for (int shift = 12, shown = 0; shift >= 0; shift -= 4) {
            ULONG digit = number >> shift & 15;
            if (digit || shown) to[at++] = (WCHAR)"0123456789ABCDEF"[digit], shown = 1;
        }
        memmove(to + at, L".TMP", 10);
        if (unique) return number;
        HANDLE file = CreateFileW(to, GENERIC_READ, 0, NULL, 1, FILE_ATTRIBUTE_NORMAL, NULL);
        if (file != INVALID_HANDLE_VALUE) {
            NtClose(file);
            return number;
        }
        ULONG error = RtlGetLastWin32Error();
        if (error != ERROR_FILE_EXISTS && error != 32) return 0;
    }
    return (ULONG)BasepFail(ERROR_FILE_EXISTS);
}

/* `GetTempFileNameA`. */
ULONG NTAPI GetTempFileNameA(const char *name, const char *prefix, ULONG unique, char *to) {
    WCHAR full[MAX_PATH + 1], *wide = BasepWiden(name), *start = wide ? BasepWiden(prefix) : NULL;
    ULONG number = start ? GetTempFileNameW(wide, start, unique, full) : 0;
    if (number) BasepNarrow(full, (ULONG)wcslen(full), to, MAX_PATH);
    if (start) BasepFree(start);
    if (wide) BasepFree(wide);
    return number;
}

/* `GetLongPathNameW`, `GetShortPathNameW`: there are no short names, so that both are the path itself, if it leads
 * somewhere. */
ULONG NTAPI GetLongPathNameW(const WCHAR *name, WCHAR *to, ULONG room) {
    HANDLE file;
    NTSTATUS status = BasepOpenPath(name, FILE_READ_ATTRIBUTES, FILE_OPEN_FOR_BACKUP_INTENT, &file);
    if (!BasepStatus(status)) return 0;
    NtClose(file);
    return BasepGive(name, to, room);
}

/* `NeedCurrentDirectoryForExePathW`: whether a program's name is looked for in the current directory first. */
BOOL NTAPI NeedCurrentDirectoryForExePathW(const WCHAR *name) {
    for (; *name; name++)
        if (*name == '\\') return TRUE;
    return !BasepVariable("NoDefaultCurrentDirectoryInExePath");
}
BOOL NTAPI NeedCurrentDirectoryForExePathA(const char *name) {
    for (; *name; name++)
        if (*name == '\\') return TRUE;
    return NeedCurrentDirectoryForExePathW(L"");
}
