/* wow64.dll: information whose structures differ by the width of their words only, and lists of such structures.
 *
 * A structure is a text with a letter for each field: b, h, d, q of 1, 2, 4, 8 bytes, w as wide as a pointer. Each field
 * and the whole are aligned as C aligns them. */
#include "wow64.h"

typedef struct {
    ULONG native, narrow;
} SIZES;

static ULONG field_size(char code, ULONG word) {
    switch (code) {
    case 'b': return 1;
    case 'h': return 2;
    case 'd': return 4;
    case 'q': return 8;
    default: return word;
    }
}

static ULONG align(ULONG at, ULONG to) { return (at + to - 1) & ~(to - 1); }

/* Narrows a structure, or widens it; with `to` NULL only its sizes are found. */
static SIZES convert(const char *format, const UCHAR *from, UCHAR *to, int widen) {
    SIZES at = {0, 0}, most = {1, 1};
    for (; *format; format++) {
        ULONG native = field_size(*format, 8), small = field_size(*format, 4);
        at.native = align(at.native, native);
        at.narrow = align(at.narrow, small);
        ULONG here = widen ? at.narrow : at.native, there = widen ? at.native : at.narrow;
        for (ULONG i = 0; to && i < small; i++) to[there + i] = from[here + i];
        at.native += native;
        at.narrow += small;
        if (native > most.native) most.native = native;
        if (small > most.narrow) most.narrow = small;
    }
    return (SIZES){align(at.native, most.native), align(at.narrow, most.narrow)};
}

static SIZES narrow(const char *format, const UCHAR *from, UCHAR *to) { return convert(format, from, to, 0); }

/* The same for others. */
void Wow64pNarrow(const char *format, const void *from, void *to) { narrow(format, from, to); }

/* A structure of at most 160 bytes: `buffer` is the index of the argument that says where it goes. */
NTSTATUS Wow64pQueryStructure(CALL *call, ULONG buffer, const char *format) {
    ULONG64 native[20] = {0}, small[20] = {0};
    SIZES sizes = narrow(format, 0, 0);
    if (call->slots[buffer + 1] != sizes.narrow) return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = Wow64pWithBuffer(call, buffer, native, sizes.native, 0);
    if (!NT_SUCCESS(status)) return status;
    narrow(format, (const UCHAR *)native, (UCHAR *)small);
    return Wow64pHandOver(call, buffer, small, sizes.narrow);
}

/* Such a structure that the program hands in. */
NTSTATUS Wow64pSetStructure(CALL *call, ULONG buffer, const char *format) {
    ULONG64 native[20] = {0}, small[20];
    SIZES sizes = narrow(format, 0, 0);
    if (call->slots[buffer + 1] != sizes.narrow) return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = Wow64pCopy(small, pointer(call->slots[buffer]), sizes.narrow);
    if (!NT_SUCCESS(status)) return status;
    convert(format, (const UCHAR *)small, (UCHAR *)native, 1);
    call->native[buffer] = (ULONG64)native;
    call->native[buffer + 1] = sizes.native;
    return Wow64pSystemService(call->number, call->count, call->native);
}

/* Tells how long an answer is. */
static NTSTATUS returned(const CALL *call, ULONG buffer, ULONG length) {
    ULONG to = call->slots[buffer + 2];
    return to ? Wow64pCopy(pointer(to), &length, sizeof length) : STATUS_SUCCESS;
}

/* A UNICODE_STRING with its text behind it, and what is said where it does not fit. */
#define STRING_BUFFER 0x800
NTSTATUS Wow64pQueryString(CALL *call, ULONG buffer, NTSTATUS too_small) {
    union {
        UNICODE_STRING64 string;
        UCHAR bytes[STRING_BUFFER];
    } native;
    NTSTATUS status = Wow64pWithBuffer(call, buffer, &native, sizeof native, 0);
    if (!NT_SUCCESS(status)) return status;
    ULONG to = call->slots[buffer], length = native.string.Length ? native.string.MaximumLength : 0;
    UNICODE_STRING32 string = {native.string.Length, (USHORT)length, length ? to + sizeof string : 0};
    status = returned(call, buffer, sizeof string + length);
    if (!NT_SUCCESS(status)) return status;
    if (call->slots[buffer + 1] < sizeof string + length) return too_small;
    status = Wow64pCopy(pointer(to), &string, sizeof string);
    return NT_SUCCESS(status) ? Wow64pCopy(pointer(to + sizeof string), (void *)native.string.Buffer, length) : status;
}

