/* Static TLS: the modules' blocks in every thread, also of modules that come when threads run already. */
#include "load.h"

/* The most modules with static TLS. */
#define LDRP_TLS_MODULES 256
/* A thread that has begun and not ended. */
typedef struct {
    LIST_ENTRY Links;
    TEB *Teb;
    CLIENT_ID ClientId;
    /* What its array of blocks has room for. */
    ULONG Room;
} LDRP_THREAD;

static LIST_ENTRY LdrpThreads = {&LdrpThreads, &LdrpThreads};
/* Which indexes are taken; the process's first modules have the first. */
static UCHAR LdrpTlsTaken[LDRP_TLS_MODULES];
static BOOLEAN LdrpTlsCounted;
static ULONG LdrpTlsAtStart;

/* The TLS directory of an image, or NULL for none and for one that lies. */
static const IMAGE_TLS_DIRECTORY *LdrpTls(PVOID base) {
    ULONG size, whole = LdrpImageSize(base);
    const IMAGE_TLS_DIRECTORY *tls = LdrpImageDirectory(base, IMAGE_DIRECTORY_ENTRY_TLS, &size);
    if (!tls || !LdrpImageRange(base, (ULONG)((const char *)tls - (const char *)base), sizeof *tls)) return NULL;
    ULONG_PTR start = tls->StartAddressOfRawData, length = tls->EndAddressOfRawData - start;
    if (length > whole || tls->SizeOfZeroFill > 0x10000000) return NULL;
    if (length && !LdrpImageRange(base, (ULONG)(start - (ULONG_PTR)base), length)) return NULL;
    if (tls->AddressOfIndex && !LdrpImageRange(base, (ULONG)(tls->AddressOfIndex - (ULONG_PTR)base), 4)) return NULL;
    return tls;
}

/* The indexes that the process began with are taken. */
static void LdrpCountTls(void) {
    if (LdrpTlsCounted) return;
    LdrpTlsCounted = TRUE;
    LIST_ENTRY *head = &NtCurrentPeb()->Ldr->InLoadOrderModuleList;
    ULONG size, count = 0;
    for (LIST_ENTRY *at = head->Flink; at != head; at = at->Flink) {
        LDR_DATA_TABLE_ENTRY *entry = CONTAINER(at, LDR_DATA_TABLE_ENTRY, InLoadOrderLinks);
        if (!LdrpFindLoaded(entry->DllBase) && LdrpImageDirectory(entry->DllBase, IMAGE_DIRECTORY_ENTRY_TLS, &size)
            && count < LDRP_TLS_MODULES)
            LdrpTlsTaken[count++] = 1;
    }
    LdrpTlsAtStart = count;
}

static ULONG LdrpTlsRoom(void) {
    ULONG room = LDRP_TLS_MODULES;
    while (room && !LdrpTlsTaken[room - 1]) room--;
    return room;
}

/* A thread's copy of a module's block. */
static PVOID LdrpTlsBlock(const IMAGE_TLS_DIRECTORY *tls) {
    SIZE_T data = tls->EndAddressOfRawData - tls->StartAddressOfRawData;
    PVOID block = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, data + tls->SizeOfZeroFill + 1);
    if (block) memmove(block, (PVOID)tls->StartAddressOfRawData, data);
    return block;
}

/* A thread begins: it is to be found when a module with static TLS comes. The first ones have their places here, so that a
 * program that wants nothing of this makes no heap for it. */
static LDRP_THREAD LdrpFirstThreads[16];
/* As many as the process began with. */
#define LDRP_AS_BEGUN 0xffffffffu
void LdrpThreadBegins(BOOLEAN later) {
    TEB *teb = NtCurrentTeb();
    LDRP_THREAD *thread = LdrpFirstThreads, *end = LdrpFirstThreads + 16;
    while (thread < end && thread->Teb) thread++;
    if (thread == end && !(thread = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, sizeof *thread))) return;
    thread->Teb = teb;
    /* Word by word: the program begins with its vector registers as the kernel sets them. */
    thread->ClientId.UniqueProcess = teb->ClientId.UniqueProcess;
    thread->ClientId.UniqueThread = teb->ClientId.UniqueThread;
    thread->Room = !teb->ThreadLocalStoragePointer ? 0 : later ? LdrpTlsRoom() : LDRP_AS_BEGUN;
    InsertTailList(&LdrpThreads, &thread->Links);
}

static void LdrpForgetThread(LDRP_THREAD *thread) {
    RemoveEntryList(&thread->Links);
    if (thread >= LdrpFirstThreads && thread < LdrpFirstThreads + 16) thread->Teb = NULL;
    else RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, thread);
}

void LdrpThreadEnds(void) {
    for (LIST_ENTRY *at = LdrpThreads.Flink; at != &LdrpThreads; at = at->Flink) {
        LDRP_THREAD *thread = CONTAINER(at, LDRP_THREAD, Links);
        if (thread->Teb != NtCurrentTeb()) continue;
        LdrpForgetThread(thread);
        return;
    }
}

