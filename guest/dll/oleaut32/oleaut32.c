/* oleaut32.dll: strings, plain variants, and a thread's error object. */
#include "nt.h"

#define S_FALSE 1
#define E_INVALIDARG ((LONG)0x80070057)
#define DISP_E_BADVARTYPE ((LONG)0x80020008)
enum { VT_BSTR = 8, VT_DISPATCH = 9, VT_UNKNOWN = 13, VT_LAST_PLAIN = 23, VT_ARRAY = 0x2000, VT_BYREF = 0x4000 };

/* A BSTR has its length in bytes before it and a zero behind it. */
typedef struct {
#ifdef __x86_64__
    ULONG Unused;
#endif
    ULONG Bytes;
    WCHAR Text[];
} OLEP_STRING;
#define STRING_OF(text) ((OLEP_STRING *)((char *)(text) - __builtin_offsetof(OLEP_STRING, Text)))

static PVOID OlepHeap(void) { return NtCurrentPeb()->ProcessHeap; }

/* `SysAllocStringByteLen`: of no text it is not initialised. */
WCHAR *NTAPI SysAllocStringByteLen(const char *text, ULONG bytes) {
    if (bytes > 0x7ffffff0) return NULL;
    OLEP_STRING *string = RtlAllocateHeap(OlepHeap(), 0, sizeof *string + bytes + 2 * sizeof(WCHAR));
    if (!string) return NULL;
    string->Bytes = bytes;
    char *to = (char *)string->Text;
    for (ULONG i = 0; text && i < bytes; i++) to[i] = text[i];
    to[bytes] = to[bytes + 1] = to[bytes + 2] = 0;
    return string->Text;
}
/* `SysAllocStringLen`. */
WCHAR *NTAPI SysAllocStringLen(const WCHAR *text, ULONG length) {
    return length > 0x3ffffff0 ? NULL : SysAllocStringByteLen((const char *)text, length * 2);
}
/* `SysAllocString`: NULL for none. */
WCHAR *NTAPI SysAllocString(const WCHAR *text) {
    ULONG length = 0;
    if (!text) return NULL;
    while (text[length]) length++;
    return SysAllocStringLen(text, length);
}
/* `SysFreeString`. */
void NTAPI SysFreeString(WCHAR *text) {
    if (text) RtlFreeHeap(OlepHeap(), 0, STRING_OF(text));
}
/* `SysReAllocStringLen`, `SysReAllocString`: the old one goes where there is room for the new one. */
BOOL NTAPI SysReAllocStringLen(WCHAR **string, const WCHAR *text, ULONG length) {
    WCHAR *made = SysAllocStringLen(text, length);
    if (!made) return FALSE;
    SysFreeString(*string);
    *string = made;
    return TRUE;
}
BOOL NTAPI SysReAllocString(WCHAR **string, const WCHAR *text) {
    WCHAR *made = SysAllocString(text);
    if (text && !made) return FALSE;
    SysFreeString(*string);
    *string = made;
    return TRUE;
}
/* `SysStringByteLen`, `SysStringLen`. */
ULONG NTAPI SysStringByteLen(const WCHAR *text) { return text ? STRING_OF(text)->Bytes : 0; }
ULONG NTAPI SysStringLen(const WCHAR *text) { return SysStringByteLen(text) / 2; }

/* An object's `IUnknown`. */
typedef struct OLEP_OBJECT OLEP_OBJECT;
typedef struct {
    LONG(NTAPI *QueryInterface)(OLEP_OBJECT *, const void *, PVOID *);
    ULONG(NTAPI *AddRef)(OLEP_OBJECT *);
    ULONG(NTAPI *Release)(OLEP_OBJECT *);
} OLEP_FUNCTIONS;
struct OLEP_OBJECT { const OLEP_FUNCTIONS *Functions; };

typedef struct {
    USHORT Type, Reserved[3];
    union { ULONGLONG Value; WCHAR *String; OLEP_OBJECT *Object; PVOID Two[2]; } u;
} VARIANT;

/* `VariantInit`. */
void NTAPI VariantInit(VARIANT *variant) { variant->Type = 0; }

/* `VariantClear`: DISP_E_BADVARTYPE of arrays, which nobody makes here. */
LONG NTAPI VariantClear(VARIANT *variant) {
    if (!variant) return E_INVALIDARG;
    USHORT type = variant->Type;
    if (!(type & VT_BYREF)) {
        if (type & VT_ARRAY || type > VT_LAST_PLAIN) return DISP_E_BADVARTYPE;
        if (type == VT_BSTR) SysFreeString(variant->u.String);
        if ((type == VT_DISPATCH || type == VT_UNKNOWN) && variant->u.Object) variant->u.Object->Functions->Release(variant->u.Object);
    }
    variant->Type = 0;
    return 0;
}

/* The running thread's error object: `TEB.ReservedForOle`. */
static OLEP_OBJECT **OlepError(void) { return (OLEP_OBJECT **)((char *)NtCurrentTeb() + WIDTH(0x1758, 0xf80)); }

/* `SetErrorInfo`: instead of the one that is there. */
LONG NTAPI SetErrorInfo(ULONG reserved, OLEP_OBJECT *error) {
    if (reserved) return E_INVALIDARG;
    OLEP_OBJECT **place = OlepError(), *before = *place;
    if (error) error->Functions->AddRef(error);
    *place = error;
    if (before) before->Functions->Release(before);
    return 0;
}
/* `GetErrorInfo`: the caller's from now on; S_FALSE if there is none. */
LONG NTAPI GetErrorInfo(ULONG reserved, OLEP_OBJECT **error) {
    if (reserved || !error) return E_INVALIDARG;
    OLEP_OBJECT **place = OlepError();
    *error = *place;
    *place = NULL;
    return *error ? 0 : S_FALSE;
}
