/* Modules by name, as far as C++'s run-time support asks for them. */
#include "base.h"

API NTSTATUS LdrGetDllHandle(const wchar_t *, unsigned *, const UnicodeString *, HANDLE *);

/* Modules that the program was loaded with are there; nothing can be loaded later. */
HANDLE LoadLibraryW(const wchar_t *name) {
    size_t length = wide_length(name);
    UnicodeString text = {(uint16_t)(2 * length), (uint16_t)(2 * length + 2), (wchar_t *)name};
    HANDLE module = NULL;
    if (length > 0x7ffe || LdrGetDllHandle(NULL, NULL, &text, &module) < 0) {
        RtlSetLastWin32Error(ERROR_MOD_NOT_FOUND);
        return NULL;
    }
    return module;
}
HANDLE LoadLibraryA(const char *name) {
    wchar_t *wide = wide_copy(name);
    if (!wide) {
        RtlSetLastWin32Error(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    HANDLE module = LoadLibraryW(wide);
    RtlFreeHeap(heap(), 0, wide);
    return module;
}
/* Modules stay until the process ends. */
BOOL FreeLibrary(HANDLE module) { return module ? 1 : fail(ERROR_INVALID_HANDLE); }

/* The local heap is the process heap. */
void *LocalAlloc(unsigned flags, size_t size) { return RtlAllocateHeap(heap(), flags & 0x40 ? 8 : 0, size); }
void *LocalFree(void *block) { return !block || RtlFreeHeap(heap(), 0, block) ? NULL : block; }
