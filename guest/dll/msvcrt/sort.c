/* Sorting and searching. */
#include "crt.h"

typedef int (*Compare)(const void *, const void *);

static void swap(char *a, char *b, size_t size) {
    if (a == b) return;
    for (; size >= 8; size -= 8, a += 8, b += 8) {
        uint64_t x, y;
        __builtin_memcpy(&x, a, 8);
        __builtin_memcpy(&y, b, 8);
        __builtin_memcpy(a, &y, 8);
        __builtin_memcpy(b, &x, 8);
    }
    while (size--) {
        char kept = *a;
        *a++ = *b;
        *b++ = kept;
    }
}

/* A heap sort: no recursion, no memory, no bad case. */
static void sift(char *base, size_t at, size_t count, size_t size, Compare compare) {
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && compare(base + child * size, base + (child + 1) * size) < 0) child++;
        if (compare(base + at * size, base + child * size) >= 0) return;
        swap(base + at * size, base + child * size, size);
    }
}

void qsort(void *data, size_t count, size_t size, Compare compare) {
    char *base = data;
    if (count < 2) return;
    for (size_t i = count / 2; i--;) sift(base, i, count, size, compare);
    while (--count) {
        swap(base, base + count * size, size);
        sift(base, 0, count, size, compare);
    }
}

void *bsearch(const void *key, const void *data, size_t count, size_t size, Compare compare) {
    const char *base = data;
    while (count) {
        const char *middle = base + count / 2 * size;
        int order = compare(key, middle);
        if (!order) return (void *)middle;
        if (order > 0) {
            base = middle + size;
            count--;
        }
        count /= 2;
    }
    return NULL;
}
