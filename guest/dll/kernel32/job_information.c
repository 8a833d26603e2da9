/* What a job tells and is told. The services are newer than NT 4. */
#include "kernel32.h"

typedef NTSTATUS NTAPI QUERY_JOB(HANDLE, ULONG, PVOID, ULONG, ULONG *);
typedef NTSTATUS NTAPI SET_JOB(HANDLE, ULONG, PVOID, ULONG);

/* `QueryInformationJobObject`: the caller's own job if `job` is NULL. */
BOOL NTAPI QueryInformationJobObject(HANDLE job, ULONG class, PVOID to, ULONG length, ULONG *returned) {
    QUERY_JOB *query = BasepNewer("NtQueryInformationJobObject");
    return query && BasepStatus(query(job, class, to, length, returned));
}

/* `SetInformationJobObject`. */
BOOL NTAPI SetInformationJobObject(HANDLE job, ULONG class, PVOID from, ULONG length) {
    SET_JOB *set = BasepNewer("NtSetInformationJobObject");
    return set && BasepStatus(set(job, class, from, length));
}
