/* `PROC_THREAD_ATTRIBUTE_LIST`: what a new process is given beside the arguments of `CreateProcess`. */
#include "startup.h"

enum { ERROR_BAD_LENGTH = 24, ERROR_OBJECT_NAME_EXISTS = 698 };
/* `PROC_THREAD_ATTRIBUTE_*` */
enum { PARENT_PROCESS = 0x20000, HANDLE_LIST = 0x20002, MITIGATION_POLICY = 0x20007, JOB_LIST = 0x2000d };

/* `InitializeProcThreadAttributeList`: an empty list, or how much room one takes. */
BOOL NTAPI InitializeProcThreadAttributeList(PROC_THREAD_ATTRIBUTE_LIST *list, ULONG count, ULONG flags, SIZE_T *size) {
    SIZE_T needed = sizeof *list + count * sizeof *list->Attributes, room = *size;
    if (flags || count > 32) return BasepFail(ERROR_INVALID_PARAMETER);
    *size = needed;
    if (!list || room < needed) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    *list = (PROC_THREAD_ATTRIBUTE_LIST){0, count, 0, 0};
    return TRUE;
}

/* `UpdateProcThreadAttribute`: the value must stay until the list is used. */
BOOL NTAPI UpdateProcThreadAttribute(PROC_THREAD_ATTRIBUTE_LIST *list, ULONG flags, ULONG_PTR attribute, PVOID value, SIZE_T size,
                                     PVOID previous, SIZE_T *returned) {
    ULONG bit = 1u << (attribute & 31);
    if (flags || previous || returned) return BasepFail(ERROR_INVALID_PARAMETER);
    switch (attribute) {
    case PARENT_PROCESS:
        if (size != sizeof(HANDLE)) return BasepFail(ERROR_BAD_LENGTH);
        break;
    case HANDLE_LIST: case JOB_LIST:
        if (!size || size % sizeof(HANDLE)) return BasepFail(ERROR_BAD_LENGTH);
        break;
    case MITIGATION_POLICY:
        if (size != 4 && size != 8 && size != 16) return BasepFail(ERROR_BAD_LENGTH);
        break;
    default: return BasepFail(ERROR_NOT_SUPPORTED);
    }
    if (list->Present & bit) return BasepFail(ERROR_OBJECT_NAME_EXISTS);
    if (list->Count == list->Room) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    list->Attributes[list->Count++] = (PROC_THREAD_ATTRIBUTE){attribute, size, value};
    list->Present |= bit;
    return TRUE;
}

/* `DeleteProcThreadAttributeList`: nothing belongs to it. */
void NTAPI DeleteProcThreadAttributeList(PROC_THREAD_ATTRIBUTE_LIST *list) { (void)list; }

/* The same for the kernel; whether there is a list of handles. */
BOOL BasepAddThreadAttributes(const PROC_THREAD_ATTRIBUTE_LIST *list, PS_ATTRIBUTE_LIST *to) {
    BOOL listed = FALSE;
    for (ULONG i = 0; list && i < list->Count; i++) {
        const PROC_THREAD_ATTRIBUTE *at = &list->Attributes[i];
        switch (at->Attribute) {
        case PARENT_PROCESS: PspAddAttribute(to, PS_ATTRIBUTE_PARENT_PROCESS, sizeof(HANDLE), *(PVOID *)at->Value); break;
        case HANDLE_LIST: listed = TRUE; PspAddAttribute(to, PS_ATTRIBUTE_HANDLE_LIST, at->Size, at->Value); break;
        case JOB_LIST: PspAddAttribute(to, PS_ATTRIBUTE_JOB_LIST, at->Size, at->Value); break;
        default: PspAddAttribute(to, PS_ATTRIBUTE_MITIGATION_OPTIONS, at->Size, at->Value); break;
        }
    }
    return listed;
}
