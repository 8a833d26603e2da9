/* Counted strings: comparing, copying, joining, and to bytes and back. Letters beyond Latin-1, Greek and Cyrillic have no
 * case here. */
#include "ntdll.h"

/* `RtlUpcaseUnicodeChar`, `RtlDowncaseUnicodeChar`. */
EXPORT WCHAR NTAPI RtlUpcaseUnicodeChar(WCHAR c) {
    if (c < 'a') return c;
    if (c <= 'z') return c - 0x20;
    if ((c >= 0xe0 && c <= 0xfe && c != 0xf7) || (c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2) || (c >= 0x430 && c <= 0x44f))
        return c - 0x20;
    if (c >= 0x450 && c <= 0x45f) return c - 0x50;
    return c == 0xff ? 0x178 : c;
}
EXPORT WCHAR NTAPI RtlDowncaseUnicodeChar(WCHAR c) {
    if (c < 'A') return c;
    if (c <= 'Z') return c + 0x20;
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) || (c >= 0x410 && c <= 0x42f))
        return c + 0x20;
    if (c >= 0x400 && c <= 0x40f) return c + 0x50;
    return c == 0x178 ? 0xff : c;
}

/* `RtlCompareUnicodeString`: below, at or above 0. */
EXPORT LONG NTAPI RtlCompareUnicodeString(const UNICODE_STRING *a, const UNICODE_STRING *b, BOOLEAN insensitive) {
    ULONG shorter = (a->Length < b->Length ? a->Length : b->Length) / sizeof(WCHAR);
    for (ULONG i = 0; i < shorter; i++) {
        WCHAR x = a->Buffer[i], y = b->Buffer[i];
        if (insensitive) x = RtlUpcaseUnicodeChar(x), y = RtlUpcaseUnicodeChar(y);
        if (x != y) return x - y;
    }
    return a->Length - b->Length;
}
EXPORT BOOLEAN NTAPI RtlEqualUnicodeString(const UNICODE_STRING *a, const UNICODE_STRING *b, BOOLEAN insensitive) {
    return a->Length == b->Length && !RtlCompareUnicodeString(a, b, insensitive);
}
EXPORT BOOLEAN NTAPI RtlPrefixUnicodeString(const UNICODE_STRING *a, const UNICODE_STRING *b, BOOLEAN insensitive) {
    UNICODE_STRING head = {a->Length, a->Length, b->Buffer};
    return a->Length <= b->Length && !RtlCompareUnicodeString(a, &head, insensitive);
}

/* `RtlCopyUnicodeString`: as much as has room. */
EXPORT void NTAPI RtlCopyUnicodeString(UNICODE_STRING *to, const UNICODE_STRING *from) {
    USHORT length = !from ? 0 : from->Length < to->MaximumLength ? from->Length : to->MaximumLength;
    if (from) memmove(to->Buffer, from->Buffer, length);
    to->Length = length;
    if (from && length + sizeof(WCHAR) <= to->MaximumLength) to->Buffer[length / sizeof(WCHAR)] = 0;
}

/* `RtlAppendUnicodeStringToString`, `RtlAppendUnicodeToString`: STATUS_BUFFER_TOO_SMALL changes nothing. */
EXPORT NTSTATUS NTAPI RtlAppendUnicodeStringToString(UNICODE_STRING *to, const UNICODE_STRING *from) {
    ULONG length = to->Length + from->Length;
    if (length > to->MaximumLength) return STATUS_BUFFER_TOO_SMALL;
    memmove((char *)to->Buffer + to->Length, from->Buffer, from->Length);
    to->Length = (USHORT)length;
    if (length + sizeof(WCHAR) <= to->MaximumLength) to->Buffer[length / sizeof(WCHAR)] = 0;
    return STATUS_SUCCESS;
}
EXPORT NTSTATUS NTAPI RtlAppendUnicodeToString(UNICODE_STRING *to, const WCHAR *from) {
    UNICODE_STRING text;
    if (!from) return STATUS_SUCCESS;
    RtlInitUnicodeString(&text, from);
    return RtlAppendUnicodeStringToString(to, &text);
}

/* `RtlCreateUnicodeString`: a copy, which `RtlFreeUnicodeString` frees. */
EXPORT BOOLEAN NTAPI RtlCreateUnicodeString(UNICODE_STRING *to, const WCHAR *from) {
    UNICODE_STRING text;
    RtlInitUnicodeString(&text, from);
    to->Buffer = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, text.MaximumLength);
    if (!to->Buffer) return FALSE;
    memmove(to->Buffer, from, text.MaximumLength);
    to->Length = text.Length;
    to->MaximumLength = text.MaximumLength;
    return TRUE;
}

/* `RtlUpcaseUnicodeString`. STATUS_BUFFER_OVERFLOW where there is no room. */
EXPORT NTSTATUS NTAPI RtlUpcaseUnicodeString(UNICODE_STRING *to, const UNICODE_STRING *from, BOOLEAN allocate) {
    if (allocate) {
        to->MaximumLength = from->Length;
        to->Buffer = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, from->Length);
        if (!to->Buffer) return STATUS_NO_MEMORY;
    } else if (from->Length > to->MaximumLength) {
        return STATUS_BUFFER_OVERFLOW;
    }
    for (ULONG i = 0; i < from->Length / sizeof(WCHAR); i++) to->Buffer[i] = RtlUpcaseUnicodeChar(from->Buffer[i]);
    to->Length = from->Length;
    return STATUS_SUCCESS;
}

/* `RtlImageDirectoryEntryToData`: a directory of an image, mapped as one or as a file. */
EXPORT PVOID NTAPI RtlImageDirectoryEntryToData(PVOID base, BOOLEAN as_image, USHORT directory, ULONG *size) {
    ULONG_PTR at = (ULONG_PTR)base;
    if (at & 1) as_image = FALSE, at &= ~(ULONG_PTR)3;
    const char *headers = RtlImageNtHeader((PVOID)at);
    if (!headers) return NULL;
    BOOLEAN wide = *(const USHORT *)(headers + 0x18) == 0x20b;
    const ULONG *entries = (const ULONG *)(headers + 0x18 + (wide ? 0x70 : 0x60));
    if (directory >= entries[-1] || !entries[2 * directory]) return NULL;
    ULONG rva = entries[2 * directory];
    *size = entries[2 * directory + 1];
    if (as_image || rva < *(const ULONG *)(headers + 0x54)) return (PVOID)(at + rva);
    const ULONG *section = (const ULONG *)(headers + 0x18 + *(const USHORT *)(headers + 0x14));
    for (USHORT i = *(const USHORT *)(headers + 6); i; i--, section += 10)
        if (rva - section[3] < section[4]) return (PVOID)(at + section[5] + rva - section[3]);
    return NULL;
}

/* There is no activation context: none is active, and none can be. */
EXPORT NTSTATUS NTAPI RtlGetActiveActivationContext(HANDLE *context) {
    *context = NULL;
    return STATUS_SUCCESS;
}
EXPORT void NTAPI RtlReleaseActivationContext(HANDLE context) { (void)context; }

/* `RtlGetSystemTimePrecise`, which Windows 8 and later have. */
EXPORT LONGLONG NTAPI RtlGetSystemTimePrecise(void) {
    LONGLONG time;
    NtQuerySystemTime(&time);
    return time;
}
