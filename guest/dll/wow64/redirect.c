/* wow64.dll: the system's folder as 32-bit programs see it ("File System Redirector"): System32 is SysWOW64, and Sysnative the
 * real one. */
#include "wow64.h"

/* The TEB's StaticUnicodeBuffer, which holds a path while one call is made; its slot 8 of TLS (WOW64_TLS_FILESYSREDIR): a
 * thread that does not want it. */
#define STATIC_BUFFER 0x1268
#define STATIC_UNITS 261
#define NO_REDIRECTION (0x1480 + 8 * 8)

static char *teb64(void) {
    char *found;
    __asm__("movq %%gs:0x30, %0" : "=r"(found));
    return found;
}

/* Whether a path goes on with a text, whatever its case; where it ends, or 0. */
static ULONG follows(const USHORT *path, ULONG length, ULONG at, const char *text) {
    for (; *text; text++, at++) {
        if (at >= length) return 0;
        USHORT c = path[at];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != (UCHAR)*text) return 0;
    }
    return at;
}

/* Changes the path of a name where it leads to the system's folder. The program's own text stays as it is. */
NTSTATUS Wow64pRedirect(UNICODE_STRING64 *name) {
    static const char *const starts[] = {"\\??\\c:\\windows\\", "\\systemroot\\", "\\dosdevices\\c:\\windows\\"};
    /* Folders that both have. */
    static const char *const shared[] = {"\\catroot", "\\driverstore", "\\drivers\\etc", "\\logfiles", "\\spool"};
    USHORT *path = (USHORT *)(teb64() + STATIC_BUFFER);
    ULONG length = name->Length / 2, at = 0, after;
    if (length < 20 || length >= STATIC_UNITS || *(ULONG64 *)(teb64() + NO_REDIRECTION)) return STATUS_SUCCESS;
    NTSTATUS status = Wow64pCopy(path, (const void *)name->Buffer, name->Length);
    if (!NT_SUCCESS(status)) return status;
    for (ULONG i = 0; i < 3 && !at; i++) at = follows(path, length, 0, starts[i]);
    if (!at) return STATUS_SUCCESS;
    after = follows(path, length, at, "system32");
    if (after && (after == length || path[after] == '\\')) {
        for (ULONG i = 0; i < sizeof shared / sizeof *shared; i++)
            if (follows(path, length, after, shared[i])) return STATUS_SUCCESS;
        for (ULONG i = 0; i < 8; i++) path[at + i] = (USHORT)"SysWOW64"[i];
    } else {
        after = follows(path, length, at, "sysnative");
        if (!after || (after != length && path[after] != '\\')) return STATUS_SUCCESS;
        for (ULONG i = 0; i < 8; i++) path[at + i] = (USHORT)"System32"[i];
        for (ULONG i = after; i < length; i++) path[i - 1] = path[i];
        name->Length -= 2;
    }
    name->MaximumLength = name->Length;
    name->Buffer = (ULONG64)path;
    return STATUS_SUCCESS;
}
