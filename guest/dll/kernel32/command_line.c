/* The command line, as UTF-16 and as bytes. */
#include "kernel32.h"

/* `GetCommandLineW`: the process parameters' own buffer. */
WCHAR *NTAPI GetCommandLineW(void) { return NtCurrentPeb()->ProcessParameters->CommandLine.Buffer; }

/* `GetCommandLineA`: the same in UTF-8, made at the first call and kept. */
char *NTAPI GetCommandLineA(void) {
    static char *BaseAnsiCommandLine;
    char *kept = __atomic_load_n(&BaseAnsiCommandLine, __ATOMIC_ACQUIRE);
    if (kept) return kept;
    PEB *peb = NtCurrentPeb();
    const UNICODE_STRING *line = &peb->ProcessParameters->CommandLine;
    /* A unit makes three bytes at most; four more are what the conversion wants to see free. */
    ULONG units = line->Length / sizeof(WCHAR), room = 3 * units + 4, taken;
    char *made = RtlAllocateHeap(peb->ProcessHeap, 0, room);
    if (!made) return NULL;
    made[BasepUtf8FromUtf16(line->Buffer, units, made, room, &taken)] = 0;
    /* Another thread may have been first; its line is the one that was given out. */
    if (__atomic_compare_exchange_n(&BaseAnsiCommandLine, &kept, made, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return made;
    RtlFreeHeap(peb->ProcessHeap, 0, made);
    return kept;
}
