/* How a console reads and shows, and reading it as UTF-16. */
#include "files.h"

#define FILE_DEVICE_CONSOLE 0x50
/* ENABLE_PROCESSED_INPUT, LINE, ECHO, MOUSE, INSERT, QUICK_EDIT, EXTENDED_FLAGS, AUTO_POSITION; ENABLE_PROCESSED_OUTPUT and
 * WRAP_AT_EOL_OUTPUT: what a new console has. What is set is kept and changes nothing: lines come from the host as they are. */
static ULONG BasepInputMode = 0x1f7, BasepOutputMode = 3;

/* The mode of the console that a handle is of, by the right to read it; NULL, with a last error, where it is of none. */
static ULONG *BasepConsoleMode(HANDLE handle) {
    IO_STATUS_BLOCK io;
    struct { ULONG DeviceType, Characteristics; } device;
    handle = BasepMapStdHandle(handle);
    if (!BasepStatus(NtQueryVolumeInformationFile(handle, &io, &device, sizeof device, FileFsDeviceInformation))) return NULL;
    if (device.DeviceType != FILE_DEVICE_CONSOLE) return BasepNone(ERROR_INVALID_HANDLE);
    return handle == NtCurrentPeb()->ProcessParameters->StandardInput ? &BasepInputMode : &BasepOutputMode;
}

/* Whether a handle is of the console's input, or of its output. */
BOOL BasepIsConsoleSide(HANDLE handle, BOOL input) {
    const ULONG *mode = BasepConsoleMode(handle);
    if (!mode) return FALSE;
    return (mode == &BasepInputMode) == input ? TRUE : BasepFail(ERROR_INVALID_HANDLE);
}

/* `GetConsoleMode`. */
BOOL NTAPI GetConsoleMode(HANDLE handle, ULONG *mode) {
    const ULONG *of = BasepConsoleMode(handle);
    if (of) *mode = *of;
    return of != NULL;
}

/* `SetConsoleMode`. */
BOOL NTAPI SetConsoleMode(HANDLE handle, ULONG mode) {
    ULONG *of = BasepConsoleMode(handle);
    if (of) *of = mode;
    return of != NULL;
}

/* `SetConsoleCtrlHandler`: nobody presses Ctrl-C here, so handlers are not called. */
BOOL NTAPI SetConsoleCtrlHandler(PVOID handler, BOOL add) {
    (void)handler, (void)add;
    return TRUE;
}

/* `ReadConsoleA`. */
BOOL NTAPI ReadConsoleA(HANDLE handle, PVOID to, ULONG size, ULONG *read, PVOID control) {
    (void)control;
    return ReadFile(handle, to, size, read, NULL);
}

/* How many bytes of UTF-8 begin with this one. */
static ULONG BasepSequence(UCHAR first) { return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4; }

/* `ReadConsoleW`: in units of UTF-16; a line's rest stays for the next call. */
BOOL NTAPI ReadConsoleW(HANDLE handle, WCHAR *to, ULONG units, ULONG *read, PVOID control) {
    ULONG count = 0, got;
    (void)control;
    while (count + 1 < units || (units == 1 && !count)) {
        UCHAR bytes[4];
        if (!ReadFile(handle, bytes, 1, &got, NULL)) return FALSE;
        if (!got) break;
        ULONG length = BasepSequence(bytes[0]), c = length == 1 ? bytes[0] : bytes[0] & (0x7f >> length);
        for (ULONG i = 1; i < length; i++) {
            if (!ReadFile(handle, &bytes[i], 1, &got, NULL)) return FALSE;
            c = got && (bytes[i] & 0xc0) == 0x80 ? c << 6 | (bytes[i] & 0x3f) : 0xfffd;
        }
        if (c >= 0x10000) {
            to[count++] = (WCHAR)(0xd7c0 + (c >> 10));
            c = 0xdc00 + (c & 0x3ff);
        }
        to[count++] = (WCHAR)c;
        if (c == '\n') break;
    }
    *read = count;
    return TRUE;
}
