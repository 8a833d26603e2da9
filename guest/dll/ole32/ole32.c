/* ole32.dll: memory, identifiers, and a COM library in which no class is registered. */
#include "random.h"

#define S_FALSE 1
#define E_INVALIDARG ((LONG)0x80070057)
#define CO_E_CLASSSTRING ((LONG)0x800401f3)
#define REGDB_E_CLASSNOTREG ((LONG)0x80040154)
#define CO_E_NOTINITIALIZED ((LONG)0x800401f0)

static LONG OlepStarted;

/* `CoInitializeEx`: how often, of the process. */
LONG NTAPI CoInitializeEx(PVOID reserved, ULONG model) {
    (void)model;
    if (reserved) return E_INVALIDARG;
    return __atomic_fetch_add(&OlepStarted, 1, __ATOMIC_SEQ_CST) ? S_FALSE : 0;
}
LONG NTAPI CoInitialize(PVOID reserved) { return CoInitializeEx(reserved, 2); }
LONG NTAPI OleInitialize(PVOID reserved) { return CoInitializeEx(reserved, 2); }
void NTAPI CoUninitialize(void) {
    if (OlepStarted > 0) __atomic_sub_fetch(&OlepStarted, 1, __ATOMIC_SEQ_CST);
}
void NTAPI OleUninitialize(void) { CoUninitialize(); }
LONG NTAPI CoInitializeSecurity(PVOID a, LONG b, PVOID c, PVOID d, ULONG e, ULONG f, PVOID g, ULONG h, PVOID i) {
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h, (void)i;
    return OlepStarted > 0 ? 0 : CO_E_NOTINITIALIZED;
}
LONG NTAPI CoCreateInstance(const void *class, PVOID outer, ULONG context, const void *interface, PVOID *object) {
    (void)class, (void)outer, (void)context, (void)interface;
    if (!object) return E_INVALIDARG;
    *object = NULL;
    return OlepStarted > 0 ? REGDB_E_CLASSNOTREG : CO_E_NOTINITIALIZED;
}
LONG NTAPI CoGetClassObject(const void *class, ULONG context, PVOID server, const void *interface, PVOID *object) {
    return CoCreateInstance(class, server, context, interface, object);
}

/* The task's memory is the process's. */
PVOID NTAPI CoTaskMemAlloc(SIZE_T size) { return RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, size); }
PVOID NTAPI CoTaskMemRealloc(PVOID memory, SIZE_T size) {
    if (!memory) return CoTaskMemAlloc(size);
    if (size) return RtlReAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, memory, size);
    RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, memory);
    return NULL;
}
void NTAPI CoTaskMemFree(PVOID memory) {
    if (memory) RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, memory);
}

/* `CoCreateGuid`: a random one (version 4). */
LONG NTAPI CoCreateGuid(UCHAR *guid) {
    if (!guid) return E_INVALIDARG;
    if (KsecRandom(guid, 16) < 0) return (LONG)0x80004005;
    guid[7] = (UCHAR)((guid[7] & 0x0f) | 0x40);
    guid[8] = (UCHAR)((guid[8] & 0x3f) | 0x80);
    return 0;
}

/* Where each byte of an identifier stands in its text. */
static const UCHAR OlepOrder[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
/* `StringFromGUID2`: `{00000000-0000-0000-0000-000000000000}`, and how many units with the zero. */
int NTAPI StringFromGUID2(const UCHAR *guid, WCHAR *to, int room) {
    if (room < 39) return 0;
    *to++ = '{';
    for (int i = 0; i < 16; i++) {
        UCHAR byte = guid[OlepOrder[i]];
        *to++ = (WCHAR)"0123456789ABCDEF"[byte >> 4];
        *to++ = (WCHAR)"0123456789ABCDEF"[byte & 15];
        if (i == 3 || i == 5 || i == 7 || i == 9) *to++ = '-';
    }
    *to++ = '}';
    *to = 0;
    return 39;
}
/* `CLSIDFromString`: of that form alone, no class having a name. */
LONG NTAPI CLSIDFromString(const WCHAR *text, UCHAR *guid) {
    UCHAR bytes[16];
    if (!text || *text++ != '{') return CO_E_CLASSSTRING;
    for (int i = 0; i < 16; i++) {
        ULONG byte = 0;
        for (int half = 0; half < 2; half++) {
            WCHAR c = *text++;
            ULONG digit = c >= '0' && c <= '9' ? (ULONG)(c - '0') : (c | 32) >= 'a' && (c | 32) <= 'f' ? (ULONG)(c | 32) - 'a' + 10 : 99;
            if (digit > 15) return CO_E_CLASSSTRING;
            byte = byte << 4 | digit;
        }
        bytes[OlepOrder[i]] = (UCHAR)byte;
        if ((i == 3 || i == 5 || i == 7 || i == 9) && *text++ != '-') return CO_E_CLASSSTRING;
    }
    if (*text++ != '}' || *text) return CO_E_CLASSSTRING;
    for (int i = 0; i < 16; i++) guid[i] = bytes[i];
    return 0;
}
LONG NTAPI IIDFromString(const WCHAR *text, UCHAR *guid) { return CLSIDFromString(text, guid) < 0 ? E_INVALIDARG : 0; }
LONG NTAPI CLSIDFromProgID(const WCHAR *name, UCHAR *guid) {
    (void)name, (void)guid;
    return CO_E_CLASSSTRING;
}
