/* Making threads from user mode. */
#include "ntdll.h"

#define THREAD_CREATE_FLAGS_CREATE_SUSPENDED 1

/* `RtlCreateUserThread`: a thread at `start` with one argument, its stack's sizes as asked for or as the image says.
 * STATUS_NOT_SUPPORTED before Vista, whose kernels have no NtCreateThreadEx. */
NTSTATUS NTAPI RtlCreateUserThread(HANDLE process, PVOID descriptor, BOOLEAN suspended, ULONG zero_bits, SIZE_T reserve,
                                   SIZE_T commit, PVOID start, PVOID argument, HANDLE *handle, CLIENT_ID *client) {
    THREAD_BASIC_INFORMATION information;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, NULL, 0, descriptor, NULL};
    CREATE_THREAD_EX *create = NtpService("NtCreateThreadEx");
    HANDLE thread = NULL;
    if (!create) return STATUS_NOT_SUPPORTED;
    ULONG flags = suspended ? THREAD_CREATE_FLAGS_CREATE_SUSPENDED : 0;
    NTSTATUS status =
        create(&thread, 0x1fffff, &attributes, process, start, argument, flags, zero_bits, commit, reserve, NULL);
    if (status < 0) return status;
    if (client) {
        status = NtQueryInformationThread(thread, ThreadBasicInformation, &information, sizeof information, NULL);
        if (status >= 0) *client = information.ClientId;
    }
    if (handle) *handle = thread;
    else NtClose(thread);
    return STATUS_SUCCESS;
}