/* Room on the stack for the kernel's form of a list, in functions of their own: the pages of a stack are there from its
 * top down, so whoever calls one of them has these made first, in a frame that is as large and calls nothing. */
#define LIST_BUFFER 0x20000
static __attribute__((noinline)) void commit(void) {
    volatile UCHAR room[LIST_BUFFER + 0x2000];
    for (ULONG at = sizeof room; at >= 0x1000; at -= 0x1000) room[at - 1] = 0;
}

/* Writes a structure to the program's memory, if it still fits. */
static NTSTATUS put(const CALL *call, ULONG buffer, ULONG at, const void *from, ULONG length) {
    if (at + length > call->slots[buffer + 1]) return STATUS_SUCCESS;
    return Wow64pCopy(pointer(call->slots[buffer] + at), from, length);
}

/* The length that a list needs is told; whether it has fit. */
static NTSTATUS listed(const CALL *call, ULONG buffer, ULONG length) {
    NTSTATUS status = returned(call, buffer, length);
    if (!NT_SUCCESS(status)) return status;
    return length > call->slots[buffer + 1] ? STATUS_INFO_LENGTH_MISMATCH : STATUS_SUCCESS;
}

/* A head that begins with a count, then as many entries, of which `tail` bytes at the end are the same in both. */
static __attribute__((noinline)) NTSTATUS query_counted(CALL *call, ULONG buffer, const char *head, const char *entry,
                                                        ULONG tail) {
    UCHAR native[LIST_BUFFER] __attribute__((aligned(16)));
    ULONG64 small[0x140 / 8] = {0};
    SIZES first = narrow(head, 0, 0), each = narrow(entry, 0, 0);
    NTSTATUS status = Wow64pWithBuffer(call, buffer, native, sizeof native, 0);
    if (!NT_SUCCESS(status)) return status;
    ULONG count = *(ULONG *)native, at = first.narrow;
    narrow(head, native, (UCHAR *)small);
    status = put(call, buffer, 0, small, first.narrow);
    const UCHAR *from = native + first.native;
    for (ULONG i = 0; i < count && NT_SUCCESS(status); i++) {
        narrow(entry, from, (UCHAR *)small);
        for (ULONG byte = 0; byte < tail; byte++) ((UCHAR *)small)[each.narrow + byte] = from[each.native + byte];
        status = put(call, buffer, at, small, each.narrow + tail);
        at += each.narrow + tail;
        from += each.native + tail;
    }
    return NT_SUCCESS(status) ? listed(call, buffer, at) : status;
}

NTSTATUS Wow64pQueryCounted(CALL *call, ULONG buffer, const char *head, const char *entry, ULONG tail) {
    commit();
    return query_counted(call, buffer, head, entry, tail);
}

/* OBJECT_TYPE_INFORMATION, whose name lies behind it in both forms. */
#define TYPE "hhw" "dddddddddddd" "dddddd" "bbbb" "ddd"
enum { TYPE_HEAD = 0x68, TYPE_HEAD_32 = 0x60 };

/* One type, for a place in the program's buffer; how long it is there. */
static ULONG put_type(CALL *call, const UCHAR *from, ULONG at, NTSTATUS *status) {
    ULONG small[TYPE_HEAD_32 / 4];
    ULONG text = align(*(const USHORT *)(from + 2), 4);
    narrow(TYPE, from, (UCHAR *)small);
    small[1] = call->slots[2] + at + TYPE_HEAD_32;
    *status = put(call, 2, at, small, TYPE_HEAD_32);
    if (NT_SUCCESS(*status)) *status = put(call, 2, at + TYPE_HEAD_32, from + TYPE_HEAD, text);
    return TYPE_HEAD_32 + text;
}

