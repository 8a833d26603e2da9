/* DOS paths: full ones, and the NT paths that they mean; the current directory. */
#include "load.h"

enum {
    RtlPathTypeUnknown, RtlPathTypeUncAbsolute, RtlPathTypeDriveAbsolute, RtlPathTypeDriveRelative, RtlPathTypeRooted,
    RtlPathTypeRelative, RtlPathTypeLocalDevice, RtlPathTypeRootLocalDevice
};
/* The longest path, in characters. */
#define RTLP_LONGEST_PATH 0x7ffe

static BOOL RtlpIsSeparator(WCHAR c) { return c == '\\' || c == '/'; }
static WCHAR RtlpUpper(WCHAR c) { return c >= 'a' && c <= 'z' ? (WCHAR)(c - 32) : c; }

/* `RtlDetermineDosPathNameType_U`. */
ULONG NTAPI RtlDetermineDosPathNameType_U(const WCHAR *path) {
    if (!RtlpIsSeparator(path[0])) {
        if (!path[0] || path[1] != ':') return RtlPathTypeRelative;
        return RtlpIsSeparator(path[2]) ? RtlPathTypeDriveAbsolute : RtlPathTypeDriveRelative;
    }
    if (!RtlpIsSeparator(path[1])) return RtlPathTypeRooted;
    if (path[2] != '.' && path[2] != '?') return RtlPathTypeUncAbsolute;
    if (RtlpIsSeparator(path[3])) return RtlPathTypeLocalDevice;
    return path[3] ? RtlPathTypeUncAbsolute : RtlPathTypeRootLocalDevice;
}

/* Whether `length` characters are a device's name. */
static BOOL RtlpIsDevice(const WCHAR *name, ULONG length) {
    static const char *const names[] = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "COM", "LPT"};
    for (ULONG i = 0; i < 8; i++) {
        ULONG size = 0;
        while (names[i][size] && size < length && RtlpUpper(name[size]) == (WCHAR)names[i][size]) size++;
        if (names[i][size]) continue;
        if (i < 6 ? size == length : size + 1 == length && name[size] >= '1' && name[size] <= '9') return TRUE;
    }
    return FALSE;
}

/* `RtlIsDosDeviceName_U`: where in a path a device's name is (bytes, in the upper half) and how long it is (bytes); 0: it
 * names none. */
ULONG NTAPI RtlIsDosDeviceName_U(const WCHAR *path) {
    ULONG type = RtlDetermineDosPathNameType_U(path);
    if (type == RtlPathTypeUncAbsolute || type == RtlPathTypeLocalDevice || type == RtlPathTypeRootLocalDevice) return 0;
    ULONG length = (ULONG)wcslen(path), start = 0;
    if (!length || length > RTLP_LONGEST_PATH) return 0;
    if (path[length - 1] == ':') length--;
    while (length && (path[length - 1] == ' ' || path[length - 1] == '.')) length--;
    for (ULONG i = 0; i < length; i++)
        if (RtlpIsSeparator(path[i]) || (path[i] == ':' && i == 1)) start = i + 1;
    ULONG end = start;
    while (end < length && path[end] != '.' && path[end] != ':') end++;
    while (end > start && path[end - 1] == ' ') end--;
    return RtlpIsDevice(path + start, end - start) ? start * 2 << 16 | (end - start) * 2 : 0;
}

/* A string that grows while there is room, and is measured beyond. */
typedef struct { WCHAR *text; ULONG room, length; } RTLP_PATH;
static void RtlpPut(RTLP_PATH *path, WCHAR c) {
    if (path->length < path->room) path->text[path->length] = c;
    path->length++;
}
static void RtlpPutText(RTLP_PATH *path, const WCHAR *text, ULONG length) {
    for (ULONG i = 0; i < length; i++) RtlpPut(path, text[i]);
}

