/* Memory: copying, filling, comparing. */
#include "ntdll.h"

/* What is moved at once, whatever its alignment: an XMM register, which every 64-bit processor has, or a general one. */
#ifdef __x86_64__
typedef ULONGLONG BLOCK __attribute__((vector_size(16), aligned(1), may_alias));
#define BLOCK_OF(byte) ((BLOCK){0x0101010101010101u * (byte), 0x0101010101010101u * (byte)})
#else
typedef ULONG BLOCK __attribute__((aligned(1), may_alias));
#define BLOCK_OF(byte) (0x01010101u * (byte))
#endif

/* `memmove`: returns `to`. Blocks, then bytes, from the end that overlapping does not reach first. */
void *memmove(void *to, const void *from, size_t size) {
    UCHAR *t = to;
    const UCHAR *f = from;
    if ((ULONG_PTR)t - (ULONG_PTR)f >= size) {
        for (; size >= sizeof(BLOCK); size -= sizeof(BLOCK), t += sizeof(BLOCK), f += sizeof(BLOCK))
            *(BLOCK *)t = *(const BLOCK *)f;
        while (size--) *t++ = *f++;
        return to;
    }
    t += size;
    f += size;
    for (; size >= sizeof(BLOCK); size -= sizeof(BLOCK)) {
        t -= sizeof(BLOCK);
        f -= sizeof(BLOCK);
        *(BLOCK *)t = *(const BLOCK *)f;
    }
    while (size--) *--t = *--f;
    return to;
}
/* As on Windows, memcpy is memmove. */
EXPORT_AS(memcpy, memmove);
/* The compiler's own copies of structures go by the first name. */
void *memcpy(void *, const void *, size_t) __attribute__((alias("memmove")));

/* `memset`: returns `to`. */
void *memset(void *to, int value, size_t size) {
    UCHAR *t = to;
    BLOCK block = BLOCK_OF((UCHAR)value);
    for (; size >= sizeof(BLOCK); size -= sizeof(BLOCK), t += sizeof(BLOCK)) *(BLOCK *)t = block;
    while (size--) *t++ = (UCHAR)value;
    return to;
}

/* `RtlMoveMemory`, and `RtlCopyMemory`, which is the same function. */
void NTAPI RtlMoveMemory(PVOID to, const void *from, SIZE_T size) { memmove(to, from, size); }
EXPORT_AS(RtlCopyMemory, RtlMoveMemory);

/* `RtlFillMemory`. */
void NTAPI RtlFillMemory(PVOID to, SIZE_T size, UCHAR value) { memset(to, value, size); }

/* `RtlZeroMemory`. */
void NTAPI RtlZeroMemory(PVOID to, SIZE_T size) { memset(to, 0, size); }

/* `memcmp`: -1, 0 or 1. */
EXPORT int memcmp(const void *a, const void *b, size_t size) {
    const UCHAR *x = a, *y = b;
    for (; size; size--, x++, y++)
        if (*x != *y) return *x < *y ? -1 : 1;
    return 0;
}

/* `RtlCompareMemory`: how many bytes are equal before the first that differs. */
SIZE_T NTAPI RtlCompareMemory(const void *a, const void *b, SIZE_T size) {
    SIZE_T same = 0;
    while (same < size && ((const UCHAR *)a)[same] == ((const UCHAR *)b)[same]) same++;
    return same;
}

/* `memchr`: the byte's address, or NULL. */
EXPORT void *memchr(const void *from, int value, size_t size) {
    for (const UCHAR *f = from; size; size--, f++)
        if (*f == (UCHAR)value) return (void *)f;
    return NULL;
}
