/* combase.dll: what COM is made of is ole32's here; strings of the Windows Runtime, of which no class is there. */
#include "nt.h"

#define S_FALSE 1
#define E_INVALIDARG ((LONG)0x80070057)
#define E_OUTOFMEMORY ((LONG)0x8007000e)
#define E_POINTER ((LONG)0x80004003)
#define REGDB_E_CLASSNOTREG ((LONG)0x80040154)
#define CO_E_NOTINITIALIZED ((LONG)0x800401f0)

/* What an HSTRING points to: a string of its own, which counts its references, or one in the caller's HSTRING_HEADER. */
typedef struct {
    ULONG Flags, Length;
    LONG References, Unused;
    const WCHAR *Text;
    WCHAR Own[];
} HSTRING_DATA;
#define HSTRING_REFERENCE 1

static LONG RopStarted;

/* `RoInitialize`: RO_INIT_SINGLETHREADED or RO_INIT_MULTITHREADED. */
LONG NTAPI RoInitialize(ULONG kind) {
    if (kind > 1) return E_INVALIDARG;
    return __atomic_fetch_add(&RopStarted, 1, __ATOMIC_SEQ_CST) ? S_FALSE : 0;
}
/* `RoUninitialize`. */
void NTAPI RoUninitialize(void) {
    if (RopStarted > 0) __atomic_sub_fetch(&RopStarted, 1, __ATOMIC_SEQ_CST);
}
/* `RoGetActivationFactory`, `RoActivateInstance`: no class is registered. */
LONG NTAPI RoGetActivationFactory(const HSTRING_DATA *class, const void *interface, PVOID *factory) {
    (void)interface;
    if (!class || !factory) return E_INVALIDARG;
    *factory = NULL;
    return RopStarted > 0 ? REGDB_E_CLASSNOTREG : CO_E_NOTINITIALIZED;
}
LONG NTAPI RoActivateInstance(const HSTRING_DATA *class, PVOID *instance) { return RoGetActivationFactory(class, NULL, instance); }

/* `RoOriginateError` and its kin: nobody listens. */
BOOL NTAPI RoOriginateError(LONG error, const HSTRING_DATA *message) {
    (void)message;
    return error < 0;
}
BOOL NTAPI RoOriginateErrorW(LONG error, ULONG length, const WCHAR *message) {
    (void)length, (void)message;
    return error < 0;
}
BOOL NTAPI RoOriginateLanguageException(LONG error, const HSTRING_DATA *message, PVOID exception) {
    (void)message, (void)exception;
    return error < 0;
}
/* `GetRestrictedErrorInfo`: there is none. */
LONG NTAPI GetRestrictedErrorInfo(PVOID *information) {
    if (!information) return E_POINTER;
    *information = NULL;
    return S_FALSE;
}

/* `WindowsCreateString`: of no units it is NULL. */
LONG NTAPI WindowsCreateString(const WCHAR *text, ULONG length, HSTRING_DATA **string) {
    if (!string) return E_INVALIDARG;
    *string = NULL;
    if (!length) return 0;
    if (!text) return E_POINTER;
    HSTRING_DATA *made = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, sizeof *made + ((SIZE_T)length + 1) * 2);
    if (!made) return E_OUTOFMEMORY;
    *made = (HSTRING_DATA){0, length, 1, 0, made->Own};
    for (ULONG i = 0; i < length; i++) made->Own[i] = text[i];
    made->Own[length] = 0;
    *string = made;
    return 0;
}
/* `WindowsCreateStringReference`: in the caller's header. */
LONG NTAPI WindowsCreateStringReference(const WCHAR *text, ULONG length, HSTRING_DATA *header, HSTRING_DATA **string) {
    if (!string || !header) return E_INVALIDARG;
    *string = NULL;
    if (!length) return 0;
    if (!text) return E_POINTER;
    if (text[length]) return (LONG)0x80000017; /* E_STRING_NOT_NULL_TERMINATED */
    header->Flags = HSTRING_REFERENCE, header->Length = length, header->Text = text;
    *string = header;
    return 0;
}
/* `WindowsDeleteString`. */
LONG NTAPI WindowsDeleteString(HSTRING_DATA *string) {
    if (!string || string->Flags & HSTRING_REFERENCE) return 0;
    if (!__atomic_sub_fetch(&string->References, 1, __ATOMIC_ACQ_REL)) RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, string);
    return 0;
}
/* `WindowsDuplicateString`: one more reference, or a copy of what the caller holds. */
LONG NTAPI WindowsDuplicateString(HSTRING_DATA *string, HSTRING_DATA **copy) {
    if (!copy) return E_INVALIDARG;
    if (string && string->Flags & HSTRING_REFERENCE) return WindowsCreateString(string->Text, string->Length, copy);
    if (string) __atomic_add_fetch(&string->References, 1, __ATOMIC_ACQ_REL);
    *copy = string;
    return 0;
}
/* `WindowsGetStringRawBuffer`, `WindowsGetStringLen`, `WindowsIsStringEmpty`. */
const WCHAR *NTAPI WindowsGetStringRawBuffer(const HSTRING_DATA *string, ULONG *length) {
    if (length) *length = string ? string->Length : 0;
    return string ? string->Text : L"";
}
ULONG NTAPI WindowsGetStringLen(const HSTRING_DATA *string) { return string ? string->Length : 0; }
BOOL NTAPI WindowsIsStringEmpty(const HSTRING_DATA *string) { return !string; }
