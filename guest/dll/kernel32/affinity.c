/* Which processors a process may run on, and whether its threads' priorities are boosted. */
#include "process.h"

#define ProcessAffinityMask 21
#define ProcessPriorityBoost 22
#define SystemBasicInformation 0

typedef struct {
    ULONG Fixed[6];
    ULONG_PTR Granularity, Lowest, Highest, ActiveProcessorsAffinityMask;
    UCHAR NumberOfProcessors;
} BASEP_SYSTEM_BASIC;

/* `GetProcessAffinityMask`: the process's mask and the system's. */
BOOL NTAPI GetProcessAffinityMask(HANDLE process, ULONG_PTR *mask, ULONG_PTR *system) {
    PROCESS_BASIC_INFORMATION of;
    BASEP_SYSTEM_BASIC all;
    if (!BasepStatus(NtQueryInformationProcess(process, ProcessBasicInformation, &of, sizeof of, NULL))) return FALSE;
    if (!BasepStatus(NtQuerySystemInformation(SystemBasicInformation, &all, sizeof all, NULL))) return FALSE;
    *mask = of.AffinityMask;
    *system = all.ActiveProcessorsAffinityMask;
    return TRUE;
}

/* `SetProcessAffinityMask`. */
BOOL NTAPI SetProcessAffinityMask(HANDLE process, ULONG_PTR mask) {
    return BasepStatus(NtSetInformationProcess(process, ProcessAffinityMask, &mask, sizeof mask));
}

/* `SetProcessPriorityBoost`. */
BOOL NTAPI SetProcessPriorityBoost(HANDLE process, BOOL disable) {
    ULONG value = disable != 0;
    return BasepStatus(NtSetInformationProcess(process, ProcessPriorityBoost, &value, sizeof value));
}

/* `GetProcessPriorityBoost`. */
BOOL NTAPI GetProcessPriorityBoost(HANDLE process, BOOL *disabled) {
    return BasepStatus(NtQueryInformationProcess(process, ProcessPriorityBoost, disabled, sizeof *disabled, NULL));
}

/* TEB.GuaranteedStackBytes */
#define GUARANTEED_STACK_BYTES WIDTH(0x1748, 0xf78)

/* `SetThreadStackGuarantee`: what was asked for before goes to `*size`, and 0 asks only. A stack overflow leaves its
 * handler the same pages whatever is asked for. */
BOOL NTAPI SetThreadStackGuarantee(ULONG *size) {
    ULONG *kept = (ULONG *)((UCHAR *)NtCurrentTeb() + GUARANTEED_STACK_BYTES), before = *kept;
    if (*size) *kept = (*size + 0xfff) & ~0xfffu;
    *size = before;
    return TRUE;
}
