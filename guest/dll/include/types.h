/* The types that every built-in DLL uses, under their Windows names.
 *
 * No header of the toolchain is included: its C library's declarations would come along.
 */
#pragma once

typedef __INT8_TYPE__ int8_t;
typedef __INT16_TYPE__ int16_t;
typedef __INT32_TYPE__ int32_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
typedef __INTPTR_TYPE__ intptr_t;
typedef __UINTPTR_TYPE__ uintptr_t;
typedef __SIZE_TYPE__ size_t;
typedef __WCHAR_TYPE__ wchar_t;
#define NULL ((void *)0)
#define SIZE_MAX __SIZE_MAX__

typedef void *PVOID, *HANDLE;
typedef char CHAR;
typedef wchar_t WCHAR;
typedef unsigned char UCHAR, BOOLEAN;
typedef int16_t SHORT;
typedef uint16_t USHORT;
typedef int32_t LONG, NTSTATUS, BOOL;
typedef uint32_t ULONG, DWORD, ACCESS_MASK;
typedef int64_t LONGLONG;
typedef uint64_t ULONGLONG;
typedef uintptr_t ULONG_PTR;
typedef size_t SIZE_T;
#define TRUE 1
#define FALSE 0

/* What differs by the width: calling convention, and a value for 64 bits and one for 32. */
#ifdef __x86_64__
#define NTAPI
#define WIDTH(x64, x86) (x64)
#else
#define NTAPI __attribute__((stdcall))
#define WIDTH(x64, x86) (x86)
#endif

/* Says where a field is, in both widths; a test compares the numbers with the layouts of every profile. */
#define AT(type, field, x64, x86) \
    _Static_assert(__builtin_offsetof(type, field) == WIDTH(x64, x86), #type "." #field)

#define CONTAINER(address, type, field) ((type *)((char *)(address) - __builtin_offsetof(type, field)))
#define EXPORT __declspec(dllexport)
