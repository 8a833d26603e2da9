/* Comparing versions. */
#include "files.h"

#define ERROR_OLD_WIN_VERSION 1150
#define ERROR_BAD_ARGUMENTS 160

/* `VerifyVersionInfoW`. */
BOOL NTAPI VerifyVersionInfoW(PVOID asked, ULONG types, ULONGLONG mask) {
    NTSTATUS status = RtlVerifyVersionInfo(asked, types, mask);
    if (status == STATUS_REVISION_MISMATCH) return BasepFail(ERROR_OLD_WIN_VERSION);
    if (status == STATUS_INVALID_PARAMETER) return BasepFail(ERROR_BAD_ARGUMENTS);
    return BasepStatus(status);
}

/* `VerifyVersionInfoA`: the service pack's name, between the numbers, is not compared. */
BOOL NTAPI VerifyVersionInfoA(PVOID asked, ULONG types, ULONGLONG mask) {
    struct { ULONG Numbers[5]; WCHAR Name[128]; USHORT Rest[4]; } wide = {0};
    memmove(wide.Numbers, asked, sizeof wide.Numbers);
    wide.Numbers[0] = sizeof wide;
    memmove(wide.Rest, (char *)asked + sizeof wide.Numbers + 128, sizeof wide.Rest);
    return VerifyVersionInfoW(&wide, types, mask);
}
