/* dbghelp.dll: nobody reads symbols here, and no dump is written: its functions fail as where there are none. */
#include "nt.h"

enum { ERROR_INVALID_HANDLE = 6, ERROR_NOT_SUPPORTED = 50, ERROR_MOD_NOT_FOUND = 126 };
static ULONG SympOptions = 0x2; /* SYMOPT_UNDNAME */

static BOOL SympFail(ULONG error) {
    RtlSetLastWin32Error(error);
    return FALSE;
}

/* `SymSetOptions`, `SymGetOptions`: kept. */
ULONG NTAPI SymSetOptions(ULONG options) { return SympOptions = options; }
ULONG NTAPI SymGetOptions(void) { return SympOptions; }

/* `SymInitialize`, `SymInitializeW`: ERROR_NOT_SUPPORTED; what needs a handler that was initialised: ERROR_INVALID_HANDLE. */
BOOL NTAPI SymInitialize(HANDLE process, const void *path, BOOL invade) {
    (void)process, (void)path, (void)invade;
    return SympFail(ERROR_NOT_SUPPORTED);
}
BOOL NTAPI SymInitializeW(HANDLE process, const void *path, BOOL invade) { return SymInitialize(process, path, invade); }
BOOL NTAPI SymCleanup(HANDLE process) {
    (void)process;
    return SympFail(ERROR_INVALID_HANDLE);
}
BOOL NTAPI SymFromAddr(HANDLE process, ULONGLONG address, ULONGLONG *displacement, PVOID symbol) {
    (void)process, (void)address, (void)displacement, (void)symbol;
    return SympFail(ERROR_INVALID_HANDLE);
}
BOOL NTAPI SymFromAddrW(HANDLE process, ULONGLONG address, ULONGLONG *displacement, PVOID symbol) {
    return SymFromAddr(process, address, displacement, symbol);
}
BOOL NTAPI SymGetLineFromAddr64(HANDLE process, ULONGLONG address, ULONG *displacement, PVOID line) {
    (void)process, (void)address, (void)displacement, (void)line;
    return SympFail(ERROR_INVALID_HANDLE);
}
BOOL NTAPI SymGetLineFromAddrW64(HANDLE process, ULONGLONG address, ULONG *displacement, PVOID line) {
    return SymGetLineFromAddr64(process, address, displacement, line);
}
ULONGLONG NTAPI SymGetModuleBase64(HANDLE process, ULONGLONG address) {
    (void)process, (void)address;
    return (ULONGLONG)SympFail(ERROR_MOD_NOT_FOUND);
}
PVOID NTAPI SymFunctionTableAccess64(HANDLE process, ULONGLONG address) {
    (void)process, (void)address;
    SympFail(ERROR_MOD_NOT_FOUND);
    return NULL;
}
BOOL NTAPI SymGetSearchPathW(HANDLE process, WCHAR *to, ULONG room) {
    (void)process, (void)to, (void)room;
    return SympFail(ERROR_INVALID_HANDLE);
}
BOOL NTAPI SymSetSearchPathW(HANDLE process, const WCHAR *path) {
    (void)process, (void)path;
    return SympFail(ERROR_INVALID_HANDLE);
}
/* `StackWalk64`: FALSE ends a walk. */
BOOL NTAPI StackWalk64(ULONG machine, HANDLE process, HANDLE thread, PVOID frame, PVOID context, PVOID read, PVOID table, PVOID base, PVOID translate) {
    (void)machine, (void)process, (void)thread, (void)frame, (void)context, (void)read, (void)table, (void)base, (void)translate;
    return FALSE;
}
/* `MiniDumpWriteDump`. */
BOOL NTAPI MiniDumpWriteDump(HANDLE process, ULONG id, HANDLE file, ULONG type, PVOID exception, PVOID streams, PVOID callback) {
    (void)process, (void)id, (void)file, (void)type, (void)exception, (void)streams, (void)callback;
    return SympFail((ULONG)0x80070032); /* HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED) */
}
