/* Volumes and drives. */
#include "files.h"

typedef struct { LONGLONG total, free; ULONG sectors, bytes; } BASEP_SIZE;

/* The root directory of a path's volume, open; NULL is that of the current directory. */
static NTSTATUS BasepOpenRoot(const WCHAR *name, HANDLE *root) {
    WCHAR own[4] = {0, ':', '\\', 0};
    if (!name) {
        own[0] = NtCurrentPeb()->ProcessParameters->CurrentDirectory.DosPath.Buffer[0];
        name = own;
    }
    return BasepOpenPath(name, FILE_READ_ATTRIBUTES, FILE_DIRECTORY_FILE | FILE_OPEN_FOR_BACKUP_INTENT, root);
}

static BOOL BasepVolume(const WCHAR *name, PVOID to, ULONG size, ULONG class) {
    IO_STATUS_BLOCK io;
    HANDLE root;
    NTSTATUS status = BasepOpenRoot(name, &root);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND) status = STATUS_OBJECT_PATH_NOT_FOUND;
    if (!BasepStatus(status)) return FALSE;
    status = NtQueryVolumeInformationFile(root, &io, to, size, class);
    NtClose(root);
    return BasepStatus(status);
}

/* `GetDiskFreeSpaceExW`: bytes. */
BOOL NTAPI GetDiskFreeSpaceExW(const WCHAR *name, ULONGLONG *caller, ULONGLONG *total, ULONGLONG *free) {
    BASEP_SIZE size;
    if (!BasepVolume(name, &size, sizeof size, FileFsSizeInformation)) return FALSE;
    ULONGLONG unit = (ULONGLONG)size.sectors * size.bytes;
    if (caller) *caller = (ULONGLONG)size.free * unit;
    if (total) *total = (ULONGLONG)size.total * unit;
    if (free) *free = (ULONGLONG)size.free * unit;
    return TRUE;
}
/* NULL stays NULL. */
#define ROOT_A(function, parameters, call) \
    BOOL NTAPI function parameters { \
        WCHAR *wide = name ? BasepWiden(name) : NULL; \
        if (name && !wide) return FALSE; \
        BOOL done = call; \
        ULONG error = RtlGetLastWin32Error(); \
        if (wide) BasepFree(wide); \
        RtlSetLastWin32Error(error); \
        return done; \
    }
ROOT_A(GetDiskFreeSpaceExA, (const char *name, ULONGLONG *caller, ULONGLONG *total, ULONGLONG *free), GetDiskFreeSpaceExW(wide, caller, total, free))

/* `GetDiskFreeSpaceW`: clusters. */
BOOL NTAPI GetDiskFreeSpaceW(const WCHAR *name, ULONG *sectors, ULONG *bytes, ULONG *free, ULONG *total) {
    BASEP_SIZE size;
    if (!BasepVolume(name, &size, sizeof size, FileFsSizeInformation)) return FALSE;
    if (sectors) *sectors = size.sectors;
    if (bytes) *bytes = size.bytes;
    if (free) *free = size.free > 0xffffffff ? 0xffffffff : (ULONG)size.free;
    if (total) *total = size.total > 0xffffffff ? 0xffffffff : (ULONG)size.total;
    return TRUE;
}
ROOT_A(GetDiskFreeSpaceA, (const char *name, ULONG *sectors, ULONG *bytes, ULONG *free, ULONG *total), GetDiskFreeSpaceW(wide, sectors, bytes, free, total))

enum { DRIVE_UNKNOWN, DRIVE_NO_ROOT_DIR, DRIVE_REMOVABLE, DRIVE_FIXED };

/* `GetDriveTypeW`: every drive there is is fixed. */
ULONG NTAPI GetDriveTypeW(const WCHAR *name) {
    HANDLE root;
    ULONG error = RtlGetLastWin32Error();
    NTSTATUS status = BasepOpenRoot(name, &root);
    if (status >= 0) NtClose(root);
    RtlSetLastWin32Error(error);
    return status >= 0 ? DRIVE_FIXED : DRIVE_NO_ROOT_DIR;
}
ROOT_A(GetDriveTypeA, (const char *name), (BOOL)GetDriveTypeW(wide))

