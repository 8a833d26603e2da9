/* wow64.dll: what its parts share. */
#pragma once

typedef unsigned char UCHAR;
typedef unsigned short USHORT;
typedef unsigned int ULONG;
typedef int NTSTATUS;
typedef unsigned long long ULONG64;
typedef long long LONG64;

#include "ntstatus.h"

#define NT_SUCCESS(status) ((status) >= 0)

/* The most arguments a service takes, in 4-byte slots of its caller. */
#define MAX_SLOTS 20
#define MAXIMUM_WAIT_OBJECTS 64
/* MmHighestUserAddress of a 32-bit process that is not large-address aware. */
#define HIGHEST_USER_ADDRESS 0x7ffeffff

typedef struct {
    USHORT Length, MaximumLength;
    ULONG Buffer;
} UNICODE_STRING32;
typedef struct {
    USHORT Length, MaximumLength;
    ULONG64 Buffer;
} UNICODE_STRING64;
typedef struct {
    ULONG Length, RootDirectory, ObjectName, Attributes, SecurityDescriptor, SecurityQualityOfService;
} OBJECT_ATTRIBUTES32;
typedef struct {
    ULONG Length;
    ULONG64 RootDirectory, ObjectName;
    ULONG Attributes;
    ULONG64 SecurityDescriptor, SecurityQualityOfService;
} OBJECT_ATTRIBUTES64;

#define SE_SELF_RELATIVE 0x8000
typedef struct {
    UCHAR Revision, Sbz1;
    USHORT Control;
    ULONG Owner, Group, Sacl, Dacl;
} SECURITY_DESCRIPTOR32;
typedef struct {
    UCHAR Revision, Sbz1;
    USHORT Control;
    ULONG64 Owner, Group, Sacl, Dacl;
} SECURITY_DESCRIPTOR64;

/* Copies bytes where either side may be the 32-bit program's: a fault comes back as its status (probe.S). */
NTSTATUS Wow64pCopy(void *to, const void *from, ULONG64 length);
/* The service `number` with `count` native arguments (probe.S). */
NTSTATUS Wow64pSystemService(ULONG number, ULONG64 count, const ULONG64 *arguments);

static inline void *pointer(ULONG address) { return (void *)(ULONG64)address; }
static inline ULONG64 sign_extend(ULONG value) { return (ULONG64)(LONG64)(int)value; }

/* One call on its way. */
typedef struct {
    ULONG number;
    const UCHAR *codes;
    ULONG count;
    ULONG slots[MAX_SLOTS];
    ULONG64 native[MAX_SLOTS];
} CALL;

/* What the services with information classes need beside their arguments (classes.c). */
NTSTATUS Wow64pServiceWithClass(UCHAR special, CALL *call);
/* The call with another buffer, the one of the native form; and handing a structure over to the program's. `buffer` is the
 * index of the argument that says where; the length and the returned length are behind it (classes.c). */
NTSTATUS Wow64pWithBuffer(const CALL *call, ULONG buffer, void *native, ULONG64 length, void *returned);
NTSTATUS Wow64pHandOver(const CALL *call, ULONG buffer, const void *from, ULONG length);
/* Structures and lists (structures.c). */
NTSTATUS Wow64pQueryStructure(CALL *call, ULONG buffer, const char *format);
NTSTATUS Wow64pQueryJob(CALL *call);
NTSTATUS Wow64pSetJob(CALL *call);
NTSTATUS Wow64pSetStructure(CALL *call, ULONG buffer, const char *format);
NTSTATUS Wow64pQueryString(CALL *call, ULONG buffer, NTSTATUS too_small);
NTSTATUS Wow64pReadString(UNICODE_STRING64 *to, ULONG from);
NTSTATUS Wow64pQueryCounted(CALL *call, ULONG buffer, const char *head, const char *entry, ULONG tail);
NTSTATUS Wow64pQueryProcesses(CALL *call, int extended);
void Wow64pNarrow(const char *format, const void *from, void *to);
NTSTATUS Wow64pQueryType(CALL *call);
NTSTATUS Wow64pQueryTypes(CALL *call);
/* The system's folder (redirect.c). */
NTSTATUS Wow64pRedirect(UNICODE_STRING64 *name);
/* Objects of the object manager (objects.c). */
NTSTATUS Wow64pServiceOfObject(UCHAR special, CALL *call);
/* The services with a CONTEXT (context.c). */
NTSTATUS Wow64pServiceWithContext(UCHAR special, CALL *call);
/* Services with attribute lists (process.c). */
NTSTATUS Wow64pServiceWithAttributes(UCHAR special, CALL *call);
