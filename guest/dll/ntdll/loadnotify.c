/* Whoever wants to be told of modules (`LdrRegisterDllNotification`). */
#include "load.h"

enum { LDR_DLL_NOTIFICATION_REASON_LOADED = 1, LDR_DLL_NOTIFICATION_REASON_UNLOADED };
typedef struct {
    ULONG Flags;
    const UNICODE_STRING *FullDllName, *BaseDllName;
    PVOID DllBase;
    ULONG SizeOfImage;
} LDR_DLL_NOTIFICATION_DATA;
typedef void(NTAPI *PLDR_DLL_NOTIFICATION_FUNCTION)(ULONG reason, const LDR_DLL_NOTIFICATION_DATA *data, PVOID context);
typedef struct {
    LIST_ENTRY Links;
    PLDR_DLL_NOTIFICATION_FUNCTION Function;
    PVOID Context;
} LDRP_NOTIFICATION;

static LIST_ENTRY LdrpNotifications = {&LdrpNotifications, &LdrpNotifications};

/* Tells everybody of a module. */
void LdrpNotify(ULONG reason, const LDR_DATA_TABLE_ENTRY *entry) {
    LDR_DLL_NOTIFICATION_DATA data = {0, &entry->FullDllName, &entry->BaseDllName, entry->DllBase, entry->SizeOfImage};
    for (LIST_ENTRY *at = LdrpNotifications.Flink, *next; at != &LdrpNotifications; at = next) {
        LDRP_NOTIFICATION *wanted = CONTAINER(at, LDRP_NOTIFICATION, Links);
        next = at->Flink;
        wanted->Function(reason, &data, wanted->Context);
    }
}

/* `LdrRegisterDllNotification`. */
EXPORT NTSTATUS NTAPI LdrRegisterDllNotification(ULONG flags, PLDR_DLL_NOTIFICATION_FUNCTION function, PVOID context, PVOID *cookie) {
    if (flags || !function || !cookie) return STATUS_INVALID_PARAMETER;
    LDRP_NOTIFICATION *wanted = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, sizeof *wanted);
    if (!wanted) return STATUS_NO_MEMORY;
    wanted->Function = function;
    wanted->Context = context;
    RtlEnterCriticalSection(&LdrpLoaderLock);
    InsertTailList(&LdrpNotifications, &wanted->Links);
    RtlLeaveCriticalSection(&LdrpLoaderLock);
    *cookie = wanted;
    return STATUS_SUCCESS;
}

/* `LdrUnregisterDllNotification`. STATUS_DLL_NOT_FOUND: it is no cookie. */
EXPORT NTSTATUS NTAPI LdrUnregisterDllNotification(PVOID cookie) {
    NTSTATUS status = STATUS_DLL_NOT_FOUND;
    RtlEnterCriticalSection(&LdrpLoaderLock);
    for (LIST_ENTRY *at = LdrpNotifications.Flink; at != &LdrpNotifications; at = at->Flink) {
        if (CONTAINER(at, LDRP_NOTIFICATION, Links) != cookie) continue;
        RemoveEntryList(at);
        RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, cookie);
        status = STATUS_SUCCESS;
        break;
    }
    RtlLeaveCriticalSection(&LdrpLoaderLock);
    return status;
}
