/* The heap: size classes with free lists over `NtAllocateVirtualMemory`.
 *
 * A block is a 16-byte header and the caller's bytes. Up to 1 KiB a class is every 16 bytes, above that every power of
 * two; small blocks are cut from 64 KiB chunks, larger ones are regions of their own. What is too large for a class
 * goes back to the system when it is freed.
 */
#include "ntdll.h"

enum {
    /* Classes 0 to 63 hold 16 to 1024 bytes; class 64 is a block of 2 KiB with its header, 72 one of 512 KiB. */
    RTLP_SMALL = 0x400,
    RTLP_SMALL_CLASSES = RTLP_SMALL / 16,
    RTLP_CLASSES = RTLP_SMALL_CLASSES + 9,
    /* The power of two of the first class above the small ones. */
    RTLP_FIRST_POWER = 11,
    /* The class of blocks that are not kept. */
    RTLP_LARGE = -1,
    /* The largest request that is kept when freed: the largest block's power of two, a header and a little less. */
    RTLP_LARGEST_KEPT = 0x7f000,
    RTLP_CHUNK = 0x10000,
};
#define RTLP_BUSY 0x75737942
#define RTLP_FREE 0x65657246
/* "TgHeap" in the low bytes; no pointer looks like it. */
#define RTLP_HEAP_SIGNATURE 0xeeff706165486754
/* Beyond it a request is refused without asking the system. */
#define RTLP_LARGEST WIDTH(0x7fffffff0000, 0x7fff0000)

typedef struct RTLP_BLOCK {
    SIZE_T Size; /* as it was asked for */
    LONG Class;
    ULONG State;
    /* A free block's first bytes are the next one's address. */
    struct RTLP_BLOCK *Next __attribute__((aligned(16)));
} RTLP_BLOCK;
#define RTLP_HEADER __builtin_offsetof(RTLP_BLOCK, Next)
_Static_assert(RTLP_HEADER == 16, "a block's header");

struct RTLP_HEAP {
    ULONGLONG Signature;
    char *Cursor, *End;
    volatile LONG Lock;
    RTLP_BLOCK *Lists[RTLP_CLASSES];
    /* A heap of its own has all its memory here, so that it can go at once: each region begins with the next one's place. */
    PVOID Regions;
    BOOLEAN IsOwn;
};
RTLP_HEAP RtlpProcessHeap = {.Signature = RTLP_HEAP_SIGNATURE};

static PVOID RtlpFailHeap(NTSTATUS status) {
    RtlSetLastWin32ErrorAndNtStatusFromNtStatus(status);
    return NULL;
}

/* Fresh zeroed pages, or NULL. */
static PVOID RtlpMapHeapMemory(SIZE_T size) {
    PVOID base = NULL;
    NTSTATUS status =
        NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    return status < 0 ? NULL : base;
}

/* The same for a heap, which may have to know what it has. */
static PVOID RtlpMapFor(RTLP_HEAP *heap, SIZE_T size) {
    if (!heap->IsOwn) return RtlpMapHeapMemory(size);
    PVOID *region = RtlpMapHeapMemory(size + 16);
    if (!region) return NULL;
    region[0] = heap->Regions;
    heap->Regions = region;
    return (char *)region + 16;
}

static RTLP_HEAP *RtlpHeap(HANDLE handle) {
    RTLP_HEAP *heap = handle;
    return heap && heap->Signature == RTLP_HEAP_SIGNATURE ? heap : NULL;
}

/* The block at an address that the heap gave, or NULL if it is no block in use. */
static RTLP_BLOCK *RtlpHeapBlock(HANDLE heap, const void *address) {
    if (!RtlpHeap(heap) || !address || (ULONG_PTR)address & 15) return NULL;
    RTLP_BLOCK *block = CONTAINER(address, RTLP_BLOCK, Next);
    return block->State == RTLP_BUSY ? block : NULL;
}