/* Whether a thread is still there: one that was ended by force has told nobody. */
static BOOLEAN LdrpIsAlive(const LDRP_THREAD *thread) {
    HANDLE handle;
    THREAD_BASIC_INFORMATION about = {0};
    CLIENT_ID id = thread->ClientId;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, NULL, 0, NULL, NULL};
    if (thread->Teb == NtCurrentTeb()) return TRUE;
    /* THREAD_QUERY_INFORMATION */
    if (NtOpenThread(&handle, 0x40, &attributes, &id) < 0) return FALSE;
    NTSTATUS status = NtQueryInformationThread(handle, ThreadBasicInformation, &about, sizeof about, NULL);
    NtClose(handle);
    return status >= 0 && about.ExitStatus == 0x103 && about.TebBaseAddress == thread->Teb;
}

/* Puts a block into a thread's array, which may need another. */
static NTSTATUS LdrpPlaceBlock(LDRP_THREAD *thread, ULONG index, PVOID block) {
    PVOID *array = thread->Teb->ThreadLocalStoragePointer;
    if (thread->Room == LDRP_AS_BEGUN) thread->Room = LdrpTlsAtStart;
    if (index >= thread->Room) {
        ULONG room = (index + 8) & ~7u;
        PVOID *larger = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, room * sizeof *larger);
        if (!larger) return STATUS_NO_MEMORY;
        if (array) memmove(larger, array, thread->Room * sizeof *larger);
        /* Somebody may be reading the smaller one, which stays. */
        thread->Teb->ThreadLocalStoragePointer = array = larger;
        thread->Room = room;
    }
    array[index] = block;
    return STATUS_SUCCESS;
}

/* Gives a module that comes late its index, and every thread its block. */
NTSTATUS LdrpAttachTls(LDRP_MODULE *module) {
    PVOID base = module->Entry->DllBase;
    ULONG size, index = 0;
    if (!LdrpImageDirectory(base, IMAGE_DIRECTORY_ENTRY_TLS, &size)) return STATUS_SUCCESS;
    const IMAGE_TLS_DIRECTORY *tls = LdrpTls(base);
    if (!tls) return STATUS_INVALID_IMAGE_FORMAT;
    LdrpCountTls();
    while (index < LDRP_TLS_MODULES && LdrpTlsTaken[index]) index++;
    if (index == LDRP_TLS_MODULES) return STATUS_NO_MEMORY;
    for (LIST_ENTRY *at = LdrpThreads.Flink, *next; at != &LdrpThreads; at = next) {
        LDRP_THREAD *thread = CONTAINER(at, LDRP_THREAD, Links);
        next = at->Flink;
        if (!LdrpIsAlive(thread)) {
            LdrpForgetThread(thread);
            continue;
        }
        PVOID block = LdrpTlsBlock(tls);
        NTSTATUS status = block ? LdrpPlaceBlock(thread, index, block) : STATUS_NO_MEMORY;
        if (status < 0) return status;
    }
    LdrpTlsTaken[index] = 1;
    module->HasTls = TRUE;
    if (tls->AddressOfIndex) *(ULONG *)tls->AddressOfIndex = index;
    return STATUS_SUCCESS;
}

/* Takes its blocks back. */
void LdrpDetachTls(LDRP_MODULE *module) {
    if (!module->HasTls) return;
    const IMAGE_TLS_DIRECTORY *tls = LdrpTls(module->Entry->DllBase);
    ULONG index = tls && tls->AddressOfIndex ? *(ULONG *)tls->AddressOfIndex : LDRP_TLS_MODULES;
    module->HasTls = FALSE;
    if (index >= LDRP_TLS_MODULES) return;
    LdrpTlsTaken[index] = 0;
    for (LIST_ENTRY *at = LdrpThreads.Flink; at != &LdrpThreads; at = at->Flink) {
        LDRP_THREAD *thread = CONTAINER(at, LDRP_THREAD, Links);
        if (thread->Room == LDRP_AS_BEGUN || index >= thread->Room || !LdrpIsAlive(thread)) continue;
        PVOID *array = thread->Teb->ThreadLocalStoragePointer;
        if (array[index]) RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, array[index]);
        array[index] = NULL;
    }
}

/* A later thread's copies of the modules' static TLS data. */
void LdrpAllocateTls(PEB *peb) {
    LdrpCountTls();
    ULONG count = LdrpTlsRoom();
    LIST_ENTRY *head = &peb->Ldr->InLoadOrderModuleList;
    PVOID *array = count ? RtlAllocateHeap(peb->ProcessHeap, HEAP_ZERO_MEMORY, count * sizeof(PVOID)) : NULL;
    for (LIST_ENTRY *at = head->Flink; array && at != head; at = at->Flink) {
        LDR_DATA_TABLE_ENTRY *entry = CONTAINER(at, LDR_DATA_TABLE_ENTRY, InLoadOrderLinks);
        const IMAGE_TLS_DIRECTORY *tls = LdrpTls(entry->DllBase);
        const LDRP_MODULE *late = LdrpFindLoaded(entry->DllBase);
        if (!tls || (late && !late->HasTls)) continue;
        ULONG index = tls->AddressOfIndex ? *(ULONG *)tls->AddressOfIndex : 0;
        if (index < count && !array[index]) array[index] = LdrpTlsBlock(tls);
    }
    NtCurrentTeb()->ThreadLocalStoragePointer = array;
}
