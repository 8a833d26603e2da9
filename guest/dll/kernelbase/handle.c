/* Modules by name, as far as C++'s run-time support asks for them. */
#include "base.h"

API NTSTATUS LdrGetDllHandle(const wchar_t *, unsigned *, const UnicodeString *, HANDLE *);

/* The local heap is the process heap. */
void *LocalAlloc(unsigned flags, size_t size) { return RtlAllocateHeap(heap(), flags & 0x40 ? 8 : 0, size); }
void *LocalFree(void *block) { return !block || RtlFreeHeap(heap(), 0, block) ? NULL : block; }