/* Takes the heap's lock. Threads that find it taken let others run. */
static void RtlpLockHeap(RTLP_HEAP *heap) {
    while (__atomic_exchange_n(&heap->Lock, 1, __ATOMIC_ACQUIRE)) NtYieldExecution();
}
static void RtlpUnlockHeap(RTLP_HEAP *heap) { __atomic_store_n(&heap->Lock, 0, __ATOMIC_RELEASE); }

/* A block of `size` bytes from the class's list or a chunk, or NULL. */
static RTLP_BLOCK *RtlpTakeBlock(RTLP_HEAP *heap, LONG class, SIZE_T size) {
    RtlpLockHeap(heap);
    RTLP_BLOCK *block = heap->Lists[class];
    if (block) {
        heap->Lists[class] = block->Next;
    } else if (size >= RTLP_CHUNK) {
        block = RtlpMapFor(heap, size);
    } else {
        if (heap->Cursor + size > heap->End) {
            char *chunk = RtlpMapFor(heap, RTLP_CHUNK - 16);
            if (chunk) heap->Cursor = chunk, heap->End = chunk + RTLP_CHUNK - 16;
        }
        if (heap->Cursor + size <= heap->End) {
            block = (RTLP_BLOCK *)heap->Cursor;
            heap->Cursor += size;
        }
    }
    RtlpUnlockHeap(heap);
    return block;
}

/* `RtlAllocateHeap`: a 16-byte aligned address, zeroed if `flags` has HEAP_ZERO_MEMORY; or NULL with the last status
 * STATUS_NO_MEMORY. */
PVOID NTAPI RtlAllocateHeap(HANDLE handle, ULONG flags, SIZE_T size) {
    RTLP_HEAP *heap = RtlpHeap(handle);
    RTLP_BLOCK *block;
    LONG class;
    if (!heap || size > RTLP_LARGEST) return RtlpFailHeap(STATUS_NO_MEMORY);
    if (size > RTLP_LARGEST_KEPT) {
        class = RTLP_LARGE;
        if (heap->IsOwn) RtlpLockHeap(heap);
        block = RtlpMapFor(heap, size + RTLP_HEADER);
        if (heap->IsOwn) RtlpUnlockHeap(heap);
    } else if (size > RTLP_SMALL) {
        LONG power = 32 - __builtin_clz((ULONG)(size + RTLP_HEADER - 1));
        class = power + RTLP_SMALL_CLASSES - RTLP_FIRST_POWER;
        block = RtlpTakeBlock(heap, class, (SIZE_T)1 << power);
    } else {
        class = size ? (LONG)(size - 1) / 16 : 0;
        block = RtlpTakeBlock(heap, class, 16 * ((SIZE_T)class + 2));
    }
    if (!block) return RtlpFailHeap(STATUS_NO_MEMORY);
    block->Size = size;
    block->Class = class;
    block->State = RTLP_BUSY;
    if (flags & HEAP_ZERO_MEMORY) memset(&block->Next, 0, size);
    return &block->Next;
}

/* `RtlFreeHeap`: frees an address that the heap gave, or NULL. FALSE, and the last status STATUS_INVALID_PARAMETER, for
 * what is no block in use. */
ULONG NTAPI RtlFreeHeap(HANDLE handle, ULONG flags, PVOID address) {
    (void)flags;
    if (!address) return TRUE;
    RTLP_HEAP *heap = handle;
    RTLP_BLOCK *block = RtlpHeapBlock(heap, address);
    if (block && block->Class != RTLP_LARGE) {
        RtlpLockHeap(heap);
        block->State = RTLP_FREE;
        block->Next = heap->Lists[block->Class];
        heap->Lists[block->Class] = block;
        RtlpUnlockHeap(heap);
        return TRUE;
    }
    if (block) {
        PVOID base = block;
        SIZE_T size = 0;
        block->State = RTLP_FREE;
        if (heap->IsOwn) {
            PVOID *before = &heap->Regions;
            RtlpLockHeap(heap);
            while (*before && *before != (char *)base - 16) before = *before;
            if (*before) *before = *(PVOID *)*before;
            RtlpUnlockHeap(heap);
            base = (char *)base - 16;
        }
        if (NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE) >= 0) return TRUE;
    }
    RtlpFailHeap(STATUS_INVALID_PARAMETER);
    return FALSE;
}

