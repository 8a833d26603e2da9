/* The console. Its bytes are UTF-8. */
#include "kernel32.h"

/* Writes and waits until it is done. */
static NTSTATUS BasepWriteAndWait(HANDLE handle, const void *bytes, ULONG size) {
    IO_STATUS_BLOCK io;
    NTSTATUS status = NtWriteFile(handle, NULL, NULL, NULL, &io, bytes, size, NULL, NULL);
    if (status != STATUS_PENDING) return status;
    status = NtWaitForSingleObject(handle, FALSE, NULL);
    return status < 0 ? status : io.Status;
}

/* `WriteConsoleA`: the bytes written go to `*written`, if that is not NULL. */
BOOL NTAPI WriteConsoleA(HANDLE handle, const void *text, ULONG size, ULONG *written, PVOID reserved) {
    (void)reserved;
    if (written) *written = 0;
    if (!BasepStatus(BasepWriteAndWait(handle, text, size))) return FALSE;
    if (written) *written = size;
    return TRUE;
}

/* `WriteConsoleW`: in units of UTF-16. */
BOOL NTAPI WriteConsoleW(HANDLE handle, const WCHAR *text, ULONG units, ULONG *written, PVOID reserved) {
    char bytes[0x200];
    (void)reserved;
    if (written) *written = 0;
    for (ULONG left = units, taken; left; left -= taken, text += taken) {
        ULONG size = BasepUtf8FromUtf16(text, left, bytes, sizeof bytes, &taken);
        if (!BasepStatus(BasepWriteAndWait(handle, bytes, size))) return FALSE;
    }
    if (written) *written = units;
    return TRUE;
}