/* The current directory of another drive: the variable `=D:`, or its root. */
static void RtlpPutDriveDirectory(RTLP_PATH *path, WCHAR drive) {
    const WCHAR *at = NtCurrentPeb()->ProcessParameters->Environment;
    for (; at && *at; at += wcslen(at) + 1) {
        if (at[0] != '=' || RtlpUpper(at[1]) != RtlpUpper(drive) || at[2] != ':' || at[3] != '=') continue;
        RtlpPutText(path, at + 4, (ULONG)wcslen(at + 4));
        if (path->length && path->length <= path->room && path->text[path->length - 1] != '\\') RtlpPut(path, '\\');
        return;
    }
    RtlpPut(path, drive);
    RtlpPutText(path, L":\\", 2);
}

/* Puts what stands before the part that is still to be looked at; how much of `name` that took. `*root` is how much of the
 * path `..` cannot take away. */
static ULONG RtlpPutStart(RTLP_PATH *path, const WCHAR *name, ULONG *root) {
    const UNICODE_STRING *current = &NtCurrentPeb()->ProcessParameters->CurrentDirectory.DosPath;
    ULONG have = current->Length / 2, taken = 0;
    switch (RtlDetermineDosPathNameType_U(name)) {
    case RtlPathTypeUncAbsolute: {
        /* The server and the share belong to the root. */
        ULONG names = 0;
        RtlpPutText(path, L"\\\\", 2);
        for (taken = 2; name[taken]; taken++) {
            if (RtlpIsSeparator(name[taken]) && ++names == 2) break;
            RtlpPut(path, RtlpIsSeparator(name[taken]) ? '\\' : name[taken]);
        }
        *root = path->length + 1;
        if (name[taken]) RtlpPut(path, '\\'), taken++;
        return taken;
    }
    case RtlPathTypeLocalDevice:
        RtlpPutText(path, L"\\\\", 2);
        RtlpPut(path, name[2]);
        RtlpPut(path, '\\');
        *root = 4;
        return 4;
    case RtlPathTypeRootLocalDevice:
        RtlpPutText(path, L"\\\\.\\", 4);
        *root = 4;
        return 3;
    case RtlPathTypeDriveAbsolute:
        RtlpPut(path, name[0]);
        RtlpPutText(path, L":\\", 2);
        *root = 3;
        return 3;
    case RtlPathTypeDriveRelative:
        if (have >= 2 && RtlpUpper(current->Buffer[0]) == RtlpUpper(name[0])) RtlpPutText(path, current->Buffer, have);
        else RtlpPutDriveDirectory(path, name[0]);
        *root = 3;
        return 2;
    case RtlPathTypeRooted:
        RtlpPutText(path, current->Buffer, have < 3 ? have : 3);
        *root = 3;
        return 1;
    default:
        RtlpPutText(path, current->Buffer, have);
        *root = 3;
        return 0;
    }
}

/* Puts the components of `name`, `.` and `..` resolved. What is in `path` ends in a separator. */
static void RtlpPutComponents(RTLP_PATH *path, const WCHAR *name, ULONG length, ULONG root) {
    for (ULONG i = 0; i < length;) {
        ULONG end = i;
        while (end < length && !RtlpIsSeparator(name[end])) end++;
        ULONG size = end - i;
        BOOL last = end == length;
        if (size == 2 && name[i] == '.' && name[i + 1] == '.') {
            if (path->length > root) path->length--;
            while (path->length > root && path->length <= path->room && path->text[path->length - 1] != '\\') path->length--;
        } else if (size && !(size == 1 && name[i] == '.')) {
            /* Dots and spaces at the end go; of a directory's name only one dot. */
            if (last) while (size && (name[i + size - 1] == '.' || name[i + size - 1] == ' ')) size--;
            else if (size > 1 && name[i + size - 1] == '.' && name[i + size - 2] != '.') size--;
            RtlpPutText(path, name + i, size);
            if (!last && size) RtlpPut(path, '\\');
        }
        i = end + 1;
    }
}

