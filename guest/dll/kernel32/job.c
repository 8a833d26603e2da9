/* Jobs. Their services are newer than NT 4. */
#include "kernel32.h"

/* Windows 2000 has no more rights than these. */
#define JOB_OBJECT_ALL_ACCESS 0x1f001f

typedef NTSTATUS NTAPI JOB_AND_NAME(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
typedef NTSTATUS NTAPI TWO_HANDLES(HANDLE, HANDLE);
typedef NTSTATUS NTAPI JOB_AND_STATUS(HANDLE, NTSTATUS);

/* `CreateJobObjectW`. */
HANDLE NTAPI CreateJobObjectW(const SECURITY_ATTRIBUTES *security, const WCHAR *name) {
    BASEP_OBJECT object;
    OBJECT_ATTRIBUTES *attributes;
    HANDLE job = NULL;
    JOB_AND_NAME *create = BasepNewer("NtCreateJobObject");
    if (!create || !BasepCreateAttributes(&object, security, name, &attributes)) return NULL;
    return BasepCreated(create(&job, JOB_OBJECT_ALL_ACCESS, attributes), &job);
}

/* `CreateJobObjectA`. */
HANDLE NTAPI CreateJobObjectA(const SECURITY_ATTRIBUTES *security, const char *name) {
    BASEP_WIDE(name);
    return CreateJobObjectW(security, wide);
}

/* `OpenJobObjectW`. */
HANDLE NTAPI OpenJobObjectW(ACCESS_MASK access, BOOL inherited, const WCHAR *name) {
    BASEP_OBJECT object;
    HANDLE job = NULL;
    JOB_AND_NAME *open = BasepNewer("NtOpenJobObject");
    if (!open || !BasepOpenAttributes(&object, inherited, name)) return NULL;
    return BasepOpened(open(&job, access, &object.Attributes), &job);
}

/* `OpenJobObjectA`. */
BASEP_OPEN_A(OpenJobObjectA, OpenJobObjectW)

/* `AssignProcessToJobObject`. */
BOOL NTAPI AssignProcessToJobObject(HANDLE job, HANDLE process) {
    TWO_HANDLES *assign = BasepNewer("NtAssignProcessToJobObject");
    return assign && BasepStatus(assign(job, process));
}

/* `IsProcessInJob`: in any job if `job` is NULL. */
BOOL NTAPI IsProcessInJob(HANDLE process, HANDLE job, BOOL *result) {
    TWO_HANDLES *ask = BasepNewer("NtIsProcessInJob");
    if (!ask) return FALSE;
    NTSTATUS status = ask(process, job);
    if (!BasepStatus(status)) return FALSE;
    *result = status == STATUS_PROCESS_IN_JOB;
    return TRUE;
}

/* `TerminateJobObject`. */
BOOL NTAPI TerminateJobObject(HANDLE job, ULONG code) {
    JOB_AND_STATUS *terminate = BasepNewer("NtTerminateJobObject");
    return terminate && BasepStatus(terminate(job, (NTSTATUS)code));
}
