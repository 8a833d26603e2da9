/* Global and local memory, heaps, pointers in disguise, lists without locks. */
#include "files.h"

#define GMEM_MOVEABLE 2
#define GMEM_ZEROINIT 0x40
#define HEAP_NO_SERIALIZE 1
NTSYSAPI HANDLE NTAPI RtlCreateHeap(ULONG, PVOID, SIZE_T, SIZE_T, PVOID, PVOID);
NTSYSAPI HANDLE NTAPI RtlDestroyHeap(HANDLE);
NTSYSAPI BOOLEAN NTAPI RtlValidateHeap(HANDLE, ULONG, const void *);

/* What can be moved never is: its handle is its address. */
PVOID NTAPI GlobalAlloc(ULONG flags, SIZE_T size) {
    PVOID memory = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, flags & GMEM_ZEROINIT ? HEAP_ZERO_MEMORY : 0, size);
    if (!memory) RtlSetLastWin32Error(ERROR_NOT_ENOUGH_MEMORY);
    return memory;
}
PVOID NTAPI GlobalFree(PVOID memory) {
    if (!memory || RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, memory)) return NULL;
    RtlSetLastWin32Error(ERROR_INVALID_HANDLE);
    return memory;
}
PVOID NTAPI GlobalReAlloc(PVOID memory, SIZE_T size, ULONG flags) {
    if (flags & 0x80) return memory;
    PVOID moved = RtlReAllocateHeap(NtCurrentPeb()->ProcessHeap, flags & GMEM_ZEROINIT ? HEAP_ZERO_MEMORY : 0, memory, size);
    if (!moved) RtlSetLastWin32Error(ERROR_NOT_ENOUGH_MEMORY);
    return moved;
}
SIZE_T NTAPI GlobalSize(PVOID memory) {
    SIZE_T size = RtlSizeHeap(NtCurrentPeb()->ProcessHeap, 0, memory);
    return size == (SIZE_T)-1 ? (SIZE_T)BasepFail(ERROR_INVALID_HANDLE) : size;
}
PVOID NTAPI GlobalLock(PVOID memory) { return memory; }
BOOL NTAPI GlobalUnlock(PVOID memory) {
    (void)memory;
    return BasepFail(0);
}
PVOID NTAPI GlobalHandle(PVOID memory) { return memory; }
ULONG NTAPI GlobalFlags(PVOID memory) {
    (void)memory;
    return 0;
}

/* `HeapCreate`, `HeapDestroy`, `HeapValidate`. */
HANDLE NTAPI HeapCreate(ULONG flags, SIZE_T initial, SIZE_T most) {
    HANDLE heap = RtlCreateHeap(flags, NULL, most, initial, NULL, NULL);
    if (!heap) RtlSetLastWin32Error(ERROR_NOT_ENOUGH_MEMORY);
    return heap;
}
BOOL NTAPI HeapDestroy(HANDLE heap) { return RtlDestroyHeap(heap) ? BasepFail(ERROR_INVALID_HANDLE) : TRUE; }
BOOL NTAPI HeapValidate(HANDLE heap, ULONG flags, const void *address) { return RtlValidateHeap(heap, flags, address); }
/* `HeapSetInformation`: HeapCompatibilityInformation and HeapEnableTerminationOnCorruption ask for what nobody sees.
 * `HeapQueryInformation`: no low-fragmentation heap. */