/* A full path in room for `room` characters; its length, or how much room with the zero it takes. */
static ULONG RtlpFullPath(const WCHAR *name, WCHAR *to, ULONG room) {
    RTLP_PATH path = {to, room, 0};
    ULONG length = (ULONG)wcslen(name), root, device = RtlIsDosDeviceName_U(name);
    while (length && name[length - 1] == ' ') length--;
    if (!length) return 0;
    if (device) {
        RtlpPutText(&path, L"\\\\.\\", 4);
        RtlpPutText(&path, name + (device >> 17), (device & 0xffff) / 2);
    } else {
        ULONG taken = RtlpPutStart(&path, name, &root);
        if (taken < length) RtlpPutComponents(&path, name + taken, length - taken, root);
        /* `.` and `..` at the end leave no separator. */
        ULONG dots = 0;
        while (dots < length - taken && name[length - 1 - dots] == '.') dots++;
        BOOL alone = dots == length - taken || RtlpIsSeparator(name[length - 1 - dots]);
        if ((dots == 1 || dots == 2) && alone && path.length > root && path.length <= room && to[path.length - 1] == '\\') path.length--;
    }
    if (path.length < room) to[path.length] = 0;
    return path.length < room ? path.length : path.length + 1;
}

/* `RtlGetFullPathName_U`: sizes in bytes; the file's name is what follows the last separator. */
ULONG NTAPI RtlGetFullPathName_U(const WCHAR *name, ULONG size, WCHAR *to, WCHAR **file) {
    WCHAR *at = NULL;
    if (file) *file = NULL;
    if (!name || !*name) return 0;
    size_t most = wcslen(name) + NtCurrentPeb()->ProcessParameters->CurrentDirectory.DosPath.Length / 2 + 0x110;
    WCHAR *own = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, most * sizeof *own);
    if (!own) return 0;
    ULONG length = RtlpFullPath(name, own, (ULONG)most);
    if ((length + 1) * 2 > size) {
        RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, own);
        return length ? (length + 1) * 2 : 0;
    }
    memmove(to, own, (length + 1) * 2);
    RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, own);
    for (WCHAR *c = to; *c; c++)
        if (*c == '\\') at = c + 1;
    if (file && at && *at) *file = at;
    return length * 2;
}

/* `RtlDosPathNameToNtPathName_U_WithStatus`: the NT path that a DOS path means, on the heap. What begins with \\?\ is taken
 * as it is. The relative form is left empty: nobody has to use it. */
NTSTATUS NTAPI RtlDosPathNameToNtPathName_U_WithStatus(const WCHAR *name, UNICODE_STRING *to, WCHAR **file,
                                                       RTL_RELATIVE_NAME_U *relative) {
    HANDLE heap = NtCurrentPeb()->ProcessHeap;
    if (relative) *relative = (RTL_RELATIVE_NAME_U){{0, 0, NULL}, NULL, NULL};
    if (file) *file = NULL;
    if (!name || !*name) return STATUS_OBJECT_NAME_INVALID;
    BOOL verbatim = name[0] == '\\' && name[1] == '\\' && name[2] == '?' && name[3] == '\\';
    size_t most = wcslen(name) + NtCurrentPeb()->ProcessParameters->CurrentDirectory.DosPath.Length / 2 + 0x120;
    WCHAR *own = RtlAllocateHeap(heap, 0, most * sizeof *own), *full = own + 8;
    if (!own) return STATUS_NO_MEMORY;
    if (verbatim) memmove(full, name, (wcslen(name) + 1) * 2);
    else RtlpFullPath(name, full, (ULONG)most - 8);
    const WCHAR *prefix = L"\\??\\", *rest = full;
    if (full[0] == '\\' && full[1] == '\\') {
        BOOL device = (full[2] == '.' || full[2] == '?') && full[3] == '\\';
        rest = full + (device ? 4 : 2);
        if (!device) prefix = L"\\??\\UNC\\";
    }
    size_t length = wcslen(rest), head = wcslen(prefix);
    if (!*full || length + head > RTLP_LONGEST_PATH) {
        RtlFreeHeap(heap, 0, own);
        return *full ? STATUS_NAME_TOO_LONG : STATUS_OBJECT_NAME_INVALID;
    }
    memmove(own + head, rest, (length + 1) * 2);
    memmove(own, prefix, head * 2);
    *to = (UNICODE_STRING){(USHORT)((head + length) * 2), (USHORT)((head + length + 1) * 2), own};
    WCHAR *at = NULL;
    for (WCHAR *c = own; *c; c++)
        if (*c == '\\') at = c + 1;
    if (file && at && *at) *file = at;
    return STATUS_SUCCESS;
}

