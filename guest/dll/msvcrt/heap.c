/* The heap: the process heap of ntdll. */
#include "crt.h"

#define HEAP_ZERO_MEMORY 8
#define HEAP_REALLOC_IN_PLACE_ONLY 0x10

static HANDLE heap(void) { return FIELD(HANDLE, peb(), 0x30); }

static void *checked(void *block) {
    if (!block) errno = ENOMEM;
    return block;
}

void *malloc(size_t size) { return checked(RtlAllocateHeap(heap(), 0, size)); }

void *calloc(size_t count, size_t size) {
    size_t whole;
    if (__builtin_mul_overflow(count, size, &whole)) return checked(NULL);
    return checked(RtlAllocateHeap(heap(), HEAP_ZERO_MEMORY, whole));
}

void free(void *block) {
    if (block) RtlFreeHeap(heap(), 0, block);
}

void *realloc(void *block, size_t size) {
    if (!block) return malloc(size);
    if (!size) {
        free(block);
        return NULL;
    }
    return checked(RtlReAllocateHeap(heap(), 0, block, size));
}

void *_expand(void *block, size_t size) {
    if (!block) {
        errno = EINVAL;
        return NULL;
    }
    return checked(RtlReAllocateHeap(heap(), HEAP_REALLOC_IN_PLACE_ONLY, block, size));
}

size_t _msize(void *block) {
    if (!block) {
        errno = EINVAL;
        return (size_t)-1;
    }
    return RtlSizeHeap(heap(), 0, block);
}

/* The block's own address stands before the aligned one. */
void *_aligned_malloc(size_t size, size_t alignment) {
    if (!alignment || alignment & (alignment - 1)) {
        errno = EINVAL;
        return NULL;
    }
    if (alignment < sizeof(void *)) alignment = sizeof(void *);
    size_t whole = size + alignment + sizeof(void *);
    if (whole < size) return checked(NULL);
    char *block = malloc(whole);
    if (!block) return NULL;
    void **aligned = (void **)(((uintptr_t)block + sizeof(void *) + alignment - 1) & -(uintptr_t)alignment);
    aligned[-1] = block;
    return aligned;
}

void _aligned_free(void *block) {
    if (block) free(((void **)block)[-1]);
}

char *_strdup(const char *text) {
    if (!text) return NULL;
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

wchar_t *_wcsdup(const wchar_t *text) {
    if (!text) return NULL;
    size_t size = (wcslen(text) + 1) * sizeof *text;
    wchar_t *copy = malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}
