/* Time: what KUSER_SHARED_DATA shows, the performance counter, sleeping. */
#include "kernel32.h"

#define WAIT_IO_COMPLETION 0xc0

/* `QueryPerformanceCounter`. */
BOOL NTAPI QueryPerformanceCounter(LONGLONG *counter) { return RtlQueryPerformanceCounter(counter); }

/* `QueryPerformanceFrequency`. */
BOOL NTAPI QueryPerformanceFrequency(LONGLONG *frequency) { return RtlQueryPerformanceFrequency(frequency); }

/* A time that the kernel may be writing. */
static ULONGLONG BasepReadTime(const volatile KSYSTEM_TIME *time) {
    for (;;) {
        ULONG high = time->High1Time, low = time->LowPart;
        if (high == time->High2Time) return (ULONGLONG)high << 32 | low;
        __builtin_ia32_pause();
    }
}

/* `GetTickCount64`: milliseconds since the start. */
ULONGLONG NTAPI GetTickCount64(void) {
    ULONGLONG ticks = BasepReadTime(&SharedUserData->TickCount), multiplier = SharedUserData->TickCountMultiplier;
    /* The multiplier is a fraction of 2 to the 24th. */
    return ((ticks >> 32) * multiplier << 8) + ((ULONG)ticks * multiplier >> 24);
}

/* `GetTickCount`: the same, 32 bits of it. */
ULONG NTAPI GetTickCount(void) { return (ULONG)GetTickCount64(); }

/* `GetSystemTimeAsFileTime`: a FILETIME, which is aligned to 4 bytes. */
void NTAPI GetSystemTimeAsFileTime(ULONG *time) {
    ULONGLONG now = BasepReadTime(&SharedUserData->SystemTime);
    time[0] = (ULONG)now;
    time[1] = (ULONG)(now >> 32);
}

/* `SleepEx`: WAIT_IO_COMPLETION if an APC ended it, else 0. */
ULONG NTAPI SleepEx(ULONG milliseconds, BOOL alertable) {
    LONGLONG interval = milliseconds == INFINITE ? (LONGLONG)(1ull << 63) : -(LONGLONG)milliseconds * MILLISECOND;
    NTSTATUS status;
    /* An alert is the kernel's affair; only an APC ends the sleep. */
    do status = NtDelayExecution(!!alertable, &interval);
    while (alertable && status == STATUS_ALERTED);
    return status == STATUS_USER_APC ? WAIT_IO_COMPLETION : 0;
}

/* `Sleep`. */
void NTAPI Sleep(ULONG milliseconds) { SleepEx(milliseconds, FALSE); }

/* `SwitchToThread`: FALSE if there was no other to run. */
BOOL NTAPI SwitchToThread(void) { return NtYieldExecution() != STATUS_NO_YIELD_PERFORMED; }

/* `FlushProcessWriteBuffers`, from Vista on. */
void NTAPI FlushProcessWriteBuffers(void) {
    NTSTATUS(NTAPI *flush)(void) = NtpService("NtFlushProcessWriteBuffers");
    if (flush) flush();
}