/* `RtlDosPathNameToNtPathName_U`: the same, TRUE or FALSE. */
BOOLEAN NTAPI RtlDosPathNameToNtPathName_U(const WCHAR *name, UNICODE_STRING *to, WCHAR **file, RTL_RELATIVE_NAME_U *relative) {
    return RtlDosPathNameToNtPathName_U_WithStatus(name, to, file, relative) >= 0;
}

/* `RtlFreeUnicodeString`: frees what was made on the heap. */
void NTAPI RtlFreeUnicodeString(UNICODE_STRING *string) {
    if (string->Buffer) RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, string->Buffer);
    *string = (UNICODE_STRING){0, 0, NULL};
}

/* `RtlReleaseRelativeName`: nothing was taken. */
void NTAPI RtlReleaseRelativeName(RTL_RELATIVE_NAME_U *relative) { (void)relative; }
NTSYSAPI void NTAPI RtlReleaseRelativeName(RTL_RELATIVE_NAME_U *);

/* `RtlGetCurrentDirectory_U`: sizes in bytes. A root alone keeps its separator. */
ULONG NTAPI RtlGetCurrentDirectory_U(ULONG size, WCHAR *to) {
    const UNICODE_STRING *current = &NtCurrentPeb()->ProcessParameters->CurrentDirectory.DosPath;
    ULONG length = current->Length / 2;
    if (length > 1 && current->Buffer[length - 1] == '\\' && current->Buffer[length - 2] != ':') length--;
    if ((length + 1) * 2 > size) return (length + 1) * 2;
    memmove(to, current->Buffer, length * 2);
    to[length] = 0;
    return length * 2;
}

/* `RtlSetCurrentDirectory_U`: the directory stays open, so that nobody takes it away. */
NTSTATUS NTAPI RtlSetCurrentDirectory_U(const UNICODE_STRING *name) {
    static WCHAR *own;
    HANDLE heap = NtCurrentPeb()->ProcessHeap, directory;
    CURDIR *current = &NtCurrentPeb()->ProcessParameters->CurrentDirectory;
    IO_STATUS_BLOCK io;
    UNICODE_STRING path;
    ULONG count = name->Length / 2;
    WCHAR *copy = RtlAllocateHeap(heap, 0, (count + 1) * 2);
    if (!copy) return STATUS_NO_MEMORY;
    memmove(copy, name->Buffer, count * 2);
    copy[count] = 0;
    ULONG room = RtlGetFullPathName_U(copy, 0, NULL, NULL);
    WCHAR *full = room ? RtlAllocateHeap(heap, 0, room + 2) : NULL;
    if (full) RtlGetFullPathName_U(copy, room, full, NULL);
    RtlFreeHeap(heap, 0, copy);
    if (!full) return STATUS_OBJECT_NAME_INVALID;
    NTSTATUS status = RtlDosPathNameToNtPathName_U_WithStatus(full, &path, NULL, NULL);
    if (status >= 0) {
        OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &path, OBJ_CASE_INSENSITIVE | OBJ_INHERIT, NULL, NULL};
        status = NtOpenFile(&directory, FILE_TRAVERSE | SYNCHRONIZE, &attributes, &io, 3, FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT);
        RtlFreeUnicodeString(&path);
    }
    if (status < 0) {
        RtlFreeHeap(heap, 0, full);
        return status;
    }
    ULONG length = (ULONG)wcslen(full);
    if (full[length - 1] != '\\') full[length++] = '\\', full[length] = 0;
    HANDLE before = current->Handle;
    WCHAR *old = own;
    own = full;
    *current = (CURDIR){{(USHORT)(length * 2), (USHORT)(room + 2), full}, directory};
    if (before) NtClose(before);
    if (old) RtlFreeHeap(heap, 0, old);
    return STATUS_SUCCESS;
}
