/* What the files of ntdll share. They are compiled together, in the order of their names. */
#pragma once
#define NTDLL
#include "exception.h"

/* Exports a function under a second name. */
#define EXPORT_AS(name, of) __asm__(".section .drectve\n\t.ascii \" -export:" #name "=" #of "\"\n\t.text")
/* Exports a function that is written in assembly. */
#define EXPORT_ASM(name) __asm__(".section .drectve\n\t.ascii \" -export:" #name "\"\n\t.text")

/* A-Z to a-z. */
static inline ULONG RtlpFold(ULONG c) { return c - 'A' < 26 ? c + 0x20 : c; }

/* `InsertTailList`, `RemoveEntryList`. Word by word: what runs before the program leaves the vector registers alone. */
static inline void InsertTailList(LIST_ENTRY *head, LIST_ENTRY *entry) {
    entry->Flink = head;
    entry->Blink = head->Blink;
    head->Blink->Flink = entry;
    head->Blink = entry;
}
static inline void RemoveEntryList(const LIST_ENTRY *entry) {
    entry->Blink->Flink = entry->Flink;
    entry->Flink->Blink = entry->Blink;
}

/* mem.c, string.c */
EXPORT void *memmove(void *, const void *, size_t);
EXPORT void *memset(void *, int, size_t);
EXPORT size_t strlen(const char *);
EXPORT char *strrchr(const char *, int);
/* heap.c */
typedef struct RTLP_HEAP RTLP_HEAP;
extern RTLP_HEAP RtlpProcessHeap;
/* The loader's functions are not static: what begins with an L is a label to the assembler unless it is global, and has
 * no symbol to show in traces. */
/* image.c */
PVOID LdrpImageDirectory(PVOID base, ULONG index, ULONG *size);
/* ldr.c */
LDR_DATA_TABLE_ENTRY *LdrpFindEntry(PVOID base);
PVOID LdrpFindModule(const void *name, ULONG length, ULONG width);
/* export.c */
NTSTATUS LdrpFindExport(PVOID image, const char *name, ULONG length, ULONG ordinal, ULONG depth, PVOID *address);
BOOLEAN LdrpEqualNames(const UNICODE_STRING *string, const WCHAR *name, ULONG length);
/* critical.c */
extern RTL_CRITICAL_SECTION LdrpLoaderLock;
/* fls.c */
void RtlpFlsEndThread(void);
/* thread.c */
void LdrpInitializeThread(void);
void LdrpResetLoaderLock(void);
LDR_DATA_TABLE_ENTRY *LdrpFindEntryByAddress(PVOID address);
/* vectored.c */
void RtlpAcquireSpin(volatile LONG *lock);
void RtlpReleaseSpin(volatile LONG *lock);
BOOLEAN RtlpCallExceptionHandlers(EXCEPTION_RECORD *, CONTEXT *);
void RtlpCallContinueHandlers(EXCEPTION_RECORD *, CONTEXT *);
/* exception.c */
void RtlpStackLimits(ULONG_PTR *low, ULONG_PTR *high);
/* dispatch64.c, dispatch32.c */
BOOLEAN NTAPI RtlDispatchException(EXCEPTION_RECORD *, CONTEXT *);
#ifdef __x86_64__
/* unwind64.c */
void RtlpUnwindFrame(CONTEXT *);
#endif