BOOL NTAPI HeapSetInformation(HANDLE heap, ULONG class, PVOID from, SIZE_T size) {
    (void)heap, (void)from, (void)size;
    return class <= 1 ? TRUE : BasepFail(ERROR_INVALID_PARAMETER);
}
BOOL NTAPI HeapQueryInformation(HANDLE heap, ULONG class, ULONG *to, SIZE_T room, SIZE_T *size) {
    (void)heap;
    if (class || room < sizeof *to) return BasepFail(class ? ERROR_INVALID_PARAMETER : ERROR_INSUFFICIENT_BUFFER);
    *to = 0;
    if (size) *size = sizeof *to;
    return TRUE;
}
SIZE_T NTAPI HeapCompact(HANDLE heap, ULONG flags) {
    (void)heap, (void)flags;
    return (SIZE_T)BasepFail(0);
}
ULONG NTAPI GetProcessHeaps(ULONG room, HANDLE *to) {
    if (room) *to = NtCurrentPeb()->ProcessHeap;
    return 1;
}
BOOL NTAPI HeapLock(HANDLE heap) { return heap != NULL; }
BOOL NTAPI HeapUnlock(HANDLE heap) { return heap != NULL; }

/* `EncodePointer`, `DecodePointer`: by a value that only this process has. */
static ULONG_PTR BasepCookie(void) { return (ULONG_PTR)0x5a3c96e17b2d48f1ull ^ (ULONG_PTR)NtCurrentTeb()->ClientId.UniqueProcess; }
PVOID NTAPI EncodePointer(PVOID pointer) { return (PVOID)((ULONG_PTR)pointer ^ BasepCookie()); }
PVOID NTAPI DecodePointer(PVOID pointer) { return (PVOID)((ULONG_PTR)pointer ^ BasepCookie()); }

/* Lists without locks: here one lock for all of them. */
typedef struct SLIST_ENTRY { struct SLIST_ENTRY *Next; } SLIST_ENTRY;
typedef struct { SLIST_ENTRY *Next; ULONG_PTR Depth; } SLIST_HEADER;
static volatile LONG BasepListLock;
static void BasepLockLists(void) { while (__atomic_exchange_n(&BasepListLock, 1, __ATOMIC_ACQUIRE)) NtYieldExecution(); }
static void BasepUnlockLists(void) { __atomic_store_n(&BasepListLock, 0, __ATOMIC_RELEASE); }
void NTAPI InitializeSListHead(SLIST_HEADER *head) { *head = (SLIST_HEADER){NULL, 0}; }
SLIST_ENTRY *NTAPI InterlockedPushEntrySList(SLIST_HEADER *head, SLIST_ENTRY *entry) {
    BasepLockLists();
    SLIST_ENTRY *before = head->Next;
    entry->Next = before;
    head->Next = entry;
    head->Depth++;
    BasepUnlockLists();
    return before;
}
SLIST_ENTRY *NTAPI InterlockedPopEntrySList(SLIST_HEADER *head) {
    BasepLockLists();
    SLIST_ENTRY *first = head->Next;
    if (first) head->Next = first->Next, head->Depth--;
    BasepUnlockLists();
    return first;
}
SLIST_ENTRY *NTAPI InterlockedFlushSList(SLIST_HEADER *head) {
    BasepLockLists();
    SLIST_ENTRY *first = head->Next;
    *head = (SLIST_HEADER){NULL, 0};
    BasepUnlockLists();
    return first;
}
USHORT NTAPI QueryDepthSList(SLIST_HEADER *head) { return (USHORT)head->Depth; }

/* `MulDiv`: rounded; -1 for what does not fit. */
int NTAPI MulDiv(int number, int by, int of) {
    if (!of) return -1;
    BOOL negative = (number < 0) ^ (by < 0) ^ (of < 0);
    ULONG n = number < 0 ? 0u - (ULONG)number : (ULONG)number, b = by < 0 ? 0u - (ULONG)by : (ULONG)by, o = of < 0 ? 0u - (ULONG)of : (ULONG)of;
    ULONGLONG product = (ULONGLONG)n * b + o / 2;
    if ((ULONG)(product >> 32) >= o) return -1;
    ULONG quotient, rest;
    __asm__("divl %4" : "=a"(quotient), "=d"(rest) : "0"((ULONG)product), "1"((ULONG)(product >> 32)), "rm"(o));
    if (quotient > 0x7fffffff) return -1;
    return negative ? -(int)quotient : (int)quotient;
}