/* `GetLogicalDrives`: a bit for each letter. */
ULONG NTAPI GetLogicalDrives(void) {
    WCHAR root[4] = {'A', ':', '\\', 0};
    ULONG drives = 0;
    for (ULONG i = 0; i < 26; i++, root[0]++)
        if (GetDriveTypeW(root) != DRIVE_NO_ROOT_DIR) drives |= 1u << i;
    return drives;
}

/* `GetLogicalDriveStringsW`: `C:\`, a zero, and one more at the end. */
ULONG NTAPI GetLogicalDriveStringsW(ULONG room, WCHAR *to) {
    ULONG drives = GetLogicalDrives(), count = 0, used = 0;
    for (ULONG i = 0; i < 26; i++) count += drives >> i & 1;
    if (4 * count + 1 > room) return 4 * count + 1;
    for (ULONG i = 0; i < 26; i++) {
        if (!(drives >> i & 1)) continue;
        to[used++] = (WCHAR)('A' + i), to[used++] = ':', to[used++] = '\\', to[used++] = 0;
    }
    to[used] = 0;
    return used;
}

/* `GetLogicalDriveStringsA`. */
ULONG NTAPI GetLogicalDriveStringsA(ULONG room, char *to) {
    WCHAR wide[26 * 4 + 1];
    ULONG length = GetLogicalDriveStringsW(26 * 4 + 1, wide);
    if (length + 1 > room) return length + 1;
    for (ULONG i = 0; i <= length; i++) to[i] = (char)wide[i];
    return length;
}

/* A counted text that must fit with its zero. */
static BOOL BasepGiveText(const WCHAR *text, ULONG bytes, WCHAR *to, ULONG room) {
    if (!to) return TRUE;
    if (bytes / 2 >= room) return BasepFail(24);
    memmove(to, text, bytes);
    to[bytes / 2] = 0;
    return TRUE;
}

/* `GetVolumeInformationW`. */
BOOL NTAPI GetVolumeInformationW(const WCHAR *name, WCHAR *label, ULONG label_room, ULONG *serial, ULONG *longest, ULONG *flags,
                                 WCHAR *system, ULONG system_room) {
    struct { LONGLONG created; ULONG serial, length; BOOLEAN objects; WCHAR label[34]; } volume;
    struct { ULONG flags; LONG longest; ULONG length; WCHAR name[16]; } attribute;
    if (!BasepVolume(name, &volume, sizeof volume, FileFsVolumeInformation)) return FALSE;
    if (!BasepVolume(name, &attribute, sizeof attribute, FileFsAttributeInformation)) return FALSE;
    if (serial) *serial = volume.serial;
    if (longest) *longest = (ULONG)attribute.longest;
    if (flags) *flags = attribute.flags;
    return BasepGiveText(volume.label, volume.length, label, label_room) && BasepGiveText(attribute.name, attribute.length, system, system_room);
}

/* `GetVolumeInformationA`. */
BOOL NTAPI GetVolumeInformationA(const char *name, char *label, ULONG label_room, ULONG *serial, ULONG *longest, ULONG *flags,
                                 char *system, ULONG system_room) {
    WCHAR wide_label[34], wide_system[17], *wide = name ? BasepWiden(name) : NULL;
    if (name && !wide) return FALSE;
    BOOL done = GetVolumeInformationW(wide, wide_label, 34, serial, longest, flags, wide_system, 17);
    if (wide) BasepFree(wide);
    if (!done) return FALSE;
    if (label && BasepNarrow(wide_label, (ULONG)wcslen(wide_label), label, label_room) >= label_room) return BasepFail(24);
    if (system && BasepNarrow(wide_system, (ULONG)wcslen(wide_system), system, system_room) >= system_room) return BasepFail(24);
    return TRUE;
}