NTSTATUS Wow64pQueryType(CALL *call) {
    ULONG64 native[0x180 / 8] = {0};
    NTSTATUS fault, status = Wow64pWithBuffer(call, 2, native, sizeof native, 0);
    if (!NT_SUCCESS(status)) return status;
    ULONG length = TYPE_HEAD_32 + align(((USHORT *)native)[1], 4);
    status = listed(call, 2, length);
    if (!NT_SUCCESS(status)) return status;
    put_type(call, (const UCHAR *)native, 0, &fault);
    return fault;
}

/* OBJECT_TYPES_INFORMATION: their count, then all of them, each aligned as a pointer is. */
static __attribute__((noinline)) NTSTATUS query_types(CALL *call) {
    UCHAR native[LIST_BUFFER] __attribute__((aligned(16)));
    NTSTATUS status = Wow64pWithBuffer(call, 2, native, sizeof native, 0);
    if (!NT_SUCCESS(status)) return status;
    ULONG count = *(ULONG *)native, at = sizeof count, from = 8;
    status = put(call, 2, 0, &count, sizeof count);
    for (ULONG i = 0; i < count && NT_SUCCESS(status); i++) {
        const UCHAR *type = native + from;
        from = align(from + TYPE_HEAD + align(*(const USHORT *)(type + 2), 4), 8);
        at = align(at, 4) + put_type(call, type, align(at, 4), &status);
    }
    return NT_SUCCESS(status) ? listed(call, 2, at) : status;
}

NTSTATUS Wow64pQueryTypes(CALL *call) {
    commit();
    return query_types(call);
}

/* SYSTEM_PROCESS_INFORMATION up to the threads, and a thread's, also the extended one. */
#define PROCESS "ddqddqqqqhhwdwwddwwwdwwwwwwwwwqqqqqq"
#define THREAD "qqqdwwwddddd"
#define EXTENDED_THREAD "qqqdwwwddddddwwwwwww"
/* Bytes before the name, and before its text's address in both forms; 4-byte places of the latter. */
enum { NAME = 0x38, NAME_TEXT = 0x40, NAME_TEXT_32 = 0x3c / 4 };

/* One process: what it takes in the program's form. */
static NTSTATUS put_process(CALL *call, const UCHAR *from, ULONG at, const char *thread, ULONG *length) {
    union {
        UCHAR bytes[0xc0];
        ULONG words[0xc0 / 4];
        ULONG64 aligned;
    } small;
    SIZES head = narrow(PROCESS, 0, 0), each = narrow(thread, 0, 0);
    ULONG threads = *(const ULONG *)(from + 4), text = *(const USHORT *)(from + NAME);
    ULONG text_at = head.narrow + threads * each.narrow;
    *length = align(text_at + (text ? text + 2 : 0), 8);
    for (ULONG i = 0; i < sizeof small.words / sizeof *small.words; i++) small.words[i] = 0;
    narrow(PROCESS, from, small.bytes);
    small.words[0] = *(const ULONG *)from ? *length : 0;
    if (text) small.words[NAME_TEXT_32] = call->slots[1] + at + text_at;
    NTSTATUS status = put(call, 1, at, small.bytes, head.narrow);
    for (ULONG i = 0; i < threads && NT_SUCCESS(status); i++) {
        narrow(thread, from + head.native + i * each.native, small.bytes);
        status = put(call, 1, at + head.narrow + i * each.narrow, small.bytes, each.narrow);
    }
    if (!NT_SUCCESS(status) || !text) return status;
    return put(call, 1, at + text_at, *(void *const *)(from + NAME_TEXT), text + 2);
}

/* All processes with their threads. */
static __attribute__((noinline)) NTSTATUS query_processes(CALL *call, int extended) {
    UCHAR native[LIST_BUFFER] __attribute__((aligned(16)));
    const char *thread = extended ? EXTENDED_THREAD : THREAD;
    ULONG at = 0, length = 0, next;
    NTSTATUS status = Wow64pWithBuffer(call, 1, native, sizeof native, 0);
    const UCHAR *from = native;
    if (!NT_SUCCESS(status)) return status;
    do {
        status = put_process(call, from, at, thread, &length);
        next = *(const ULONG *)from;
        at += length;
        from += next;
    } while (next && NT_SUCCESS(status));
    return NT_SUCCESS(status) ? listed(call, 1, at) : status;
}

NTSTATUS Wow64pQueryProcesses(CALL *call, int extended) {
    commit();
    return query_processes(call, extended);
}
