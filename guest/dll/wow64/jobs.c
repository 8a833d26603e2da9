/* wow64.dll: what is asked of a job and set of it. */
#include "wow64.h"

/* JOBOBJECT_BASIC_LIMIT_INFORMATION, and what JOBOBJECT_EXTENDED_LIMIT_INFORMATION has behind it. */
#define BASIC_LIMIT "qqdwwdwdd"
#define EXTENDED_LIMIT BASIC_LIMIT "qqqqqqwwww"

/* JOBOBJECT_BASIC_PROCESS_ID_LIST: how many are assigned, how many are in the list. More than MOST are not listed. */
enum { MOST = 256, HEAD = 2 };
static NTSTATUS query_processes(CALL *call) {
    ULONG64 native[1 + MOST];
    ULONG small[HEAD + MOST], *head = (ULONG *)native, length = call->slots[3], returned = call->slots[4];
    if (length < (HEAD + 1) * sizeof *small) return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = Wow64pWithBuffer(call, 2, native, sizeof native, 0);
    if (!NT_SUCCESS(status) && status != STATUS_BUFFER_OVERFLOW) return status;
    ULONG room = length / sizeof *small - HEAD, count = head[1];
    if (count > room) {
        count = room;
        status = STATUS_BUFFER_OVERFLOW;
    }
    small[0] = head[0];
    small[1] = count;
    for (ULONG i = 0; i < count; i++) small[HEAD + i] = (ULONG)native[1 + i];
    length = (HEAD + count) * sizeof *small;
    NTSTATUS copied = Wow64pCopy(pointer(call->slots[2]), small, length);
    if (NT_SUCCESS(copied) && returned) copied = Wow64pCopy(pointer(returned), &length, sizeof length);
    return NT_SUCCESS(copied) ? status : copied;
}

NTSTATUS Wow64pQueryJob(CALL *call) {
    switch (call->slots[1]) {
    case 2: return Wow64pQueryStructure(call, 2, BASIC_LIMIT);
    case 3: return query_processes(call);
    case 9: return Wow64pQueryStructure(call, 2, EXTENDED_LIMIT);
    default: return Wow64pSystemService(call->number, call->count, call->native);
    }
}

NTSTATUS Wow64pSetJob(CALL *call) {
    switch (call->slots[1]) {
    case 2: return Wow64pSetStructure(call, 2, BASIC_LIMIT);
    /* JOBOBJECT_ASSOCIATE_COMPLETION_PORT */
    case 7: return Wow64pSetStructure(call, 2, "ww");
    case 9: return Wow64pSetStructure(call, 2, EXTENDED_LIMIT);
    default: return Wow64pSystemService(call->number, call->count, call->native);
    }
}