/* `RtlSizeHeap`: the bytes that were asked for, or -1. */
SIZE_T NTAPI RtlSizeHeap(HANDLE heap, ULONG flags, const void *address) {
    (void)flags;
    const RTLP_BLOCK *block = RtlpHeapBlock(heap, address);
    if (block) return block->Size;
    RtlpFailHeap(STATUS_INVALID_PARAMETER);
    return (SIZE_T)-1;
}

/* The most bytes that a block can hold where it is. */
static SIZE_T RtlpHeapCapacity(const RTLP_BLOCK *block) {
    /* Whole pages were committed. */
    if (block->Class == RTLP_LARGE) return ((block->Size + RTLP_HEADER + 0xfff) & ~(SIZE_T)0xfff) - RTLP_HEADER - 16;
    if (block->Class < RTLP_SMALL_CLASSES) return 16 * ((SIZE_T)block->Class + 1);
    return ((SIZE_T)1 << (block->Class - RTLP_SMALL_CLASSES + RTLP_FIRST_POWER)) - RTLP_HEADER;
}

/* `RtlReAllocateHeap`: the block's new address, or NULL and the old one as it was. HEAP_ZERO_MEMORY clears what is
 * gained; with HEAP_REALLOC_IN_PLACE_ONLY a block that would have to move is STATUS_NO_MEMORY. */
PVOID NTAPI RtlReAllocateHeap(HANDLE heap, ULONG flags, PVOID address, SIZE_T size) {
    RTLP_BLOCK *block = RtlpHeapBlock(heap, address);
    if (!block) return RtlpFailHeap(STATUS_INVALID_PARAMETER);
    SIZE_T before = block->Size;
    if (size <= RtlpHeapCapacity(block)) {
        block->Size = size;
        if (size > before && flags & HEAP_ZERO_MEMORY) memset((char *)address + before, 0, size - before);
        return address;
    }
    if (flags & HEAP_REALLOC_IN_PLACE_ONLY) return RtlpFailHeap(STATUS_NO_MEMORY);
    PVOID moved = RtlAllocateHeap(heap, flags, size);
    if (!moved) return NULL;
    memmove(moved, address, before < size ? before : size);
    RtlFreeHeap(heap, 0, address);
    return moved;
}

/* `RtlCreateHeap`: a heap of its own, which grows as it must. */
EXPORT HANDLE NTAPI RtlCreateHeap(ULONG flags, PVOID base, SIZE_T reserve, SIZE_T commit, PVOID lock, PVOID parameters) {
    (void)flags, (void)reserve, (void)commit, (void)lock, (void)parameters;
    if (base) {
        RtlpFailHeap(STATUS_NOT_IMPLEMENTED);
        return NULL;
    }
    RTLP_HEAP *heap = RtlpMapHeapMemory(sizeof *heap);
    if (!heap) return NULL;
    heap->Signature = RTLP_HEAP_SIGNATURE;
    heap->IsOwn = TRUE;
    return heap;
}

/* `RtlDestroyHeap`: NULL, or the heap where it is none or the process's. */
EXPORT HANDLE NTAPI RtlDestroyHeap(HANDLE handle) {
    RTLP_HEAP *heap = RtlpHeap(handle);
    PVOID region, base;
    if (!heap || !heap->IsOwn) return handle;
    for (region = heap->Regions; region;) {
        SIZE_T size = 0;
        base = region;
        region = *(PVOID *)region;
        NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE);
    }
    SIZE_T size = 0;
    base = heap;
    NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE);
    return NULL;
}

/* `RtlValidateHeap`: whether an address is a block in use; with none, whether there is a heap. */
EXPORT BOOLEAN NTAPI RtlValidateHeap(HANDLE handle, ULONG flags, const void *address) {
    (void)flags;
    return address ? RtlpHeapBlock(handle, address) != NULL : RtlpHeap(handle) != NULL;
}
